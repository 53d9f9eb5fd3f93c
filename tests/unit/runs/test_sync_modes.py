"""Tests what sync modes require of a Singer target. This is decided before anything runs."""

from typing import Any

import msgspec
import pytest

from tapdock.connectors.about import About
from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.connectors.resolved import Resolved
from tapdock.connectors.selection import select_streams
from tapdock.errors import UsageError
from tapdock.launch import ImageFacts
from tapdock.project.model import Connector, DestinationMode, Kind, StreamOptions
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.runs.sync_modes import empties_first, impossible, require_described, require_keys, with_load_method
from tapdock.translate.base import Quirks
from tapdock.translate.catalogs.singer import singer_streams

LOADS = About(config={"properties": {"load_method": {}}})
ACTIVATES = Quirks(activates=True)
WANTS_KEY = Quirks(wants_key="primary_key_required")
FACTS = ImageFacts(image="x", digest="sha256:0")
USERS = Stream(
    name="users",
    json_schema={"properties": {"id": {"type": "integer"}}},
    supported_sync_modes=("full_refresh", "incremental"),
    source_defined_primary_key=(("id",),),
)


def source(kind: Kind = "airbyte") -> PreparedConnector:
    connector = Connector(name="s", role="source", image="x")
    return PreparedConnector(connector=connector, facts=FACTS, kind=kind, quirks=Quirks())


def chosen(mode: DestinationMode | None, *streams: Stream) -> tuple[ConfiguredStream, ...]:
    """Return the streams of a user who sets a mode only for `users`."""
    said = StreamOptions(destination_sync_mode=mode, sync_mode="full_refresh" if mode == "overwrite" else None)
    return select_streams(streams, [], {"users": said})


def target(**given: Any) -> PreparedConnector:
    return PreparedConnector(
        connector=Connector(name="t", role="target", image="y", **given), facts=FACTS, kind="singer", quirks=Quirks()
    )


def config(**given: Any) -> Resolved:
    return Resolved(user=given, given=given)


def loaded(mode: DestinationMode | None, *, unsafe: bool, **user: Any) -> Any:
    """Return the target's `load_method` in a pipeline with one stream."""
    streams = chosen(mode, USERS)
    first = empties_first(target(allow_unsafe_overwrite=unsafe), streams, config(**user))
    return with_load_method(source(), config(**user), LOADS, streams, unsafe=first).given.get("load_method")


@pytest.mark.parametrize(
    ("mode", "unsafe", "method"),
    [
        ("append_dedup", False, "upsert"),
        (None, False, "upsert"),
        ("append", False, None),
        ("overwrite", True, "overwrite"),
        ("append", True, None),
        ("append_dedup", True, "upsert"),
    ],
)
def test_a_table_is_only_emptied_where_its_rows_are_to_be_replaced(
    mode: DestinationMode | None, *, unsafe: bool, method: str | None
) -> None:
    """`allow_unsafe_overwrite` only permits it (protocol.md 3.5)."""
    assert loaded(mode, unsafe=unsafe) == method


def test_the_users_own_setting_stays() -> None:
    assert loaded("append_dedup", unsafe=False, load_method="append-only") == "append-only"


SILENT = About(silent=True)


@pytest.mark.parametrize(
    ("mode", "about", "user", "quirks", "kind", "refused"),
    [
        ("append_dedup", SILENT, {}, Quirks(), "airbyte", True),
        (None, SILENT, {}, Quirks(), "airbyte", True),
        ("append", SILENT, {}, Quirks(), "airbyte", False),
        ("append_dedup", SILENT, {"load_method": "upsert"}, Quirks(), "airbyte", False),
        ("append_dedup", SILENT, {}, Quirks(ignores_load_method=True), "airbyte", False),
        ("append_dedup", SILENT, {}, Quirks(), "singer", False),
        ("append_dedup", About(), {}, Quirks(), "airbyte", False),
        ("append_dedup", LOADS, {}, Quirks(), "airbyte", False),
    ],
)
def test_rows_are_not_appended_because_a_target_was_too_slow_to_report_its_settings(
    mode: DestinationMode | None, about: About, user: dict[str, Any], quirks: Quirks, kind: Kind, *, refused: bool
) -> None:
    given = (source(kind), target(), about, config(**user), chosen(mode, USERS), quirks)
    if not refused:
        require_described(*given)
        return
    with pytest.raises(UsageError, match="stream `users` or append duplicates") as caught:
        require_described(*given)
    assert "`targets.t.config.load_method: upsert`" in (caught.value.hint or "")


def test_overwriting_never_turns_into_adding_without_a_word() -> None:
    with pytest.raises(UsageError, match="load_method"):
        loaded("overwrite", unsafe=True, load_method="append-only")


def test_all_streams_are_overwritten_so_or_none() -> None:
    log = Stream(name="log", json_schema={"properties": {"id": {}}})
    streams = chosen("overwrite", USERS, log)
    with pytest.raises(UsageError, match="stream `log` is not overwritten"):
        empties_first(target(allow_unsafe_overwrite=True), streams, config())


@pytest.mark.parametrize(
    ("given", "about", "settings", "quirks", "reason"),
    [
        ({}, LOADS, {}, ACTIVATES, None),
        ({}, LOADS, {}, Quirks(), "does not advertise ACTIVATE_VERSION"),
        ({}, LOADS, {"add_record_metadata": False}, ACTIVATES, "set `targets.t.config.add_record_metadata: true`"),
        ({}, LOADS, {"activate_version": False}, ACTIVATES, "set `targets.t.config.activate_version: true`"),
        ({"allow_unsafe_overwrite": True}, LOADS, {}, Quirks(), None),
        ({"allow_unsafe_overwrite": True}, About(), {}, Quirks(), "it has no working setting `load_method`"),
        ({"allow_unsafe_overwrite": True}, LOADS, {}, Quirks(ignores_load_method=True), "no working setting"),
    ],
)
def test_why_a_target_cannot_overwrite(
    given: dict[str, Any], about: About, settings: dict[str, Any], quirks: Quirks, reason: str | None
) -> None:
    found = impossible(source(), target(**given), about, config(**settings), quirks)
    assert set(found) <= {"overwrite"}
    assert not found if reason is None else reason in found["overwrite"]


@pytest.mark.parametrize(
    ("key", "mode", "settings", "problem"),
    [
        ((("id",),), "append_dedup", {}, None),
        (
            (("id",),),
            "append",
            {},
            "stream `users` is written without its primary key by `destination_sync_mode: append`",
        ),
        ((("id",),), "append", {"primary_key_required": False}, None),
        ((), "append", {}, "stream `users` has no primary key"),
        ((), "append", {"primary_key_required": True}, "stream `users` has no primary key"),
        ((), "append", {"primary_key_required": False}, None),
        ((), "append", {"append_only": True}, None),
    ],
)
def test_a_target_that_wants_keys(
    key: Any, mode: DestinationMode, settings: dict[str, Any], problem: str | None
) -> None:
    stream = ConfiguredStream(stream=USERS, sync_mode="full_refresh", destination_sync_mode=mode, primary_key=key)
    require_keys(source(), target(), config(**settings), (stream,), Quirks())
    if problem is None:
        require_keys(source(), target(), config(**settings), (stream,), WANTS_KEY)
        return
    with pytest.raises(UsageError, match=f"{problem}, but target `t` requires one"):
        require_keys(source(), target(), config(**settings), (stream,), WANTS_KEY)


@pytest.mark.parametrize(
    ("entry", "keyless"),
    [
        ({"key_properties": ["id"]}, False),
        ({"metadata": [{"breadcrumb": [], "metadata": {"table-key-properties": ["id"]}}]}, False),
        ({"metadata": [{"breadcrumb": [], "metadata": {"view-key-properties": ["id"]}}]}, False),
        ({"key_properties": [], "metadata": [{"breadcrumb": [], "metadata": {"table-key-properties": ["id"]}}]}, False),
        ({}, False),
        ({"key_properties": []}, True),
        ({"metadata": [{"breadcrumb": [], "metadata": {"table-key-properties": []}}]}, True),
    ],
)
def test_from_singer_to_singer_the_taps_own_key_counts(entry: dict[str, Any], *, keyless: bool) -> None:
    """No sync mode applies there, so the stream is `append`; its SCHEMA has the key nevertheless."""
    catalog = {"streams": [{"tap_stream_id": "users", "schema": {"properties": {"id": {}}}, **entry}]}
    offered = singer_streams(msgspec.json.encode(catalog))
    tap = source("singer")
    streams = select_streams(offered, [], {}, modes=impossible(tap, target(), About(), config(), WANTS_KEY))
    assert streams[0].destination_sync_mode == "append"
    if not keyless:
        require_keys(tap, target(), config(), streams, WANTS_KEY)
        return
    with pytest.raises(UsageError, match="stream `users` has no primary key") as caught:
        require_keys(tap, target(), config(), streams, WANTS_KEY)
    assert caught.value.hint == "set `targets.t.config.primary_key_required: false`"


@pytest.mark.parametrize("package", ["target-duckdb", "pipelinewise-target-postgres", "pipelinewise-target-snowflake"])
def test_these_targets_want_keys(package: str) -> None:
    facts = ImageFacts(image="x", digest="sha256:0", labels={"io.tapdock.package": f"{package}==1.0"})
    assert quirks_of(facts).wants_key == "primary_key_required"
