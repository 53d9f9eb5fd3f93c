"""Tests streams that a run skips although the tap sends them: their records and bookmarks are not saved as read."""

import json
from typing import Any

import pytest

from tapdock.connectors.selection import select_streams
from tapdock.events import Event, Logged
from tapdock.protocol.catalog import Stream
from tapdock.runs.unread import unread_names
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions
from tapdock.translate.catalogs.singer import singer_streams
from tapdock.translate.write.removal import Withheld

CATALOG = b'{"streams":[{"tap_stream_id":"s","stream":"s","schema":{"properties":{"id":{"type":"integer"}}}}]}'
ROUTES_OF_TAPS = ("singer-singer", "singer-airbyte")


def after(route: str, state: Any, *, saved: Any = None, skipped: str | None = "x", **translation: Any) -> Any:
    """Return the state that a run saves after these lines, and its warnings."""
    events: list[Event] = []
    translator = ROUTES[route](
        streams=select_streams(singer_streams(CATALOG), (), {}),
        saved=None if saved is None else json.dumps(saved),
        emit=events.append,
        clock=lambda: 0.0,
        translation=TranslateOptions(baseline=False, **translation),
    )
    lines = [line for name in ("s", skipped) if name for line in messages(name)]
    lines.append({"type": "STATE", "value": state})
    given = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    if translation.get("spool"):
        translator.scan(given)
        assert b"hidden" not in (translator.catalog() or b"")
    text = translator.opening() + translator.feed(given)
    text += translator.closing(complete=True)
    assert b"SKIPPED" not in text
    assert b'"hidden"' not in text
    translator.states.acked_all()
    said = [each.message for each in events if isinstance(each, Logged) and each.level == "warning"]
    return translator.states.committed(), said


def messages(stream: str) -> list[dict[str, Any]]:
    body = {"id": 1} if stream == "s" else {"id": 1, "hidden": "SKIPPED"}
    properties: dict[str, Any] = {name: {} for name in body}
    schema = {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": []}
    return [schema, {"type": "RECORD", "stream": stream, "record": body}]


@pytest.mark.parametrize("route", ROUTES_OF_TAPS)
@pytest.mark.parametrize(
    "options", [{"only_known": True}, {"excluded": ("x",)}, {"denied": ("x*",)}, {"denied": ("*x.*",)}]
)
@pytest.mark.parametrize(
    ("state", "saved", "kept"),
    [
        ({"bookmarks": {"s": 1, "x": 2}}, None, {"bookmarks": {"s": 1}}),
        ({"bookmarks": {"s": 1, "x": 2}}, {"bookmarks": {"x": 1}}, {"bookmarks": {"s": 1, "x": 1}}),
        ({"bookmarks": {"s": 1, "db-public-x": 2, "y": 3}}, None, {"bookmarks": {"s": 1, "y": 3}}),
        ({"s": 1, "x": 2}, {"x": 1}, {"s": 1, "x": 1}),
    ],
)
def test_the_bookmark_of_a_skipped_stream_is_not_saved(route, options, state, saved, kept):
    assert json.loads(after(route, state, saved=saved, **options)[0]) == kept


@pytest.mark.parametrize("route", ROUTES_OF_TAPS)
def test_a_state_without_a_skipped_stream_keeps_its_bytes(route):
    state = {"bookmarks": {"s": 1.50, "x": 2}}
    assert after(route, state, skipped=None, only_known=True)[0] == json.dumps(state)
    assert after(route, {"bookmarks": {"s": 1}}, only_known=True)[0] == json.dumps({"bookmarks": {"s": 1}})


@pytest.mark.parametrize("route", ROUTES_OF_TAPS)
def test_a_stream_outside_of_the_catalog_is_reported_with_the_way_to_add_it(route):
    (said,) = after(route, {"bookmarks": {"x": 1}}, only_known=True)[1]
    assert "stream `x` is not in the catalog" in said
    assert "`tapdock catalog commit SOURCE` or `tapdock run … --accept-schema-changes`" in said


@pytest.mark.parametrize("route", ROUTES_OF_TAPS)
def test_a_glob_also_excludes_fields_of_a_stream_that_is_in_no_catalog(route):
    state = {"bookmarks": {"s": 1, "x": 2}}
    saved, said = after(route, state, denied=("*.hid*",), spool=route == "singer-airbyte")
    assert json.loads(saved) == state
    assert said == []


def test_fields_outside_of_the_catalog_are_reported():
    events: list[Event] = []
    translator = ROUTES["singer-singer"](
        streams=select_streams(singer_streams(CATALOG), ("!*.away*",), {}),
        saved=None,
        emit=events.append,
        clock=lambda: 0.0,
        translation=TranslateOptions(only_known=True),
    )
    properties = {"id": {}, "new": {}, "away_x": {}, "_sdc_deleted_at": {}}
    schema = {"type": "SCHEMA", "stream": "s", "schema": {"properties": properties}, "key_properties": []}
    translator.feed(2 * (json.dumps(schema).encode() + b"\n"))
    (said,) = [each.message for each in events if isinstance(each, Logged) and each.level == "warning"]
    assert "fields that are not in the catalog, and they are read: `new`;" in said


def test_a_record_of_an_unread_stream_is_withheld_without_its_namespace():
    names = [("ns", "users"), ("ns", "orders"), ("other", "orders")]
    offered = tuple(Stream(name=name, namespace=namespace) for namespace, name in names)
    unread = unread_names("airbyte", offered, select_streams(offered, ("ns.orders",), {}))
    assert unread == ("ns.users", "other.orders", "users")
    assert b"SECRET" not in Withheld((), unread).kept("users", b'{"ssn":"SECRET"}')
