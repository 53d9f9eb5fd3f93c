"""Tests text from outside, and secrets, in the output of the commands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tapdock.cache import Cache
from tapdock.cli.config_rows import rows
from tapdock.connectors import known_specs
from tapdock.events import StreamReport
from tapdock.project.load import load
from tapdock.runs import records
from tapdock.runs.records import ContainerRecord, ErrorRecord, RunRecord, Seconds, StateRecord
from tapdock.state.backends.file import FileBackend
from tapdock.state.store import lease

KEY = "default:faker-to-lake"
HOSTILE = "\x1b[31mred\x1b]0;title\x07\x9b1m\u202e\u200b\n::error::x\n##[group]y\rhint: run this"


def assert_harmless(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e]|##\\w*\\[", text)
    assert not any(line.lstrip().startswith(("::", "hint: run")) for line in text.splitlines())


def keep_hostile_run(folder: Path) -> None:
    private = folder / ".tapdock"
    record = RunRecord(
        run_id=records.new_run_id(1795346553, "ab12cd"),
        pipeline=HOSTILE,
        state_id=KEY,
        started_at="2026-11-22T11:22:33Z",
        status="failed",
        exit_code=3,
        error=ErrorRecord(side="source", message=HOSTILE, hint=HOSTILE),
        streams=(
            StreamReport(
                namespace=HOSTILE,
                stream=HOSTILE,
                records=1,
                bytes=1,
                status="failed",
                path="rewrite",
                reason=HOSTILE,
                undeclared={HOSTILE: 1},
            ),
        ),
        containers=(ContainerRecord(role="source", image=HOSTILE),),
        state=StateRecord(committed=1, backend="/s"),
        seconds=Seconds(total=2.5),
    )
    records.write(private, record)
    line = {"time": "t", "level": "info", "event": "line", "side": "source", "message": HOSTILE}
    lines = [line, {"time": HOSTILE, "level": HOSTILE, "event": HOSTILE, HOSTILE: HOSTILE}]
    text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in lines)
    records.log_file(private, record.run_id).write_text(text + HOSTILE)


def keep_hostile_state(backend: FileBackend) -> str:
    state = json.dumps({"bookmarks": {HOSTILE: HOSTILE}}, ensure_ascii=False, indent=1)
    state = state.replace("\n", "\r\n")
    with lease(backend, KEY, run_id="r", clock=lambda: 0.0) as held:
        held.save(state, dialect="singer")
    return state


@pytest.mark.parametrize(
    "words",
    [
        "runs list",
        "runs list --json",
        "runs show",
        "runs show --json",
        "runs logs",
        "runs logs --json",
        "state list",
        "state list --json",
        "state show demo",
        "state show demo --json",
        "state get demo",
        "state history demo",
        "state export demo --format meltano",
        "config show",
        "config show --json",
    ],
)
def test_text_from_outside_is_harmless_in_every_command(tapdock, folder, backend, words):
    project = {"sources": {"faker": {"image": "x", "config": {HOSTILE: HOSTILE, "password": HOSTILE}}}}
    project |= {"targets": {"lake": {"image": "y"}}, "pipelines": {"demo": {"source": "faker", "target": "lake"}}}
    (folder / "tapdock.yaml").write_text(json.dumps({"version": 1, **project}))
    keep_hostile_run(folder)
    keep_hostile_state(backend)
    ended = tapdock(*words.split())
    assert ended.returncode == 0
    assert ended.stdout
    assert_harmless(ended.stdout + ended.stderr)


def test_json_keeps_the_values_of_a_state(tapdock, backend):
    state = keep_hostile_state(backend)
    assert json.loads(tapdock("state", "get", "demo").stdout) == json.loads(state)
    assert json.loads(tapdock("state", "show", "demo", "--json").stdout)["state"] == json.loads(state)


def test_the_json_of_a_log_is_one_object_a_line_with_its_values(tapdock, folder):
    keep_hostile_run(folder)
    first, second = tapdock("runs", "logs", "--json").stdout.splitlines()[:2]
    assert json.loads(first)["message"] == HOSTILE
    assert json.loads(second)[HOSTILE] == HOSTILE


def test_each_line_of_a_logged_message_is_marked_as_the_connectors(tapdock, folder):
    keep_hostile_run(folder)
    shown = tapdock("runs", "logs").stdout.splitlines()
    assert [line.partition(" source | ")[2] for line in shown[:3]] == ["red", "::error::x", "# #[group]yhint: run this"]


@pytest.mark.parametrize(
    "words",
    [
        ["run", HOSTILE],
        ["state", "get", HOSTILE],
        ["state", "import", HOSTILE, "--format", "meltano"],
        ["runs", "show", HOSTILE],
        ["config", "show", HOSTILE],
        [HOSTILE],
        ["run", f"--{HOSTILE}"],
    ],
    ids=ascii,
)
def test_an_error_and_its_hint_are_one_line_each(tapdock, words):
    ended = tapdock(*words)
    assert ended.returncode in (2, 6)
    assert_harmless(ended.stderr)
    assert [line.partition(":")[0] for line in ended.stderr.splitlines()] in (["error"], ["error", "hint"])


@pytest.mark.long
def test_a_stream_that_is_not_unicode_gets_escapes(folder, backend):
    with lease(backend, KEY, run_id="r", clock=lambda: 0.0) as held:
        held.save('{"bookmarks": {"grün": "日🎉"}}', dialect="singer")
    environ = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    shown = {}
    for words in ("state get demo", "state list"):
        command = [sys.executable, "-m", "tapdock", *words.split()]
        shown[words] = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=True).stdout
    assert json.loads(shown["state get demo"]) == {"bookmarks": {"grün": "日🎉"}}
    assert shown["state get demo"].isascii()


def test_errors_have_no_secret_of_the_project(tapdock, folder):
    """This holds for errors of every part of tapdock."""
    text = (folder / "tapdock.yaml").read_text()
    (folder / "tapdock.yaml").write_text(text.replace("hunter22", "hunter22, url: 'db://me:pa55w0rd@h'"))
    for secret in ("hunter22", "pa55w0rd", "aHVudGVyMj"):
        ended = tapdock("state", "get", f"about-{secret}")
        assert secret not in ended.stderr
        assert "about-[secret]" in ended.stderr


def test_config_show_hides_what_the_connectors_spec_calls_secret(tapdock, folder):
    before = tapdock("config", "show", "--json").stdout
    project = load(folder / "tapdock.yaml", environment=None, environ={})
    schema = {"properties": {"count": {"type": "integer", "airbyte_secret": True}}}
    known_specs.remember(Cache(project.private / "cache"), project.sources["faker"], schema)
    for words in (("--json",), ()):
        shown = tapdock("config", "show", *words).stdout
        assert {row["path"]: row["value"] for row in json.loads(before)}["sources.faker.config.count"] == 5
        if words:
            assert {row["path"]: row["value"] for row in json.loads(shown)}["sources.faker.config.count"] == "[secret]"
        else:
            assert re.search(r"sources.faker.config.count +\[secret\]", shown)


def test_config_show_starts_nothing_and_needs_no_engine(tapdock):
    assert tapdock("config", "show", DOCKER_HOST="tcp://127.0.0.1:1").returncode == 0


def test_config_show_hides_tokens_in_addresses(tapdock, folder):
    (folder / "tapdock.yaml").write_text(
        """\
version: 1
sources:
  a: {image: x, command: ["--token=c0mmand"]}
targets:
  b: {image: y, config: {dsn_host: "postgresql://me:p@ss/w0rd@h/d"}, env: {DATABASE_URL: "mysql://me:env-pw1@h/d"}}
"""
    )
    for words in (("--json",), ()):
        ended = tapdock("config", "show", *words)
        assert ended.returncode == 0, ended.stderr
        assert not [secret for secret in ("c0mmand", "w0rd", "env-pw1") if secret in ended.stdout]
        assert "@h/d" in ended.stdout


def test_config_show_hides_what_the_states_address_has(folder):
    text = (folder / "tapdock.yaml").read_text()
    for uri, shown in {
        "azblob://c/p?account=a&sig=s1gnature": "azblob://c/p?account=a&sig=[secret]",
        "mssql://me:s1gnature@h/d?driver=x&password=s1gnature": "mssql://me:[secret]@h/d?driver=x&password=[secret]",
    }.items():
        (folder / "tapdock.yaml").write_text(f"{text}state_backend: {{uri: '{uri}'}}")
        project = load(folder / "tapdock.yaml", environment=None, environ={})
        assert (("state_backend", "uri"), shown, "tapdock.yaml:6") in rows(project)
