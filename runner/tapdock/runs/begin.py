"""The start of a run: its streams' generations, the state for each connector, and both containers."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tapdock.connectors.kinds import airbyte, singer
from tapdock.connectors.kinds.base import feed
from tapdock.errors import StateError, UsageError
from tapdock.launch import Launch
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey, configured_catalog
from tapdock.runs.options import Options
from tapdock.runs.prepare import PreparedRun
from tapdock.runs.target_files import replaces_files
from tapdock.state.edit import streams as state_streams
from tapdock.state.envelope import Envelope, a_kind
from tapdock.translate.base import TranslateOptions
from tapdock.translate.catalogs.singer import emitted_names, selected_catalog
from tapdock.translate.maps.landing import landed_streams
from tapdock.translate.names import singer_names, target_keys
from tapdock.translate.states.airbyte import state_to_pass, unread_streams, without_streams
from tapdock.translate.states.singer import (
    bookmarked_versions,
    lacks_bookmark,
    singer_state_on_a_line,
    singer_state_to_pass,
)
from tapdock.translate.write.airbyte_stream import destination_streams

__all__ = ["StartedRun", "begun", "drops_rows", "launches", "names_of"]


class StartedRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a run starts from. `saved` is the whole saved state, `passed` is what the source gets of it.

    `cleared` are the streams whose state is not in `saved` any more. `unread` have a part in a GLOBAL state that is not
    passed, because the run does not read them: once it has moved on, they must be read from their beginning. `resumes`:
    rows of earlier runs are not read again.

    `changed`: the state or its generations must be saved before anything is read, so that a failed snapshot is not
    mistaken for a part of the next one.
    """

    streams: tuple[ConfiguredStream, ...]
    translation: TranslateOptions
    saved: str | None
    passed: str | None
    generations: Mapping[str, int]
    changed: bool
    cleared: tuple[str, ...] = ()
    unread: tuple[StreamKey, ...] = ()
    resumes: bool = False


def begun(prepared: PreparedRun, envelope: Envelope | None, options: Options, *, now: float) -> StartedRun:
    """Return what the run starts from.

    A full refresh starts without the states of its streams, and each snapshot is new. A later attempt resumes what an
    earlier one has read, except for snapshots that are not resumable (protocol.md 1.5, 3.5, decision 0027). `now` is in
    seconds since the epoch. Raises UsageError if `options` leave out a stream that shares its position with others, and
    if the next run would delete what this one writes; StateError for a state that this source cannot read.
    """
    _require_dialect(envelope, prepared)
    kept = envelope.state if envelope else None
    before = envelope.generations if envelope else {}
    goes_on = options.has_begun and options.save_state and not drops_rows(prepared)
    anew = options.full_refresh and not goes_on
    resumable = {one.stream.key for one in prepared.streams if _is_snapshot(one) and one.stream.is_resumable}
    resuming = resumable if goes_on and not prepared.only_complete else set()  # else, the target has none of their rows
    renewed = {one.stream.key for one in prepared.streams if anew or _is_snapshot(one)} - resuming
    unread: tuple[StreamKey, ...] = ()
    streams = tuple(_numbered(one, before, now=now, anew=one.stream.key in renewed) for one in prepared.streams)
    generations = {**before, **{str(one.stream.key): one.generation_id for one in streams if one.generation_id}}
    readable = kept
    if prepared.source.kind == "airbyte":
        known = [one.stream.key for one in prepared.streams]
        unread = _unread(kept, known, options) if options.save_state else ()
        dropped = known if anew else resumable - resuming  # partial snapshots of former jobs
        saved = without_streams(kept, dropped, among=known, whole=anew)
        passed = state_to_pass(without_streams(saved, unread), streams, resuming=resuming)
    else:
        readable = singer_state_on_a_line(kept)  # from Singer to Singer, it is the target's first line
        if anew:
            require = _require_whole if options.save_state else _require_unversioned
            require(prepared, readable, options)
        saved = None if anew else readable
        passed = singer_state_to_pass(saved, _renewed(prepared, full_refresh=options.full_refresh))
    replaces = any(one.minimum_generation_id for one in streams)
    changed = saved != kept or ((replaces or anew) and generations != dict(before))
    last_only = prepared.source.quirks.unordered_start and lacks_bookmark(passed, streams)
    return StartedRun(
        streams=streams,
        translation=msgspec.structs.replace(prepared.translation, last_state_only=last_only),
        saved=saved,
        passed=passed,
        generations=generations,
        changed=changed,
        cleared=_cleared(prepared, readable, saved),
        unread=unread,
        resumes=bool(passed) and not options.full_refresh and any(one.sync_mode == "incremental" for one in streams),
    )


def _require_dialect(found: Envelope | None, prepared: PreparedRun) -> None:
    """Raise StateError for a state of the other protocol."""
    kind, state_id = prepared.source.kind, prepared.state_id
    if found and found.state is not None and found.dialect != kind:
        hint = f"`tapdock state show {state_id}` shows it; `tapdock state clear {state_id}` starts from scratch"
        if found.state.lstrip().startswith("{"):  # the same object can be a Singer state and a LEGACY Airbyte state
            again = f"tapdock state get {state_id} | tapdock state set {state_id} --dialect {kind}"
            hint = f"if it is a state of this source, `{again}` corrects its protocol; {hint}"
        raise StateError(
            f"the state `{state_id}` is {a_kind(found.dialect)} state, but this source needs {a_kind(kind)} state",
            hint=hint,
        )


def _require_whole(prepared: PreparedRun, saved: str | None, options: Options) -> None:
    """Raise UsageError for a full refresh of only some streams of a tap.

    A tap may read one stream by the rows of another one, such as the lines of each order. With the bookmark of the
    other one, it would read only the lines of new orders.
    """
    known = {name for one in prepared.streams for name in emitted_names(one.stream)}
    others = [f"`{name}`" for name in state_streams(saved, "singer") if name not in known] if saved else []
    if options.select and others:
        raise UsageError(
            f"this run leaves out {', '.join(others)}, and a tap may read one stream by the rows of another one: a full"
            " refresh removes the bookmarks of all streams",
            hint="read all streams, or add `--no-state-update`, which reads these streams from their beginning and"
            " leaves the state as it is",
        )


def _require_unversioned(prepared: PreparedRun, saved: str | None, options: Options) -> None:
    """Raise UsageError for a full refresh without a state if the tap keeps a version of the rows in the state.

    It would take a new version, and the target would delete the rows of the old one. The next run would have the old
    one again, and the target would delete the rows of this run.
    """
    incremental = [one for one in prepared.streams if not _is_snapshot(one)]
    if found := [f"`{key}`" for key in bookmarked_versions(saved, incremental)]:
        raise UsageError(
            f"the tap gives versions to the rows of {', '.join(found)}, and the next run would activate that of the"
            " saved state: the target would delete the rows of this run",
            hint=f"run without `--no-state-update`{' and read all streams' if options.select else ''}",
        )


def _unread(saved: str | None, known: Sequence[StreamKey], options: Options) -> tuple[StreamKey, ...]:
    """Return the streams in a GLOBAL state that this run does not read. Raises UsageError if only this run leaves them
    out.
    """
    unread = unread_streams(saved, known)
    if unread and options.select:
        names = ", ".join(f"`{key}`" for key in unread)
        raise UsageError(
            f"this run leaves out {names}, but the source has one position for all streams (a GLOBAL state), which"
            " would move on without the records of these streams",
            hint="read all streams, or add `--no-state-update`; `select` of the source leaves streams out of every run",
        )
    return unread


def _cleared(prepared: PreparedRun, before: str | None, after: str | None) -> tuple[str, ...]:
    """Return the streams of a saved state that are not in it any more."""
    if before == after or not before:
        return ()
    dialect = prepared.source.kind
    left = state_streams(after, dialect) if after else []
    found = tuple(stream for stream in state_streams(before, dialect) if stream not in left)
    if found or after:
        return found
    return tuple(str(one.stream.key) for one in prepared.streams) or ("all streams",)  # the state does not name them


def drops_rows(prepared: PreparedRun) -> bool:
    """Return True if the target removes the rows of earlier runs when it starts."""
    config = prepared.target_config
    return config.given.get("load_method") == "overwrite" or replaces_files(config, prepared.translation.quirks)


def _is_snapshot(stream: ConfiguredStream) -> bool:
    return stream.sync_mode == "full_refresh"


def _numbered(stream: ConfiguredStream, before: Mapping[str, int], *, now: float, anew: bool) -> ConfiguredStream:
    """Return the stream with its generation: seconds since the epoch, so that it is unique after a lost state.

    See decision 0012.
    """
    last = before.get(str(stream.stream.key), 0)
    generation = max(last + 1, int(now)) if anew else last
    least = generation if stream.destination_sync_mode == "overwrite" else 0
    return msgspec.structs.replace(stream, generation_id=generation, minimum_generation_id=least, sync_id=int(now))


def _renewed(prepared: PreparedRun, *, full_refresh: bool) -> list[Stream]:
    """Return the streams of a tap that are read from their beginning and whose old rows are removed."""
    drops = drops_rows(prepared)
    return [
        one.stream
        for one in prepared.streams
        if _is_snapshot(one) and (full_refresh or drops or one.destination_sync_mode == "overwrite")
    ]


def names_of(prepared: PreparedRun) -> dict[str, str]:
    """Return each stream's name in the target, as far as it is known before the start.

    A tap may name a stream in three ways, so for another Singer target only names that maps give are known.
    """
    translation, landed = prepared.translation, prepared.landed
    if prepared.route == "singer-singer":
        return {one.label: one.target.stream.name for one in landed if one.map}
    keys = [one.target.stream.key for one in landed]
    names: Mapping[StreamKey, object]
    if prepared.target.kind == "singer":
        names = singer_names(keys, translation.namespacing, translation.tables)
    else:
        names = target_keys(keys, translation.namespacing, translation.tables)
    return {one.label: str(names[one.target.stream.key]) for one in landed}


def launches(prepared: PreparedRun, job: StartedRun) -> tuple[Launch, ...]:
    """Return what to start: the containers of the sides, in the order of `prepared.sides`."""
    mapper = prepared.mapper
    config = mapper.config.given if mapper else {}
    between = (singer.map_(mapper.ready.connector, mapper.ready.facts, config=config),) if mapper else ()
    return _source(prepared, job), *between, _target(prepared, job)


def _source(prepared: PreparedRun, job: StartedRun) -> Launch:
    ready, config = prepared.source, prepared.source_config.given
    if prepared.feed is not None or prepared.spool:  # the container of a spool is never started
        return feed(ready.connector, ready.facts, prepared.feed or b"")
    if ready.kind == "airbyte":
        catalog = configured_catalog(job.streams)
        return airbyte.read(ready.connector, ready.facts, config=config, catalog=catalog, state=job.passed)
    connector = ready.connector
    chosen = None
    if prepared.offered:
        legacy = connector.catalog_option == "--properties"
        log_key = ready.quirks.log_key
        chosen = selected_catalog(prepared.offered, job.streams, legacy=legacy, log_key=log_key)
    return singer.read(
        connector, ready.facts, config=config, catalog=chosen, state=job.passed, scratch=prepared.scratch
    )


def _target(prepared: PreparedRun, job: StartedRun) -> Launch:
    ready, config = prepared.target, prepared.target_config.given
    if ready.kind == "singer":
        return singer.write(ready.connector, ready.facts, config=config, scratch=prepared.scratch)
    catalog = None if prepared.translation.spool else _destination_catalog(prepared, job)
    return airbyte.write(ready.connector, ready.facts, config=config, catalog=catalog)


def _destination_catalog(prepared: PreparedRun, job: StartedRun) -> bytes:
    is_airbyte = prepared.source.kind == "airbyte"
    translation = prepared.translation
    if is_airbyte:
        landed = landed_streams(
            job.streams, translation.maps, undeclared=translation.undeclared, schemaless=translation.schemaless
        )
        streams = tuple(one.target.landed() for one in landed)
    else:
        mapped = landed_streams(job.streams, translation.maps)
        streams = destination_streams(tuple(one.target for one in mapped), translation)
    keys: Iterable[StreamKey] = (one.stream.key for one in streams)
    return configured_catalog(streams, names=target_keys(keys, prepared.translation.namespacing))
