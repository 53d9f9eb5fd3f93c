"""Tests that a wrapped tap never ends well after an error that its connector reported."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

CONNECTOR = r"""
import json, pathlib, sys
config = json.loads(pathlib.Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
print("\n".join(map(json.dumps, config["lines"])), flush=True)  # at once: it may be stopped after a bad line
"""
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}}
USERS = {"name": "users", "namespace": "public"}
RECORD = {"type": "RECORD", "record": {"stream": "users", "namespace": "public", "data": {"id": 1}, "emitted_at": 1}}
CATALOG = {"type": "CATALOG", "catalog": {"streams": [{**USERS, "json_schema": SCHEMA}]}}
RUN = "import sys; from pathlib import Path; from tapdock.connectors.wrap.tap import main; "
RUN += "file, *words = sys.argv[1:]; sys.exit(main(words, command=Path(file)))"


@pytest.fixture
def tap(tmp_path):
    """tap(*lines) -> the result of a sync whose connector prints these messages."""
    (tmp_path / "connector.py").write_text(CONNECTOR)
    (tmp_path / "command.json").write_text(json.dumps([sys.executable, str(tmp_path / "connector.py")]))

    def ended(*lines: dict, command: tuple[str, ...] = ("--catalog", "catalog.json")) -> subprocess.CompletedProcess:
        (tmp_path / "config.json").write_text(json.dumps({"lines": lines}))
        words = [sys.executable, "-c", RUN, tmp_path / "command.json", "--config", tmp_path / "config.json", *command]
        return subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)

    (tmp_path / "catalog.json").write_text(ended(CATALOG, command=("--discover",)).stdout)
    return ended


def trace(kind: str, **body) -> dict:
    return {"type": "TRACE", "trace": {"type": kind, "emitted_at": 1, **body}}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (trace("ERROR", error={"message": None}), "it gave no reason"),
        (trace("ERROR", error={"message": "disk full", "stack_trace": [1]}), "disk full"),
        (trace("ERROR", error={"message": "no", "stream_descriptor": {"name": "ghosts"}}), "no (in stream `ghosts`)"),
        (trace("ERROR", error={"message": "no", "stream_descriptor": {"name": "users"}}), "finish public.users: no"),
        (trace("STREAM_STATUS", stream_status={"status": "Incomplete"}), "a stream without a name"),
    ],
)
def test_an_error_of_the_connector(tap, line, reason):
    ended = tap(RECORD, line)
    assert ended.returncode == 3
    assert reason in ended.stderr
    assert '"record":{"id": 1}' in ended.stdout


def test_what_is_not_an_error(tap):
    ended = tap(RECORD, trace("ESTIMATE", estimate=7), {"type": "LOG", "log": {"level": "FATAL", "message": "no"}})
    assert ended.returncode == 0


@pytest.mark.parametrize("command", ["--discover", "--test"])
def test_the_reason_of_a_failed_command(tap, command):
    error = {"message": None, "internal_message": {"code": 7}, "stack_trace": ["a"]}
    ended = tap(trace("ERROR", error=error), command=(command,))
    assert ended.returncode == 3
    assert '{"code": 7}' in ended.stderr


ACCOUNT = 12345678901234567890123


def control(tap_config: dict) -> dict:
    body = {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": tap_config}}
    return {"type": "CONTROL", "control": body}


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("--discover", CATALOG),
        ("--discover", {"type": "LOG"}),
        ("--test", {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}),
        ("--catalog catalog.json", RECORD),
        ("--catalog catalog.json", {"type": "RECORD", "record": {"stream": "ghosts", "data": {"id": 1}}}),
        ("--catalog catalog.json", trace("ERROR", error={"message": "no"})),
    ],
)
def test_a_renewed_config_is_kept_however_a_command_ends(tap, tmp_path, command, line):
    tap(line, control({"account": ACCOUNT, "token": "new"}), command=tuple(command.split()))
    assert json.loads((tmp_path / "config.json").read_text()) == {"account": ACCOUNT, "token": "new"}


def test_a_renewed_config_is_kept_if_nobody_reads_the_data(tap, tmp_path):
    config = {"lines": [*[RECORD] * 5000, control({"token": "new"})]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = [sys.executable, "-c", RUN, tmp_path / "command.json", "--config", tmp_path / "config.json"]
    with subprocess.Popen([*words, "--catalog", "catalog.json"], stdout=subprocess.PIPE, cwd=tmp_path) as process:
        process.stdout.close()
    assert process.returncode == 141
    assert json.loads((tmp_path / "config.json").read_text()) == {"token": "new"}
