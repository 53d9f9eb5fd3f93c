"""Tests that values of fields whose type the user overrides are converted where that is exact, on every route."""

import json
from typing import Any

import msgspec
import pytest

from tapdock.connectors.selection import select_streams
from tapdock.errors import TranslationError
from tapdock.events import Event, Logged, SetAside
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import parse_catalog
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions, Translator
from tapdock.translate.catalogs.singer import singer_streams
from unit.translate.test_undeclared import ALL, UNTOUCHED, body_of

ADDRESS = {"type": "object", "properties": {"zip": {"type": "integer"}, "city": {"type": "string"}}}
FIELDS: dict[str, Any] = {
    "id": {"type": "integer"},
    "f": {"type": "string"},
    "address": ADDRESS,
    "parts": {"type": "array", "items": ADDRESS},
}
SINGER = {"stream": "s", "tap_stream_id": "s", "schema": {"type": "object", "properties": FIELDS}}
OPENING = json.dumps({"type": "SCHEMA", **SINGER, "key_properties": []}).encode() + b"\n"
AIRBYTE = {"name": "s", "json_schema": {"type": "object", "properties": FIELDS}}


class Run:
    def __init__(self, route: str, fields: dict[str, Any], *, is_opened: bool = True, **options: Any) -> None:
        self.route = route
        self.events: list[Event] = []
        is_airbyte = route.startswith("airbyte")
        parse = parse_catalog if is_airbyte else singer_streams
        offered = parse(json.dumps({"streams": [AIRBYTE if is_airbyte else SINGER]}).encode())
        streams = select_streams(offered, [], {"s": StreamOptions(schema=fields)})
        given = {"spool": route == "singer-airbyte", "baseline": False, "undeclared": "pass", **options}
        self.made: Translator = ROUTES[route](
            streams=streams,
            saved=None,
            emit=self.events.append,
            clock=lambda: 0.0,
            translation=msgspec.convert(given, TranslateOptions),
        )
        if route == "singer-airbyte":
            self.made.scan(OPENING)
            self.made.catalog()
        if is_opened and not is_airbyte:
            self.made.feed(OPENING)

    def sent(self, *bodies: str) -> list[str]:
        start, end = '{"type":"RECORD","stream":"s","record":', "}\n"
        if self.route.startswith("airbyte"):
            start, end = '{"type":"RECORD","record":{"stream":"s","data":', ',"emitted_at":1}}\n'
        found = self.made.feed("".join(f"{start}{body}{end}" for body in bodies).encode())
        return [body_of(line) for line in found.decode().splitlines() if json.loads(line)["type"] == "RECORD"]


@pytest.mark.parametrize("route", ALL)
@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("number", '"12.50"', "12.50"),
        ("number", '"123456789012345678901234567890.10"', "123456789012345678901234567890.10"),
        ("number", "1.50", "1.50"),
        ("integer", '"12"', "12"),
        ("string", "1.50", '"1.50"'),
        ("string", "true", '"true"'),
        ("boolean", '"true"', "true"),
        ("boolean", '"false"', "false"),
        ("object", '"{\\"a\\": 1.50}"', '{"a":1.50}'),
        ("array", '"[1.50]"', "[1.50]"),
        ("number", "null", "null"),
    ],
)
def test_a_value_with_an_exact_form_is_converted(route: str, kind: str, value: str, expected: str) -> None:
    run = Run(route, {"f": {"type": kind}})
    assert run.sent(f'{{"f":{value}}}', '{"id":1}') == [f'{{"f":{expected}}}', '{"id":1}']
    said = [event.message for event in run.events if isinstance(event, Logged) and "was converted" in event.message]
    assert bool(said) == (value != expected)


@pytest.mark.parametrize("route", ALL)
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", '"abc"'),
        ("number", '" 12.50"'),
        ("number", '"1,5"'),
        ("number", '"012"'),
        ("integer", '"12.50"'),
        ("integer", "1.5"),
        ("boolean", '"yes"'),
        ("boolean", "2"),
        ("object", '"[1]"'),
        ("array", '"x"'),
        ("number", "true"),
    ],
)
def test_any_other_value_is_a_bad_record(route: str, kind: str, value: str) -> None:
    run = Run(route, {"f": {"type": kind}})
    with pytest.raises(TranslationError, match=r"a record of stream `s` has .* in `f`, which its schema declares as"):
        run.sent(f'{{"f":{value}}}')
    run = Run(route, {"f": {"type": kind}}, on_bad_record="set_aside")
    assert run.sent(f'{{"f":{value}}}', '{"id":1}') == ['{"id":1}']
    assert [event.stream for event in run.events if isinstance(event, SetAside)] == ["s"]


@pytest.mark.parametrize("route", ALL)
def test_a_nested_field_is_converted(route: str) -> None:
    run = Run(route, {"address.zip": {"type": "string"}, "parts.zip": {"type": "string"}})
    body = '{"address":{"zip":12,"city":"a"},"parts":[{"zip":3},null,{"city":"b"}]}'
    assert run.sent(body) == ['{"address":{"zip":"12","city":"a"},"parts":[{"zip":"3"},null,{"city":"b"}]}']


@pytest.mark.parametrize("route", [*UNTOUCHED, "singer-airbyte"])
def test_other_fields_and_fields_of_several_types_stay(route: str) -> None:
    """From Airbyte to Singer, every field must match, because the SCHEMA is ours."""
    run = Run(route, {"f": {"type": ["string", "number"]}, "address.zip": {"type": "string"}})
    body = '{"id":"x","f":1.50,"address":{"zip":"1","city":2}}'
    assert run.sent(body) == [body]
    assert not any(isinstance(event, Logged) for event in run.events)


@pytest.mark.parametrize("policy", [None, "pass", "drop"])
def test_values_are_converted_after_records_that_come_before_their_schema(policy: str | None) -> None:
    """Such records pass by their beginnings, which must not let later ones pass."""
    run = Run("singer-singer", {"f": {"type": "number"}}, undeclared=policy, is_opened=False)
    bodies = ['{"id":1,"f":"1.50"}'] * 3
    assert run.sent(*bodies) + run.sent(*bodies) == bodies * 2
    run.made.feed(OPENING)
    assert run.sent(*bodies) == ['{"id":1,"f":1.50}'] * 3


def test_values_are_checked_after_their_conversion() -> None:
    run = Run("singer-airbyte", {"f": {"type": "number"}}, validate_records=True)
    assert run.sent('{"f":"1.50"}') == ['{"f":1.50}']


@pytest.mark.parametrize("route", ALL)
def test_the_column_for_undeclared_fields_is_not_checked(route: str) -> None:
    run = Run(route, {"f": {"type": "number"}}, undeclared="json")
    assert run.sent('{"f":"1.50","_undeclared":2}') == ['{"f":1.50,"_undeclared":{"_undeclared":2}}']


@pytest.mark.parametrize("route", ALL)
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("date-time", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("date-time", "2024-01-02T03:04:05.123456789+02:00", "2024-01-02T03:04:05.123456789+02:00"),
        ("date-time", "2024-01-02 03:04:05", "2024-01-02T03:04:05"),
        ("date-time", "2024-01-02 03:04:05,25 +0000", "2024-01-02T03:04:05.25+00:00"),
        ("date-time", "2024-01-02 03:04 UTC", "2024-01-02T03:04:00Z"),
        ("date-time", "2024-01-02t03:04:05-08", "2024-01-02T03:04:05-08:00"),
        ("date-time", "2024-01-02", "2024-01-02T00:00:00"),
        ("date", "2024-01-02", "2024-01-02"),
        ("date", "2024-01-02 00:00:00", "2024-01-02"),
        ("date", "2024-01-02T00:00:00.000Z", "2024-01-02"),
        ("time", "03:04", "03:04:00"),
        ("time", "23:59:60.5Z", "23:59:60.5Z"),
    ],
)
def test_a_date_or_a_time_is_written_in_the_form_of_its_format(
    route: str, name: str, value: str, expected: str
) -> None:
    run = Run(route, {"f": {"type": "string", "format": name}})
    assert run.sent(f'{{"f":"{value}"}}', '{"f":null}') == [f'{{"f":"{expected}"}}', '{"f":null}']
    notes = [event.message for event in run.events if isinstance(event, Logged)]
    assert any("was written in the form of" in note for note in notes) == (value != expected)
    is_local = name == "date-time" and not expected[19:].strip(".0123456789")
    assert any("without a time zone" in note for note in notes) == is_local


@pytest.mark.parametrize("route", ALL)
@pytest.mark.parametrize(
    ("schema", "value", "reason"),
    [
        ({"format": "date-time"}, "1704164645", "has a number in `f`, which its schema declares as `date-time`"),
        ({"format": "date-time"}, '"1704164645"', "has text in `f` that is not a `date-time`"),
        ({"format": "date-time"}, '"01/02/2024"', "has text in `f` that is not a `date-time`"),
        ({"format": "date-time"}, '"0000-00-00 00:00:00"', "has text in `f` that is not a `date-time`"),
        ({"format": "date-time"}, '"2024-01-02T25:00:00"', "has text in `f` that is not a `date-time`"),
        ({"format": "date-time"}, '"2024-01-02T03:04:05 CET"', "has text in `f` that is not a `date-time`"),
        ({"format": "date-time"}, '""', "has text in `f` that is not a `date-time`"),
        ({"format": "date"}, '"2024-02-30"', "has text in `f` that is not a `date`"),
        ({"format": "date"}, '"2024-01-02 03:04:05"', "has text in `f` that is not a `date`"),
        ({"format": "date"}, '"2024-01-02T00:00:00+02:00"', "has text in `f` that is not a `date`"),
        ({"format": "time"}, '"8:05:00"', "has text in `f` that is not a `time`"),
        (
            {"format": "date-time", "airbyte_type": "timestamp_with_timezone"},
            '"2024-01-02 03:04:05"',
            "has a time without a time zone in `f`",
        ),
        (
            {"format": "date-time", "airbyte_type": "timestamp_without_timezone"},
            '"2024-01-02 03:04:05Z"',
            "has a time with a time zone in `f`",
        ),
    ],
)
def test_a_date_or_a_time_is_never_guessed(route: str, schema: dict[str, Any], value: str, reason: str) -> None:
    run = Run(route, {"f": {"type": "string", **schema}}, on_bad_record="set_aside")
    assert run.sent(f'{{"f":{value}}}', '{"id":1}') == ['{"id":1}']
    aside = [event.reason for event in run.events if isinstance(event, SetAside)]
    assert len(aside) == 1
    assert reason in aside[0]
    assert value.strip('"') not in aside[0].replace("`date", "") or value == '""'


@pytest.mark.parametrize("route", ALL)
def test_the_form_of_dates_that_only_the_source_declares_is_not_checked(route: str) -> None:
    run = Run(route, {"id": {"type": "integer"}})
    assert run.sent('{"f":"0000-00-00"}') == ['{"f":"0000-00-00"}']
    assert not any(isinstance(event, Logged) for event in run.events)


@pytest.mark.parametrize("route", ALL)
def test_a_format_without_a_type_and_one_of_a_nested_field_count(route: str) -> None:
    local = {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"}
    run = Run(route, {"f": {"format": "date"}, "address.city": local, "parts.city": local})
    body = '{"f":"2024-01-02 00:00:00","address":{"city":"2024-01-02 03:04:05"},"parts":[{"city":"2024-01-02 03:04"}]}'
    expected = {"f": "2024-01-02", "address": {"city": "2024-01-02T03:04:05"}}
    expected["parts"] = [{"city": "2024-01-02T03:04:00"}]
    assert [json.loads(one) for one in run.sent(body)] == [expected]
    with pytest.raises(TranslationError, match=r"text in `parts\[\]\.city` that is not a `date-time`"):
        run.sent('{"parts":[{"city":"tomorrow"}]}')
