"""Tests that names of fields are compared by value. JSON allows several forms of a name; all of them are one field."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.connectors.selection import select_streams
from tapdock.launch import SCRATCH
from tapdock.protocol.catalog import ConfiguredStream, configured_catalog, parse_catalog
from tapdock.translate import ROUTES
from tapdock.translate.airbyte_to_singer import AirbyteToSinger
from tapdock.translate.base import TranslateOptions, Translator
from tapdock.translate.catalogs.singer import singer_streams
from tapdock.translate.catalogs.wrapped_tap import selected_streams, singer_catalog
from tapdock.translate.states.wrapped_tap import EmbeddedStates
from tapdock.translate.write.rules import marked_deleted, without

NAMES = ["prénom", "R&D", "a/b", 'a"b', "a\\b", "tab\tbed", "plain", "😀", "_sdc_deleted_at"]
FORMS = {
    "as it is": lambda name: json.dumps(name, ensure_ascii=False),
    "ASCII": json.dumps,
    "every character": lambda name: '"' + "".join(escaped(char) for char in name) + '"',
    "a slash": lambda name: json.dumps(name, ensure_ascii=False).replace("/", "\\/"),
    "one character": lambda name: '"' + escaped(name[0]) + json.dumps(name[1:])[1:],
}


def escaped(char: str) -> str:
    pairs = char.encode("utf-16-be")
    return "".join(f"\\u{pairs[at : at + 2].hex()}" for at in range(0, len(pairs), 2))


def streams(route: str, name: str) -> tuple[ConfiguredStream, ...]:
    schema = {"properties": {"id": {"type": "integer"}, name: {"type": ["null", "string"]}}}
    if route.startswith("singer"):
        entry = {"tap_stream_id": "s", "stream": "s", "schema": schema}
        offered = singer_streams(json.dumps({"streams": [entry]}).encode())
    else:
        offered = parse_catalog(json.dumps({"streams": [{"name": "s", "json_schema": schema}]}).encode())
    return select_streams(offered, ["s.id"], {})


def begun(route: str, name: str, scratch: Path | None = None) -> Translator:
    run = ROUTES[route](
        streams=streams(route, name),
        saved=None,
        emit=lambda _: None,
        clock=lambda: 0.0,
        translation=TranslateOptions(scratch=str(scratch) if scratch else None),
    )
    run.opening()
    if route.startswith("singer"):
        schema = {"properties": {"id": {"type": "integer"}, name: {"type": ["null", "string"]}}}
        run.feed(json.dumps({"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": []}).encode() + b"\n")
    return run


def record(route: str, body: str) -> bytes:
    if route.startswith("singer"):
        return f'{{"type":"RECORD","stream":"s","record":{body}}}\n'.encode()
    return f'{{"type":"RECORD","record":{{"stream":"s","data":{body},"emitted_at":1}}}}\n'.encode()


def rows(lines: bytes) -> list[object]:
    messages = [json.loads(line) for line in lines.splitlines()]
    bodies = [message["record"] for message in messages if message["type"] == "RECORD"]
    return [body.get("data", body) for body in bodies]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("route", ROUTES)
def test_a_deselected_field_never_arrives(route: str, name: str, form: str) -> None:
    run = begun(route, name)
    body = f'{{"id":1,{FORMS[form](name)}:"private"}}'
    assert rows(run.feed(record(route, body) + record(route, '{"id":2}'))) == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("route", ["singer-singer", "singer-airbyte"])
def test_nor_from_a_file(tmp_path: Path, route: str, name: str, form: str) -> None:
    run = begun(route, name, tmp_path)
    (tmp_path / "a").write_text(f'{{"id":1,{FORMS[form](name)}:"private"}}\n{{"id":2}}\n')
    message = {"type": "BATCH", "stream": "s", "encoding": {"format": "jsonl"}, "manifest": [f"file://{SCRATCH}/a"]}
    assert rows(run.feed(json.dumps(message).encode() + b"\n")) == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_nor_from_a_wrapped_tap(name: str, form: str) -> None:
    catalog = singer_catalog([one.stream for one in streams("airbyte-singer", name)])
    for field in msgspec.json.decode(msgspec.json.encode(catalog))["streams"][0]["metadata"]:
        assert field["metadata"]["inclusion"] == "available"
    text = msgspec.json.decode(msgspec.json.encode(catalog))
    text["streams"][0]["metadata"][-1]["metadata"]["selected"] = False
    chosen = selected_streams(json.dumps(text).encode())
    assert name not in json.loads(configured_catalog(chosen))["streams"][0]["stream"]["json_schema"]["properties"]
    run = AirbyteToSinger(
        streams=chosen, saved=None, emit=lambda _: None, clock=lambda: 0.0, ledger=EmbeddedStates(None)
    )
    body = f'{{"id":1,{FORMS[form](name)}:"private"}}'
    assert rows(run.feed(record("airbyte-singer", body))) == [{"id": 1}]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.data())
def test_every_form_of_every_name_is_removed(name: str, data: st.DataObject) -> None:
    form = "".join(
        data.draw(st.sampled_from([escaped(char), json.dumps(char, ensure_ascii=False)[1:-1]])) for char in name
    )
    kept = f"{len(name)} characters" + name.replace("\\", "/")
    body = f'{{"{form}":1,{json.dumps(kept)}:2}}'.encode()
    assert json.loads(without([name])(body)) == {kept: 2}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("column", "other"), [("_sdc_deleted_at", "_ab_cdc_deleted_at"), ("_ab_cdc_deleted_at", "_sdc_deleted_at")]
)
def test_deletes_are_recognized(column: str, other: str, form: str) -> None:
    rule = marked_deleted(column, other)
    assert json.loads(rule(f'{{"id":1,{FORMS[form](column)}:"2026-11-22"}}'.encode()))[other] == "2026-11-22"


def test_text_with_line_feeds_is_not_parsed() -> None:
    """An escape that cannot be part of the name costs nothing."""
    body = b'{"id":1,"note":"two\\nlines, a \\"quote\\""}'
    assert without(["secret"])(body) is body
