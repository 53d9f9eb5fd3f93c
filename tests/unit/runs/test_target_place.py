"""Tests when the settings of a target say that it writes elsewhere than when the state was saved."""

from pathlib import Path
from typing import Any

import pytest

from tapdock.project.connector_values import Config, Mount
from tapdock.project.model import Build, Connector, Project
from tapdock.project.secret import Secret
from tapdock.runs.target_place import moved, places, renamed


def project(folder: str, state: str = ".tapdock/state") -> Project:
    place = Path(folder)
    return Project(
        folder=place,
        file=place / "tapdock.yaml",
        environment=None,
        state_uri=state,
        sources={},
        targets={},
        pipelines={},
        private=place / ".tapdock",
    )


FOLDER = project("/home/me/shop")
CONFIG = {
    "host": "db",
    "port": 5432,
    "database": Secret("shop"),
    "default_target_schema": "main",
    "user": "me",
    "password": Secret("pa55word"),
    "sqlalchemy_url": Secret("postgresql://me:pa55word@db/shop?sslmode=require&password=x"),
    "batch_size_rows": 1000,
    "s3": {"bucketName": "lake", "key_prefix": "raw/", "aws_secret_access_key": "abc"},
    "ssl_ca_path": "/etc/ca.pem",
    "private_key_path": "/etc/key.pem",
    "hosts": ["a", "b"],
    "validate_records": True,
}


def target(config: dict[str, Any] | None = None, *, mount: str = "/home/me/shop/data", **given: Any) -> Connector:
    config = CONFIG if config is None else config
    whole = {"image": "acme/target:1", "mounts": (Mount(mount, "/data"),)} | given
    return Connector(name="lake", role="target", config=Config(config), **whole)


def test_the_settings_that_say_where_rows_are_written() -> None:
    kept = ("host", "port", "database", "default_target_schema", "sqlalchemy_url", "hosts")
    nested = ("s3.bucketName", "s3.key_prefix")
    assert set(places(target(), FOLDER)) == {*(f"config.{key}" for key in (*kept, *nested)), "mounts /data", "program"}


CHANGES = [
    ({"host": "db2"}, "`config.host` has changed"),
    ({"database": "shop2", "port": 1}, "`config.database`, `config.port` have changed"),
    ({"default_target_schema": None}, "`config.default_target_schema` has changed"),
    ({"hosts": ["a", "c"]}, "`config.hosts` has changed"),
    ({"sqlalchemy_url": "postgresql://me:pa55word@db/shop2"}, "`config.sqlalchemy_url` has changed"),
    ({"filepath": "/data/new.duckdb"}, "`config.filepath` has changed"),
    ({"s3": {"bucketName": "lake2", "key_prefix": "raw/"}}, "`config.s3.bucketName` has changed"),
    ({"database": "shop"}, None),
    ({"password": "new", "user": "you", "batch_size_rows": 1, "ssl_ca_path": "/x", "private_key_path": "/x"}, None),
    ({"sqlalchemy_url": "postgresql://you:n3w@db/shop?sslmode=require&password=y"}, None),
]


@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_a_setting_that_has_changed(change: dict[str, Any], reason: str | None) -> None:
    before = places(target(), FOLDER)
    found = moved(target({**CONFIG, **change}), FOLDER, before)
    assert found == (reason and f"`lake` looks new: {reason} since the state was saved")


def test_a_mount_and_a_program_that_have_changed() -> None:
    before = places(target(), FOLDER)
    assert "`mounts /data` has changed" in (moved(target(mount="/home/me/shop/new"), FOLDER, before) or "")
    another = moved(target(build=Build(family="singer", package="target-csv")), FOLDER, before)
    assert another == "`lake` looks new: another program wrote the rows of this state"


def test_a_new_version_and_a_moved_project_are_not_a_new_target() -> None:
    before = places(target(), FOLDER)
    assert moved(target(image="acme/target:2"), FOLDER, before) is None
    assert moved(target(mount="/project/data"), project("/project"), before) is None


def test_nothing_is_known_about_a_state_of_an_earlier_version() -> None:
    assert moved(target(), FOLDER, {}) is None


def test_no_secret_changes_a_digest() -> None:
    """A digest of a short secret could be found by trying."""
    other = {
        **CONFIG,
        "password": "other",
        "s3": {**CONFIG["s3"], "aws_secret_access_key": "other"},  # type: ignore[dict-item]
        "sqlalchemy_url": "postgresql://me:other@db/shop?sslmode=require&password=other",
    }
    assert places(target(other), FOLDER) == places(target(), FOLDER)


SECRETS = [
    ("connection_string", "scott/%s@db:1521/svc"),
    ("connection_string", "Server=db;Pwd=%s def1"),
    ("url", "https://hooks/services/%s"),
    ("url", "https://db/x?token=%s"),
    ("url", "redis://:12/%s@h/d"),
    ("url", "postgres://u:%s/x@h/d"),
    ("url", "postgres://u:%s@h/d"),
    ("account", Secret("%s")),
    ("database_url", Secret("postgres://u:%s@h/d")),
]


@pytest.mark.parametrize(("name", "value"), SECRETS)
def test_a_secret_inside_of_an_address_changes_no_digest(name: str, value: Any) -> None:
    def of(secret: str) -> dict[str, str]:
        given = Secret(value.reveal() % secret) if isinstance(value, Secret) else value % secret
        return places(target({"host": "db", name: given}), FOLDER)

    assert of("tiger1") == of("tiger2")


def test_a_host_from_a_variable_and_a_network_are_places() -> None:
    def of(host: str, **given: Any) -> dict[str, str]:
        return places(target({"host": Secret(host)}, **given), FOLDER)

    assert of("a") != of("b")
    assert of("a") != of("a", network="eu")
    assert of("a", extra_hosts=("db=1.2.3.4",)) != of("a", extra_hosts=("db=1.2.3.5",))


def test_a_stream_with_another_table() -> None:
    before = {"users": "main-users", "gone": "x"}
    assert renamed(before, {"users": "main-users", "new": "y"}) is None
    assert renamed(before, {"users": "eu-users"}) == (
        "stream `users` is now written to `eu-users`, and was written to `main-users` before"
    )


SHARED = ["s3://bucket/states", "../states", "/var/states", "sqlite:////var/states.db", "postgresql://me@db/states"]


@pytest.mark.parametrize("state", SHARED)
def test_two_projects_that_share_states_do_not_share_folders(state: str) -> None:
    """`./data` of one project has no row of the other's, also if both are copies of one project."""
    before = places(target(), project("/home/me/shop", state))
    assert moved(target(), project("/home/me/shop", state), before) is None
    reason = "`lake` looks new: it mounts folders of this project, but a project elsewhere saved the state"
    assert moved(target(mount="/home/me/crm/data"), project("/home/me/crm", state), before) == reason
    assert "`mounts /data` has" in (moved(target(mount="/srv/data"), project("/home/me/crm", state), before) or "")


@pytest.mark.parametrize("state", [".tapdock/state", "states", "/home/me/shop/states", "sqlite:///states.db"])
def test_a_project_that_moves_with_its_states_keeps_its_folders(state: str) -> None:
    before = places(target(), project("/home/me/shop", state))
    after = project("/home/me/old", state.replace("shop", "old"))
    assert moved(target(mount="/home/me/old/data"), after, before) is None


@pytest.mark.parametrize("state", SHARED)
def test_a_folder_outside_of_the_project_is_the_same_for_all(state: str) -> None:
    before = places(target(mount="/srv/data"), project("/home/me/shop", state))
    assert moved(target(mount="/srv/data"), project("/home/me/crm", state), before) is None


def test_nothing_is_known_about_the_folder_of_an_earlier_version() -> None:
    before = places(target(), FOLDER)
    assert moved(target(), project("/home/me/shop", "s3://bucket"), before) is None
    assert moved(target(), FOLDER, places(target(), project("/home/me/shop", "s3://bucket"))) is None
