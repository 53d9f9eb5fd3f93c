"""Tests interrupted runs of the other routes: what the next run does, and what must never be written."""

import json

import pytest

from engines.places import local_only

OVERWRITE = {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}


def ids(rows) -> list[int]:
    return [row["id"] for row in rows]


@local_only
@pytest.mark.parametrize("old", [True, False])
def test_a_snapshot_is_only_resumed_where_the_destination_keeps_what_it_has(project, old):
    """Older destinations stage rows anew in each run: half a snapshot would replace the whole snapshot."""
    project.programs = ("source", "destination")
    project.keys = {"pipelines": {"p": {"source": "source", "target": "target", "retries": 1}}}
    project.source_keys = {"streams": {"users": OVERWRITE}}
    project.source = {"describes": {"is_resumable": True}}
    project.target = {"old": old}
    project.target_keys = {} if old else {"waits_for_complete": True}
    project.steps("until users 5", "state", f"once {project.folder / 'failed'}", "until users 10", "state")
    ended = project.run("run", "p", "--json", "--log-format", "json")
    assert ended.code == 0, ended.stderr
    assert sorted(ids(project.table())) == list(range(1, 11))


@local_only
def test_a_stream_that_the_tap_never_spoke_of_is_not_emptied(project):
    project.programs = ("tap", "destination")
    project.source_keys = {"streams": {"users": OVERWRITE, "gone": OVERWRITE}}
    both = {"streams": ["users", "gone"]}
    project.steps("schema users", "schema gone", "until users 3", "until gone 3", "state", **both)
    project.target_keys = {"waits_for_complete": True}
    assert project.run().code == 0
    project.steps("schema users", "until users 2", "state", **both)
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "could not finish gone" in ended.message
    assert ids(project.table("gone")) == [1, 2, 3]
    assert ids(project.table()) == [1, 2]


@local_only
def test_a_new_snapshot_that_failed_is_begun_again(project):
    """The run that succeeds removes the old rows, regardless of earlier acknowledgements."""

    def state(last: int, version: int) -> str:
        bookmarks = {"users": {"id": last, "version": version}}
        return "junk " + json.dumps({"type": "STATE", "value": {"bookmarks": bookmarks}}, separators=(",", ":"))

    project.programs = ("tap", "destination")
    project.source = {"keys": []}
    project.steps("schema users", "version users 1", "until users 3", state(3, 1))
    assert project.run().code == 0
    second = ("schema users", "version users 2", "until users 12000", state(12000, 2), "until users 15000")
    project.target = {"after": 13000, "then": "exit 1"}
    project.steps(*second, state(15000, 2))
    assert project.run().code == 4
    assert project.state()["bookmarks"]["users"]["version"] == 1
    project.target = {}
    project.steps(*second, state(15000, 2))
    assert project.run().code == 0
    rows = [json.loads(row) for row in (project.data / "users.jsonl").read_text().splitlines()]
    assert {row["generation_id"] for row in rows} == {project.seen()[-1]["catalog"]["streams"][0]["generation_id"]}
    assert sorted(row["data"]["id"] for row in rows)[-1] == 15000


def test_global_states_of_a_source_are_recognized(project):
    """Sources that read a database's log emit GLOBAL states."""
    project.programs = ("source", "destination")
    two = {"states": "GLOBAL", "streams": ["users", "orders"]}
    project.steps("until users 4", "state", "until orders 3", "state", **two)
    ended = project.run()
    assert ended.code == 0, ended.stderr
    (state,) = project.state()
    assert state["type"] == "GLOBAL"
    project.steps("until users 6", "until orders 3", "state", **two)
    assert {each["stream"]: each["records"] for each in project.run().record["streams"]} == {"users": 2, "orders": 0}


@local_only
@pytest.mark.parametrize(("reads", "writes"), [("source", "target"), ("source", "destination"), ("tap", "target")])
def test_a_source_that_was_killed_in_the_middle_of_a_line_is_what_failed(project, reads, writes):
    project.programs = (reads, writes)
    first = ["schema users"] if reads == "tap" else []
    project.steps(*first, "until users 9", "state", "torn users", "exit 137")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "137" in ended.message
    assert project.state()


@local_only
def test_a_line_without_an_end_of_a_source_that_ended_well_is_refused(project):
    project.programs = ("tap", "target")
    project.steps("schema users", "until users 9", "state", "torn users", "exit 0")
    ended = project.run()
    assert (ended.code, ended.side) == (5, "runner")
    assert "`users`" in ended.message


@local_only
@pytest.mark.parametrize("writes", ["target", "destination"])
def test_what_was_not_selected_reaches_nobody(project, writes):
    """Some taps send fields and streams that are not selected."""
    project.programs = ("tap", writes)
    project.source_keys = {"select": ["users.*", "!users.name"]}
    secret = (
        '{"type":"SCHEMA","stream":"salaries","schema":{"properties":{"id":{"type":"integer"}}},"key_properties":[]}'
    )
    row = '{"type":"RECORD","stream":"salaries","record":{"id":7}}'
    named = '{"type":"RECORD","stream":"users","record":{"id":3,"name":"somebody"}}'
    project.steps(
        "schema users", "until users 2", f"junk {secret}", f"junk {row}", f"junk {named}", "state",
        streams=["users", "salaries"],
    )  # fmt: skip
    ended = project.run()
    assert ended.code == 0, ended.stderr
    written = "".join(file.read_text() for file in project.data.iterdir() if file.is_file())
    assert "somebody" not in written
    assert "salaries" not in written
    counts = {each["stream"]: (each["records"], each["excluded"]) for each in ended.record["streams"]}
    assert counts == {"users": (3, 0), "salaries": (0, 1)}


@local_only
def test_a_tap_that_names_no_stream_is_what_failed(project):
    project.programs = ("tap", "destination")
    project.source_keys = {"discovery": False}
    project.steps("junk nothing", discovery="none")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "no stream" in ended.message
