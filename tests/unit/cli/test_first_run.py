"""Tests what a first run and those after it report, with a tap that writes some values in a form of its own."""

import json
import os
import re
import sys
import time
from datetime import UTC, datetime

import pytest

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


@pytest.fixture
def run(tapdock, folder):
    """run(*words) -> the result of a run with these options."""
    for name, text in (("pipelinewise-tap-mysql", TAP), ("target", TARGET)):
        (folder / name).write_text(text % sys.executable)
        (folder / name).chmod(0o755)
    sources = {"shop": {"image": str(folder / "pipelinewise-tap-mysql"), "kind": "singer"}}
    targets = {"lake": {"image": str(folder / "target"), "kind": "singer"}}
    (folder / "tapdock.yaml").write_text(json.dumps({"version": 1, "sources": sources, "targets": targets}))
    return lambda *words: tapdock("run", "shop", "lake", *words, TAPDOCK_ENGINE="local")


def test_the_first_run_warns_about_values_in_a_form_of_their_own(run):
    first = run()
    assert first.returncode == 0, first.stderr
    assert first.stderr.count(WARNING) == 1
    assert WARNING not in run().stderr


NOTE = r"info    +using the streams discovered at 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ; `tapdock discover shop` asks again$"


@pytest.mark.long
def test_a_run_reports_that_it_uses_an_earlier_discovery(tapdock, run):
    assert not re.search(NOTE, run().stderr, re.M)
    assert len(re.findall(NOTE, run().stderr, re.M)) == 1
    for words in (("--quiet",), ("--json",)):
        ended = run(*words)
        assert (ended.returncode, "discovered" in ended.stderr + ended.stdout) == (0, False)
        assert len(re.findall(NOTE, tapdock("runs", "logs").stdout, re.M)) == 1
    assert not re.search(NOTE, run("--refresh-catalog").stderr, re.M)
    assert tapdock("discover", "shop", TAPDOCK_ENGINE="local").returncode == 0, "the command of the note"


@pytest.mark.long
def test_the_note_names_the_time_of_the_last_discovery(folder, run):
    run()
    (catalog,) = (folder / ".tapdock" / "cache").glob("catalog-*.json")
    an_hour_ago = int(time.time()) - 3600
    os.utime(catalog, (an_hour_ago, an_hour_ago))
    assert f"discovered at {datetime.fromtimestamp(an_hour_ago, UTC):%Y-%m-%dT%H:%M:%SZ}" in run().stderr
