"""Tests the options of `run` as variables, `--env-file`, `--log-level` and colors."""

import json

import pytest

from tapdock.cli.session import Session
from tapdock.errors import UsageError
from tapdock.project.load import load
from tapdock.text.output import has_colour

TWO = """\
version: 1
sources: {faker: {image: x, config: {count: 5, token: "${TOKEN}"}}}
targets: {lake: {image: y}, big: {image: y}}
pipelines: {demo: {source: faker, target: lake}}
"""


@pytest.fixture
def called(tapdock, monkeypatch):
    """called(*words, **variables) -> the options with which `run` was called, and the result of the command."""

    def seen(*words, **variables):
        found = {}

        def performed(_session, _blocks, options, **rest):
            found.update(options=options, **rest)
            return 0

        monkeypatch.setattr("tapdock.cli.run._perform", performed)
        return found, tapdock("run", *words, **variables)

    return seen


def test_every_option_of_run_has_a_variable(called):
    flags = ("FULL_REFRESH", "NO_STATE_UPDATE", "DRY_RUN", "JSON", "REFRESH_CATALOG", "STRICT_COUNTS", "LOCKED")
    given = {f"TAPDOCK_RUN_{name}": "1" for name in flags}
    lists = {"TAPDOCK_RUN_SELECT": "users.*, orders", "TAPDOCK_RUN_EXCLUDE": "users.email"}
    found, ended = called("demo", **given, **lists, TAPDOCK_RUN_CONCURRENCY="3", TAPDOCK_RUN_VERBOSE="yes")
    assert ended.returncode == 0, ended.stderr
    options = found["options"]
    assert (options.full_refresh, options.save_state, options.refresh_catalog, options.strict_counts) == (
        *(True, False, True, True),
    )
    assert options.select == ("users.*", "orders", "!users.email")
    assert (found["dry_run"], found["concurrency"], found["locked"]) == (True, 3, True)
    assert (found["view"].table, found["view"].lines) == (False, "info")


def test_the_command_line_has_priority_and_empty_variables_count_as_not_set(called):
    given = {"TAPDOCK_RUN_SELECT": "orders", "TAPDOCK_RUN_FULL_REFRESH": "0", "TAPDOCK_RUN_CONCURRENCY": " "}
    found, _ = called("demo", "--select", "users", **given)
    assert found["options"].select == ("users",)
    assert (found["options"].full_refresh, found["concurrency"]) == (False, None)


@pytest.mark.parametrize(("name", "value"), [("DRY_RUN", "1"), ("DUMP", "config"), ("FROM", "2026-01-01")])
def test_a_scheduled_run_is_not_made_a_plan_or_a_window_by_a_variable(called, name, value):
    """Otherwise it would succeed each night without any rows."""
    scheduled = {"TAPDOCK_SCHEDULED": "nightly 2026-11-28T03:00:00+00:00"}
    _, ended = called("demo", **scheduled, **{f"TAPDOCK_RUN_{name}": value})
    assert (ended.returncode, f"error: TAPDOCK_RUN_{name} sets `--" in ended.stderr) == (2, True), ended.stderr
    found, ended = called("demo", **scheduled, TAPDOCK_RUN_DRY_RUN="0", TAPDOCK_RUN_JSON="1", TAPDOCK_RUN_LIMIT="5")
    assert (ended.returncode, found["dry_run"]) == (0, False), ended.stderr


def test_variables_of_the_project_count_too(called, folder):
    (folder / ".env").write_text("TAPDOCK_RUN_FULL_REFRESH=true\n")
    assert called("demo")[0]["options"].full_refresh
    assert not called("demo", TAPDOCK_RUN_FULL_REFRESH="false")[0]["options"].full_refresh


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "FULL_REFRESH",
            "maybe",
            "the environment variable `TAPDOCK_RUN_FULL_REFRESH` is `maybe`\nhint: write `1` or `0`",
        ),
        ("CONCURRENCY", "many", "the environment variable `TAPDOCK_RUN_CONCURRENCY` is `many`: "),
        ("CONCURRENCY", "0", "the environment variable `TAPDOCK_RUN_CONCURRENCY` is `0`: "),
        (
            "FULL_REFRSH",
            "1",
            "`TAPDOCK_RUN_FULL_REFRSH` is not an option of `tapdock run`\nhint: did you mean `TAPDOCK_RUN_FULL",
        ),
    ],
)
def test_a_wrong_value_names_the_variable(called, name, value, message):
    found, ended = called("demo", **{f"TAPDOCK_RUN_{name}": value})
    assert (found, ended.returncode) == ({}, 2)
    assert message in ended.stderr


def test_other_commands_have_no_such_variables(tapdock):
    assert tapdock("runs", "list", TAPDOCK_RUN_JSON="x").returncode == 0


def test_files_of_variables_are_between_dotenv_and_the_environment(tapdock, folder):
    (folder / "tapdock.yaml").write_text(TWO.replace("${TOKEN}", "${A}${B}${C}${D}"))
    (folder / ".env").write_text("A=a1\nB=b1\nC=c1\nD=d1\n")
    (folder / "one.env").write_text("B=b2\nC=c2\nD=d2\nTAPDOCK_SOURCES__FAKER__CONFIG__COUNT=7\n")
    (folder / "two.env").write_text("C=c3\nD=d3\n")
    files = (folder / "one.env", folder / "two.env")
    read = load(folder / "tapdock.yaml", environment=None, environ={"D": "d4"}, env_files=files)
    assert read.sources["faker"].config["token"].reveal() == "a1b2c3d4"
    ended = tapdock("config", "show", "faker", "--json", "--env-file", "one.env", "--env-file=two.env")
    count = next(row for row in json.loads(ended.stdout) if row["path"].endswith("count"))
    assert (count["value"], count["origin"]) == (7, "one.env")


def test_own_variables_in_a_file(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "ci.env").write_text("TAPDOCK_LOG_LEVEL=error\nTAPDOCK_ENVIRONMENT=prod\n")
    session = Session(env_files=(folder / "ci.env",), environ={"TOKEN": "x"})
    assert (session.log_level, session.project.environment) == ("error", "prod")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "none.env cannot be read: No such file"),
        ("A=1\nx\n", "none.env:2: not a `NAME=value` line"),
        ("NOW=1", "NOW"),
    ],
)
def test_a_file_of_variables_that_cannot_be_read(tapdock, folder, text, message):
    if text is not None:
        (folder / "none.env").write_text(text)
    ended = tapdock("config", "show", "--env-file", "none.env")
    assert (ended.returncode, message in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "level", "lines"),
    [
        ((), "info", "warning"),
        (("--log-level", "debug"), "debug", "debug"),
        (("--log-level", "error"), "error", "error"),
        (("--log-level", "error", "--verbose"), "error", "info"),
        (("--log-level", "debug", "--quiet"), "warning", "debug"),
        (("--log-format", "json"), "info", "info"),
        (("--log-format", "json", "--log-level", "warning"), "warning", "warning"),
    ],
)
def test_levels(called, words, level, lines):
    found, _ = called("demo", *words)
    assert (found["view"].level, found["view"].lines) == (level, lines)


def test_a_level_from_a_variable(called):
    assert called("demo", TAPDOCK_LOG_LEVEL="debug")[0]["view"].level == "debug"
    ended = called("demo", TAPDOCK_LOG_LEVEL="loud")[1]
    assert (ended.returncode, "TAPDOCK_LOG_LEVEL is `loud`" in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    ("environ", "file", "terminal"),
    [
        ({}, False, True),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, False, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
    ],
)
def test_colors(environ, file, terminal):
    assert (has_colour(environ, terminal=False), has_colour(environ, terminal=True)) == (file, terminal)


def test_an_environment_has_its_own_selection_streams_and_suffix(folder):
    (folder / "tapdock.yaml").write_text(
        TWO + "environments:\n  prod:\n"
        "    sources: {faker: {select: [users], streams: {users: {sync_mode: full_refresh}}}}\n"
        "    pipelines: {demo: {state_suffix: v2}}\n"
    )
    plain, prod = (load(folder / "tapdock.yaml", environment=name, environ={"TOKEN": "x"}) for name in (None, "prod"))
    assert (plain.sources["faker"].select, plain.pipelines["demo"].state_suffix) == ((), None)
    assert (prod.sources["faker"].select, prod.pipelines["demo"].state_suffix) == (("users",), "v2")
    assert prod.sources["faker"].streams["users"].sync_mode == "full_refresh"


def test_an_unknown_environment_is_named(folder):
    with pytest.raises(UsageError, match="has no environment `prdo`"):
        load(folder / "tapdock.yaml", environment="prdo", environ={})
