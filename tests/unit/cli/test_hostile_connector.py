"""Tests a connector that prints escape codes, commands for a CI, and its secrets, in every command that starts it."""

import json
import re
import sys

import pytest

pytestmark = pytest.mark.long

CONNECTOR = r"""#!%s
import json, pathlib, sys
verb, options = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
config = json.loads(pathlib.Path(options["--config"]).read_text()) if "--config" in options else {}
odd = "\x1b[31m\x9b1m\u202e\n::error::x\n##[group]y\rhint: run this"
secret = config.get("account", "")
half = len(secret) // 2
said = f"{odd} {secret[:half]}\x1b[1m{secret[half:]}"
print(said, file=sys.stderr, flush=True)
control = json.dumps({"type": "CONTROL", "control": {"connectorConfig": {"config": {"a": "n3w-token"}}}})
print("INFO " + control)
account = {"type": "string", "writeOnly": True, "description": odd}
properties = {"account": account, odd: {"type": "string", "title": odd}}
answers = {
    "spec": {"type": "SPEC", "spec": {"connectionSpecification": {"properties": properties}}},
    "check": {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": said}},
    "discover": {"type": "CATALOG", "catalog": {"streams": [{
        "name": odd, "namespace": odd, "json_schema": {"properties": {odd: {}}},
        "supported_sync_modes": ["full_refresh"], "source_defined_primary_key": [[odd]],
    }]}},
}
if verb in answers:
    print(json.dumps({"type": "LOG", "log": {"level": "INFO", "message": said}}))
    print(json.dumps(answers[verb]))
else:
    print(json.dumps({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1, "error": {"message": said}}}))
    sys.exit(1)
"""


@pytest.fixture
def hostile(tapdock, folder):
    """hostile(*words) -> the result of the command, in a project with such connectors as local programs."""
    program = folder / "connector"
    program.write_text(CONNECTOR % sys.executable)
    program.chmod(0o755)
    connector = {"image": str(program), "kind": "airbyte", "config": {"account": "acc0unt-1"}}
    project = {"version": 1, "sources": {"s": connector}, "targets": {"t": connector}}
    (folder / "tapdock.yaml").write_text(json.dumps(project))

    def ended(*words):
        return tapdock(*words, TAPDOCK_ENGINE="local")

    return ended


COMMANDS = {
    "spec s": 0,
    "spec s --json": 0,
    "spec s --verbose": 0,
    "check s": 3,
    "check s --json": 3,
    "check s --verbose": 3,
    "check t": 4,
    "discover s": 0,
    "discover s --json": 0,
    "discover s --verbose": 0,
    "run s t --dry-run": None,
    "run s t": None,
    "run s t --json": None,
    "run s t --log-format json": None,
}


@pytest.mark.parametrize("words", COMMANDS)
def test_nothing_that_it_prints_is_obeyed_or_gives_a_secret_away(hostile, words):
    ended = hostile(*words.split())
    assert COMMANDS[words] in (None, ended.returncode), ended.stderr
    shown = ended.stdout + ended.stderr
    if words.startswith("run s t") and "dry" not in words:
        shown += "".join(
            "".join(hostile("runs", *more.split())[1:]) for more in ("logs", "logs --json", "show", "list")
        )
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]|##\\w*\\[", shown)
    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())
    assert not any(secret in shown for secret in ("acc0", "n3w-"))
    if "--json" in words:
        json.loads(ended.stdout)


def test_what_its_spec_calls_secret_is_hidden_once_it_was_asked(hostile):
    assert '"acc0unt-1"' in hostile("config", "show", "--json").stdout
    assert hostile("spec", "s").returncode == 0
    rows = {row["path"]: row["value"] for row in json.loads(hostile("config", "show", "--json").stdout)}
    assert rows["sources.s.config.account"] == "[secret]"
    assert rows["targets.t.config.account"] == "acc0unt-1", "the target was not asked"
