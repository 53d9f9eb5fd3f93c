"""Tests the routes other than Airbyte to Singer, with programs that follow both protocols strictly."""

import json

import pytest

from engines.places import local_only

TO_AIRBYTE = pytest.mark.parametrize("reads", ["source", "tap"])
OVERWRITE = {"users": {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}}


def ids(rows) -> list[int]:
    return [row["id"] for row in rows]


def steps(project, reads: str, *words: str, **config) -> None:
    """Set the steps of a source or a tap. A tap emits its schema first."""
    first = ["schema users"] if reads == "tap" else []
    project.steps(*first, *words, **config)


@pytest.fixture
def to_airbyte(project, reads):
    project.programs = (reads, "destination")
    return project


@pytest.mark.parametrize(
    ("place", "reads"),
    [
        ("local", "source"),
        ("local", "tap"),
        pytest.param("docker-beside", "source", marks=[pytest.mark.docker, pytest.mark.slow]),
        pytest.param("docker-beside", "tap", marks=[pytest.mark.docker, pytest.mark.slow]),
        pytest.param("docker-container", "tap", marks=[pytest.mark.docker, pytest.mark.slow]),
    ],
)
def test_a_destination_gets_states_and_the_next_run_goes_on(to_airbyte, reads):
    steps(to_airbyte, reads, "until users 20", "state", "until users 30", "state")
    first = to_airbyte.run()
    assert first.code == 0, first.stderr
    assert ids(to_airbyte.table()) == list(range(1, 31))
    steps(to_airbyte, reads, "until users 35", "state")
    second = to_airbyte.run()
    assert (second.code, second.record["streams"][0]["records"]) == (0, 5)
    assert ids(to_airbyte.table()) == list(range(1, 36))
    for run in to_airbyte.seen():
        assert run["messages"][-1] == ["COMPLETE", "users", 1]
        assert run["messages"][-2][0] == "STATE"
        assert run["mismatches"] == []


@TO_AIRBYTE
def test_an_overwrite_replaces_all_rows_each_time(to_airbyte, reads):
    to_airbyte.source_keys = {"streams": OVERWRITE}
    for last in (20, 7):
        steps(to_airbyte, reads, f"until users {last}", "state", resumes_full=True)
        assert to_airbyte.run().code == 0
        assert ids(to_airbyte.table()) == list(range(1, last + 1))
    generations = [run["catalog"]["streams"][0]["generation_id"] for run in to_airbyte.seen()]
    assert generations[0] < generations[1]


@TO_AIRBYTE
def test_a_source_that_fails_replaces_nothing(to_airbyte, reads):
    to_airbyte.source_keys = {"streams": OVERWRITE}
    steps(to_airbyte, reads, "until users 20", "state")
    assert to_airbyte.run().code == 0
    steps(to_airbyte, reads, "until users 5", "state", "until users 9", "exit 1")
    ended = to_airbyte.run()
    assert (ended.code, ended.side) == (3, "source")
    assert ids(to_airbyte.table()) == list(range(1, 21))
    steps(to_airbyte, reads, "until users 3", "state", resumes_full=True)
    assert to_airbyte.run().code == 0
    assert ids(to_airbyte.table()) == [1, 2, 3]


@TO_AIRBYTE
def test_a_destination_that_swaps_at_the_end_of_its_input_never_sees_one_of_a_failed_source(to_airbyte, reads):
    """Older destinations ignore COMPLETE and replace the table at the end of input.

    A half table must not replace a whole one.
    """
    to_airbyte.source_keys = {"streams": OVERWRITE}
    to_airbyte.target = {"old": True}
    steps(to_airbyte, reads, "until users 20", "state")
    assert to_airbyte.run().code == 0
    steps(to_airbyte, reads, "until users 5", "exit 1")
    ended = to_airbyte.run()
    assert (ended.code, ended.side) == (3, "source")
    assert ids(to_airbyte.table()) == list(range(1, 21))


@TO_AIRBYTE
def test_an_append_of_a_failed_source_is_kept_and_acknowledged(to_airbyte, reads):
    steps(to_airbyte, reads, "until users 20", "state", "until users 25", "exit 1")
    ended = to_airbyte.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "the source exited with 1" in ended.message
    assert ["COMPLETE", "users", 1] not in to_airbyte.seen()[0]["messages"]
    steps(to_airbyte, reads, "until users 30", "state")
    assert to_airbyte.run().code == 0
    assert set(ids(to_airbyte.table())) == set(range(1, 31))


@TO_AIRBYTE
def test_a_destination_dies_midway_and_the_next_run_goes_on(to_airbyte, reads):
    to_airbyte.target = {"after": 15, "then": "exit 1"}
    steps(to_airbyte, reads, "until users 10", "state", "until users 30", "state")
    ended = to_airbyte.run()
    assert (ended.code, ended.side) == (4, "target")
    to_airbyte.target = {}
    steps(to_airbyte, reads, "until users 40", "state")
    assert to_airbyte.run().code == 0
    assert set(ids(to_airbyte.table())) == set(range(1, 41))


@TO_AIRBYTE
def test_a_destination_that_acknowledges_nothing_has_failed(to_airbyte, reads):
    to_airbyte.target = {"ack": "never"}
    steps(to_airbyte, reads, "until users 10", "state")
    ended = to_airbyte.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "never acknowledged" in ended.message
    assert ended.record["state"]["committed"] == 0


@local_only
def test_a_number_that_was_never_sent_is_no_acknowledgement(project):
    project.programs = ("tap", "destination")
    project.target = {"ack": "invented"}
    project.steps("schema users", "until users 10", "state")
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "which it was never sent" in ended.message


@local_only
def test_a_destination_s_own_reason_is_reported(project):
    project.programs = ("source", "destination")
    project.target = {"modes": ["append"]}
    project.steps("until users 10", "state")
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "append_dedup" in ended.message


def test_barriers_where_a_destination_takes_no_global_state(project):
    project.programs = ("tap", "destination")
    project.target = {"refuse_global": True}
    project.target_keys = {"state_type": "stream"}
    project.steps(
        "schema users", "schema orders", "until users 9", "until orders 4", "state", streams=["users", "orders"]
    )
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert ["STATE", "orders", 1] in project.seen()[0]["messages"]
    assert project.state() == {"bookmarks": {"users": {"id": 9}, "orders": {"id": 4}}}


def test_a_stream_and_a_field_that_discovery_did_not_report(project):
    project.programs = ("tap", "destination")
    first = ("schema users", "until users 5", "newcolumn users age", "until users 8")
    then = ("schema extra", "until extra 3", "state")
    project.steps(*first, *then, streams=["users", "extra"], hidden=["extra"])
    ended = project.run()
    assert ended.code == 0, ended.stderr
    (run,) = project.seen()
    fields = {each["stream"]["name"]: each["stream"]["json_schema"]["properties"] for each in run["catalog"]["streams"]}
    assert "age" in fields["users"]
    assert ids(project.table("extra")) == [1, 2, 3]
    assert {each["stream"]: each["records"] for each in ended.record["streams"]} == {"users": 8, "extra": 3}


def test_without_a_spool_they_are_refused_and_what_was_acknowledged_is_kept(project):
    project.programs = ("tap", "destination")
    project.keys = {"pipelines": {"p": {"source": "source", "target": "target", "late_schema": "stream"}}}
    project.steps(
        "schema users", "until users 5", "state", "pause 1.2", "newcolumn users age", "until users 8", "state"
    )
    ended = project.run("run", "p", "--json", "--log-format", "json")
    assert (ended.code, ended.side) == (5, "runner")
    assert "`age`" in ended.message
    assert "line 8" in ended.message
    assert "late_schema: spool" in ended.hint
    assert ids(project.table()) == [1, 2, 3, 4, 5]
    assert project.state() == {"bookmarks": {"users": {"id": 5}}}


def test_singer_to_singer_byte_for_byte(project):
    project.programs = ("tap", "target")
    project.steps("schema users", "until users 20", "state", "numbers users", "odd-state", "until users 30", "state")
    ended = project.run()
    assert ended.code == 0, ended.stderr
    rows = [row for row in project.rows() if row != '"done"']
    assert len(rows) == 30
    assert "12345678901234567.123456789" in rows[20]
    assert "12345678901234567890" in rows[20]
    project.steps("schema users", "until users 33", "state")
    assert project.run().record["streams"][0]["records"] == 3
    assert project.ids() == set(range(1, 34))


@local_only
@pytest.mark.parametrize("writes", ["target", "destination"])
def test_a_tap_that_rewrites_its_config_gets_it_again(project, writes):
    project.programs = ("tap", writes)
    project.steps("rewrite second", "schema users", "until users 1", "state", token="first")
    assert project.run().code == 0
    project.steps("expect second", "schema users", "until users 2", "state", token="first")
    ended = project.run()
    assert ended.code == 0, ended.stderr


@local_only
@pytest.mark.parametrize("writes", ["target", "destination"])
@pytest.mark.parametrize("discovery", ["properties", "none"])
def test_taps_of_every_age(project, writes, discovery):
    project.programs = ("tap", writes)
    project.source_keys = {"catalog_option": "--properties"} if discovery == "properties" else {"discovery": False}
    project.steps(
        "schema users", "junk not a message", "blank", "lowercase", "until users 4", "state", discovery=discovery
    )
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert ended.record["streams"][0]["records"] == 4
    found = (
        ids(project.table())
        if writes == "destination"
        else sorted(json.loads(row)["record"]["id"] for row in project.rows() if row != '"done"')
    )
    assert found == [1, 2, 3, 4]


@local_only
def test_a_tap_without_discovery_differs_from_a_broken_one(project):
    project.programs = ("tap", "target")
    project.steps("schema users", discovery="none")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "discovery: false" in ended.hint


def test_records_that_cannot_be_sent_are_set_aside_and_counted(project):
    project.programs = ("tap", "destination")
    project.keys = {"pipelines": {"p": {"source": "source", "target": "target", "on_bad_record": "set_aside"}}}
    broken = '{"type":"RECORD","stream":"users","record":{"name":"nobody"}}'
    project.steps("schema users", "until users 3", f"junk {broken}", "until users 5", "state")
    ended = project.run("run", "p", "--json", "--log-format", "json")
    assert ended.code == 0, ended.stderr
    assert ids(project.table()) == [1, 2, 3, 4, 5]
    (report,) = ended.record["streams"]
    assert (report["records"], report["set_aside"]) == (5, 1)
    (file,) = project.private.glob("runs/*/set-aside.jsonl")
    assert file.stat().st_mode & 0o777 == 0o600
    (kept,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert "`id`" in kept["reason"]
    assert "nobody" in kept["record"]
    refused = project.run()
    assert (refused.code, "`id`" in refused.message, "line 2" in refused.message) == (5, True, True)


def test_batches_are_expanded_for_whoever_reads_no_files(project):
    if project.place == "local":
        pytest.skip("programs without containers share no folder under a fixed name")
    project.programs = ("tap", "target")
    where = {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": {"root": "file:///tapdock/scratch/b"}}
    project.steps("schema users", "batch users 20", "until users 25", "state", batch_config=where)
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert project.ids() == set(range(1, 26))
    assert ended.record["streams"][0]["records"] == 25


@local_only
@pytest.mark.parametrize("rotate", ["secrets", "all"])
def test_a_tap_does_not_switch_on_batches_for_itself(project, tmp_path, rotate):
    """The tap writes `batch_config` into its own config. Later runs must not use this value."""
    project.programs = ("tap", "target")
    project.source_keys = {"rotate": rotate}
    where = json.dumps({"storage": {"root": f"file://{tmp_path}/batches"}}, separators=(",", ":"))
    project.steps("schema users", "until users 5", "state", f"configure batch_config {where}")
    first = project.run()
    assert first.code == 0, first.stderr
    assert "changed values of its config that are not kept: /batch_config" in first.stderr
    project.steps("schema users", "batch users 20", "state")
    second = project.run()
    assert second.code == 0, second.stderr
    assert not (tmp_path / "batches").exists()
    assert project.ids() == set(range(1, 26))
    assert "batch_config" not in project.run("config", "show").stdout


@local_only
def test_counts_that_differ_fail_a_strict_run(project):
    project.programs = ("source", "destination")
    state = '"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":{"id":3}}'
    project.steps("until users 3", f'line {{"type":"STATE","state":{{{state},"sourceStats":{{"recordCount":4.0}}}}}}')
    lenient = project.run()
    assert lenient.code == 0
    assert "the source counted 4 records before a state, but sent 3" in lenient.stderr
    ended = project.run("run", "source", "target", "--json", "--strict-counts", "--full-refresh")
    assert (ended.code, ended.side) == (3, "source")
    assert "4 records" in ended.message
    assert ["COMPLETE", "users", 1] not in project.seen()[-1]["messages"]
