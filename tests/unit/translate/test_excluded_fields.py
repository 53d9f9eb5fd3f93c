"""Tests that a field that the project excludes is in no message, file or event, on any route, with any combination."""

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.connectors.selection import select_streams
from tapdock.errors import TranslationError
from tapdock.events import Event, SetAside
from tapdock.launch import SCRATCH
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import ConfiguredStream, Stream, configured_catalog, parse_catalog
from tapdock.protocol.exclusion import Exclusion
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions, Translator
from tapdock.translate.catalogs.singer import selected_catalog, singer_streams
from tapdock.translate.catalogs.wrapped_tap import selected_streams, singer_catalog
from tapdock.translate.write.airbyte_stream import destination_streams
from tapdock.translate.write.removal import removal

PRIVATE = "PRIVATE"
TEXT = {"type": ["null", "string"]}
PERSON = {"type": ["null", "object"], "properties": {"name": TEXT, "ssn": TEXT, "home_phone": TEXT}}
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "email": TEXT,
        "owner": PERSON,
        "members": {"type": ["null", "array"], "items": PERSON},
        "either": {"oneOf": [TEXT, PERSON]},
        "free": {"type": ["null", "object"]},
        "shared": {"$ref": "#/definitions/person"},
        "kept": {"$ref": "#/definitions/person"},
    },
    "definitions": {"person": PERSON},
    "required": ["id", "email"],
}
PROJECT = ("!s.email", "!s.owner.ssn", "!s.members.ssn", "!s.either.ssn", "!s.free.ssn", "!s.shared.ssn", "!s.*phone")
RUNS = (
    (),
    ("*",),
    ("s",),
    ("s.*",),
    ("s.owner", "s.id"),
    ("s.owner.*", "s.members", "s.id"),
    ("!s.kept",),
    ("*.*name*", "*.id"),
)
BODIES = {
    "an object": '{"id":1,"email":"PRIVATE","owner":{"name":"a","ssn":"PRIVATE"}}',
    "an array": '{"id":1,"members":[{"ssn":"PRIVATE"},{"name":"b","ssn":"PRIVATE"},null]}',
    "an alternative": '{"id":1,"either":{"ssn":"PRIVATE","name":"a"}}',
    "an object without declared fields": '{"id":1,"free":{"ssn":"PRIVATE","x":1}}',
    "a shared definition": '{"id":1,"shared":{"ssn":"PRIVATE"},"kept":{"ssn":"x"}}',
    "an escaped name": r'{"id":1,"\u0065mail":"PRIVATE","o\u0077ner":{"\u0073sn":"PRIVATE"}}',
    "a field twice": '{"id":1,"email":"PRIVATE","email":"PRIVATE","owner":{"ssn":"PRIVATE","ssn":"PRIVATE"}}',
    "an object twice": '{"id":1,"owner":{"ssn":"PRIVATE"},"owner":{"name":"a"}}',
    "an object, then null": r'{"id":1,"owner":{"ssn":"PRIVATE"},"\u006fwner":null}',
    "an array twice": '{"id":1,"members":[{"ssn":"PRIVATE"}],"members":[{"name":"b"}]}',
    "a field that matches a glob": '{"id":1,"owner":{"home_phone":"PRIVATE"}}',
    "a field that nobody declares": '{"id":1,"work_phone":"PRIVATE","free":{"a":{"b_phone":"PRIVATE"}}}',
    "an undeclared field in an array": r'{"id":1,"members":[{"mobile_\u0070hone":"PRIVATE"}]}',
    "white space": '{ "id" : 1 , "owner" : { "ssn" : "PRIVATE" , "name" : "a" } }',
}


def offered(route: str) -> tuple[Stream, ...]:
    if route.startswith("singer"):
        entry = {"tap_stream_id": "s", "stream": "s", "schema": SCHEMA}
        return singer_streams(json.dumps({"streams": [entry]}).encode())
    return parse_catalog(json.dumps({"streams": [{"name": "s", "json_schema": SCHEMA}]}).encode())


def chosen(route: str, *run: str, project: tuple[str, ...] = PROJECT) -> tuple[ConfiguredStream, ...]:
    return select_streams(offered(route), project, {}, only=run)


def begun(
    route: str, streams: tuple[ConfiguredStream, ...], events: list[Event], **options: Any
) -> tuple[Translator, bytes]:
    run = ROUTES[route](
        streams=streams, saved=None, emit=events.append, clock=lambda: 0.0, translation=TranslateOptions(**options)
    )
    opening = run.opening()
    if route.startswith("singer"):
        declared = {"type": "SCHEMA", "stream": "s", "schema": SCHEMA, "key_properties": []}
        opening += run.feed(json.dumps(declared).encode() + b"\n")
    return run, opening


def message(route: str, body: str) -> bytes:
    if route.startswith("singer"):
        return f'{{"type":"RECORD","stream":"s","record":{body}}}\n'.encode()
    return f'{{"type":"RECORD","record":{{"stream":"s","data":{body},"emitted_at":1}}}}\n'.encode()


def bodies(lines: bytes) -> list[dict[str, Any]]:
    records = [found["record"] for found in map(json.loads, lines.splitlines()) if found["type"] == "RECORD"]
    return [record.get("data", record) for record in records]


@pytest.mark.parametrize("form", BODIES)
@pytest.mark.parametrize("route", ROUTES)
def test_no_message_has_an_excluded_field(route: str, form: str) -> None:
    for run_patterns in RUNS:
        events: list[Event] = []
        run, opening = begun(route, chosen(route, *run_patterns), events)
        sent = opening + run.feed(message(route, BODIES[form])) + run.closing(complete=True)
        assert PRIVATE.encode() not in sent, run_patterns
        assert PRIVATE not in repr(events)
        assert bodies(sent), "the rest of the record arrives"


@pytest.mark.parametrize("route", ROUTES)
def test_a_body_without_excluded_fields_keeps_its_bytes(route: str) -> None:
    run, _ = begun(route, chosen(route, project=("!s.owner.ssn", "!s.members.ssn")), [])
    body = '{"id":1,  "owner":{"name" : "a"},"members":[ {"name":"ssn"} ,null],"kept":{"ssn":"1"}}'
    if route == "airbyte-singer":  # whose values must fit the schema of the target
        body = body.replace('"kept"', '"other"')
    sent = run.feed(message(route, body))
    assert body[1:].encode() in sent


@pytest.mark.parametrize("route", ROUTES)
def test_fields_beside_an_excluded_one_keep_their_digits(route: str) -> None:
    run, _ = begun(route, chosen(route), [])
    sent = run.feed(message(route, '{"id":1,"free":{"ssn":"PRIVATE","n":1.10000000000000000000001}}'))
    assert b'"n":1.10000000000000000000001' in sent


@pytest.mark.parametrize("member", ["record", "data"])
@pytest.mark.parametrize("route", ROUTES)
def test_a_message_with_a_member_twice(route: str, member: str) -> None:
    """Only the last one is the record. A reader of the target may take the first one."""
    first, last = '{"id":1,"email":"PRIVATE"}', '{"id":1}'
    if route.startswith("singer"):
        text = f'{{"type":"RECORD","stream":"s","record":{first},"rec\\u006frd":{last}}}\n'
    elif member == "data":
        text = f'{{"type":"RECORD","record":{{"stream":"s","data":{first},"data":{last},"emitted_at":1}}}}\n'
    else:
        inner = f'"record":{{"stream":"s","data":{first},"emitted_at":1}}'
        text = f'{{"type":"RECORD",{inner},{inner.replace(first, last)}}}\n'
    run, _ = begun(route, chosen(route), [])
    sent = run.feed(text.encode())
    assert PRIVATE.encode() not in sent
    assert bodies(sent)[0]["id"] == 1


@pytest.mark.parametrize("route", ROUTES)
def test_schemas_for_the_target_lack_the_fields(route: str) -> None:
    streams = chosen(route)
    _, opening = begun(route, streams, [])
    if route == "singer-airbyte":
        schema = json.loads(configured_catalog(destination_streams(streams)))["streams"][0]["stream"]["json_schema"]
    elif route == "airbyte-airbyte":
        schema = json.loads(configured_catalog(streams))["streams"][0]["stream"]["json_schema"]
    else:
        (schema,) = [found["schema"] for found in map(json.loads, opening.splitlines()) if found["type"] == "SCHEMA"]
    properties = schema["properties"]
    assert "email" not in properties
    assert list(properties["owner"]["properties"]) == ["name"]
    assert list(properties["members"]["items"]["properties"]) == ["name"]
    assert "ssn" not in json.dumps(properties["either"])
    assert "ssn" not in json.dumps(properties["shared"])
    kept = properties["kept"]
    assert "ssn" in json.dumps(schema["definitions"]["person"] if "$ref" in kept else kept)
    assert "email" not in schema.get("required", ()), "no target may refuse a record without it"


def test_a_spooled_schema_lacks_the_fields() -> None:
    translator = ROUTES["singer-airbyte"](
        streams=chosen("singer-airbyte"), saved=None, emit=lambda _: None, clock=lambda: 0.0,
        translation=TranslateOptions(spool=True),
    )  # fmt: skip
    later = {**SCHEMA, "properties": {**SCHEMA["properties"], "work_phone": TEXT}}
    lines = json.dumps({"type": "SCHEMA", "stream": "s", "schema": later, "key_properties": []}).encode() + b"\n"
    lines += message("singer-airbyte", '{"id":1,"work_phone":"PRIVATE","owner":{"ssn":"PRIVATE"}}')
    translator.scan(lines)
    catalog = translator.catalog()
    assert catalog is not None
    properties = json.loads(catalog)["streams"][0]["stream"]["json_schema"]["properties"]
    assert "work_phone" not in properties
    assert list(properties["owner"]["properties"]) == ["name"]
    sent = translator.feed(lines)
    assert bodies(sent)[0]["id"] == 1
    assert PRIVATE.encode() not in sent


def test_a_late_field_that_a_glob_excludes_does_not_end_a_run_without_spooling() -> None:
    run, _ = begun("singer-airbyte", chosen("singer-airbyte"), [])
    later = {**SCHEMA, "properties": {**SCHEMA["properties"], "work_phone": TEXT}}
    run.feed(json.dumps({"type": "SCHEMA", "stream": "s", "schema": later, "key_properties": []}).encode() + b"\n")
    assert PRIVATE.encode() not in run.feed(message("singer-airbyte", '{"id":1,"work_phone":"PRIVATE"}'))


def test_a_late_key_that_a_glob_excludes_ends_the_run() -> None:
    run, _ = begun("singer-singer", chosen("singer-singer"), [])
    later = {"properties": {"work_phone": TEXT}}
    declared = {"type": "SCHEMA", "stream": "s", "schema": later, "key_properties": ["work_phone"]}
    with pytest.raises(TranslationError, match="excludes the field `work_phone`"):
        run.feed(json.dumps(declared).encode() + b"\n")


@pytest.mark.parametrize("route", ["singer-singer", "singer-airbyte"])
def test_nor_has_a_record_from_a_file(tmp_path: Path, route: str) -> None:
    run, _ = begun(route, chosen(route), [], scratch=str(tmp_path))
    (tmp_path / "a").write_text("\n".join(json.dumps(json.loads(body)) for body in BODIES.values()))
    batch = {"type": "BATCH", "stream": "s", "encoding": {"format": "jsonl"}, "manifest": [f"file://{SCRATCH}/a"]}
    sent = run.feed(json.dumps(batch).encode() + b"\n")
    assert len(bodies(sent)) == len(BODIES)
    assert PRIVATE.encode() not in sent


BAD = {
    "an array": '["x",{"email":"PRIVATE"}]',
    "an array of values": '["PRIVATE"]',
    "text": '"PRIVATE"',
    "a value that cannot be read": '{"id":1,"email":"PRIVATE","owner":{"ssn":"PRIVATE"},"x":"\\ud800 \\x"}',
    "cut off": '{"id":1,"email":"PRIVATE"',
}


@pytest.mark.parametrize("form", BAD)
@pytest.mark.parametrize("route", ROUTES)
def test_a_record_that_is_set_aside_lacks_them(route: str, form: str) -> None:
    events: list[Event] = []
    run, _ = begun(route, chosen(route), events, on_bad_record="set_aside")
    sent = run.feed(message(route, BAD[form]))
    assert PRIVATE.encode() not in sent
    assert not [event for event in events if isinstance(event, SetAside) and PRIVATE in event.record]


@pytest.mark.parametrize("route", ["singer-airbyte", "airbyte-singer"])
def test_a_record_without_its_key_is_set_aside_without_them(route: str) -> None:
    events: list[Event] = []
    options = {"s": StreamOptions(primary_key=(("owner", "name"),) if route == "airbyte-singer" else (("id",),))}
    if route == "airbyte-singer":
        options = {"s": StreamOptions(primary_key=(("owner", "name"),), flatten_keys=True)}
    streams = select_streams(offered(route), PROJECT, options)
    run, _ = begun(route, streams, events, on_bad_record="set_aside")
    run.feed(message(route, '{"type":"x","record":{"id":null},"email":"PRIVATE","owner":{"ssn":"PRIVATE"}}'))
    (aside,) = [event for event in events if isinstance(event, SetAside)]
    assert PRIVATE not in aside.record
    assert '"type":"x"' in aside.record, "the rest helps to find the cause"


def test_a_singer_catalog_deselects_nested_fields() -> None:
    streams = offered("singer-singer")
    (entry,) = json.loads(selected_catalog(streams, chosen("singer-singer"), legacy=False))["streams"]
    said = {tuple(each["breadcrumb"]): each["metadata"].get("selected") for each in entry["metadata"]}
    owner, members = ("properties", "owner"), ("properties", "members")
    assert said[owner] is True
    assert said[(*owner, "properties", "ssn")] is False
    assert said[(*owner, "properties", "home_phone")] is False
    assert said[(*members, "items", "properties", "ssn")] is False
    assert (*owner, "properties", "name") not in said, "it is read as the field around it is"
    assert said["properties", "email"] is False


def test_metadata_that_a_tap_has_for_nested_fields_says_whether_they_are_read() -> None:
    nested = {"breadcrumb": ["properties", "owner", "properties", "name"], "metadata": {"inclusion": "available"}}
    entry = {"tap_stream_id": "s", "schema": SCHEMA, "metadata": [nested]}
    streams = singer_streams(json.dumps({"streams": [entry]}).encode())
    for project, expected in ((PROJECT, True), (("s.id",), False), (("s.owner.ssn",), False), (("s.owner",), True)):
        (found,) = json.loads(selected_catalog(streams, select_streams(streams, project, {}), legacy=False))["streams"]
        said = {tuple(each["breadcrumb"]): each["metadata"].get("selected") for each in found["metadata"]}
        assert said[tuple(nested["breadcrumb"])] is expected, project


def test_a_wrapped_tap_leaves_out_what_the_catalog_of_its_runner_deselects() -> None:
    catalog = json.loads(msgspec.json.encode(singer_catalog(offered("airbyte-singer"))))
    nested = ["properties", "owner", "properties", "ssn"]
    catalog["streams"][0]["metadata"].append({"breadcrumb": nested, "metadata": {"selected": False}})
    (stream,) = selected_streams(json.dumps(catalog).encode())
    assert stream.nested == (("owner", "ssn"),)


@pytest.mark.parametrize("run", list(itertools.chain(RUNS, [("s.owner.name", "s.members.name")])))
def test_no_pattern_of_a_run_brings_a_field_back(run: tuple[str, ...]) -> None:
    for route in ("airbyte-airbyte", "singer-singer"):
        (one,) = chosen(route, *run)
        for path in (("email",), ("owner", "ssn"), ("members", "ssn"), ("free", "ssn"), ("owner", "home_phone")):
            assert any(one.exclusion.verdict(path[:end]) == "remove" for end in range(1, len(path) + 1)), path


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd.*"), inner, max_size=3),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from("abcd.*"), VALUES, max_size=4))
def test_any_body_loses_exactly_the_excluded_fields(body: dict[str, Any]) -> None:
    def expected(value: Any, path: str) -> Any:
        if isinstance(value, list):
            return [expected(each, path) for each in value]
        if isinstance(value, dict):
            left = {name: expected(inner, path + name) for name, inner in value.items()}
            return {name: inner for name, inner in left.items() if path + name not in ("a", "bc", "bdd")}
        return value

    rule = removal(Exclusion(("a",), (("b", "c"), ("b", "d", "d"))))
    assert rule is not None
    assert json.loads(rule(json.dumps(body).encode())) == expected(body, "")


def test_a_relay_in_a_container_is_told_the_same_fields() -> None:
    options = {"s": StreamOptions(schema={"id": {"type": "number"}}, metadata={"id": {"z": 1}, "q": 2})}
    (one,) = select_streams(offered("singer"), PROJECT, options)
    assert msgspec.json.decode(msgspec.json.encode(one), type=ConfiguredStream) == one


@pytest.mark.parametrize("route", ROUTES)
def test_a_record_of_a_stream_that_is_not_read_is_in_no_file(route: str) -> None:
    events: list[Event] = []
    streams = chosen(route, project=("s",))
    run, _ = begun(route, streams, events, on_bad_record="set_aside", excluded=("other",))
    sent = run.feed(message(route, '{"id":1,"email":"PRIVATE"}').replace(b'"stream":"s"', b'"stream":"other"'))
    assert PRIVATE.encode() not in sent
    assert PRIVATE not in repr(events)


@pytest.mark.parametrize("route", ["singer-airbyte", "singer-singer"])
def test_a_glob_does_not_turn_a_deleted_row_into_a_live_one(route: str) -> None:
    """A tap that reads a log declares the mark of deleted rows only in its SCHEMA."""
    catalog = (
        b'{"streams":[{"tap_stream_id":"s","schema":{"properties":{"id":{},"seen_at":{}}},"key_properties":["id"]}]}'
    )
    given: dict[str, Any] = {"emit": lambda _: None, "clock": lambda: 0.0}
    translator = ROUTES[route](
        streams=select_streams(singer_streams(catalog), ("!*.*_at",), {}),
        saved=None,
        translation=TranslateOptions(baseline=False, spool=route == "singer-airbyte"),
        **given,
    )
    properties = {"id": {"type": "integer"}, "seen_at": TEXT, "_sdc_deleted_at": TEXT}
    lines = [
        {"type": "SCHEMA", "stream": "s", "schema": {"properties": properties}, "key_properties": ["id"]},
        {"type": "RECORD", "stream": "s", "record": {"id": 1, "seen_at": PRIVATE, "_sdc_deleted_at": "2024-01-01"}},
    ]
    text = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    if route == "singer-airbyte":
        translator.scan(text)
        translator.catalog()
    found = [json.loads(line) for line in (translator.opening() + translator.feed(text)).splitlines()]
    (record,) = [line["record"] for line in found if line["type"] == "RECORD"]
    body = record["data"] if route == "singer-airbyte" else record
    assert body["_sdc_deleted_at" if route == "singer-singer" else "_ab_cdc_deleted_at"] == "2024-01-01"
    assert PRIVATE not in json.dumps(found)
