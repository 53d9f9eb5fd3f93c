"""Tests of `tapdock check --read N`: what is printed, and that no state is saved."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

TAP = Path(__file__).parents[2] / "connectors" / "tap.py"
TARGET = TAP.with_name("target.py")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    config = {"token": "t", "streams": ["users", "orders"], "steps": ["schema users", "until users 50", "state"]}
    source = {"image": str(TAP), "kind": "singer", "config": config}
    target = {"image": str(TARGET), "kind": "singer", "config": {"path": str(tmp_path / "rows")}}
    whole = {"version": 1, "sources": {"shop": source}, "targets": {"lake": target}}
    (tmp_path / "tapdock.yaml").write_text(json.dumps(whole))
    return tmp_path


def test_the_counts_are_printed(tapdock, project):
    words = ("--project", str(project), "check", "shop", "--read")
    ended = tapdock(*words, "7", TAPDOCK_ENGINE="local")
    assert ended.returncode == 0, ended.stderr
    assert "shop printed 7 records\n" in ended.stdout
    assert ["users", "7"] in [line.split() for line in ended.stdout.splitlines()]
    assert ["orders", "0"] in [line.split() for line in ended.stdout.splitlines()]
    ended = tapdock(*words, "60", "--json", TAPDOCK_ENGINE="local")
    answer = json.loads(ended.stdout)
    assert answer["read"] == {"records": 50, "streams": {"users": 50, "orders": 0}, "is_whole": True}
    assert answer["succeeded"]
    assert not list(project.glob(".tapdock/state/*"))


def test_a_source_that_cannot_be_read_fails_its_check(tapdock, project):
    text = (project / "tapdock.yaml").read_text()
    (project / "tapdock.yaml").write_text(text.replace("until users 50", "exit 7"))
    ended = tapdock("--project", str(project), "check", "shop", "--read", "7", TAPDOCK_ENGINE="local")
    assert ended.returncode == 3
    assert "reading failed for source `shop` after 0 records (exit code 7)" in ended.stderr


def test_the_reason_of_a_failure_has_no_part_of_a_record(tapdock, project):
    """A line separator of Unicode does not end a line of JSON."""
    text = (project / "tapdock.yaml").read_text()
    line = '{"type":"RECORD","stream":"users","record":{"t":"a\u2028card 4111"}}'
    (project / "lines").write_text(f"{line}\n")
    steps = json.dumps(["schema users", f"file {project}/lines", "exit 7"])
    whole = json.loads(text)
    whole["sources"]["shop"]["config"]["steps"] = json.loads(steps)
    (project / "tapdock.yaml").write_text(json.dumps(whole))
    ended = tapdock("--project", str(project), "check", "shop", "--read", "7", TAPDOCK_ENGINE="local")
    assert ended.returncode == 3
    assert "after 1 records (exit code 7)" in ended.stderr
    assert "4111" not in ended.stderr


ABOUT = """#!/bin/sh
case "$*" in
    *--about*) echo '{"settings": {"properties": {"path": {"type": "string"}}}, "capabilities": ["about"]}' ;;
    *--discover*) echo '{"streams": [{"tap_stream_id": "users", "stream": "users", "schema": {}}]}' ;;
    *) echo '{"type": "RECORD", "stream": "users", "record": {"id": 1}}' ;;
esac
"""


def test_a_check_without_credentials_does_not_say_that_the_connector_works(tapdock, project):
    program = project / "program"
    program.write_text(ABOUT)
    program.chmod(0o755)
    file = project / "tapdock.yaml"
    file.write_text(file.read_text().replace(str(TAP), str(program)).replace(str(TARGET), str(program)))
    for name in ("lake", "shop"):
        ended = tapdock("--project", str(project), "check", name, TAPDOCK_ENGINE="local")
        assert (ended.returncode, "works" in ended.stdout) == (0, False), ended.stderr
        assert ended.stdout.startswith(f"{name} was checked in part (checked by its config against its spec")
    read = tapdock("--project", str(project), "check", "shop", "--read", "1", TAPDOCK_ENGINE="local")
    assert read.stdout.startswith("shop works (checked by "), "reading needs the credentials"


def test_a_target_has_no_records_to_read(tapdock, project):
    ended = tapdock("--project", str(project), "check", "lake", "--read", "7", TAPDOCK_ENGINE="local")
    assert (ended.returncode, "only sources have records to read" in ended.stderr) == (2, True)
