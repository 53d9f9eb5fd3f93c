"""`undeclared_fields` and `schemaless` of single streams, in place of those of the pipeline, on every route."""

import json
from pathlib import Path
from typing import Any

import pytest

from tapdock.connectors.selection import select_streams
from tapdock.errors import TapdockError
from tapdock.events import Event, SetAside
from tapdock.launch import SCRATCH
from tapdock.project.maps import MapKeys
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import ConfiguredStream, configured_catalog, parse_catalog
from tapdock.translate import ROUTES
from tapdock.translate.base import Quirks, TranslateOptions, Translator
from tapdock.translate.catalogs.singer import singer_streams
from tapdock.translate.maps.settings import MapSettings, checked
from unit.translate.test_undeclared import ALL, body_of

FIELDS = {"id": {"type": "integer"}}
BODY = '{"id":1,"x":2}'
MOVED = '{"id":1,"_undeclared":{"x":2}}'


def offered(route: str, streams: dict[str, Any]) -> list[Any]:
    """Return the streams of a source with these fields."""
    entries = []
    for name, fields in streams.items():
        schema = {"type": "object", "properties": fields}
        if route.startswith("airbyte"):
            entries.append({"name": name, "json_schema": schema, "supported_sync_modes": ["full_refresh"]})
        else:
            entries.append({"stream": name, "tap_stream_id": name, "schema": schema})
    parse = parse_catalog if route.startswith("airbyte") else singer_streams
    return list(parse(json.dumps({"streams": entries}).encode()))


def begun(
    route: str,
    streams: dict[str, Any],
    options: dict[str, StreamOptions],
    *,
    maps: MapSettings | None = None,
    **given: Any,
) -> tuple[Translator, list[Event]]:
    """Return the translator of a run whose source has sent its schemas, and its events."""
    events: list[Event] = []
    chosen: tuple[ConfiguredStream, ...] = select_streams(offered(route, streams), [], options)
    spool = route == "singer-airbyte"
    made: Translator = ROUTES[route](
        streams=chosen,
        saved=None,
        emit=events.append,
        clock=lambda: 0.0,
        translation=TranslateOptions(baseline=False, spool=spool, maps=maps, **given),
    )
    schemas = [
        {"type": "SCHEMA", "stream": name, "schema": {"properties": fields}, "key_properties": []}
        for name, fields in streams.items()
    ]
    opening = b"".join(json.dumps(one).encode() + b"\n" for one in schemas) if route.startswith("singer") else b""
    if spool:
        made.scan(opening)
        made.catalog()
    made.opening()
    made.feed(opening)
    return made, events


def sent(made: Translator, route: str, stream: str, body: str) -> list[str]:
    """Return the bodies that the target gets for a record."""
    line = f'{{"type":"RECORD","stream":"{stream}","record":{body}}}\n'
    if route.startswith("airbyte"):
        line = f'{{"type":"RECORD","record":{{"stream":"{stream}","data":{body},"emitted_at":1}}}}\n'
    found = made.feed(line.encode()).decode().splitlines()
    return [body_of(each) for each in found if json.loads(each)["type"] == "RECORD"]


@pytest.mark.parametrize("route", ALL)
@pytest.mark.parametrize("default", [None, "pass", "drop", "json", "fail"])
def test_each_stream_has_its_own_way_and_the_others_that_of_the_pipeline(route: str, default: Any) -> None:
    ways = {"j": "json", "d": "drop", "p": "pass", "f": "fail"}
    options = {name: StreamOptions(undeclared_fields=way) for name, way in ways.items()}  # type: ignore[arg-type]
    streams = dict.fromkeys([*ways, "other"], FIELDS)
    made, events = begun(route, streams, options, undeclared=default, on_bad_record="set_aside")
    expected: dict[Any, list[str]] = {"pass": [BODY], None: [BODY], "drop": ['{"id":1}'], "json": [MOVED], "fail": []}
    for name, way in ways.items():
        assert sent(made, route, name, BODY) == expected[way], name
    assert sent(made, route, "other", BODY) == expected[default]
    aside = [event for event in events if isinstance(event, SetAside)]
    assert len(aside) == (2 if default == "fail" else 1)


@pytest.mark.parametrize("route", ALL)
def test_a_copy_that_a_map_makes_has_the_way_of_its_stream(route: str) -> None:
    entries = {"copy": {"__source__": "s"}, "s": {"y": "id"}}
    maps = checked(MapKeys(maps=entries))
    options = {"s": StreamOptions(undeclared_fields="drop")}
    made, _ = begun(route, {"s": FIELDS, "t": FIELDS}, options, maps=maps, undeclared="fail")
    assert sorted(map(len, sent(made, route, "s", BODY))) == [len('{"id":1}'), len('{"id":1,"y":1}')]
    with pytest.raises(TapdockError, match="which its schema does not declare"):
        sent(made, route, "t", BODY)


@pytest.mark.parametrize("route", ALL)
def test_a_stream_without_fields_has_its_own_way(route: str) -> None:
    made, _ = begun(route, {"s": {}, "t": FIELDS}, {"s": StreamOptions(schemaless="json")}, schemaless="refuse")
    assert sent(made, route, "s", BODY) == [f'{{"data":{BODY}}}']
    assert sent(made, route, "t", '{"id":1}') == ['{"id":1}']
    with pytest.raises(TapdockError, match="the source declares no fields for stream `s`"):
        begun(route, {"s": {}}, {"s": StreamOptions(schemaless="refuse")}, schemaless="json")


def test_a_file_of_a_tap_is_read_only_for_a_stream_that_needs_it(tmp_path: Path) -> None:
    options = {"s": StreamOptions(undeclared_fields="drop")}
    quirks = Quirks(takes_batches=True)
    made, _ = begun("singer-singer", dict.fromkeys("st", FIELDS), options, scratch=str(tmp_path), quirks=quirks)
    found = {}
    for name in "st":
        (tmp_path / f"{name}.jsonl").write_text(BODY + "\n")
        message = {"type": "BATCH", "stream": name, "encoding": {"format": "jsonl"}}
        batch = {**message, "manifest": [f"file://{SCRATCH}/{name}.jsonl"]}
        found[name] = json.loads(made.feed(json.dumps(batch).encode() + b"\n").splitlines()[-1])
    assert (found["s"]["type"], found["s"]["record"]) == ("RECORD", {"id": 1})
    assert found["t"]["type"] == "BATCH"


@pytest.mark.parametrize("route", ALL)
def test_a_field_with_the_name_of_the_column_is_refused_only_where_the_column_is_wanted(route: str) -> None:
    fields = {"id": {}, "_undeclared": {"type": "object"}}
    made, _ = begun(route, {"s": fields}, {"s": StreamOptions(undeclared_fields="pass")}, undeclared="json")
    assert sent(made, route, "s", '{"id":1}')
    with pytest.raises(TapdockError) as found:
        begun(route, {"s": fields}, {"s": StreamOptions(undeclared_fields="json")})
    assert "s: {undeclared_fields: pass}" in (found.value.hint or "")


def test_a_name_is_more_exact_than_a_glob() -> None:
    options = {"*": StreamOptions(undeclared_fields="drop", schemaless="json"), "s": StreamOptions(schemaless="infer")}
    options |= {"t*": StreamOptions(undeclared_fields="fail")}
    found = select_streams(offered("singer-singer", {"s": FIELDS, "t": FIELDS}), [], options)
    assert [(one.undeclared, one.schemaless) for one in found] == [("drop", "infer"), ("fail", "json")]


def test_a_connector_gets_only_members_of_the_protocol() -> None:
    options = {"s": StreamOptions(undeclared_fields="drop", schemaless="json")}
    chosen = select_streams(offered("airbyte-airbyte", {"s": FIELDS}), [], options)
    (entry,) = json.loads(configured_catalog(chosen))["streams"]
    assert entry.keys() == {
        *("stream", "sync_mode", "destination_sync_mode", "cursor_field", "primary_key"),
        *("generation_id", "minimum_generation_id", "sync_id"),
    }
