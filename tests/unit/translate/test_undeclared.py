"""Tests that fields which no schema declares are counted and handled by `undeclared_fields`, on every route."""

import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapdock.connectors.selection import select_streams
from tapdock.errors import TranslationError, UsageError
from tapdock.events import Event, SetAside, StreamReport
from tapdock.launch import SCRATCH
from tapdock.project.maps import MapKeys
from tapdock.protocol.catalog import ConfiguredStream, StreamKey, parse_catalog
from tapdock.translate import ROUTES
from tapdock.translate.base import Quirks, TranslateOptions, Translator
from tapdock.translate.catalogs.singer import singer_streams
from tapdock.translate.maps.settings import checked
from tapdock.translate.notices import Notices
from tapdock.translate.tally import Tally
from tapdock.translate.write.airbyte_stream import destination_streams
from tapdock.translate.write.undeclared import EXTRA, OTHERS, WATCHED, declared_names, watching, with_extra

Names = dict[str, dict[str, Any]]
ALL = tuple(ROUTES)
UNTOUCHED = ("airbyte-airbyte", "singer-singer")
FIELDS: Names = {"id": {"type": "integer"}, "name": {"type": ["null", "string"]}}


class Run:
    """A run of one or more streams with the same fields, whose records are fed in batches."""

    def __init__(
        self,
        route: str,
        policy: str | None,
        *,
        names: Names = FIELDS,
        streams: tuple[str, ...] = ("s",),
        key: str | None = None,
        **options: Any,
    ) -> None:
        self.route = route
        self.names = names
        self.events: list[Event] = []
        self.wants = streams
        self.key = [key] if key else []
        maps = options.pop("maps", None)
        given = {"undeclared": policy, "baseline": False, "spool": route == "singer-airbyte", **options}
        self.made: Translator = ROUTES[route](
            streams=configured_streams(route, names, streams, key=key) if streams else (),
            saved=None,
            emit=self.events.append,
            clock=lambda: 0.0,
            translation=msgspec.structs.replace(msgspec.convert(given, TranslateOptions), maps=maps),
        )
        opening = self.opening_lines()
        self.catalog: Any = None
        if given["spool"]:
            self.made.scan(opening)
            self.catalog = json.loads(self.made.catalog() or b"")
        self.sent = self.made.opening() + self.made.feed(opening)

    def opening_lines(self) -> bytes:
        if self.route.startswith("airbyte"):
            return b""
        schema = {"type": "object", "properties": self.names}
        opening = {"type": "SCHEMA", "schema": schema, "key_properties": self.key}
        messages = [{**opening, "stream": name} for name in self.wants]
        return b"".join(json.dumps(message).encode() + b"\n" for message in messages)

    def feed(self, bodies: Iterable[str], stream: str = "s") -> list[str]:
        """Feed a batch of records, and return the bodies that the target gets for it."""
        start, end = f'{{"type":"RECORD","stream":"{stream}","record":', "}\n"
        if self.route.startswith("airbyte"):
            start = f'{{"type":"RECORD","record":{{"stream":"{stream}","data":'
            end = ',"emitted_at":1795340047230}}\n'
        sent = self.made.feed("".join(f"{start}{body}{end}" for body in bodies).encode())
        self.sent += sent
        return [body_of(line) for line in sent.decode().splitlines() if json.loads(line)["type"] == "RECORD"]

    def report(self, stream: str = "s") -> StreamReport:
        return next(one for one in self.made.counts.reports() if one.stream == stream)

    def warnings(self) -> list[str]:
        return [event.message for event in self.events if getattr(event, "level", "") == "warning"]  # type: ignore[union-attr]


def configured_streams(
    route: str, names: Names, streams: tuple[str, ...], *, key: str | None = None
) -> tuple[ConfiguredStream, ...]:
    """Return the streams of a source. A stream with a key has the cursor `at`."""
    schema = {"type": "object", "properties": names}
    if route.startswith("airbyte"):
        entry: dict[str, Any] = {"json_schema": schema, "supported_sync_modes": ["full_refresh", "incremental"]}
        if key:
            entry |= {"source_defined_primary_key": [[key]], "default_cursor_field": ["at"]}
        entries = [{**entry, "name": name} for name in streams]
        return select_streams(parse_catalog(json.dumps({"streams": entries}).encode()), [], {})
    entry = {"schema": schema, "replication_key": "at"} if key else {"schema": schema}
    entries = [{**entry, "stream": name, "tap_stream_id": name} for name in streams]
    return select_streams(singer_streams(json.dumps({"streams": entries}).encode()), [], {})


def body_of(line: str) -> str:
    message = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    record = bytes(message["record"])
    is_singer = "stream" in message
    return (record if is_singer else bytes(msgspec.json.decode(record, type=dict[str, msgspec.Raw])["data"])).decode()


@pytest.mark.parametrize("route", ALL)
def test_passed_fields_are_counted_exactly_in_batches_of_any_size(route: str) -> None:
    """Also if two streams take turns, and if new names come later."""
    chance = random.Random(7)
    run = Run(route, "pass", streams=("s", "t"))
    counts: dict[str, Counter[str]] = {"s": Counter(), "t": Counter()}
    for turn in range(40):
        stream = chance.choice("st")
        bodies = []
        for number in range(chance.randint(1, 30)):
            found = [name for name in ("x", "y", f"new{turn // 8}", "é") if chance.random() < 0.3]
            body: dict[str, Any] = {"id": number, **{name: {"name": 1.5} for name in found}}
            counts[stream].update(found)
            bodies.append(json.dumps(body))
        assert run.feed(bodies, stream) == bodies, "every body is passed byte for byte"
    for stream, expected in counts.items():
        assert run.report(stream).undeclared == expected
        assert expected["x"] > 0
    assert len([said for said in run.warnings() if "`x`" in said]) == 2, "once for each stream"


@pytest.mark.parametrize("route", ALL)
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("pass", ['{"id":1,"x":1.50}', '{"x":null,"id":2}', '{"id":3}', '{"x":[1]}']),
        ("drop", ['{"id":1}', '{"id":2}', '{"id":3}']),
        ("json", ['{"id":1,"_undeclared":{"x":1.50}}', '{"id":2,"_undeclared":{"x":null}}', '{"id":3}'])
    ],
)  # fmt: skip
def test_each_policy_has_one_result_on_all_routes(route: str, policy: str, expected: list[str]) -> None:
    run = Run(route, policy)
    bodies = ['{"id":1,"x":1.50}', '{"x":null,"id":2}', '{"id":3}', '{"x":[1]}']
    assert run.feed(bodies) == [*expected, *(['{"_undeclared":{"x":[1]}}'] if policy == "json" else [])]
    assert run.report().undeclared == {"x": 3}
    assert run.report().empty == (policy == "drop")


@pytest.mark.parametrize("route", ALL)
@pytest.mark.parametrize("maps", [None, {"s": {"id": "id"}}])
@pytest.mark.parametrize(("policy", "expected"), [("drop", ""), ("json", ',"_undeclared":{"x":"\\ufffd"}')])
def test_a_record_that_is_repaired_is_changed_as_well(
    route: str, maps: dict[str, Any] | None, policy: str, expected: str
) -> None:
    """Its parts cannot be read before that. The repairs of a record that stays are left to the target."""
    run = Run(route, policy, maps=maps and checked(MapKeys(maps=maps)))
    body = '{"id":NaN,"name":"\\ud800","x":"\\udfff"}'
    assert run.feed([body, '{"id":1}']) == [f'{{"id":null,"name":"\\ufffd"{expected}}}', '{"id":1}']
    warnings = run.warnings()
    assert [said for said in warnings if "U+FFFD" in said]
    assert [said for said in warnings if "`NaN`" in said]


@pytest.mark.parametrize("route", UNTOUCHED)
@pytest.mark.parametrize("maps", [None, {"s": {"__alias__": "'s'"}}])
@pytest.mark.parametrize(("policy", "expected"), [("drop", ""), ("json", ',"_undeclared":{"x":1}')])
def test_the_key_and_the_cursor_stay_although_no_schema_declares_them(
    route: str, maps: dict[str, Any] | None, policy: str, expected: str
) -> None:
    """Without its key, a row would replace others, or be written twice. The other routes refuse to merge by it."""
    run = Run(route, policy, key="k", maps=maps and checked(MapKeys(maps=maps)))
    assert run.feed(['{"id":1,"k":2,"at":3,"x":1}']) == [f'{{"id":1,"k":2,"at":3{expected}}}']
    assert run.feed(['{"id":1,"k":2,"at":3}'] * 2) == ['{"id":1,"k":2,"at":3}'] * 2
    assert run.report().undeclared == {"x": 1}


@pytest.mark.parametrize("route", UNTOUCHED)
def test_a_key_that_no_schema_declares_is_counted_or_refused(route: str) -> None:
    """A target that creates columns from the schema would not store it."""
    run = Run(route, "pass", key="k")
    assert run.feed(['{"id":1,"k":2}']) == ['{"id":1,"k":2}']
    assert run.report().undeclared == {"k": 1}
    with pytest.raises(TranslationError, match="has the field `k`, which its schema does not declare"):
        Run(route, "fail", key="k").feed(['{"id":1,"k":2}'])


@pytest.mark.parametrize("route", ALL)
def test_fail_ends_the_run_before_the_record_and_names_no_value(route: str) -> None:
    run = Run(route, "fail")
    with pytest.raises(TranslationError) as found:
        run.feed(['{"id":1}', '{"id":2,"x":"private"}'])
    assert "a record of stream `s` has the field `x`, which its schema does not declare" in found.value.message
    assert "private" not in found.value.message
    assert "set_aside" in (found.value.hint or "")
    assert b'"id":1' in run.made.partial
    assert b'"id":2' not in run.made.partial


@pytest.mark.parametrize("route", ALL)
def test_fail_sets_records_aside(route: str) -> None:
    run = Run(route, "fail", on_bad_record="set_aside")
    assert run.feed(['{"id":1,"x":1}', '{"id":2}']) == ['{"id":2}']
    assert run.report().set_aside == 1
    assert run.report().undeclared == {"x": 1}
    assert [event.stream for event in run.events if isinstance(event, SetAside)] == ["s"]


@pytest.mark.parametrize("route", ALL)
def test_without_a_choice_a_field_in_the_first_records_is_counted_to_the_end(route: str) -> None:
    run = Run(route, None)
    bodies = ['{"id":1}'] * (WATCHED - 1) + ['{"id":1,"x":1}'] + ['{"id":1,"x":1}'] * WATCHED
    for at in range(0, len(bodies), 100):
        assert run.feed(bodies[at : at + 100]) == bodies[at : at + 100]
    assert run.report().undeclared == {"x": WATCHED + 1}


@pytest.mark.parametrize("route", ALL)
def test_without_a_choice_a_later_field_is_never_counted_wrongly(route: str) -> None:
    """Where records are passed on unread, the report has no count then: not a count of some of them."""
    run = Run(route, None)
    run.feed(['{"id":1}'] * WATCHED)
    run.feed(['{"id":1}'])
    run.feed(['{"id":1,"x":1}'])
    assert run.report().undeclared == ({"x": 1} if route == "airbyte-singer" else None)
    assert run.report().records == WATCHED + 2


@pytest.mark.parametrize("route", ALL)
@pytest.mark.parametrize("policy", ["pass", "drop", "json", "fail"])
def test_a_choice_holds_for_every_record(route: str, policy: str) -> None:
    run = Run(route, policy, on_bad_record="set_aside")
    for _ in range(3):
        run.feed(['{"id":1}'] * WATCHED)
    run.feed(['{"id":1,"x":1}'])
    assert run.report().undeclared == {"x": 1}
    assert (b'"x"' in run.sent) == (policy in ("pass", "json"))


@pytest.mark.parametrize("route", ALL)
def test_no_undeclared_field_is_a_count_of_none(route: str) -> None:
    run = Run(route, None)
    run.feed(['{"id":1}'])
    assert run.report().undeclared == {}


@pytest.mark.parametrize("route", ALL)
@pytest.mark.parametrize("policy", ["pass", "drop", "json", "fail"])
def test_the_mark_of_a_deletion_stays(route: str, policy: str) -> None:
    """Without it, the target would write a deleted row as a live one."""
    run = Run(route, policy)
    body = '{"id":1,"_sdc_deleted_at":"2024-01-01T00:00:00Z","_ab_cdc_deleted_at":"2024-01-01T00:00:00Z"}'
    assert run.feed([body]) == [body]
    assert run.report().undeclared == {}


@pytest.mark.parametrize("route", ALL)
def test_a_field_of_the_name_of_the_column_is_kept_inside_of_it(route: str) -> None:
    run = Run(route, "json")
    assert run.feed(['{"id":1,"_undeclared":{"a":1}}']) == ['{"id":1,"_undeclared":{"_undeclared":{"a":1}}}']


@pytest.mark.parametrize("route", ALL)
def test_a_declared_field_of_the_name_of_the_column_is_refused(route: str) -> None:
    with pytest.raises(UsageError, match=f"stream `s` has a field `{EXTRA}`"):
        Run(route, "json", names={**FIELDS, EXTRA: {"type": "string"}})


@pytest.mark.parametrize("route", ALL)
@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a/b", "é", ""])
def test_any_declared_name_is_known(route: str, name: str) -> None:
    run = Run(route, "drop", names={**FIELDS, name: {"type": "integer"}})
    bodies = [json.dumps({"id": 1, name: 2}), '{"id":2}']
    assert run.feed(bodies) == bodies
    assert run.report().undeclared == {}


@pytest.mark.parametrize("route", ALL)
def test_names_that_are_data_do_not_fill_the_memory(route: str) -> None:
    run = Run(route, "pass")
    for number in range(3):
        run.feed(f'{{"id":1,"x{number}-{at}":1}}' for at in range(200))
    counts = run.report().undeclared
    assert counts is not None
    assert len(counts) == 201
    assert counts[OTHERS] == 400
    assert len(run.warnings()) <= 10


@pytest.mark.parametrize("route", ["airbyte-airbyte", "singer-airbyte"])
def test_the_catalog_of_the_destination_has_the_column(route: str) -> None:
    streams = with_extra(configured_streams(route, FIELDS, ("s",)), "json")
    (one,) = destination_streams(streams) if route == "singer-airbyte" else [one.landed() for one in streams]
    assert one.stream.json_schema["properties"][EXTRA] == {"type": ["null", "object"]}
    assert [*one.stream.json_schema["properties"]] == ["id", "name", EXTRA]


def test_a_stream_that_no_catalog_has_gets_the_column() -> None:
    for route in ("singer-singer", "singer-airbyte"):
        run = Run(route, "json")
        run.wants = ("late",)
        lines = run.opening_lines()
        if route == "singer-airbyte":
            run = Run(route, "json")
            run.made = ROUTES[route](
                streams=(),
                saved=None,
                emit=run.events.append,
                clock=lambda: 0.0,
                translation=TranslateOptions(undeclared="json", spool=True),
            )
            run.made.scan(lines)
            assert EXTRA.encode() in (run.made.catalog() or b"")
        run.made.feed(lines)
        assert run.feed(['{"id":1,"x":2}'], "late") == ['{"id":1,"_undeclared":{"x":2}}']


def test_a_later_schema_declares_the_field() -> None:
    run = Run("singer-singer", "pass")
    run.feed(['{"id":1,"x":2}'])
    run.names = {**FIELDS, "x": {"type": "integer"}}
    run.made.feed(run.opening_lines())
    run.feed(['{"id":1,"x":2}', '{"id":1,"y":2}'])
    assert run.report().undeclared == {"x": 1, "y": 1}


@pytest.mark.parametrize("policy", ["drop", "json", "fail"])
@pytest.mark.parametrize("is_fieldless_first", [True, False])
def test_a_choice_holds_after_records_whose_fields_are_not_known(policy: str, is_fieldless_first: bool) -> None:
    """Those come before the SCHEMA of their stream, or after a first SCHEMA without fields."""
    run = Run("singer-singer", policy, streams=(), on_bad_record="set_aside")
    run.wants = ("s",)
    if is_fieldless_first:
        run.names = {}
        run.made.feed(run.opening_lines())
    assert run.feed(['{"id":1,"x":1}'] * 3) == ['{"id":1,"x":1}'] * 3
    run.names = FIELDS
    run.made.feed(run.opening_lines())
    expected = {"drop": ['{"id":2}'], "json": ['{"id":2,"_undeclared":{"x":2}}'], "fail": []}
    assert run.feed(['{"id":2,"x":2}'] * 2) == expected[policy] * 2
    assert run.report().undeclared == {"x": 2}
    assert run.report().set_aside == (2 if policy == "fail" else 0)


def test_a_field_that_passes_is_known_again_after_a_second_schema() -> None:
    """Otherwise each later record with it would be read twice."""
    tally = Tally(StreamKey(None, "s"))
    body = b'{"id":1,"x":2}'
    for number in (1, 2):
        watch = watching(["id"], tally, Notices(print, on_bad_record="fail", airbyte=()), "pass")
        assert watch
        assert not watch.fits(body)
        assert watch.handled(body) is body
        assert watch.has_learned
        assert watch.fits(body)
        assert tally.undeclared == {"x": 2 * number}


@pytest.mark.parametrize("policy", [None, "drop"])
def test_files_that_the_target_reads_itself(policy: str | None, tmp_path: Path) -> None:
    """They are read if the user chose what happens to the fields. Otherwise the report has no count."""
    (tmp_path / "a").write_text('{"id":1,"x":2}\n')
    run = Run("singer-singer", policy, scratch=str(tmp_path), quirks=msgspec.to_builtins(Quirks(takes_batches=True)))
    batch = {"type": "BATCH", "stream": "s", "encoding": {"format": "jsonl"}, "manifest": [f"file://{SCRATCH}/a"]}
    sent = run.made.feed(json.dumps(batch).encode() + b"\n")
    assert (b"BATCH" in sent) == (policy is None)
    assert run.report().undeclared == (None if policy is None else {"x": 1})
    run.feed(['{"id":1,"x":2}'])
    assert run.report().undeclared == (None if policy is None else {"x": 2})


def test_names_of_a_schema_with_alternatives_and_references() -> None:
    schema = {
        "$ref": "#/definitions/a",
        "allOf": [{"properties": {"b": {}}}, {"$ref": "#/definitions/c"}],
        "definitions": {"a": {"properties": {"a": {}}}, "c": {"$ref": "#", "properties": {"c": {}}}},
    }
    assert declared_names(schema) == {"a", "b", "c"}
    assert declared_names({"type": "object"}) is None
