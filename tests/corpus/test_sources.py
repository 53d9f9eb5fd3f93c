"""Tests outputs of real sources: their answers to short commands, and their records on both routes."""

import json
from typing import Any

import pytest

from corpus.material import CAPTURED, Run, airbyte_records, configured, needs_corpus, read, singer_records
from tapdock.connectors.selection import select_streams
from tapdock.protocol.answer import read_answer
from tapdock.protocol.catalog import configured_catalog, parse_catalog
from tapdock.translate.states.airbyte import state_to_pass

pytestmark = needs_corpus

READS = [
    ("faker_cat_full.json", "faker_read_full_refresh.jsonl"),
    ("faker_cat_inc.json", "faker_read_incremental_1.jsonl"),
    ("faker_cat_inc.json", "faker_read_incremental_2.jsonl"),
    ("hc_cat.json", "hc_read.jsonl"),
]
ROUTES = ["airbyte-airbyte", "airbyte-singer"]
ids = [read for _, read in READS]


@pytest.mark.parametrize(("catalog", "file"), READS, ids=ids)
def test_every_record_of_a_real_source_arrives_in_a_singer_target(catalog: str, file: str) -> None:
    data = (CAPTURED / file).read_bytes()
    run = Run("airbyte-singer", configured(CAPTURED / catalog), data)
    sent = [(stream, body) for _, stream, body in airbyte_records(data.splitlines())]
    assert singer_records(run.out) == sent
    well_ended(run)


@pytest.mark.parametrize(("catalog", "file"), READS, ids=ids)
def test_a_destination_gets_records_and_states_alone_as_they_are(catalog: str, file: str) -> None:
    data = (CAPTURED / file).read_bytes()
    run = Run("airbyte-airbyte", configured(CAPTURED / catalog), data)
    own = [line for line in data.splitlines() if json.loads(line)["type"] in ("RECORD", "STATE")]
    assert run.out[: len(own)] == own
    rest = read(run.out[len(own) :])
    ended = [message["trace"]["stream_status"] for message in rest if message["type"] == "TRACE"]
    assert [status["status"] for status in ended] == ["COMPLETE"] * len(run.streams)
    assert rest[-len(ended) :] == [message for message in rest if message["type"] == "TRACE"]
    well_ended(run)


def well_ended(run: Run) -> None:
    assert not run.logged("warning", "error")
    assert {report.status for report in run.translator.counts.reports()} == {"complete"}
    assert run.translator.counts.failures() == ()
    assert run.translator.counts.mismatches() == ()
    run.acknowledge()
    assert run.translator.states.settled


@pytest.mark.parametrize("route", ROUTES)
def test_the_second_run_starts_from_the_first_ones_state(route: str) -> None:
    streams = configured(CAPTURED / "faker_cat_inc.json")
    first = Run(route, streams, (CAPTURED / "faker_read_incremental_1.jsonl").read_bytes())
    committed = first.acknowledge()
    given = json.loads((CAPTURED / "faker_state_1.json").read_bytes())
    assert json.loads(committed or "") == given
    assert state_to_pass(committed, streams) == committed

    second = Run(route, streams, (CAPTURED / "faker_read_incremental_2.jsonl").read_bytes(), saved=committed)
    assert second.acknowledge([]) is None, "nothing new is saved before something is acknowledged"
    states = json.loads(second.acknowledge() or "")
    assert [of_stream(state) for state in states] == [of_stream(state) for state in given]
    assert states != given


def of_stream(state: Any) -> str:
    name: str = state["stream"]["stream_descriptor"]["name"]
    return name


@pytest.mark.parametrize("route", ROUTES)
def test_a_full_refresh_leaves_nothing_to_begin_the_next_one_with(route: str) -> None:
    streams = configured(CAPTURED / "faker_cat_full.json")
    run = Run(route, streams, (CAPTURED / "faker_read_full_refresh.jsonl").read_bytes())
    assert state_to_pass(run.acknowledge(), streams) is None


@pytest.mark.parametrize("source", ["faker", "hc"])
def test_answers_of_real_sources(source: str) -> None:
    spec = read_answer((CAPTURED / f"{source}_spec.jsonl").read_bytes()).spec
    assert spec is not None
    assert "count" in json.loads(bytes(spec.connection_specification))["properties"]
    status = read_answer((CAPTURED / f"{source}_check.jsonl").read_bytes()).status
    assert status is not None
    assert status.status == "SUCCEEDED"


def test_a_refused_config_has_its_reason() -> None:
    status = read_answer((CAPTURED / "faker_check_bad.jsonl").read_bytes()).status
    assert status is not None
    assert (status.status, status.message) == (
        "FAILED",
        "Config validation error: 'x' is not of type 'integer'",
    )


@pytest.mark.parametrize("source", ["faker", "hc"])
def test_a_discovered_catalog_goes_back_as_it_came(source: str) -> None:
    catalog = read_answer((CAPTURED / f"{source}_discover.jsonl").read_bytes()).catalog
    assert catalog is not None
    streams = select_streams(parse_catalog(catalog), [], {})
    back = json.loads(configured_catalog(streams))["streams"]
    assert [entry["stream"] for entry in back] == json.loads(bytes(catalog))["streams"]
    if source == "faker":
        assert {entry["destination_sync_mode"] for entry in back} == {"append_dedup"}
