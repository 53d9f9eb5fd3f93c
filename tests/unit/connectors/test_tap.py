"""Tests what a wrapped tap shows of its connector: no secrets, no escape codes, and no commands for a CI."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

CONNECTOR = r"""
import base64, json, pathlib, sys
verb, options = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
config = json.loads(pathlib.Path(options["--config"]).read_text()) if "--config" in options else {}
token = config.get("token", "t0ken-0")
STREAM = {"name": "\u202eusers", "json_schema": {"properties": {"id": {}}}, "supported_sync_modes": ["full_refresh"]}
def control(token):
    body = {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": {**config, "token": token}}}
    return json.dumps({"type": "CONTROL", "control": body})
print(f"\x1b[31mlogged in with {token[:3]}\x1b[1m{token[3:]}\x1b[0m", file=sys.stderr)
print("Basic " + base64.b64encode(f"me:{token}".encode()).decode(), file=sys.stderr)
print("::add-mask::x", file=sys.stderr)
print("left behind: " + control("fresh-on-stderr"), file=sys.stderr, flush=True)
print("INFO " + control("fresh-in-junk"))
print(control("fresh-and-torn")[:-9])
answers = {
    "spec": {"type": "SPEC", "spec": {"connectionSpecification": {"title": "\x9b31m##[group]x"}}},
    "check": {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": f"no\nhint: {token}"}},
    "discover": {"type": "CATALOG", "catalog": {"streams": [STREAM]}},
}
if verb == "read":
    print(control("renewed-1"), flush=True)
    record = {"stream": STREAM["name"], "data": {"id": 1}, "emitted_at": 1}
    print(json.dumps({"type": "RECORD", "record": record}), flush=True)
    print(json.dumps({"type": "LOG", "log": {"level": "INFO", "message": "now with renewed-1"}}), flush=True)
else:
    print(json.dumps(answers[verb], ensure_ascii=False))
"""


@pytest.fixture
def tap(tmp_path):
    """tap(*words) -> the result of the program."""
    (tmp_path / "connector.py").write_text(CONNECTOR)
    (tmp_path / "command.json").write_text(json.dumps([sys.executable, str(tmp_path / "connector.py")]))
    (tmp_path / "config.json").write_text(json.dumps({"token": "t0ken-0"}))
    code = "import sys; from pathlib import Path; from tapdock.connectors.wrap.tap import main; "
    code += "file, *words = sys.argv[1:]; sys.exit(main(words, command=Path(file)))"

    def ended(*words: str) -> subprocess.CompletedProcess[str]:
        if "--catalog" in words:
            (tmp_path / "catalog.json").write_text(ended("--discover").stdout)
        command = [sys.executable, "-c", code, tmp_path / "command.json", "--config", tmp_path / "config.json", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    return ended


@pytest.mark.parametrize("words", ["--discover", "--test", "--about", "--catalog catalog.json"])
def test_its_text_is_harmless_and_has_no_secret(tap, words):
    ended = tap(*words.split())
    for secret in ("t0ken-0", "OnQwa2VuLT", "dDBrZW4tM", "fresh", "hint: t"):
        assert secret not in ended.stderr
    for text in (ended.stderr,) if "--catalog" in words else (ended.stdout, ended.stderr):  # a sync's stdout is data
        assert not any(character in text for character in "\x1b\x9b\u202e")
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())
        assert "##[" not in text
    assert "logged in with [secret]" in ended.stderr
    assert ended.stderr.count("is not a message and may have a config in it") == 1, "the torn one"
    assert "left behind: [a message with a config]" in ended.stderr


def test_what_it_prints_for_programs_keeps_its_values(tap):
    assert json.loads(tap("--about").stdout)["settings"]["title"] == "\x9b31m##[group]x"
    assert json.loads(tap("--discover").stdout)["streams"][0]["stream"] == "\u202eusers"


def test_what_the_connector_renewed_is_a_secret_from_then_on(tap, tmp_path):
    ended = tap("--catalog", "catalog.json")
    assert ended.returncode == 0
    assert "now with [secret]" in ended.stderr
    assert json.loads(Path(tmp_path / "config.json").read_text()) == {"token": "renewed-1"}
    assert json.loads(ended.stdout.splitlines()[1])["type"] in ("RECORD", "STATE")


def test_a_stream_that_is_not_selected_does_not_move_on_with_the_position_of_all(tmp_path):
    """The source does not get its part of a GLOBAL state: it would later continue behind what it has not sent."""
    source = Path(__file__).parents[2] / "connectors" / "source.py"
    config = {"token": "t", "streams": ["users", "orders"], "states": "GLOBAL", "steps": ["until users 6", "state"]}
    parts = [
        {"stream_descriptor": {"name": name}, "stream_state": {"id": number}}
        for name, number in (("users", 5), ("orders", 7))
    ]
    whole = {"type": "GLOBAL", "global": {"shared_state": {"n": 1}, "stream_states": parts}}
    files = {
        "command.json": [sys.executable, str(source)],
        "config.json": config,
        "state.json": {"airbyte_state": [whole]},
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    code = "import sys; from pathlib import Path; from tapdock.connectors.wrap.tap import main; "
    code += "sys.exit(main(sys.argv[1:], command=Path('command.json')))"

    def tap(*words: str) -> str:
        command = [sys.executable, "-c", code, "--config", "config.json", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True).stdout

    catalog = json.loads(tap("--discover"))
    for entry in catalog["streams"]:
        entry["metadata"][0]["metadata"]["selected"] = entry["stream"] == "users"
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    lines = map(json.loads, tap("--catalog", "catalog.json", "--state", "state.json").splitlines())
    (state,) = [line["value"]["airbyte_state"] for line in lines if line["type"] == "STATE"][-1]
    found = {each["stream_descriptor"]["name"]: each["stream_state"]["id"] for each in state["global"]["stream_states"]}
    assert found == {"users": 6, "orders": 0}, "the source of this test starts without a state at 0"
