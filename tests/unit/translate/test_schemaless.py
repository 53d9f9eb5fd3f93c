"""Tests of streams that declare no fields: their records are written into one column, or refused."""

import json

import msgspec
import pytest

from tapdock.connectors.selection import select_streams
from tapdock.errors import TapdockError, UsageError
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import Stream, configured_catalog, parse_catalog
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions
from tapdock.translate.write.schemaless import with_data
from unit.translate.test_undeclared import ALL, UNTOUCHED, Run


@pytest.mark.parametrize("route", ALL)
def test_the_column_is_the_default_where_the_target_gets_a_schema_of_ours(route: str) -> None:
    run = Run(route, None, names={})
    body = '{"b":{"c":1.50},"_sdc_sequence":2}'
    expected = [body] if route in UNTOUCHED else [f'{{"data":{body}}}']
    assert run.feed([body]) == expected
    assert any("declares no fields" in said for said in run.warnings()) == (route in UNTOUCHED)


@pytest.mark.parametrize("route", ALL)
@pytest.mark.parametrize("policy", [None, "pass", "drop", "json", "fail"])
def test_such_a_stream_has_no_undeclared_fields(route: str, policy: str | None) -> None:
    run = Run(route, policy, names={}, schemaless="json")
    assert run.feed(['{"a":1}', '{"_undeclared":2}']) == ['{"data":{"a":1}}', '{"data":{"_undeclared":2}}']
    assert not run.report().undeclared


@pytest.mark.parametrize("route", ALL)
def test_a_stream_is_refused_if_the_user_wants_that(route: str) -> None:
    with pytest.raises(TapdockError, match="the source declares no fields for stream `s`") as found:
        Run(route, None, names={}, schemaless="refuse")
    assert "`schemaless: json`" in (found.value.hint or "")


@pytest.mark.parametrize("policy", ["drop", "json"])
def test_a_stream_whose_fields_only_alternatives_declare_is_not_one_of_them(policy: str) -> None:
    schema = {"anyOf": [{"properties": {"id": {"type": "integer"}}}, {"properties": {"name": {"type": "string"}}}]}
    streams = select_streams([Stream(name="s", json_schema=schema)], ["s", "!s.name"], {})
    told = msgspec.convert({"schemaless": "json", "undeclared": policy}, TranslateOptions)
    made = ROUTES["airbyte-singer"](
        streams=streams, saved=None, emit=lambda _: None, clock=lambda: 0.0, translation=told
    )
    columns = list(json.loads(made.opening().splitlines()[0])["schema"]["properties"])
    assert columns == (["id", "_undeclared"] if policy == "json" else ["id"])
    line = b'{"type":"RECORD","record":{"stream":"s","data":{"id":1,"name":"PRIVATE","x":2},"emitted_at":1}}\n'
    expected = b'"record":{"id":1,"_undeclared":{"x":2}}' if policy == "json" else b'"record":{"id":1}'
    assert expected in made.feed(line)


@pytest.mark.parametrize("route", ALL)
def test_the_mark_of_a_deletion_stays_beside_the_column(route: str) -> None:
    run = Run(route, None, names={}, schemaless="json")
    (sent,) = run.feed(['{"id":1,"_ab_cdc_deleted_at":"2024-01-01T00:00:00Z"}'])
    assert json.loads(sent)["_ab_cdc_deleted_at"] == "2024-01-01T00:00:00Z"


def test_fields_that_the_user_declares_are_columns() -> None:
    offered = [Stream(name="s", json_schema={"type": "object"})]
    streams = select_streams(offered, [], {"s": StreamOptions(schema={"id": {"type": "integer"}})})
    found, rules = with_data(streams, "json")
    assert found == streams
    assert rules == {}
    made = ROUTES["airbyte-singer"](streams=streams, saved=None, emit=lambda _: None, clock=lambda: 0.0)
    assert list(json.loads(made.opening().splitlines()[0])["schema"]["properties"]) == ["id"]


def test_the_catalog_of_the_destination_keeps_what_the_source_said() -> None:
    """A cursor that is text would order numbers wrongly, so the destination gets none."""
    entry = {
        "name": "s",
        "json_schema": {},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_primary_key": [["id"]],
        "default_cursor_field": ["at"],
        "x": 1.5,
    }
    streams = select_streams(parse_catalog(json.dumps({"streams": [entry]}).encode()), ["s", "!s.ssn"], {})
    found, _ = with_data(streams, "json")
    (told,) = json.loads(configured_catalog(found))["streams"]
    assert list(told["stream"]["json_schema"]["properties"]) == ["id", "at", "data"]
    assert (told["primary_key"], told["cursor_field"], told["stream"]["x"]) == ([["id"]], [], 1.5)
    (given,) = json.loads(configured_catalog(streams))["streams"]
    assert (given["cursor_field"], given["stream"]["json_schema"]) == (["at"], {}), "the source gets its own"


@pytest.mark.parametrize("key", [["a", "b"], ["data"]])
def test_a_key_that_cannot_be_a_column_is_refused(key: list[str]) -> None:
    stream = Stream(name="s", json_schema={}, source_defined_primary_key=(tuple(key),))
    with pytest.raises(UsageError, match="stream `s` declares no fields") as found:
        with_data(select_streams([stream], [], {}), "json")
    assert "destination_sync_mode: append" in (found.value.hint or "")
    streams = select_streams([stream], [], {"s": StreamOptions(destination_sync_mode="append")})
    assert with_data(streams, "json")[1]


def test_excluded_fields_are_not_in_the_column() -> None:
    stream = Stream(name="s", json_schema={}, source_defined_primary_key=(("id",),))
    streams = select_streams([stream], ["s", "!s.ssn", "!s.owner.ssn", "!*.*phone"], {})
    for route in ("airbyte-airbyte", "airbyte-singer"):
        made = ROUTES[route](
            streams=streams,
            saved=None,
            emit=lambda _: None,
            clock=lambda: 0.0,
            translation=TranslateOptions(schemaless="json"),
        )
        body = '{"id":1,"ssn":"PRIVATE","owner":{"ssn":"PRIVATE","name":"a","home_phone":"PRIVATE"}}'
        line = f'{{"type":"RECORD","record":{{"stream":"s","data":{body},"emitted_at":1}}}}\n'
        sent = made.feed(line.encode())
        assert b'"data":{"id":1,"owner":{"name":"a"}}' in sent
        assert b"PRIVATE" not in sent


def test_a_later_schema_without_fields_changes_the_records() -> None:
    run = Run("singer-singer", None, schemaless="json")
    assert run.feed(['{"id":1}', '{"id":2}']) == ['{"id":1}', '{"id":2}']
    run.names = {}
    run.made.feed(run.opening_lines())
    assert run.feed(['{"id":1}', '{"id":2}']) == ['{"data":{"id":1}}', '{"data":{"id":2}}']
