"""Tests that an excluded key or cursor never reaches the target: it is refused if the modes need it, else left out."""

import json
from typing import Any

import msgspec
import pytest

from tapdock.connectors.selection import select_streams
from tapdock.connectors.stream_modes import Modes
from tapdock.errors import TranslationError, UsageError
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import ConfiguredStream, Stream, configured_catalog, parse_catalog
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions, Translator
from tapdock.translate.catalogs.singer import selected_catalog, singer_streams

PROPERTIES = {name: {"type": ["null", "string"]} for name in ("id", "at", "note")}
EVERY: Modes = {"append": "x", "overwrite": "x", "append_dedup": "x"}
"""The modes that a Singer target does not have with a tap: it decides."""
APPEND: dict[str, Any] = {"destination_sync_mode": "append"}
OVERWRITE: dict[str, Any] = {"destination_sync_mode": "overwrite", "sync_mode": "full_refresh"}
FULL: dict[str, Any] = {"sync_mode": "full_refresh"}


def offered(route: str) -> tuple[Stream, ...]:
    """Return a stream with the key `id` and the cursor `at`; both are automatic for a tap."""
    schema = {"properties": PROPERTIES}
    if route.startswith("singer"):
        automatic = [{"breadcrumb": ["properties", n], "metadata": {"inclusion": "automatic"}} for n in ("id", "at")]
        entry = {"tap_stream_id": "s", "key_properties": ["id"], "replication_key": "at", "metadata": automatic}
        return singer_streams(json.dumps({"streams": [{**entry, "schema": schema}]}).encode())
    modes = {"supported_sync_modes": ["full_refresh", "incremental"], "default_cursor_field": ["at"]}
    stream = {"name": "s", "json_schema": schema, "source_defined_primary_key": [["id"]], **modes}
    return parse_catalog(json.dumps({"streams": [stream]}).encode())


def chosen(route: str, *select: str, **options: Any) -> tuple[ConfiguredStream, ...]:
    modes = EVERY if route == "singer-singer" else {}
    return select_streams(offered(route), select, {"s": StreamOptions(**options)}, modes=modes)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("pattern", "options", "problem"),
    [
        ("!s.id", {}, "excludes the field `id` of stream `s`, but it is part of its key"),
        ("!s.i*", FULL, "excludes the field `id` of stream `s`, but it is part of its key"),
        ("!s.at", {}, "excludes the field `at` of stream `s`, but it is its cursor"),
        ("!s.at", {"cursor_field": ("at",)}, "excludes the field `at` of stream `s`, but it is its cursor"),
    ],
)
def test_an_excluded_field_that_a_run_needs_is_refused(
    route: str, pattern: str, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        chosen(route, "s.*", pattern, **options)
    assert "exclude the whole stream with `!s`" in (caught.value.hint or "")


def sent(route: str, streams: tuple[ConfiguredStream, ...]) -> bytes:
    """Return everything that the target gets of one record, its catalog included."""
    run: Translator = ROUTES[route](
        streams=streams, saved=None, emit=[].append, clock=lambda: 0.0, translation=TranslateOptions()
    )
    body = '{"id":"7","at":"8","note":"9"}'
    if route.startswith("singer"):
        declared = {"type": "SCHEMA", "stream": "s", "schema": {"properties": PROPERTIES}, "key_properties": ["id"]}
        lines = f'{json.dumps(declared)}\n{{"type":"RECORD","stream":"s","record":{body}}}\n'
    else:
        lines = f'{{"type":"RECORD","record":{{"stream":"s","data":{body},"emitted_at":1}}}}\n'
    return run.opening() + run.feed(lines.encode())


@pytest.mark.parametrize("route", [route for route in ROUTES if route != "singer-singer"])
@pytest.mark.parametrize("options", [{**APPEND, **FULL}, OVERWRITE])
def test_an_excluded_key_that_nothing_needs_is_left_out(route: str, options: dict[str, Any]) -> None:
    streams = chosen(route, "s.*", "!s.id", "!s.at", **options)
    assert [(one.primary_key, one.cursor_field, one.excluded) for one in streams] == [((), (), ("id", "at"))]
    out = sent(route, streams)
    assert b'"9"' in out
    for hidden in (b'"7"', b'"8"', b'"id"', b'"at"'):
        assert hidden not in out
    if route.startswith("airbyte"):
        (entry,) = json.loads(configured_catalog(streams))["streams"]
        assert list(entry["stream"]["json_schema"]["properties"]) == ["note"]
        assert (entry["primary_key"], entry["cursor_field"]) == ([], [])


def test_an_excluded_cursor_of_a_full_refresh_does_not_pass_from_tap_to_target() -> None:
    streams = chosen("singer-singer", "!s.at", **FULL)
    out = sent("singer-singer", streams)
    assert b'"7"' in out
    assert b'"8"' not in out
    assert b'"at"' not in out
    entry = json.loads(selected_catalog(offered("singer-singer"), streams, legacy=True))["streams"][0]
    said = {tuple(one["breadcrumb"]): one["metadata"]["selected"] for one in entry["metadata"]}
    assert said["properties", "at"], "the tap sends automatic fields in any case"


@pytest.mark.parametrize("route", ROUTES)
def test_key_and_cursor_need_not_be_selected(route: str) -> None:
    (one,) = chosen(route, "s.note")
    assert (one.excluded, one.denied) == ((), ())
    assert one.added == ("id", "at")
    out = sent(route, (one,))
    assert all(value in out for value in (b'"7"', b'"8"', b'"9"'))
    ours = {"denied", "added"}
    assert ours.isdisjoint(json.loads(configured_catalog([one]))["streams"][0])


def test_the_cursor_of_a_log_is_not_needed() -> None:
    (one,) = chosen("singer-singer", "!s.at", sync_mode="incremental", log_based=True)
    assert (one.cursor_field, one.excluded) == ((), ("at",))


def test_without_a_target_only_a_mode_that_the_user_set_needs_the_key() -> None:
    """`discover` and `check --read` do not have a target."""
    (one,) = select_streams(offered("airbyte"), ["!s.id"], {})
    assert one.excluded == ("id",)
    merged = {"s": StreamOptions(destination_sync_mode="append_dedup")}
    with pytest.raises(UsageError, match="part of its key"):
        select_streams(offered("airbyte"), ["!s.id"], merged)


def keyless(route: str, *select: str) -> tuple[ConfiguredStream, ...]:
    """Return the stream of a tap whose discovery reports no key."""
    entry = {"tap_stream_id": "s", "schema": {"properties": PROPERTIES}}
    modes = EVERY if route == "singer-singer" else {}
    return select_streams(singer_streams(msgspec.json.encode({"streams": [entry]})), select, {}, modes=modes)


DECLARED = {"type": "SCHEMA", "stream": "s", "schema": {"properties": PROPERTIES}, "key_properties": ["id"]}
LINES = json.dumps(DECLARED).encode() + b'\n{"type":"RECORD","stream":"s","record":{"id":"7","at":"8","note":"9"}}\n'


def through(route: str, *select: str) -> bytes:
    run = ROUTES[route](
        streams=keyless(route, *select),
        saved=None,
        emit=[].append,
        clock=lambda: 0.0,
        translation=TranslateOptions(spool=route == "singer-airbyte"),
    )
    catalog = b""
    if route == "singer-airbyte":
        run.scan(LINES)
        catalog = run.catalog() or b""
    return catalog + run.opening() + run.feed(LINES)


@pytest.mark.parametrize("route", ["singer-singer", "singer-airbyte"])
def test_a_key_that_only_the_schema_of_a_tap_reports(route: str) -> None:
    with pytest.raises(TranslationError, match="excludes the field `id` of stream `s`, but it is part of the key in"):
        through(route, "!s.id")
    out = through(route, "s.note")
    assert b'"7"' in out
    assert b'"9"' in out
    assert b'"8"' not in out
