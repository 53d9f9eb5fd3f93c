"""Tests that no option of a run writes an excluded field anywhere: the whole folder of the project is searched."""

import json
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

TAP = """#!%s
import json, sys
secret = "PRIV" + "ATE"
text = {"type": ["null", "string"]}
person = {"type": ["null", "object"], "properties": {"name": text, "ssn": text}}
schema = {"properties": {"id": {"type": "integer"}, "email": text, "owner": person}}
if "--discover" in sys.argv:
    streams = [{"tap_stream_id": name, "schema": schema, "key_properties": ["id"]} for name in ("users", "hidden")]
    print(json.dumps({"streams": streams}))
elif "--config" in sys.argv and "--catalog" in sys.argv:  # it ignores its catalog
    for stream in ("users", "hidden"):
        print(json.dumps({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": ["id"]}))
        body = {"id": 1, "email": secret, "owner": {"ssn": secret, "name": "a"}, "work_phone": secret}
        print(json.dumps({"type": "RECORD", "stream": stream, "record": body}))
        print(json.dumps({"type": "RECORD", "stream": stream, "record": [secret]}))
        print(json.dumps({"type": "RECORD", "stream": stream, "record": body})[:-1])
    print(json.dumps({"type": "STATE", "value": {"bookmarks": {"users": {"id": 1}}}}))
else:
    sys.exit(1)
"""
TARGET = """#!%s
import json, sys
if "--about" in sys.argv:
    sys.exit(1)
state = None
with open("%s", "a") as rows:
    for line in sys.stdin:
        rows.write(line)
        message = json.loads(line)
        state = message["value"] if message["type"] == "STATE" else state
print(json.dumps(state))
"""
FLAGS = [
    (),
    ("--full-refresh", "--refresh-catalog"),
    ("--select", "*", "--json"),
    ("--select", "users.owner", "--select", "users.id", "--no-state-update"),
    ("--exclude", "users.id*x*", "--verbose"),
]


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_an_excluded_field_is_in_no_file_and_no_output(tapdock, folder: Path, flags: tuple[str, ...]) -> None:
    rows = folder / "rows.jsonl"
    programs = {"tap": TAP % sys.executable, "target": TARGET % (sys.executable, rows)}
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    select = ["!hidden", "!users.email", "!users.owner.ssn", "!*.*_phone"]
    project = {
        "version": 1,
        "sources": {"s": {"image": str(folder / "tap"), "kind": "singer", "select": select}},
        "targets": {"t": {"image": str(folder / "target"), "kind": "singer"}},
        "pipelines": {"p": {"source": "s", "target": "t", "on_bad_record": "set_aside"}},
    }
    (folder / "tapdock.yaml").write_text(json.dumps(project))
    for words in (("run", "p", *flags), ("runs", "show"), ("runs", "logs"), ("check", "s", "--read", "3")):
        ended = tapdock(*words, TAPDOCK_ENGINE="local")
        assert "PRIVATE" not in ended.stdout + ended.stderr
        assert ended.returncode == 0, ended.stderr
    written = rows.read_text()
    assert '"name":"a"' in written, "the rest of the record arrives"
    assert "hidden" not in written
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5, "records and logs of the run are searched too"
    assert [path for path in files if b"PRIVATE" in path.read_bytes()] == []
