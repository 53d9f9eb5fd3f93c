"""Tests outputs of taps to an Airbyte destination: what is declared, what arrives, and when old rows are removed."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from corpus.material import WALL, Run, exact, needs_corpus, read, schemas, singer_files, singer_records
from tapdock.connectors.selection import select_streams
from tapdock.errors import TranslationError
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.translate.catalogs.singer import singer_streams
from tapdock.translate.write.airbyte_stream import SEQUENCE

pytestmark = needs_corpus

FILES = singer_files(
    "meltano-sdk/target_test_streams", "target-postgres", "pipelinewise-target-postgres", "singer-tools"
)
KEYLESS = r"line \d+: a record of stream `\S+` has no value for `id`, which is part of its key"
REFUSED = {
    "record_before_schema.singer": "line 1: a record of stream `test_record_before_schema` before its SCHEMA",
    "record_missing_key_property.singer": KEYLESS,
    "target-postgres/record_missing_required_property.singer": KEYLESS,
    "pk_updates.singer": "line 1: a SCHEMA of stream `example_stream` without `key_properties`",
    "invalid-message-order.json": "line 3: a record of stream `tap_mysql_test-test_table_two` before its SCHEMA",
    "fixerio-invalid-bad-type.json": "line 2: .*`exchange_rate` cannot be read: there is no message type `FOO`",
    "fixerio-invalid-no-stream.json": "line 2: a RECORD without `stream`",
    "fixerio-invalid-truncated.json": "line 2: .*`exchange_rate` cannot be read: it is not complete JSON",
    "fixerio-invalid-no-key-properties.json": "line 1: a SCHEMA of stream `exchange_rate` without `key_properties`",
}


def refused(param: Any) -> bool:
    return bool({param.values[0], param.values[1].name} & REFUSED.keys())


TAKEN = [param for param in FILES if not refused(param)]
ADDED = {SEQUENCE, "_ab_cdc_deleted_at"}


def discovered(file: Path) -> tuple[ConfiguredStream, ...]:
    """Return the streams of a catalog with the first SCHEMA of each stream of a tap."""
    said = [json.loads(line) for line in file.read_bytes().split(b"\n") if b'"SCHEMA"' in line]
    first = {message["stream"]: message for message in reversed(said)}
    entries = [{"tap_stream_id": name, **message} for name, message in first.items()]
    return select_streams(singer_streams(json.dumps({"streams": entries}).encode()), [], {})


@functools.cache
def spooled(file: Path) -> Run:
    """Return the run over a file by which several tests look at one thing each. They must not acknowledge anything."""
    return Run("singer-airbyte", (), file.read_bytes())


def body(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message["record"]["data"].items() if name not in ADDED}


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "discovered"])
@pytest.mark.parametrize(("name", "file"), TAKEN)
def test_every_record_arrives_with_its_values_and_in_its_streams_order(name: str, file: Path, *, known: bool) -> None:
    run = Run("singer-airbyte", discovered(file), file.read_bytes()) if known else spooled(file)
    sent = singer_records(line for line in file.read_bytes().split(b"\n"))
    received = [(message["record"]["stream"], body(message)) for message in read(run.out, "RECORD")]
    assert received == sent
    assert sum(report.records for report in run.translator.counts.reports()) == len(sent)
    assert not run.logged("warning", "error")


@pytest.mark.parametrize(("name", "file"), TAKEN)
def test_the_destination_s_catalog_has_every_field_and_key_that_comes(name: str, file: Path) -> None:
    run = spooled(file)
    entries = json.loads(run.catalog or b"")["streams"]
    declared = {entry["stream"]["name"]: entry["stream"]["json_schema"] for entry in entries}
    lines = file.read_bytes().split(b"\n")
    assert set(declared) == {stream for stream, _ in schemas(lines)}
    for stream, schema in schemas(lines):
        assert set(schema.get("properties", {})) <= set(declared[stream]["properties"])
    for entry in entries:
        properties = entry["stream"]["json_schema"]["properties"]
        named = [path[0] for path in entry["primary_key"]] + entry["cursor_field"][:1]
        assert set(named) <= set(properties)
        assert entry["generation_id"] is not None
        assert entry["minimum_generation_id"] in (0, entry["generation_id"])
        assert (entry["destination_sync_mode"] == "append_dedup") == bool(entry["primary_key"])
        assert all("type" in one or "oneOf" in one or "anyOf" in one for one in properties.values())
        assert not {"$ref", "definitions", "inclusion", "selected"} & set(keys_of(entry["stream"]["json_schema"]))


def keys_of(schema: Any) -> list[str]:
    """Return all keywords of a schema, at any depth. Names of fields are not keywords."""
    if isinstance(schema, list):
        return [key for one in schema for key in keys_of(one)]
    if not isinstance(schema, dict):
        return []
    inner = list(schema.get("properties", {}).values()) if isinstance(schema.get("properties"), dict) else []
    rest = [value for key, value in schema.items() if key not in ("properties", "enum", "default", "examples")]
    return [*schema, *keys_of(inner), *keys_of(rest)]


@pytest.mark.parametrize(("name", "file"), TAKEN)
def test_the_end_is_states_and_then_complete_for_every_stream(name: str, file: Path) -> None:
    run = spooled(file)
    kinds = [message["type"] for message in read(run.out)]
    streams = [entry["stream"]["name"] for entry in json.loads(run.catalog or b"")["streams"]]
    traces = [message["trace"] for message in read(run.out, "TRACE")]
    assert kinds.index("TRACE") == len(kinds) - len(streams)
    assert kinds[-len(streams) - 1] == "STATE"
    assert [trace["stream_status"]["stream_descriptor"]["name"] for trace in traces] == streams
    assert {trace["stream_status"]["status"] for trace in traces} == {"COMPLETE"}


@pytest.mark.parametrize(("name", "file"), TAKEN)
def test_nothing_is_said_of_versions_and_a_tap_that_failed_completes_nothing(name: str, file: Path) -> None:
    run = Run("singer-airbyte", (), file.read_bytes(), complete=False)
    assert b"ACTIVATE_VERSION" not in b"".join(run.out)
    assert read(run.out, "TRACE") == []
    entries = json.loads(run.catalog or b"")["streams"]
    assert {entry["minimum_generation_id"] for entry in entries} == {0}, "nobody asked for old rows to go"


@pytest.mark.parametrize(("name", "file"), TAKEN)
def test_times_are_whole_milliseconds_and_never_go_back(name: str, file: Path) -> None:
    run = spooled(file)
    last: dict[str, int] = {}
    for line in run.out:
        message = json.loads(line)
        if message["type"] != "RECORD":
            continue
        record = message["record"]
        assert type(record["emitted_at"]) is int
        assert record["emitted_at"] >= last.get(record["stream"], 0)
        last[record["stream"]] = record["emitted_at"]
    timed = {
        message["stream"] for message in read(file.read_bytes().split(b"\n"), "RECORD") if "time_extracted" in message
    }
    for stream, at in last.items():
        assert (at == int(WALL * 1000)) == (stream not in timed)


@pytest.mark.parametrize(("name", "file"), TAKEN)
def test_the_taps_last_state_is_saved_as_it_wrote_it(name: str, file: Path) -> None:
    run = Run("singer-airbyte", (), file.read_bytes())
    messages = [line for line in file.read_bytes().split(b"\n") if line.startswith(b"{")]
    own = [line for line in messages if json.loads(line)["type"] == "STATE" and json.loads(line)["value"]]
    counted = sum(json.loads(line)["state"]["sourceStats"]["recordCount"] for line in run.states())
    assert counted == len(read(run.out, "RECORD"))
    committed = run.acknowledge()
    assert run.translator.states.settled
    assert run.translator.counts.mismatches() == ()
    if not own:
        assert committed is None
        return
    assert committed is not None
    assert exact(committed) == exact(own[-1])["value"]
    assert committed.encode() in own[-1]


@pytest.mark.parametrize(("name", "file"), [param for param in FILES if refused(param)])
def test_what_is_invalid_is_refused_by_its_line(name: str, file: Path) -> None:
    with pytest.raises(TranslationError, match=REFUSED.get(file.name) or REFUSED[name]):
        Run("singer-airbyte", (), file.read_bytes())


MISMATCHED = {
    "singer-tools/fixerio-invalid-doesnt-match-schema.json": r"line 2: .*`exchange_rate` .*\.date`",
    "pipelinewise-target-postgres/messages-with-invalid-records.json": r"line 4: .*_invalid_record` .*\.c_pk`",
    "pipelinewise-target-postgres/messages-with-nested-schema.json": r"line 4: .*_nested_schema` .*\.c_array`",
    "pipelinewise-target-postgres/messages-pg-logical-streams.json": r"line \d+: .*_edgydata` .*\.cjson`",
}
"""Files whose values have other types than their schemas: refused if the user sets `validate_records`."""


@pytest.mark.parametrize(("name", "file"), TAKEN)
def test_types_are_looked_at_where_the_user_wants_it(name: str, file: Path) -> None:
    data = file.read_bytes()
    if name in MISMATCHED:
        with pytest.raises(TranslationError, match=MISMATCHED[name]):
            Run("singer-airbyte", (), data, validate_records=True)
        return
    run = Run("singer-airbyte", (), data, validate_records=True)
    assert len(read(run.out, "RECORD")) == len(read(data.split(b"\n"), "RECORD"))
