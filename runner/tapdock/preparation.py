"""What a run will do, known before anything is read: images, kinds, configs, streams, and how they are translated."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from tapdock import operations
from tapdock.catalog import ConfiguredStream, Stream
from tapdock.config import DestinationMode, Namespacing, Pipeline
from tapdock.connectors.quirks import quirks_of
from tapdock.context import Context, Ready
from tapdock.errors import UsageError
from tapdock.operations import About, Resolved
from tapdock.selection import Modes, select_streams
from tapdock.state.store import state_key
from tapdock.translate import require_translatable
from tapdock.translate.base import Manner, Quirks

__all__ = ["Options", "Prepared", "prepare"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user says for one run alone; `attempt` counts the tries at it, from 1."""

    full_refresh: bool = False
    save_state: bool = True
    select: tuple[str, ...] = ()
    refresh_catalog: bool = False
    strict_counts: bool = False
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """`offered` are all streams of the source, `streams` those that are read.

    `scratch`: the source writes files for the target. `only_complete`: see `Plan`.
    """

    pipeline: Pipeline
    source: Ready
    target: Ready
    source_config: Resolved
    target_config: Resolved
    offered: tuple[Stream, ...]
    streams: tuple[ConfiguredStream, ...]
    manner: Manner
    state_id: str
    only_complete: bool = False
    scratch: bool = False

    @property
    def route(self) -> str:
        """The name of its translator."""
        return f"{self.source.kind}-{self.target.kind}"


def prepare(context: Context, pipeline: Pipeline, options: Options) -> Prepared:
    """Images, kinds, configs checked against their specs, streams selected. Nothing is read and nothing changed."""
    project = context.project
    source = operations.prepare(context, project.sources[pipeline.source])
    target = operations.prepare(context, project.targets[pipeline.target])
    namespacing = _namespacing(pipeline, source, target)
    # Discovery may rotate a token that works once: the config to read with is resolved behind it.
    offered = operations.discover(
        context,
        source,
        refresh=options.refresh_catalog,
        namespaced=source.kind == "singer" and namespacing.kind in ("source", "customformat"),
    )
    source_config = operations.resolved_config(context, source)
    target_config = operations.resolved_config(context, target)
    about = operations.about(context, target)
    quirks = _quirks(target, about)
    streams = _streams(source, offered, options, _cannot(source, target, about, target_config, quirks))
    unsafe = _unsafe(target, streams, target_config)
    if unsafe:  # the target's own doing: no versions are sent
        streams = tuple(msgspec.structs.replace(one, destination_sync_mode="append") for one in streams)
    _require_keys(target, target_config, streams, quirks)
    manner = Manner(
        namespacing=namespacing,
        on_bad_record=pipeline.on_bad_record,
        meta_changes=pipeline.meta_changes,
        validate_records=pipeline.validate_records,
        spool=(source.kind, target.kind) == ("singer", "airbyte") and pipeline.on_schema_change == "spool",
        quirks=quirks,
    )
    prepared = Prepared(
        pipeline=pipeline,
        source=source,
        target=target,
        source_config=source_config,
        target_config=_with_load_method(source, target_config, about, streams, unsafe=unsafe),
        offered=offered,
        streams=streams,
        manner=manner,
        state_id=state_key(
            pipeline.source, pipeline.target, environment=project.environment, suffix=pipeline.state_suffix
        ),
        only_complete=target.kind == "airbyte" and _overwrites(streams) and not quirks.waits_for_complete,
        scratch=source.kind == "singer" and "batch_config" in source_config.given,
    )
    if streams or not manner.spool:
        require_translatable(prepared.route, streams, manner)
    return prepared


def _overwrites(streams: Iterable[ConfiguredStream]) -> bool:
    return any(stream.destination_sync_mode == "overwrite" for stream in streams)


def _namespacing(pipeline: Pipeline, source: Ready, target: Ready) -> Namespacing:
    """A tap's streams have no namespace unless one is asked for; Singer to Singer is not renamed at all."""
    said = pipeline.namespacing
    if source.kind == "airbyte":
        return said
    if target.kind == "singer" and said != Namespacing():
        raise UsageError(
            f"pipeline `{pipeline.name}`: `namespace` and `prefix` rename nothing from a Singer tap to a Singer target",
            hint="its bytes are passed on unchanged; the target's own settings name its tables",
        )
    return said if said.kind else dataclasses.replace(said, kind="destination")


def _quirks(target: Ready, about: About) -> Quirks:
    """What is known of the target, what it says of itself, and what the user says of it."""
    connector = target.connector
    known = quirks_of(target.facts)
    capabilities = about.capabilities or ()
    return msgspec.structs.replace(
        known,
        takes_batches=known.takes_batches or "batch" in capabilities,
        activates="activate-version" in capabilities if known.activates is None else known.activates,
        waits_for_complete=known.waits_for_complete or connector.waits_for_complete,
        state_type=connector.state_type or known.state_type,
    )


def _cannot(source: Ready, target: Ready, about: About, config: Resolved, quirks: Quirks) -> Modes:
    """What the target cannot do with rows, each with the next step."""
    every: tuple[DestinationMode, ...] = get_args(DestinationMode)
    if source.kind == target.kind == "singer":
        return dict.fromkeys(every, "a tap's bytes go into a target unchanged: the target's own settings decide")
    if target.kind == "airbyte":
        can = about.modes
        return {} if can is None else {mode: f"it takes {', '.join(can)}" for mode in every if mode not in can}
    reason = _no_activation(target, about, config.given, quirks)
    return {"overwrite": reason} if reason else {}


def _no_activation(target: Ready, about: About, config: Mapping[str, Any], quirks: Quirks) -> str | None:
    """Why a Singer target cannot replace a table's rows once all new ones are there; None where it can."""
    where = f"targets.{target.connector.name}"
    loads = about.has_setting("load_method") and not quirks.ignores_load_method
    if target.connector.allow_unsafe_overwrite:
        if loads:
            return None
        return f"it has no working setting `load_method`, so `{where}.allow_unsafe_overwrite` cannot help"
    if not quirks.activates:
        unsafe = f"; `{where}.allow_unsafe_overwrite: true` empties tables first" * loads
        return f"it says nothing of ACTIVATE_VERSION, without which new rows would only be added{unsafe}"
    for name in ("add_record_metadata", "activate_version"):
        if config.get(name) is False:
            return f"set `{where}.config.{name}: true`, by which it tells new rows from old ones"
    return None


def _streams(
    source: Ready, offered: tuple[Stream, ...], options: Options, cannot: Modes
) -> tuple[ConfiguredStream, ...]:
    if source.kind == "singer" and not offered:
        return ()  # a tap without discovery says what it has while it runs
    connector = source.connector
    return select_streams(
        offered,
        options.select or connector.select,
        connector.streams,
        full_refresh=options.full_refresh,
        modes=cannot,
    )


def _unsafe(target: Ready, streams: tuple[ConfiguredStream, ...], config: Resolved) -> bool:
    """Whether the target is to empty its tables first. It does so with all of them, or with none: raises UsageError."""
    if not (target.connector.allow_unsafe_overwrite and target.kind == "singer" and _overwrites(streams)):
        return False
    for one in streams:
        if one.destination_sync_mode != "overwrite":
            raise UsageError(
                f"stream `{one.stream.key}` is not to be overwritten, but this target can only do so with all",
                hint="`allow_unsafe_overwrite` is for pipelines that overwrite every stream",
            )
    said = config.user.get("load_method", "overwrite")
    if said != "overwrite":
        where = f"targets.{target.connector.name}.config.load_method"
        raise UsageError(f"`{where}` is `{said}`, but all streams are to be overwritten", hint="leave it out")
    return True


def _require_keys(target: Ready, config: Resolved, streams: tuple[ConfiguredStream, ...], quirks: Quirks) -> None:
    setting = quirks.wants_key
    if setting is None or config.given.get(setting) is False:
        return
    for stream in streams:
        if not stream.primary_key or stream.destination_sync_mode == "append":
            raise UsageError(
                f"stream `{stream.stream.key}` has no key to go by, and target `{target.connector.name}` wants one",
                hint=f"set `targets.{target.connector.name}.config.{setting}: false`, or name a `primary_key`",
            )


def _with_load_method(
    source: Ready, config: Resolved, about: About, streams: tuple[ConfiguredStream, ...], *, unsafe: bool
) -> Resolved:
    """What the sync modes ask of a target with one way to load for all streams, unless the user chose it."""
    if source.kind == "singer" or not about.has_setting("load_method") or "load_method" in config.user:
        return config
    merges = any(stream.destination_sync_mode == "append_dedup" for stream in streams)
    method = "overwrite" if unsafe else "upsert" if merges else None
    return Resolved(user=config.user, given={**config.given, "load_method": method}) if method else config
