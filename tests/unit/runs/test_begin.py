"""Tests how a run starts: generations, the state for its source, and the files of both containers."""

import dataclasses
import json
from typing import Any

import msgspec
import pytest

from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.resolved import Resolved
from tapdock.errors import StateError, UsageError
from tapdock.launch import ImageFacts
from tapdock.project.model import CatalogOption, Connector, Kind, Namespacing, Pipeline
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey
from tapdock.runs.begin import StartedRun, begun, launches, names_of
from tapdock.runs.options import Options
from tapdock.runs.prepare import PreparedRun
from tapdock.state.envelope import Envelope
from tapdock.translate.base import FileNames, Quirks, TranslateOptions
from tapdock.translate.catalogs.singer import singer_streams

NOW = 1_700_000_000.0
AIRBYTE = '[{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":{"id":1.50}}}]'
SINGER = '{"bookmarks":{"users":{"id":1.50}},"currently_syncing":"users"}'


def stream(name: str = "users", **given: Any) -> ConfiguredStream:
    """Return a stream with full refresh, unless options are given."""
    offered = {"is_resumable": given.pop("is_resumable", False), "namespace": given.pop("namespace", None)}
    schema = {"properties": {"id": {"type": "integer"}}}
    return ConfiguredStream(
        stream=Stream(name=name, json_schema=schema, **offered), **{"sync_mode": "full_refresh"} | given
    )


def tapped(**given: Any) -> ConfiguredStream:
    """Return a stream of a Singer tap."""
    (offered,) = singer_streams(b'{"streams":[{"tap_stream_id":"users","schema":{"properties":{"id":{}}}}]}')
    return ConfiguredStream(stream=offered, **{"sync_mode": "full_refresh"} | given)


def prepared(
    *streams: ConfiguredStream,
    route: str = "airbyte-airbyte",
    translation: TranslateOptions | None = None,
    quirks: Quirks | None = None,
    target_config: dict[str, Any] | None = None,
    catalog_option: CatalogOption = "--catalog",
) -> PreparedRun:
    source, target = route.split("-")
    facts = ImageFacts(image="x:1", digest="sha256:0", entrypoint=("/entry",))

    def ready(kind: Any, **given: Any) -> PreparedConnector:
        kind_: Kind = kind
        return PreparedConnector(
            connector=Connector(image="x:1", kind=kind_, **given), facts=facts, kind=kind_, quirks=quirks or Quirks()
        )

    given = target_config or {}
    return PreparedRun(
        pipeline=Pipeline(name="demo", source="s", target="t"),
        source=ready(source, name="s", role="source", catalog_option=catalog_option),
        target=ready(target, name="t", role="target"),
        source_config=Resolved(user={}, given={"a": 1}),
        target_config=Resolved(user=given, given=given),
        offered=tuple(one.stream for one in streams),
        streams=streams,
        translation=translation or TranslateOptions(),
        state_id="s-to-t",
    )


def left(state: str | None, **generations: int) -> Envelope:
    ids = {"run_id": "r", "nonce": "n", "saved_at": "2026"}
    return Envelope(key="s-to-t", state=state, generations=generations, fence=1, **ids)


def begin(run: PreparedRun, envelope: Envelope | None = None, now: float = NOW, **options: Any) -> StartedRun:
    """Begin the run with a state of its own protocol."""
    envelope = envelope and msgspec.structs.replace(envelope, dialect=run.source.kind)
    return begun(run, envelope, Options(**options), now=now)


def numbers(job: StartedRun) -> list[tuple[int, int]]:
    return [(one.generation_id, one.minimum_generation_id) for one in job.streams]


def test_a_snapshot_has_a_generation_of_its_own_and_only_overwriting_drops_the_others() -> None:
    job = begin(
        prepared(stream(destination_sync_mode="overwrite"), stream("log"), stream("inc", sync_mode="incremental"))
    )
    assert numbers(job) == [(1_700_000_000, 1_700_000_000), (1_700_000_000, 0), (0, 0)]
    assert {one.sync_id for one in job.streams} == {1_700_000_000}
    assert job.generations == {"users": 1_700_000_000, "log": 1_700_000_000}
    assert job.changed


@pytest.mark.parametrize("clock", [NOW, NOW - 5, 0.0])
def test_no_generation_comes_twice_whatever_the_clock_says(clock: float) -> None:
    run = prepared(stream(destination_sync_mode="overwrite"))
    first = begin(run)
    second = begin(run, left(None, **first.generations), clock)
    assert second.generations["users"] == first.generations["users"] + 1


def test_other_streams_keep_their_generations() -> None:
    job = begin(prepared(stream(sync_mode="incremental")), left(AIRBYTE, users=3, gone=7))
    assert numbers(job) == [(3, 0)]
    assert job.generations == {"users": 3, "gone": 7}
    assert not job.changed


@pytest.mark.parametrize(("attempt", "generation", "passed"), [(1, 1_700_000_000, None), (2, 9, AIRBYTE)])
def test_a_later_attempt_goes_on_with_a_snapshot_that_can_be_resumed(
    attempt: int, generation: int, passed: str | None
) -> None:
    run = prepared(stream(is_resumable=True, destination_sync_mode="overwrite"))
    job = begin(run, left(AIRBYTE, users=9), attempt=attempt, has_begun=attempt > 1)
    assert numbers(job) == [(generation, generation)]
    assert job.passed == passed


def test_a_target_that_replaces_its_files_gets_the_whole_snapshot_again() -> None:
    """A later attempt would send only the rest of it, into a new file of the same name."""
    names = FileNames(setting="names", default="{stream}", stream="{stream}", time="{time}")
    replaces = TranslateOptions(quirks=Quirks(replaces_files=names))
    for config, passed in (({}, None), ({"names": "{stream}-{time}"}, AIRBYTE)):
        run = prepared(
            stream(is_resumable=True), route="airbyte-singer", translation=replaces, target_config=dict(config)
        )
        assert begin(run, left(AIRBYTE, users=9), attempt=2, has_begun=True).passed == passed
    run = prepared(tapped(), route="singer-singer", translation=replaces)
    assert begin(run, left(SINGER)).passed == '{"bookmarks":{}}'


def test_an_attempt_whose_state_is_not_saved_begins_anew() -> None:
    job = begin(
        prepared(stream(is_resumable=True)), left(AIRBYTE, users=9), attempt=2, has_begun=True, save_state=False
    )
    assert (numbers(job), job.passed) == ([(1_700_000_000, 0)], None)


def test_a_snapshot_that_cannot_be_resumed_begins_anew_each_time() -> None:
    job = begin(prepared(stream(destination_sync_mode="overwrite")), left(AIRBYTE, users=9), attempt=2, has_begun=True)
    assert (numbers(job), job.passed) == ([(1_700_000_000, 1_700_000_000)], None)


def test_an_incremental_stream_goes_on_byte_for_byte() -> None:
    job = begin(prepared(stream(sync_mode="incremental")), left(AIRBYTE))
    assert (job.passed, job.saved, job.changed) == (AIRBYTE, AIRBYTE, False)


@pytest.mark.parametrize(
    ("given", "options", "target_config", "passed"),
    [
        ({"sync_mode": "incremental"}, {}, {}, SINGER),
        ({}, {}, {}, SINGER),
        ({"destination_sync_mode": "overwrite"}, {}, {}, '{"bookmarks":{}}'),
        ({}, {}, {"load_method": "overwrite"}, '{"bookmarks":{}}'),
    ],
)
def test_a_tap_is_given_no_mark_in_a_table_whose_old_rows_go(
    given: dict[str, Any], options: dict[str, Any], target_config: dict[str, Any], passed: str
) -> None:
    """With a mark, the tap would send only the rest of the table, which would replace all rows (protocol.md 3.5)."""
    run = prepared(tapped(**given), route="singer-airbyte", target_config=target_config)
    job = begin(run, left(SINGER), **options)
    assert (job.passed, job.saved) == (passed, SINGER)


@pytest.mark.parametrize(
    ("saved", "passed"),
    [
        (
            '{\n  "bookmarks": {"users": {"id": 1.50}},\r\n"big": 12345678901234567890123}\n',
            '{"bookmarks":{"users":{"id":1.50}},"big":12345678901234567890123}',
        ),
        ('{"bookmarks" : {}}', '{"bookmarks" : {}}'),
        ('{"bookmarks" : [1]}', '{"bookmarks" : [1]}'),  # a tap has sent it
        ('{"bookmarks":null,"x":1}', '{"x":1}'),
        ('{"bookmarks":null}', None),
        ("{ }\n", None),
        ("null", None),
    ],
)
def test_a_singer_state_that_a_user_has_set_fits_on_a_line(saved: str, passed: str | None) -> None:
    job = begin(prepared(tapped(sync_mode="incremental"), route="singer-singer"), left(saved))
    assert (job.passed, job.saved) == (passed, passed)


@pytest.mark.parametrize("saved", ["[", "[1]", '"text"', '{"bookmarks":{"users":NaN}}'])
def test_a_singer_state_that_cannot_be_read_is_told(saved: str) -> None:
    with pytest.raises(StateError, match="not a Singer state") as told:
        begin(prepared(tapped(sync_mode="incremental"), route="singer-singer"), left(saved))
    assert "`tapdock state set`" in (told.value.hint or "")


@pytest.mark.parametrize(
    ("saved", "last_only"), [(None, True), ('{"bookmarks":{"users":{"replication_key_value":1}}}', False)]
)
def test_a_first_read_in_no_order_trusts_its_last_state_alone(saved: str | None, *, last_only: bool) -> None:
    run = prepared(tapped(sync_mode="incremental"), route="singer-singer", quirks=Quirks(unordered_start=True))
    assert begin(run, left(saved)).translation.last_state_only == last_only


def test_names_in_the_target() -> None:
    translation = TranslateOptions(namespacing=Namespacing(prefix="p_"))
    streams = (stream(namespace="shop"), stream("log"))
    assert names_of(prepared(*streams, translation=translation)) == {"shop.users": "shop.p_users", "log": "p_log"}
    singer = prepared(*streams, translation=translation, route="airbyte-singer")
    assert names_of(singer) == {"shop.users": "shop-p_users", "log": "p_log"}
    assert names_of(prepared(tapped(), route="singer-singer")) == {}


def files(run: PreparedRun, envelope: Envelope | None = None) -> list[dict[str, Any]]:
    """Return the content of the files of source and target, by name. A late file is None."""
    both = launches(run, begin(run, envelope))
    return [{one.name: None if one.late else json.loads(one.content) for one in launch.files} for launch in both]


def only(given: dict[str, Any], word: str) -> Any:
    (found,) = [content for name, content in given.items() if word in name]
    return found


def test_both_airbyte_connectors_are_given_catalogs_with_generations() -> None:
    run = prepared(
        stream(destination_sync_mode="overwrite", namespace="shop"),
        translation=TranslateOptions(namespacing=Namespacing(kind="destination", prefix="p_")),
    )
    source, target = files(run)
    (read,), (written,) = (only(one, "catalog")["streams"] for one in (source, target))
    assert (read["stream"]["name"], read["stream"]["namespace"]) == ("users", "shop")
    assert written["stream"]["name"] == "p_users"
    assert "namespace" not in written["stream"]
    assert read["generation_id"] == written["minimum_generation_id"] == 1_700_000_000
    assert not [name for name in source if "state" in name], "there is none to begin with"


def test_a_source_is_given_its_state() -> None:
    source, _ = files(prepared(stream(sync_mode="incremental")), left(AIRBYTE))
    assert json.dumps(only(source, "state")) == json.dumps(json.loads(AIRBYTE))


@pytest.mark.parametrize("spool", [True, False])
def test_a_destination_waits_for_its_catalog_where_the_tap_is_read_first(*, spool: bool) -> None:
    source, target = files(
        prepared(tapped(), route="singer-airbyte", translation=TranslateOptions(spool=spool)), left(SINGER)
    )
    assert (only(target, "catalog") is None) == spool
    assert only(source, "state") == json.loads(SINGER)
    (entry,) = only(source, "catalog")["streams"]
    assert entry["metadata"][0]["metadata"]["selected"]


def test_a_singer_target_is_given_its_config_alone() -> None:
    _, target = files(prepared(tapped(), route="singer-singer", target_config={"b": 2}))
    assert list(target.values()) == [{"b": 2}]


def test_an_old_tap_gets_it_inside_its_schemas() -> None:
    run = prepared(tapped(), route="singer-singer", catalog_option="--properties")
    job = begin(run)
    launch, _ = launches(run, job)
    assert "--properties" in launch.args
    content = next(one.content for one in launch.files if b'"streams"' in one.content)
    assert json.loads(content)["streams"][0]["schema"]["selected"] is True


def test_only_the_target_is_told_the_schemas_of_the_project() -> None:
    written = (("id",), {"type": "string"})
    source, target = files(prepared(stream(fragments=(written,), nested=(("id", "x"),), metadata=(((), {"y": 1}),))))
    (read,), (landed,) = (only(one, "catalog")["streams"] for one in (source, target))
    assert read["stream"]["json_schema"]["properties"]["id"] == {"type": "integer"}
    assert landed["stream"]["json_schema"]["properties"]["id"] == {"type": "string"}
    assert not {"fragments", "nested", "hidden", "metadata"} & {*read, *landed}, "the protocol has no such members"


def whole(*names: str) -> str:
    """Return a GLOBAL state with these streams."""
    parts = ",".join(f'{{"stream_descriptor":{{"name":"{name}"}},"stream_state":{{"lsn":1.50}}}}' for name in names)
    return f'[{{"type":"GLOBAL","global":{{"shared_state":{{"lsn":7}},"stream_states":[{parts}]}}}}]'


def test_a_stream_that_is_not_read_does_not_move_on_with_the_position_of_all() -> None:
    """A source keeps the parts that it gets. With that of `orders`, it would continue behind what it has not sent."""
    run = prepared(stream(sync_mode="incremental"))
    job = begin(run, left(whole("users", "orders")))
    assert (job.unread, job.passed) == ((StreamKey(None, "orders"),), whole("users"))
    assert job.saved == whole("users", "orders"), "a run that fails leaves the state as it was"
    assert begin(run, left(whole("users"))).unread == ()
    assert begin(run, left(AIRBYTE.replace("users", "orders"))).unread == (), "it has a position of its own"
    same = prepared(stream(sync_mode="incremental", namespace="shop"))
    assert begin(same, left(whole("users"))).unread == (), "without its namespace"


def test_a_run_does_not_leave_out_a_stream_that_shares_its_position() -> None:
    run = prepared(stream(sync_mode="incremental"))
    with pytest.raises(UsageError, match="this run leaves out `orders`, but the source has one position for all"):
        begin(run, left(whole("users", "orders")), select=("users.*",))
    kept = begin(run, left(whole("users", "orders")), select=("users.*",), save_state=False)
    assert kept.passed == whole("users", "orders")


LEGACY = '{"users":{"id":1.50}}'
TWO = AIRBYTE[:-1] + "," + AIRBYTE.replace("users", "orders")[1:]
GROUPED = '{"bookmarks":{"shop/north":{"users":{"id":1}},"orders":{"id":2}},"currently_syncing":"users"}'


@pytest.mark.parametrize("mode", ["incremental", "full_refresh"])
@pytest.mark.parametrize(
    ("saved", "kept", "cleared"),
    [
        (AIRBYTE, None, ("users",)),
        (TWO, AIRBYTE.replace("users", "orders"), ("users",)),
        (whole("users"), None, ("users",)),
        (whole("users", "orders"), None, ("users", "orders")),
        (LEGACY, None, ("users",)),
    ],
)
def test_a_full_refresh_starts_without_the_state_of_its_streams(
    saved: str, kept: str | None, cleared: tuple[str, ...], mode: str
) -> None:
    """Each stream keeps its sync mode, so that the source sends states, and the next run resumes (decision 0027)."""
    job = begin(prepared(stream(sync_mode=mode)), left(saved, users=9), full_refresh=True)
    assert (job.saved, job.cleared, job.changed, job.resumes) == (kept, cleared, True, False)
    assert [one.sync_mode for one in job.streams] == [mode]
    assert numbers(job) == [(1_700_000_000, 0)]
    assert job.passed == (kept if mode == "incremental" else None)


@pytest.mark.parametrize("saved", [SINGER, '{"users": 5}', GROUPED])
@pytest.mark.parametrize("given", [{"sync_mode": "incremental"}, {}])
def test_a_full_refresh_of_a_tap_starts_without_any_bookmark(saved: str, given: dict[str, Any]) -> None:
    """A tap may group its bookmarks under names that are no streams: with such a one, it would resume."""
    job = begin(prepared(tapped(**given), route="singer-singer"), left(saved), full_refresh=True)
    assert (job.saved, job.passed, job.changed) == (None, None, True)
    assert job.cleared == {SINGER: ("users",), '{"users": 5}': ("users",), GROUPED: ("shop/north", "orders")}[saved]


def test_a_full_refresh_of_some_streams_of_a_tap_is_refused_unless_the_state_stays() -> None:
    """A tap may read a stream by the rows of another one: with the bookmark of that one, only by its new rows."""
    run = prepared(tapped(sync_mode="incremental"), route="singer-singer")
    with pytest.raises(UsageError, match="leaves out `shop/north`, `orders`, and a tap may read") as told:
        begin(run, left(GROUPED), full_refresh=True, select=("users.*",))
    assert "`--no-state-update`" in (told.value.hint or "")
    assert begin(run, left(SINGER), full_refresh=True, select=("users.id",)).passed is None
    assert begin(run, left(GROUPED), full_refresh=True, select=("users.*",), save_state=False).passed is None


def test_a_full_refresh_that_leaves_the_version_of_the_rows_in_the_state_is_refused() -> None:
    """The tap takes a new version. The next run would activate the old one, and the target would delete these rows."""
    saved = '{"bookmarks":{"users":{"id":1,"version":1700000000}}}'
    run = prepared(tapped(sync_mode="incremental"), route="singer-singer")
    with pytest.raises(
        UsageError, match="gives versions to the rows of `users`, and the next run would activate"
    ) as told:
        begin(run, left(saved), full_refresh=True, save_state=False)
    assert told.value.hint == "run without `--no-state-update`"
    assert begin(run, left(saved), full_refresh=True).passed is None
    whole = prepared(tapped(), route="singer-singer")
    assert begin(whole, left(saved), full_refresh=True, save_state=False).passed is None, "each run has a new version"


def test_a_full_refresh_of_a_tap_that_reports_its_streams_while_it_runs() -> None:
    job = begin(prepared(route="singer-singer"), left(SINGER), full_refresh=True)
    assert (job.saved, job.passed, job.cleared) == (None, None, ("users",))


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        ({"has_begun": True}, AIRBYTE),
        ({}, None),  # the first attempt failed before it could clear the state
        ({"has_begun": True, "save_state": False}, None),
    ],
)
def test_a_later_attempt_at_a_full_refresh_resumes_what_the_first_one_has_read(
    options: dict[str, Any], passed: str | None
) -> None:
    job = begin(prepared(stream(sync_mode="incremental")), left(AIRBYTE), full_refresh=True, attempt=2, **options)
    assert (job.passed, job.resumes) == (passed, False)


def test_a_later_attempt_resumes_incremental_streams_beside_a_snapshot_that_must_be_complete() -> None:
    """The target replaces the snapshot only at its end, and has the rows of the other stream."""
    run = prepared(stream(destination_sync_mode="overwrite"), stream("log", sync_mode="incremental"))
    run = dataclasses.replace(run, only_complete=True)
    saved = AIRBYTE.replace("users", "log")
    job = begin(run, left(saved), full_refresh=True, attempt=2, has_begun=True)
    assert (job.passed, job.cleared) == (saved, ())


def test_a_full_refresh_leaves_out_no_stream_that_shares_its_position() -> None:
    run = prepared(stream(sync_mode="incremental"))
    with pytest.raises(UsageError, match="this run leaves out `orders`"):
        begin(run, left(whole("users", "orders")), select=("users.*",), full_refresh=True)
