"""Tests the command line as a user calls it."""

import importlib
import inspect
import json
import os
import re
import subprocess
import sys

import pytest

from tapdock.cli import COMMANDS, GROUPS
from tapdock.connectors import rotated_config
from tapdock.connectors.rotation_rules import Rules
from tapdock.runs import records
from tapdock.runs.records import ErrorRecord, RunRecord, Seconds, StateRecord
from tapdock.state.backends.base import holder_here
from tapdock.state.store import lease

pytestmark = pytest.mark.long

KEY = "default:faker-to-lake"
STATE = '[{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":{"n":1.10}}}]'


def every_command() -> list[tuple[str, str, str]]:
    found = []
    for name, entry in COMMANDS.items():
        inner = {f"{name} {word}": each for word, each in entry.items()} if isinstance(entry, dict) else {name: entry}
        found += [(words, *each) for words, each in inner.items()]
    return found


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys; from tapdock.cli import main; main(sys.argv[1:]); "
        "heavy = {'docker', 'rich', 'jsonschema', 'yaml', 'msgspec', 'tapdock.project.load', 'tapdock.cli.state'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    for word in ("--help", "--version"):
        ended = subprocess.run([sys.executable, "-c", code, word], capture_output=True, text=True, check=True)
        assert ended.stderr == "[]\n"


def test_help_lists_every_command(tapdock):
    shown = tapdock("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in shown
    for group in GROUPS:
        shown = tapdock(group, "--help").stdout
        assert all(f"\n  {name} " in shown for name in COMMANDS[group])


SECOND_NAMES = {
    "test": "check",
    "config test": "check",
    "config schema": "schema",
    "config reset": "config forget-rotated",
}
"""Commands with two names, whose example has the other one."""


@pytest.mark.parametrize(("words", "target", "sentence"), every_command())
def test_every_command_has_help_with_an_example(words, target, sentence):
    module, _, function = target.partition(":")
    found = importlib.import_module(f"tapdock.cli.{module}")
    text = inspect.getdoc(getattr(found, function)) or ""
    assert text.splitlines()[0].rstrip(".") == sentence
    assert f"tapdock {SECOND_NAMES.get(words, words)} " in text.partition("Example")[2] + " "


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["stat"], "there is no command `stat`", "did you mean `state`?"),
        (["state", "shw"], "there is no command `shw`", "did you mean `show`?"),
        (["state", "list", "--nope"], "No such option: --nope", "see `tapdock state list --help`"),
        (["state", "get"], "Missing argument 'key'", "see `tapdock state get --help`"),
        (["config", "show", "fakr"], "the project has no `fakr`", "did you mean `faker`?"),
        (
            ["--project", "/nowhere", "runs", "list"],
            "there is no tapdock.yaml in /nowhere",
            "the folder of a project",
        ),
        (["state", "list", "--environment", "prd"], "no environment `prd`", "did you mean `prod`?"),
    ],
)
def test_mistakes_are_one_line_a_hint_and_exit_2(tapdock, words, error, hint):
    ended = tapdock(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    first, second = ended.stderr.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert second.startswith("hint: ")
    assert hint in second


def test_global_options_may_stand_anywhere(tapdock, folder):
    for words in (["--environment", "prod", "config", "show"], ["config", "show", "--environment=prod"]):
        assert "environment prod (tapdock.yaml:5)" in tapdock(*words).stdout
    assert "environment prod" in tapdock("config", "show", TAPDOCK_ENVIRONMENT="prod").stdout
    assert tapdock("config", "show", "--project", str(folder)).returncode == 0


def test_config_show_prints_origins_and_hides_secrets(tapdock, folder):
    ended = tapdock("config", "show", "--json", TOKEN="t0p-secret")
    rows = {row["path"]: (row["value"], row["origin"]) for row in json.loads(ended.stdout)}
    assert rows["sources.faker.config.count"] == (5, "tapdock.yaml:2")
    assert rows["sources.faker.config.token"] == ("[secret]", "tapdock.yaml:2")
    assert rows["sources.faker.config.password"] == ("[secret]", "tapdock.yaml:2")
    assert rows["sources.faker.pull"] == ("missing", "default")
    assert rows["targets.lake.mounts"] == ([f"{folder}/data:/data:ro"], "tapdock.yaml:3")
    assert rows["state_backend.uri"] == (".tapdock/state", "default")
    assert "[unset: TOKEN]" in tapdock("config", "show", "faker").stdout
    for output in (ended.stdout, tapdock("config", "show", TOKEN="t0p-secret").stdout):
        assert "t0p-secret" not in output
        assert "hunter22" not in output


def test_a_state_goes_in_and_comes_out_as_it_was(tapdock, folder):
    (folder / "state.json").write_text(STATE)
    assert tapdock("state", "set", "demo", "state.json").returncode == 0
    assert tapdock("state", "get", "demo").stdout == STATE + "\n"
    assert tapdock("state", "get", KEY).stdout == STATE + "\n"
    (listed,) = json.loads(tapdock("state", "list", "--json").stdout)
    assert (listed["key"], listed["dialect"], listed["streams"]) == (KEY, "airbyte", ["users"])
    assert json.loads(tapdock("state", "show", "demo", "--json").stdout)["state"] == json.loads(STATE)
    assert KEY in tapdock("state", "show", "faker-to-lake").stdout


def test_states_of_environments_are_apart(tapdock):
    tapdock("state", "set", "demo", "-", "--environment", "prod", stdin="{}")
    assert tapdock("state", "get", "demo").returncode == 6
    assert tapdock("state", "get", "demo", "--environment", "prod").stdout == "{}\n"


def test_what_is_no_state_is_refused(tapdock, backend):
    ended = tapdock("state", "set", "demo", stdin="nonsense")
    assert (ended.returncode, backend.names()) == (2, [])


def test_a_state_is_cleared_by_stream_or_whole(tapdock, backend):
    tapdock("state", "set", "demo", stdin=STATE)
    assert tapdock("state", "clear", "demo", "--stream", "nope", "--yes").returncode == 2
    assert tapdock("state", "clear", "demo").returncode == 2
    assert tapdock("state", "get", "demo").stdout == STATE + "\n"
    assert tapdock("state", "clear", "demo", "--stream", "users", "--yes").returncode == 0
    assert tapdock("state", "get", "demo").stdout == "[]\n"
    assert tapdock("state", "clear", "demo", "--yes").returncode == 0
    assert json.loads(tapdock("state", "list", "--json").stdout) == []
    assert tapdock("state", "clear", "demo", "--yes").returncode == 6


def test_a_state_goes_back_to_what_it_was(tapdock, backend):
    for text in (STATE, "[]"):
        tapdock("state", "set", "demo", stdin=text)
    current, version = json.loads(tapdock("state", "history", "demo", "--json").stdout)
    assert (current["version"], current["bytes"], version["changes"]) == (None, 2, None)
    assert (version["version"], version["run_id"], version["bytes"]) == (1, "state-set", len(STATE))
    assert tapdock("state", "rollback", "demo").returncode == 2, "nobody can be asked"
    assert tapdock("state", "rollback", "demo", "--to", "7", "--yes").returncode == 2
    assert tapdock("state", "rollback", "demo", "--yes").returncode == 0
    assert tapdock("state", "get", "demo").stdout == STATE + "\n"
    assert tapdock("state", "rollback", "demo", "--to", "2", "--yes").returncode == 0
    assert tapdock("state", "get", "demo").stdout == "[]\n"


def test_the_history_shows_who_saved_what(tapdock, backend):
    for number in (5, 9):
        text = STATE.replace('{"n":1.10}', f'{{"id":{number}}}')
        assert f'"id":{number}' in text
        assert tapdock("state", "set", "demo", stdin=text).returncode == 0
    assert tapdock("state", "set", "demo", stdin="[]").returncode == 0
    assert tapdock("state", "rollback", "demo", "--to", "2", "--yes").returncode == 0
    header, *rows = [re.split(" {2,}", line) for line in tapdock("state", "history", "demo").stdout.splitlines()]
    assert header == ["VERSION", "SAVED", "BY", "BYTES", "CHANGES"]
    assert [(row[0], row[2], row[4] if len(row) > 4 else "") for row in rows] == [
        ("current", "state rollback", 'users added ({"id":9})'),
        ("3", "state set", 'users removed ({"id":9})'),
        ("2", "state set", "users.id: 5 -> 9"),
        ("1", "state set", ""),
    ]
    facts = json.loads(tapdock("state", "history", "demo", "--json").stdout)
    assert facts[2]["changes"] == [{"stream": "users", "field": "id", "before": "5", "after": "9"}]
    assert [fact["saved_by"] for fact in facts] == ["state rollback", *["state set"] * 3]


def test_a_damaged_version_is_listed(tapdock, backend):
    for text in (STATE, "[]", STATE):
        tapdock("state", "set", "demo", stdin=text)
    name = f"history/{KEY}/00000002"
    backend.put(name, b"{", expected=backend.get(name).version)
    rows = tapdock("state", "history", "demo").stdout.splitlines()[1:]
    assert re.fullmatch(r"2 +damaged", rows[1])
    assert [fact["changes"] for fact in json.loads(tapdock("state", "history", "demo", "--json").stdout)] == [None] * 3


def test_a_state_that_was_cleared_is_not_damaged(tapdock, backend):
    tapdock("state", "set", "demo", stdin=STATE)
    tapdock("state", "clear", "demo", "--yes")
    assert "damaged" not in tapdock("state", "history", "demo").stdout


def test_a_damaged_state_is_not_the_end(tapdock, backend):
    for text in (STATE, "[]"):
        tapdock("state", "set", "demo", stdin=text)
    backend.put(KEY, b"{", expected=backend.get(KEY).version)
    ended = tapdock("state", "get", "demo")
    assert ended.returncode == 6
    assert f"`tapdock state rollback {KEY}`" in ended.stderr
    assert tapdock("state", "rollback", "demo", "--yes").returncode == 0
    assert tapdock("state", "get", "demo").stdout == STATE + "\n"
    backend.put(KEY, b"{", expected=backend.get(KEY).version)
    assert tapdock("state", "clear", "demo", "--yes").returncode == 0
    assert tapdock("state", "get", "demo").returncode == 6


def test_a_damaged_state_hides_no_other(tapdock, backend):
    tapdock("state", "set", "demo", stdin=STATE)
    backend.put("default:broken-to-lake", b"{", expected=None)
    listed = tapdock("state", "list")
    assert listed.returncode == 0
    assert KEY in listed.stdout
    assert "state `default:broken-to-lake`" in listed.stderr


def test_who_has_a_state_that_nobody_saved_yet(tapdock, backend):
    assert tapdock("state", "show", "demo").returncode == 6
    with backend.acquire(KEY, holder_here("r7", since=0.0)):
        assert json.loads(tapdock("state", "show", "demo", "--json").stdout)["held_by"]["run_id"] == "r7"


def test_a_state_under_another_name(tapdock):
    tapdock("state", "set", "demo", stdin=STATE)
    assert tapdock("state", "copy", "demo", "prod:faker-to-lake").returncode == 0
    assert tapdock("state", "copy", "demo", "prod:faker-to-lake").returncode == 2, "nobody can be asked"
    assert tapdock("state", "copy", "demo", "demo").returncode == 2
    assert tapdock("state", "move", "demo", "old-to-lake", "--any-name").returncode == 0
    names = [each["key"] for each in json.loads(tapdock("state", "list", "--json").stdout)]
    assert names == ["default:old-to-lake", "prod:faker-to-lake"]
    for name in names:
        assert tapdock("state", "get", name).stdout == STATE + "\n"
    assert tapdock("state", "move", "demo", "prod:faker-to-lake").returncode == 6, "there is no state of it any more"


def test_the_hint_for_a_copied_state_is_a_command_that_works(tapdock, backend):
    """After `cp`, `mv` or a restored backup, the state of one pipeline has the name of another."""
    tapdock("state", "set", "prod:faker-to-lake", stdin=STATE)
    original = backend.get("prod:faker-to-lake")
    backend.put(KEY, original.body, expected=None)
    for words in (("show", "demo"), ("get", "demo"), ("export", "demo", "--format", "airbyte")):
        ended = tapdock("state", *words, stdin="[]")
        assert ended.returncode == 6, words
        assert f"the object of state `{KEY}` in {backend.uri} contains the state `prod:faker-to-lake`" in ended.stderr
    assert "contains the state" in tapdock("state", "list").stderr
    copy, clear = re.findall(r"`tapdock (state [^`]+)`", ended.stderr)
    assert tapdock(*copy.split()).returncode == 0
    assert tapdock("state", "get", "demo").stdout == STATE + "\n"
    assert backend.get("prod:faker-to-lake") == original
    assert tapdock(*clear.split()).returncode == 0
    assert tapdock("state", "get", "demo").returncode == 6


def test_the_hint_works_as_well_where_the_object_was_moved(tapdock, backend):
    tapdock("state", "set", "old-to-lake", "--any-name", stdin=STATE)
    tapdock("state", "set", "demo", stdin="[]")
    backend.put(KEY, backend.get("default:old-to-lake").body, expected=backend.get(KEY).version)
    backend.delete("default:old-to-lake")
    copy, _ = re.findall(r"`tapdock (state (?:copy|clear)[^`]+)`", tapdock("state", "get", "demo").stderr)
    assert tapdock(*copy.split()).returncode == 0
    assert tapdock("state", "get", "demo").stdout == STATE + "\n"
    assert tapdock("state", "get", "old-to-lake").returncode == 2
    assert tapdock("state", "copy", "old-to-lake", "demo", "--yes").returncode == 2


def test_a_damaged_state_gives_way_to_a_copy(tapdock, backend):
    tapdock("state", "set", "prod:faker-to-lake", stdin=STATE)
    for command in ("copy", "move"):
        stored = backend.get(KEY)
        backend.put(KEY, b"{", expected=stored and stored.version)
        assert tapdock("state", command, "prod:faker-to-lake", "demo", "--yes").returncode == 0
        assert tapdock("state", "get", "demo").stdout == STATE + "\n"


def test_who_has_a_state(tapdock, backend):
    tapdock("state", "set", "demo", stdin=STATE)
    assert json.loads(tapdock("state", "show", "demo", "--json").stdout)["held_by"] is None
    shown = tapdock("state", "show", "demo").stdout
    assert re.search("^held_by +no run$", shown, re.M)
    assert "generations" not in shown
    assert "no run holds" in tapdock("state", "unlock", "demo", "--yes").stderr
    with backend.acquire(KEY, holder_here("r7", since=0.0)):
        assert json.loads(tapdock("state", "show", "demo", "--json").stdout)["held_by"]["run_id"] == "r7"
        assert "run r7" in tapdock("state", "show", "demo").stdout
        ended = tapdock("state", "unlock", "demo", "--yes")
        assert (ended.returncode, "held by a live process" in ended.stderr) == (6, True)


def test_a_state_in_use_is_not_touched(tapdock, backend):
    tapdock("state", "set", "demo", stdin=STATE)
    before = backend.get(KEY)
    with backend.acquire(KEY, holder_here("r7", since=0.0)):
        commands = [
            ("set", "demo"),
            ("clear", "demo", "--yes"),
            ("clear", "demo", "--stream", "users", "--yes"),
        ]
        for words in commands:
            ended = tapdock("state", *words, stdin="[]")
            assert ended.returncode == 7
            assert "in use by run r7" in ended.stderr
    assert backend.get(KEY) == before


def test_what_a_connector_changed_is_shown_and_forgotten(tapdock, backend):
    assert "has not changed its config" in tapdock("config", "reset", "faker", "--yes").stderr
    rotated_config.record(backend, "default:faker", {}, {"token": "fresh-token"}, Rules(program="image x"))
    shown = json.loads(tapdock("config", "show", "faker", "--json").stdout)
    _, row = (row for row in shown if row["path"] == "sources.faker.config.token")  # the first row is the user's own
    assert row["value"] == "[secret]"
    assert row["origin"].startswith("updated by the connector (used")
    assert "fresh-token" not in tapdock("config", "show").stdout
    assert tapdock("config", "reset", "faker").returncode == 2, "nobody can be asked"
    assert tapdock("config", "reset", "nope", "--yes").returncode == 2
    assert tapdock("config", "reset", "faker", "--yes").returncode == 0
    assert rotated_config.kept(backend, "default:faker") is None


def test_runs_are_listed_shown_and_their_logs_printed(tapdock, folder):
    record = RunRecord(
        run_id=records.new_run_id(1795346553, "ab12cd"),
        pipeline="demo",
        state_id=KEY,
        started_at="2026-11-22T11:22:33Z",
        status="succeeded",
        exit_code=0,
        state=StateRecord(committed=1, backend="/s"),
        seconds=Seconds(total=2.5),
    )
    private = folder / ".tapdock"
    records.write(private, record)
    line = {"time": "2026-11-22T11:22:34.000+00:00", "level": "info", "event": "line", "side": "source"}
    records.log_file(private, record.run_id).write_text(json.dumps({**line, "message": "hello"}) + "\n")
    assert record.run_id in tapdock("runs", "list").stdout
    assert [each["run_id"] for each in json.loads(tapdock("runs", "list", "--json").stdout)] == [record.run_id]
    assert json.loads(tapdock("runs", "show", "--json").stdout) == json.loads(records.to_json(record))
    assert "succeeded (exit code 0)" in tapdock("runs", "show", "latest").stdout
    assert tapdock("runs", "logs", "ab12cd").stdout == "2026-11-22T11:22:34Z info    source | hello\n"


@pytest.mark.parametrize("hint", ["do this", None])
@pytest.mark.parametrize("status", ["failed", "running"])
def test_a_run_is_shown_without_rows_that_are_empty(tapdock, folder, hint, status):
    error = ErrorRecord(side="source", message="it failed", hint=hint) if status == "failed" else None
    record = RunRecord(
        run_id=records.new_run_id(1795346553, "ab12cd"),
        pipeline="demo",
        state_id=KEY,
        started_at="2026-11-22T11:22:33Z",
        status=status,
        exit_code=3 if error else None,
        error=error,
        state=StateRecord(committed=1, backend="/s"),
        seconds=Seconds(total=2.5),
    )
    with records.going_on(folder / ".tapdock", record.run_id):
        records.write(folder / ".tapdock", record)
        lines = tapdock("runs", "show").stdout.splitlines()
    rows = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1:] for line in lines}
    assert all(rows.values()), "each row has a value"
    errors = {"error", "hint"} if error and hint else {"error"} if error else set()
    assert rows.keys() == {"RUN", "pipeline", "state", "started", "status", "seconds"} | errors
    assert rows["status"] == ["failed (exit code 3)" if error else "running"]
    assert rows["state"] == [f"{KEY} in /s, saved 1 time"]


def test_a_reader_that_leaves_early_is_no_error(tapdock, backend, folder):
    with lease(backend, KEY, run_id="r", clock=lambda: 0.0) as held:
        held.save("[]", dialect="airbyte")
    command = [sys.executable, "-m", "tapdock", "state", "list"]
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(command, cwd=folder, stdout=writer, stderr=subprocess.PIPE, text=True) as child:
        os.close(writer)
        assert child.stderr.read() == ""
    assert child.returncode == 141


def test_our_own_mistake_keeps_its_traceback_in_the_project(folder):
    code = (
        "import sys; import tapdock.cli as cli; cli.COMMANDS['doctor'] = ('nowhere:f', ''); "
        "sys.exit(cli.main(['doctor']))"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    (file,) = (folder / ".tapdock" / "crashes").iterdir()
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: tapdock itself failed: ModuleNotFoundError")
    assert str(file) in ended.stderr
    assert "Traceback" in file.read_text()


def test_a_run_of_nothing_lists_the_pipelines_and_is_an_error(tapdock):
    """A script whose variable is empty must not succeed."""
    ended = tapdock("run")
    assert ended.returncode == 2
    assert [line.split() for line in ended.stdout.splitlines()[:2]] == [
        ["PIPELINE", "SOURCE", "TARGET"],
        ["demo", "faker", "lake"],
    ]
    assert ended.stderr.splitlines()[-1] == "hint: `tapdock run demo`"
    refused = tapdock("run", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["exit_code"]) == (2, 2)


def test_init_keeps_states_and_secrets_out_of_a_repository(tapdock, tmp_path):
    for folder, before in (("new", None), ("old", "mine\n")):
        (tmp_path / folder).mkdir()
        if before:
            (tmp_path / folder / ".gitignore").write_text(before)
        assert tapdock("--project", str(tmp_path / folder), "init").returncode == 0
        lines = (tmp_path / folder / ".gitignore").read_text().splitlines()
        assert lines == (["mine"] if before else [".tapdock/", ".env", "data/"])
