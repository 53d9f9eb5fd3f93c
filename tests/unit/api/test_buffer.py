"""Tests that the `buffer` of a pipeline reaches the relay, with programs that run without an engine."""

import json
import sys
from pathlib import Path

import pytest

import tapdock

pytestmark = pytest.mark.long

SOURCE = """
import json, os, sys
if "--about" in sys.argv:
    sys.exit("there are no settings")
if "--discover" in sys.argv:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    metadata = [{"breadcrumb": [], "metadata": {"inclusion": "available", "selected": True}}]
    stream = {"stream": "s", "tap_stream_id": "s", "schema": schema, "metadata": metadata}
    sys.exit(print(json.dumps({"streams": [stream]})))
print('{"type":"SCHEMA","stream":"s","schema":{"properties":{"text":{"type":"string"}}},"key_properties":[]}')
for _ in range(800):
    print('{"type":"RECORD","stream":"s","record":{"text":"' + "x" * 5000 + '"}}')
print('{"type":"STATE","value":{"bookmarks":{"s":{"id":1}}}}', flush=True)
open(os.environ["DONE"], "w").close()
"""
TARGET = """
import os, sys, time
if "--about" in sys.argv:
    sys.exit("there are no settings")
until = time.monotonic() + float(os.environ["PATIENCE"])
while not os.path.exists(os.environ["DONE"]) and time.monotonic() < until:
    time.sleep(0.01)
ahead = os.path.exists(os.environ["DONE"])
for line in sys.stdin:
    if '"STATE"' in line:
        print(line[line.index('"value":') + 8 : line.rindex("}")], flush=True)
open(os.environ["TOLD"], "w").write(str(ahead))
"""


@pytest.mark.parametrize(("size", "patience", "ahead"), [(None, 60, "True"), ("8m", 60, "True"), ("0", 0.5, "False")])
def test_a_source_ends_before_its_target_reads_anything(tmp_path: Path, size: str, patience: float, ahead: str):
    """It prints 4 MB, which both pipes together do not hold."""
    for name, text in (("source", SOURCE), ("target", TARGET)):
        (tmp_path / name).write_text(f"#!{sys.executable} -IS\n{text}")
        (tmp_path / name).chmod(0o755)
    env = {"DONE": str(tmp_path / "done"), "TOLD": str(tmp_path / "told"), "PATIENCE": str(patience)}
    common = {"kind": "singer", "env": env}
    project = {
        "version": 1,
        "sources": {"shop": {"image": str(tmp_path / "source"), **common}},
        "targets": {"lake": {"image": str(tmp_path / "target"), **common}},
        "pipelines": {"demo": {"source": "shop", "target": "lake"} | ({"buffer": size} if size else {})},
    }
    (tmp_path / "tapdock.yaml").write_text(json.dumps(project))
    run = tapdock.load(tmp_path, environ={"TAPDOCK_ENGINE": "local"}).run("demo")
    assert (run.status, run.error) == ("succeeded", None)
    assert (tmp_path / "told").read_text() == ahead
    assert sum(stream.records for stream in run.streams) == 800
