"""Follows the page for programs, in a project of small programs that run without an engine."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from support.pages import PAGES, Shell, page_steps

pytestmark = pytest.mark.long

SOURCE = """#!%s
import json, sys
stream = {"name": "users", "supported_sync_modes": ["full_refresh"], "source_defined_primary_key": [["id"]],
    "json_schema": {"properties": {"id": {"type": "integer"}, "price": {"type": "number"}}}}
status = lambda status: {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": {
    "stream_descriptor": {"name": "users"}, "status": status}}}
spec = {"type": "object", "properties": {"count": {"type": "integer"}}}
answers = {"spec": [{"type": "SPEC", "spec": {"connectionSpecification": spec}}],
    "check": [{"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}],
    "discover": [{"type": "CATALOG", "catalog": {"streams": [stream]}}], "read": [status("STARTED")]}
for message in answers[sys.argv[1]]:
    print(json.dumps(message))
if sys.argv[1] == "read":
    for number in range(1, 101):
        data = '{"id": %%d, "price": 0.1234567890123456789}' %% number
        print('{"type": "RECORD", "record": {"stream": "users", "emitted_at": 1795339353000, "data": %%s}}' %% data)
    print(json.dumps(status("COMPLETE")))
"""
TARGET = """#!%s
import json, sys
if "--about" in sys.argv:
    sys.exit(2)
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "STATE":
        print(json.dumps(message["value"]), flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("source", SOURCE), ("target", TARGET)):
        (tmp_path / name).write_text(text % sys.executable)
        (tmp_path / name).chmod(0o755)
    whole = {
        "version": 1,
        "sources": {"faker": {"image": str(tmp_path / "source"), "kind": "airbyte", "config": {"count": 100}}},
        "targets": {"lake": {"image": str(tmp_path / "target"), "kind": "singer"}},
        "pipelines": {"demo": {"source": "faker", "target": "lake"}},
        "jobs": {"nightly": ["demo"]},
        "environments": {"prod": {}},
    }
    (tmp_path / "tapdock.yaml").write_text(json.dumps(whole))
    return tmp_path


def test_the_commands(folder):
    path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    Shell(folder, **path, TAPDOCK_ENGINE="local").follow(page_steps("python.md"))


EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGES["python.md"].read_text(), re.DOTALL | re.MULTILINE)
LAST = [
    "None",
    "100 records",
    "0 () []",
    "`lake` is a target, and must follow a source `tapdock run SOURCE lake`",
    "users 100 0.1234567890123456789 2026-11-22 09:22:33+00:00",
    "1",
]
"""The last line that each example prints in this project, whose source has no state."""


@pytest.mark.parametrize(("example", "last"), list(zip(EXAMPLES, LAST, strict=True)), ids=LAST)
def test_the_examples(folder, example, last, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TAPDOCK_ENGINE", "local")
    exec(compile(example, "python.md", "exec"), {})
    printed = capfd.readouterr()
    assert (printed.out.splitlines()[-1], printed.err) == (last, "")
