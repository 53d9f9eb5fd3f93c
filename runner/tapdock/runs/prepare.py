"""Prepare a run before anything is read: images, kinds, configs, streams, and how they are translated."""

import dataclasses
from dataclasses import dataclass, field

import msgspec

from tapdock.connectors import operations
from tapdock.connectors.about import About, about
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.connectors.known_streams import remember_offered
from tapdock.connectors.operations import Resolved
from tapdock.connectors.window_settings import with_window
from tapdock.errors import UsageError
from tapdock.project.model import Namespacing, Pipeline, SchemaPolicy
from tapdock.project.named import sides
from tapdock.project.state_keys import key_of
from tapdock.project.window import Window
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.runs import schema_policy
from tapdock.runs.chosen import chosen_streams
from tapdock.runs.deletes import with_deletes
from tapdock.runs.inferred import before_fields, learned, with_inferred, with_kept_types
from tapdock.runs.mapper import PreparedMapper, prepare_mapper, require_no_maps, require_singer
from tapdock.runs.meant import require_meant
from tapdock.runs.own_files import offer, require_state
from tapdock.runs.spool_files import Batch
from tapdock.runs.sync_modes import (
    empties_first,
    impossible,
    overwrites,
    require_described,
    require_keys,
    require_repaired,
    with_load_method,
)
from tapdock.runs.target_files import require_files
from tapdock.runs.target_tables import table_names
from tapdock.runs.unread import denied_globs, unread_names
from tapdock.translate import require_translatable
from tapdock.translate.base import Quirks, TranslateOptions
from tapdock.translate.catalogs.singer import emitted_names, unsupported_fields
from tapdock.translate.maps.landing import Landed, landed_streams
from tapdock.translate.maps.settings import settings_of

__all__ = ["Options", "PreparedRun", "combined", "prepare"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user requests for a single run. `attempt` is the number of the attempt, from 1, and `run_id` its id.

    `began` is when the first attempt began, in seconds since the epoch. `${NOW}` is this time in all attempts.
    `catalog` and `state` replace discovery and the saved state for this run; with `state`, `save_state` is False.
    `limit` is the most records of each stream that the target gets. `spool` takes the place of the source. `window` is
    the range of time that is read, without the saved state; then, `save_state` is False (`of_window`).
    `cleared` and `saved_earlier` are what earlier attempts did to the state (`StateRecord`).
    """

    full_refresh: bool = False
    save_state: bool = True
    select: tuple[str, ...] = ()
    refresh_catalog: bool = False
    strict_counts: bool = False
    accept_schema_changes: bool = False
    catalog: str | None = field(default=None, repr=False)
    state: str | None = field(default=None, repr=False)
    attempt: int = 1
    began: float | None = None
    run_id: str | None = None
    limit: int | None = None
    spool: Batch | None = field(default=None, repr=False)
    window: Window | None = None
    cleared: tuple[str, ...] = ()
    saved_earlier: int = 0

    @property
    def written(self) -> tuple[str, ...]:
        """Return the options that change what is read or saved, as they are written for `tapdock run`."""
        return (
            *(["--full-refresh"] if self.full_refresh else ()),
            *(["--state FILE"] if self.state is not None else [] if self.save_state else ["--no-state-update"]),
            *(["--catalog FILE"] if self.catalog is not None else ()),
            *([f"--limit {self.limit}"] if self.limit else ()),
            *(["--from DIR"] if self.spool else ()),
            *(["--from {} --to {}".format(*self.window.ends)] if self.window else ()),
            *(f"--exclude {each[1:]}" if each.startswith("!") else f"--select {each}" for each in self.select),
        )

    def of_window(self, window: Window) -> "Options":
        return dataclasses.replace(self, window=window, save_state=False)

    def policy(self, pipeline: Pipeline) -> SchemaPolicy:
        return "evolve" if self.accept_schema_changes else pipeline.schema_changes


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """Everything that is decided before a run starts.

    `offered` are all streams of the source, `streams` are those that the run reads. `scratch`: the source writes files
    for the target. `only_complete`: see `RelayPlan`. `feed` and `spool` replace the source's output. `schema`: changes.
    `mapper` is between source and target.
    """

    pipeline: Pipeline
    source: PreparedConnector
    target: PreparedConnector
    source_config: Resolved
    target_config: Resolved
    offered: tuple[Stream, ...]
    streams: tuple[ConfiguredStream, ...]
    translation: TranslateOptions
    state_id: str
    schema: schema_policy.SchemaFacts = field(default_factory=schema_policy.SchemaFacts)
    only_complete: bool = False
    scratch: bool = False
    feed: bytes | None = field(default=None, repr=False)
    mapper: PreparedMapper | None = None
    spool: Batch | None = field(default=None, repr=False)

    @property
    def sides(self) -> tuple[tuple[PreparedConnector, Resolved], ...]:
        """The connectors with their configs, in the order of the data."""
        mapper = ((self.mapper.ready, self.mapper.config),) if self.mapper else ()
        return ((self.source, self.source_config), *mapper, (self.target, self.target_config))

    @property
    def route(self) -> str:
        """The route, such as `airbyte-singer`: the name of the translator."""
        return f"{self.source.kind}-{self.target.kind}"

    @property
    def landed(self) -> tuple[Landed, ...]:
        """The streams as the target gets them."""
        return landed_streams(self.streams, self.translation.maps, undeclared=self.translation.undeclared)


def prepare(context: Context, pipeline: Pipeline, options: Options) -> PreparedRun:
    """Get images and kinds, check configs against their specs, and select streams. No record is read or written.

    Raises a TapdockError if the run could not start.
    """
    context = context.of(pipeline)
    project = context.project
    began = context.now() if options.began is None else options.began
    source, target = (
        operations.prepare(context, each) for each in sides(project, pipeline, now=began, run_id=options.run_id)
    )
    mapper = prepare_mapper(context, pipeline, now=began, run_id=options.run_id)
    namespacing = _namespacing(pipeline, source, target)
    require_singer(pipeline, mapper, source, target)
    require_no_maps(pipeline, mapper, source.connector)
    # Discovery may rotate a token that works only once, so the config for the run is resolved after it.
    namespaced = schema_policy.is_namespaced(source, namespacing)
    refresh = schema_policy.asks_again(source.connector, pipeline.schema_changes, wanted=options.refresh_catalog)
    source, offered = offer(context, source, options.catalog, refresh=refresh, namespaced=namespaced)
    require_state(options.state, source)
    if options.catalog is None:
        remember_offered(context.cache, source.connector, project.environment, offered, now=context.now())
    source_config = _source_config(context, source, options)
    operations.say_laid(context, source.connector, source_config)
    run = combined(
        context, pipeline, options, source=source, offered=offered, source_config=source_config, target=target
    )
    return _with_mapper(run, mapper) if mapper else run


def _source_config(context: Context, source: PreparedConnector, options: Options) -> Resolved:
    found = operations.resolved_config(context, source)
    return with_window(context, source, found, options.window) if options.window else found


def _with_mapper(run: PreparedRun, mapper: PreparedMapper) -> PreparedRun:
    """Return the run with a mapper, which may rename streams: so the tap's streams are compared with the catalog.

    Raises UsageError for a tap that writes files: a mapper cannot read them.
    """
    if run.scratch:
        hint = "remove `batch_config` from the config of the source, or run the pipeline without the mapper"
        raise UsageError(f"pipeline `{run.pipeline.name}`: mappers do not support `batch_config`", hint=hint)
    known = frozenset(name for one in run.streams for name in emitted_names(one.stream))
    only = known if run.translation.only_known else None
    translation = msgspec.structs.replace(run.translation, only_known=False)
    return dataclasses.replace(run, translation=translation, mapper=dataclasses.replace(mapper, only=only))


def combined(
    context: Context,
    pipeline: Pipeline,
    options: Options,
    *,
    source: PreparedConnector,
    offered: tuple[Stream, ...],
    source_config: Resolved,
    target: PreparedConnector,
    feed: bytes | None = None,
) -> PreparedRun:
    """Return the run of a source into a target. Raises a TapdockError if it could not start."""
    project, namespacing = context.project, _namespacing(pipeline, source, target)
    target_config = operations.resolved_config(context, target)
    operations.say_laid(context, target.connector, target_config)
    described = about(context, target)
    quirks = _quirks(target, described)
    require_repaired(target, target_config, quirks)
    cannot = impossible(source, target, described, target_config, quirks)
    maps = settings_of(pipeline, source.connector)
    only, anew = options.select, options.full_refresh
    infers = pipeline.schemaless == "infer" and feed is None
    known = before_fields(maps) if infers else maps
    streams = chosen_streams(context, source, offered, cannot, only=only, full_refresh=anew, maps=known)
    state_id = key_of(pipeline, project.environment)
    schema = schema_policy.SchemaFacts()
    if feed is None and options.catalog is None and options.spool is None:  # what the source itself offers
        policy, named = options.policy(pipeline), schema_policy.is_namespaced(source, namespacing)
        streams, schema = schema_policy.applied(
            context, source.connector, policy, offered, streams, state_id, namespaced=named, only=options.select
        )
    schema = with_kept_types(schema)
    if infers and options.spool:
        streams = learned(context, streams, state_id)
    elif infers:
        inferred = with_inferred(context, source, offered, streams, schema, again=options.refresh_catalog)
        streams, schema = inferred.streams, inferred.facts
        if inferred.was_read:  # a token that works only once may be another one now
            source_config = _source_config(context, source, options)
    if source.kind == "singer":
        _say_unreadable(context, source.connector.name, streams)
    unsafe = empties_first(target, streams, target_config)
    if unsafe:  # the target itself empties its tables: no versions are sent
        streams = tuple(msgspec.structs.replace(one, destination_sync_mode="append") for one in streams)
    landed = tuple(one.target for one in landed_streams(streams, maps, undeclared=pipeline.undeclared_fields))
    require_files(target, target_config, landed, quirks, is_check=feed is not None)
    require_keys(source, target, target_config, landed, quirks)
    require_described(source, target, described, target_config, landed, quirks)
    target_config = with_deletes(target, target_config, described, landed, say=context.once)
    require_meant(pipeline, f"{source.kind}-{target.kind}")
    translation = TranslateOptions(
        namespacing=namespacing,
        on_bad_record=pipeline.on_bad_record,
        undeclared=pipeline.undeclared_fields,
        schemaless="json" if pipeline.schemaless == "infer" else pipeline.schemaless,
        meta_changes=pipeline.meta_changes,
        validate_records=pipeline.validate_records,
        spool=(source.kind, target.kind) == ("singer", "airbyte") and pipeline.late_schema == "spool",
        quirks=quirks,
        excluded=unread_names(source.kind, offered, streams),
        denied=denied_globs(source.connector, options.select),
        only_known=source.connector.discovery.mode == "committed" or options.policy(pipeline) == "freeze",
        max_line=source.connector.max_line,
        tables=table_names(target, described, target_config, quirks),
        maps=maps,
        keeps_rows=options.window is not None,
    )
    prepared = PreparedRun(
        pipeline=pipeline,
        source=source,
        target=target,
        source_config=source_config,
        target_config=with_load_method(source, target_config, described, landed, unsafe=unsafe),
        offered=offered,
        streams=streams,
        translation=translation,
        state_id=state_id,
        schema=schema,
        only_complete=target.kind == "airbyte" and overwrites(streams) and not quirks.waits_for_complete,
        # Only if the user configured it: a tap that changes its own config does not get a shared folder.
        scratch=source.kind == "singer" and "batch_config" in source_config.user,
        feed=feed,
    )
    if streams or not translation.spool:
        require_translatable(prepared.route, streams, translation)
    return prepared


def _namespacing(pipeline: Pipeline, source: PreparedConnector, target: PreparedConnector) -> Namespacing:
    """Return how streams are named in the target. A tap's streams have no namespace unless the pipeline sets one.

    Raises UsageError for Singer to Singer, where streams keep their names.
    """
    said = pipeline.namespacing
    if source.kind == "airbyte":
        return said
    if target.kind == "singer" and said != Namespacing():
        raise UsageError(
            f"pipeline `{pipeline.name}`: `namespace` and `prefix` do not apply to Singer-to-Singer pipelines",
            hint="messages are passed on unchanged; use the target's own settings to name its tables",
        )
    return said if said.kind else dataclasses.replace(said, kind="destination")


def _say_unreadable(context: Context, source: str, streams: tuple[ConfiguredStream, ...]) -> None:
    """Warn about the fields of each stream that its tap cannot read: they do not reach the target."""
    for one in streams:
        fields = [f"`{name}`" for name in unsupported_fields(one.stream) if name not in one.excluded]
        if fields:
            what = f"source `{source}` cannot read these fields of stream `{one.stream.key}`: {', '.join(fields)}"
            context.once(context.redacted(f"warning: {what}"))


def _quirks(target: PreparedConnector, described: About) -> Quirks:
    """Combine the known quirks of the target's image with its advertised capabilities and the user's settings."""
    connector = target.connector
    known = quirks_of(target.facts)
    capabilities = described.capabilities or ()
    return msgspec.structs.replace(
        known,
        takes_batches=known.takes_batches or "batch" in capabilities,
        activates="activate-version" in capabilities if known.activates is None else known.activates,
        waits_for_complete=known.waits_for_complete or connector.waits_for_complete,
        state_type=connector.state_type or known.state_type,
    )
