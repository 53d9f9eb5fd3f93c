"""Tests of the warnings of a first run, with a tap that writes some values in a form of its own."""

import json
import sys

TAP = """#!%s
import json, sys
schema = {"properties": {"id": {"type": "integer"}, "opens": {"type": ["null", "string"], "format": "time"}}}
if "--discover" in sys.argv:
    entry = {"tap_stream_id": "shops", "stream": "shops", "key_properties": ["id"], "schema": schema}
    print(json.dumps({"streams": [entry]}))
elif "--about" in sys.argv:
    sys.exit(2)
else:
    print(json.dumps({"type": "SCHEMA", "stream": "shops", "schema": schema, "key_properties": ["id"]}))
    print(json.dumps({"type": "RECORD", "stream": "shops", "record": {"id": 1, "opens": "8:05:00"}}))
    print(json.dumps({"type": "STATE", "value": {"bookmarks": {"shops": {"id": 1}}}}))
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
WARNING = "which a target may refuse or store as null: `shops.opens`"


def test_the_first_run_warns_about_values_in_a_form_of_their_own(tapdock, folder):
    for name, text in (("pipelinewise-tap-mysql", TAP), ("target", TARGET)):
        (folder / name).write_text(text % sys.executable)
        (folder / name).chmod(0o755)
    sources = {"shop": {"image": str(folder / "pipelinewise-tap-mysql"), "kind": "singer"}}
    targets = {"lake": {"image": str(folder / "target"), "kind": "singer"}}
    (folder / "tapdock.yaml").write_text(json.dumps({"version": 1, "sources": sources, "targets": targets}))
    first = tapdock("run", "shop", "lake", TAPDOCK_ENGINE="local")
    assert first.returncode == 0, first.stderr
    assert first.stderr.count(WARNING) == 1
    assert WARNING not in tapdock("run", "shop", "lake", TAPDOCK_ENGINE="local").stderr
