"""Tests the commands that ask real connectors and the machine."""

import secrets

import docker.errors
import pytest

from connectors.images import foreign
from tapdock.engines import owner

pytestmark = pytest.mark.docker
FAKER_COUNT = "TAPDOCK_SOURCES__FAKER__CONFIG__COUNT"


@pytest.mark.slow
def test_spec(shop):
    schema = shop.well("spec", "faker", "--json").json
    assert schema["properties"]["count"]["type"] == "integer"
    assert "count" in shop.well("spec", "faker").stdout
    assert "filepath" not in shop.well("spec", "sheets").stdout
    mute = shop("spec", "lines")
    assert (mute.code, "documentation" in mute.stderr) == (2, True)


def test_check(shop):
    assert shop.well("check", "faker", "--json").json == {
        "succeeded": True,
        "message": None,
        "checked_by": "its `check` command",
    }
    assert shop.well("test", "faker").stdout.startswith("faker works")
    shop.well("check", "sheets")


def test_a_config_against_the_spec_is_refused_before_anything_reads(shop):
    for words in (("check", "faker"), ("run", "shop")):
        ended = shop(*words, **{FAKER_COUNT: "0"})
        assert ended.code == 2
        assert "tapdock.yaml: sources.faker.config" in ended.stderr
        assert "count" in ended.stderr
        assert "tapdock spec faker" in ended.stderr
    assert not (shop.folder / "lake").exists()


@pytest.mark.slow
def test_a_failed_check_is_a_failed_command(shop):
    shop.write("version: 1\nsources: {faker: {build: {airbyte: airbyte-source-faker==7.2.1}, config: {}}}\n")
    ended = shop("check", "faker")
    assert (ended.code, ended.stdout) == (3, "")
    assert "`faker` failed its check" in ended.stderr
    assert shop("check", "faker", "--json").json["succeeded"] is False


def test_discover(shop):
    streams = shop.well("discover", "faker", "--json").json["streams"]
    assert {stream["name"] for stream in streams} == {"products", "users", "purchases"}
    header, *rows = shop.well("discover", "faker", "--cached").stdout.splitlines()
    assert header.split() == ["stream", "sync", "mode", "key", "cursor", "fields"]
    assert next(row.split()[:4] for row in rows) == ["products", "incremental", "id", "updated_at"]
    assert shop("discover", "lake").code == 2


def test_config_show_masks_secrets(shop):
    for words in ((), ("--json",)):
        shown = shop.well("config", "show", *words).stdout
        assert shop.environ["LEDGER_TOKEN"] not in shown
        assert shop.environ["POSTGRES_PASSWORD"] not in shown
        assert "sources.faker.config.count" in shown


@pytest.mark.usefixtures("postgres")  # its network
def test_doctor(shop):
    healthy = shop.well("doctor", "--json").json
    assert healthy["healthy"] is True
    assert {"project file", "engine", "state", "data path"} <= {finding["what"] for finding in healthy["findings"]}
    ill = shop("doctor", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert (ill.code, "/nowhere/docker.sock" in ill.stdout) == (8, True)


@pytest.mark.usefixtures("postgres")  # its network
def test_doctor_follows_the_recipe_that_a_run_would_follow(shop, api, environ):
    """An image with the correct name is not sufficient, and neither is a base that is not available."""
    ill = shop("doctor", TAPDOCK_BASE_IMAGE="nowhere/base:1")
    assert ill.code == 8
    assert "cannot be built, because its base nowhere/base:1 cannot be pulled: " in ill.stdout
    changed = "tapdock-test/base:changed"
    api.tag(environ["TAPDOCK_BASE_IMAGE"], *changed.split(":"))
    try:
        told = shop.well("doctor", TAPDOCK_BASE_IMAGE=changed)
    finally:
        api.remove_image(changed)
    assert "again, because its recipe or its base changed" in told.stdout
    assert "`tapdock build faker` builds it now" in told.stderr


def test_doctor_names_an_image_for_another_processor(shop, api, tmp_path):
    project = tmp_path / "other"
    project.mkdir()
    (project / "tapdock.yaml").write_text(f"version: 1\nsources: {{odd: {{image: {foreign(api)}, pull: never}}}}\n")
    ill = shop("doctor", TAPDOCK_PROJECT=str(project))
    assert ill.code == 8
    assert "built for riscv64, but the engine is " in ill.stdout
    assert "docker pull --platform linux/" in ill.stderr


def test_no_engine_is_said_before_anything_else_happens(shop):
    ended = shop("run", "shop", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert ended.code == 8
    assert "/nowhere/docker.sock" in ended.stderr
    assert shop.well("runs", "list", "--json").json == []


@pytest.mark.alone
def test_gc_removes_what_a_dead_process_left_and_nothing_else(shop, api, environ):
    """Other programs can use tapdock's labels. Only a container with the name of a run is removed."""
    place, pid, *_ = owner.mine().split("/")
    dead = f"{place}/{pid}/1/"  # the id of this process, with another start time
    left = _container(api, environ, dead)
    kept = [_container(api, environ, owner.mine()), _container(api, environ, dead, name="tapdock-mine")]
    try:
        removed = shop.well("gc", "--json").json["removed"]
        assert left in removed
        assert not set(kept) & set(removed)
        with pytest.raises(docker.errors.NotFound):
            api.inspect_container(left)
        for name in kept:
            api.inspect_container(name)
    finally:
        for name in kept:
            api.remove_container(name, force=True)


def _container(api, environ, whose: str, *, name: str | None = None) -> str:
    """Create a container like that of a run, with another name if one is given."""
    run = secrets.token_hex(6)
    name = name or f"tapdock-{run}-source"
    labels = {"io.tapdock.run": run, "io.tapdock.owner": whose}
    api.create_container(environ["LEDGER_IMAGE"], ["spec"], labels=labels, name=name)
    return name
