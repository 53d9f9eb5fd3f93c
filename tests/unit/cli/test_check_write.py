"""Tests of `tapdock check TARGET --write`: it writes for certain, and ends green only if the target took all of it."""

import json
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
CONNECTORS = Path(__file__).parents[2] / "connectors"
PROGRAMS = {"target": "singer", "destination": "airbyte"}


@pytest.fixture
def check(tapdock, tmp_path: Path):
    """Check a target with this config, and return how the command ended."""
    (tmp_path / "data").mkdir()

    def be(program: str, *words: str, **config: object):
        image = str(CONNECTORS / f"{program}.py") if program in PROGRAMS else program
        where = tmp_path / "rows" if program == "target" else tmp_path / "data"
        lake = {"image": image, "kind": PROGRAMS.get(program, "airbyte")}
        lake["config"] = {"path": str(where), "password": "t0p-secret", **config}
        (tmp_path / "tapdock.yaml").write_text(json.dumps({"version": 1, "targets": {"lake": lake}}))
        return tapdock("check", "lake", "--write", *words, TAPDOCK_ENGINE="local")

    return be


def test_a_destination_gets_all_of_it(check, tmp_path):
    ended = check("destination")
    assert ended.returncode == 0, ended.stderr
    (table,) = (tmp_path / "data").glob("tapdock_check_*.deduped.json")
    rows = json.loads(table.read_text())
    assert sorted(rows, key=lambda row: row["id"]) == [
        {"id": 1, "name": "Zoë 世界 🚀", "amount": 1234567.891, "at": "2024-02-29T12:34:56.789000Z", "version": 2},
        {"id": 2, "name": None, "amount": None, "at": None, "version": 1},
    ]
    name = table.name.partition(".")[0]
    assert f"lake acknowledged 3 records. Expect 2 rows in `{name}` (it merges rows by their key):" in ended.stdout
    assert "lake works (checked by its `check` command, and by writing)\n" in ended.stdout
    assert f"tapdock cannot remove `{name}`" in ended.stderr
    assert not list(tmp_path.glob(".tapdock/state/*"))
    assert not list(tmp_path.glob(".tapdock/runs/*"))


def test_a_singer_target_gets_all_of_it(check, tmp_path):
    ended = check("target", "--json")
    assert ended.returncode == 0, ended.stderr
    *records, done = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    assert ([each["record"]["id"] for each in records], done) == ([1, 2, 1], "done")
    assert [each["record"]["name"] for each in records] == ["before the update", None, "Zoë 世界 🚀"]
    wrote = json.loads(ended.stdout)["wrote"]
    assert (wrote["table"], wrote["records"]) == (records[0]["stream"], 3)


def test_a_singer_target_that_was_written_to_works(check):
    """Without `--write`, nothing is known of it."""
    assert "lake works (checked by writing)\n" in check("target").stdout


def test_a_second_check_has_a_table_of_its_own(check, tmp_path):
    check("destination")
    assert check("destination").returncode == 0
    assert len(list((tmp_path / "data").glob("tapdock_check_*.deduped.json"))) == 2


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"ack": "never"}, "never acknowledged the final state"),
        ({"ack": "not-the-last"}, "never acknowledged the final state"),
        ({"after": 2, "then": "exit 0"}, "the target exited"),
        ({"after": 3, "then": "exit 1"}, "the target exited"),
    ],
)
def test_what_was_not_acknowledged_does_not_count(check, program, config, message):
    ended = check(program, **config)
    assert (ended.returncode, message in ended.stderr) == (4, True), ended.stderr
    assert "works" not in ended.stdout
    assert "acknowledged 3 records" not in ended.stdout
    assert "tapdock cannot remove `tapdock_check_" in ended.stderr, "some rows may be there"


FEWER = """#!%s
import json, sys
modes = ["append"]
spec = {"connectionSpecification": {}, "supported_destination_sync_modes": modes}
taken = 0
if sys.argv[1] == "spec":
    print(json.dumps({"type": "SPEC", "spec": spec}))
elif sys.argv[1] == "check":
    print(json.dumps({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}))
else:
    for line in sys.stdin:
        message = json.loads(line)
        taken += message["type"] == "RECORD"
        if message["type"] == "STATE":
            message["state"]["destinationStats"] = {"recordCount": float(%s)}
            taken = 0
            print(json.dumps(message), flush=True)
"""


@pytest.mark.parametrize(("count", "code"), [("taken", 0), ("0", 4)])
def test_a_target_that_reports_fewer_rows_fails(check, tmp_path, count, code):
    program = tmp_path / "fewer"
    program.write_text(FEWER % (sys.executable, count))
    program.chmod(0o755)
    ended = check(str(program))
    assert ended.returncode == code, ended.stderr
    assert ("Expect 3 rows" in ended.stdout and "(it appends)" in ended.stdout) == (code == 0)


def test_a_failed_check_writes_nothing(check, tmp_path):
    ended = check("destination", check_fails="no such database")
    assert (ended.returncode, "no such database" in ended.stderr) == (4, True)
    assert not list((tmp_path / "data").iterdir())


def test_a_source_cannot_be_written_to(tapdock):
    ended = tapdock("check", "faker", "--write")
    assert (ended.returncode, "only targets can be written to" in ended.stderr) == (2, True)
