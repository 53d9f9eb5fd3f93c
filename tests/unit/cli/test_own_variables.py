"""Tests that tapdock's own variables are read from the project's `.env`, below those of the environment."""

import re
from pathlib import Path
from typing import Any

import pytest

from tapdock.cli import _command
from tapdock.cli.assembly import engine_of, relay_image
from tapdock.cli.session import Session
from tapdock.cli.state_ids import state_id
from tapdock.cli.variables import run_options
from tapdock.connectors.images import making
from tapdock.errors import UsageError
from tapdock.launch import ImageFacts

REPOSITORY = Path(__file__).parents[3]
PROJECT = """\
version: 1
sources: {s: {image: x}}
targets: {t: {image: y}}
pipelines: {p: {source: s, target: t}}
environments: {prod: {sources: {s: {image: z}}}, test: {}}
"""


def error_of(call) -> str:
    with pytest.raises(UsageError) as raised:
        call()
    return raised.value.message


def options_of(session: Session) -> dict[str, Any]:
    return run_options(session.variables, _command("run", "run:run").params)


class Engine:
    def inspect(self, image):
        return ImageFacts(image=image, digest=None, id="1")


# name -> (what a session makes of it, its value in `.env` and the result, its value in the environment and the result)
TABLE = {
    "TAPDOCK_BASE_IMAGE": (lambda s: making(s.variables).base_image, ("a:1", "a:1"), ("b:2", "b:2")),
    "TAPDOCK_ENGINE": (
        lambda s: error_of(lambda: engine_of(s)),
        ("a", "there is no engine `a`"),
        ("b", "there is no engine `b`"),
    ),
    "TAPDOCK_ENVIRONMENT": (
        lambda s: (state_id(s, "p"), s.project.sources["s"].image),
        ("prod", ("prod:s-to-t", "z")),
        ("test", ("test:s-to-t", "x")),
    ),
    "TAPDOCK_HOME": (lambda s: (s.private.name, s.project.private.name), ("a", ("a", "a")), ("/b", ("b", "b"))),
    "TAPDOCK_LEASE_SECONDS": (
        lambda s: error_of(lambda: s.backend),
        ("1", "TAPDOCK_LEASE_SECONDS is `1`"),
        ("2", "TAPDOCK_LEASE_SECONDS is `2`"),
    ),
    "TAPDOCK_LOG_FORMAT": (lambda s: s.log_format, ("json", "json"), ("text", "text")),
    "TAPDOCK_LOG_LEVEL": (lambda s: s.log_level, ("error", "error"), ("debug", "debug")),
    "TAPDOCK_RUN_FULL_REFRESH": (
        options_of,
        ("1", {"full_refresh": True}),
        ("0", {"full_refresh": False}),
    ),
    "TAPDOCK_RUN_SELECT": (options_of, ("a,b", {"select": ["a", "b"]}), ("c", {"select": ["c"]})),
    "TAPDOCK_RELAY": (
        lambda s: error_of(lambda: engine_of(s)),
        ("a", "TAPDOCK_RELAY is `a`"),
        ("b", "TAPDOCK_RELAY is `b`"),
    ),
    "TAPDOCK_RELAY_IMAGE": (lambda s: relay_image(Engine(), s.variables), ("a:1", "a:1"), ("b:2", "b:2")),
    "TAPDOCK_STATE_KEY": (lambda s: s._key, ("k1", "k1"), ("k2", "k2")),
    "TAPDOCK_STATE_KEY_FILE": (lambda s: s._key, ("key", "of the file"), ("/dev/null", "")),
}


def session(folder: Path, dotenv: str, environ: dict[str, str], *, project: str = PROJECT) -> Session:
    (folder / "tapdock.yaml").write_text(project)
    (folder / ".env").write_text(dotenv)
    (folder / "key").write_text("of the file")
    return Session(folder=folder, environ=environ)


@pytest.mark.parametrize("name", TABLE)
def test_a_variable_in_the_file_and_in_the_environment(tmp_path, name):
    made, (of_file, from_file), (of_environ, from_environ) = TABLE[name]
    assert made(session(tmp_path, f"{name}={of_file}\n", {})) == from_file
    assert made(session(tmp_path, f"{name}={of_file}\n", {name: of_environ})) == from_environ


def test_all_variables_of_the_documents_are_in_the_table():
    text = "".join(
        page.read_text() for page in (REPOSITORY / "README.md", *(REPOSITORY / "runner/guides").glob("*.md"))
    )
    named = {name for name in re.findall(r"TAPDOCK_[A-Z_]+", text) if "__" not in name and not name.endswith("_")}
    assert named - {"TAPDOCK_PROJECT"} == set(TABLE), "TAPDOCK_PROJECT names the folder of the `.env`"


def test_a_key_in_the_environment_replaces_the_key_file_of_the_file(tmp_path):
    assert session(tmp_path, "TAPDOCK_STATE_KEY_FILE=key\n", {"TAPDOCK_STATE_KEY": "real"})._key == "real"
    for name in ("TAPDOCK_STATE_KEY", "TAPDOCK_STATE_KEY_FILE"):
        assert session(tmp_path, "TAPDOCK_STATE_KEY=k1\n", {name: ""})._key == "k1", "states stay encrypted"


def test_an_empty_variable_or_option_has_priority_too(tmp_path):
    text = "version: 1\nenvironments: {prod: {}}\n"
    given = session(tmp_path, "TAPDOCK_ENVIRONMENT=prod\n", {"TAPDOCK_ENVIRONMENT": ""}, project=text)
    assert given.project.environment is None
    chosen = session(tmp_path, "TAPDOCK_ENVIRONMENT=prod\n", {}, project=text)
    chosen.chosen_environment = ""
    assert chosen.project.environment is None


def test_a_home_in_the_file_is_relative_to_the_project(tmp_path):
    assert session(tmp_path, "TAPDOCK_HOME=home\n", {}).private == tmp_path / "home"
    assert session(tmp_path, "TAPDOCK_HOME=home\n", {}).project.state_uri == str(tmp_path / "home" / "state")


def test_without_a_project_only_the_environment_counts(tmp_path):
    assert Session(folder=tmp_path, environ={"TAPDOCK_ENGINE": "local"}).variables == {"TAPDOCK_ENGINE": "local"}
