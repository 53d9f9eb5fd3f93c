"""Prepare a run before anything is read: images, kinds, configs, streams, and how they are translated."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from tapdock.connectors import operations
from tapdock.connectors.about import About, about
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.connectors.known_streams import remember_offered
from tapdock.connectors.resolved import Resolved
from tapdock.connectors.window_settings import with_window
from tapdock.errors import UsageError
from tapdock.project.model import Namespacing, Pipeline
from tapdock.project.named import sides
from tapdock.project.state_keys import key_of, require_same_rows
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.runs import schema_policy
from tapdock.runs.deletes import with_deletes
from tapdock.runs.mapper import PreparedMapper, prepare_mapper, require_no_maps, require_singer
from tapdock.runs.meant import require_meant
from tapdock.runs.options import Options
from tapdock.runs.own_files import offer, require_state
from tapdock.runs.run_streams import read_streams
from tapdock.runs.spool_files import Batch
from tapdock.runs.spool_maps import as_spooled, require_spooled
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
from tapdock.runs.written import say_doubtful, with_written
from tapdock.translate import require_translatable
from tapdock.translate.base import Quirks, TranslateOptions
from tapdock.translate.catalogs.singer import emitted_names
from tapdock.translate.maps.landing import Landed, landed_streams
from tapdock.translate.maps.settings import settings_of

__all__ = ["PreparedRun", "combined", "prepare", "require_windows"]


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


def require_windows(context: Context, pipelines: Iterable[Pipeline], options: Options) -> None:
    """Raise UsageError for a source that takes no window, before a hook runs or a message is sent."""
    for pipeline in pipelines:
        if context.of(pipeline).project.sources[pipeline.source].window is None:
            prepare(context, pipeline, options)


def prepare(context: Context, pipeline: Pipeline, options: Options) -> PreparedRun:
    """Get images and kinds, check configs against their specs, and select streams. No record is read or written.

    Raises a TapdockError if the run could not start.
    """
    context = context.of(pipeline)
    project = context.project
    if options.save_state:
        require_same_rows(project, pipeline)
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
    return dataclasses.replace(run, translation=translation, mapper=msgspec.structs.replace(mapper, only=only))


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
    namespacing = _namespacing(pipeline, source, target)
    target_config, described, quirks = _asked(context, target)
    cannot = impossible(source, target, described, target_config, quirks)
    maps = settings_of(pipeline, source.connector)
    named, is_check = schema_policy.is_namespaced(source, namespacing), feed is not None
    found = read_streams(context, pipeline, options, source, offered, cannot, maps, named=named, is_check=is_check)
    streams = found.streams
    if found.was_read:  # a token that works only once may be another one now
        source_config = _source_config(context, source, options)
    if options.spool:
        require_spooled(streams, options.spool)
        streams, maps = as_spooled(streams, maps, options.spool, source.connector)
        offered = tuple(one.stream for one in streams) if options.spool.manifest.maps else offered
    if unsafe := empties_first(target, streams, target_config):  # the target itself does: no versions are sent
        streams = tuple(msgspec.structs.replace(one, destination_sync_mode="append") for one in streams)
    mapped = landed_streams(streams, maps, undeclared=pipeline.undeclared_fields)
    say_doubtful(context, pipeline, mapped)
    landed = tuple(one.target for one in mapped)
    require_files(target, target_config, landed, quirks, is_check=is_check)
    require_keys(source, target, target_config, landed, quirks)
    require_described(source, target, described, target_config, landed, quirks)
    target_config = with_deletes(target, target_config, described, landed, say=context.once)
    require_meant(pipeline, f"{source.kind}-{target.kind}")
    translation = msgspec.structs.replace(
        _translation(pipeline, options, source=source, target=target, namespacing=namespacing),
        quirks=quirks,
        excluded=unread_names(source.kind, offered, streams),
        tables=table_names(target, described, target_config, quirks),
        maps=maps,
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
        state_id=key_of(pipeline, context.project.environment),
        schema=with_written(found.facts, mapped, maps),
        only_complete=target.kind == "airbyte" and overwrites(streams) and not quirks.waits_for_complete,
        # Only if the user configured it: a tap that changes its own config does not get a shared folder.
        scratch=source.kind == "singer" and "batch_config" in source_config.user,
        feed=feed,
    )
    if streams or not translation.spool:
        require_translatable(prepared.route, streams, translation)
    return prepared


def _asked(context: Context, target: PreparedConnector) -> tuple[Resolved, About, Quirks]:
    """Return the target's config, what it says about itself, and its quirks. Raises a TapdockError."""
    config = operations.resolved_config(context, target)
    operations.say_laid(context, target.connector, config)
    described = about(context, target)
    quirks = _quirks(target, described)
    require_repaired(target, config, quirks)
    return config, described, quirks


def _translation(
    pipeline: Pipeline,
    options: Options,
    *,
    source: PreparedConnector,
    target: PreparedConnector,
    namespacing: Namespacing,
) -> TranslateOptions:
    """Return the options of the translation that do not depend on the streams or on the target's image."""
    return TranslateOptions(
        namespacing=namespacing,
        on_bad_record=pipeline.on_bad_record,
        undeclared=pipeline.undeclared_fields,
        schemaless="json" if pipeline.schemaless == "infer" else pipeline.schemaless,
        meta_changes=pipeline.meta_changes,
        validate_records=pipeline.validate_records,
        spool=(source.kind, target.kind) == ("singer", "airbyte") and pipeline.late_schema == "spool",
        denied=denied_globs(source.connector, options.select),
        only_known=source.connector.discovery.mode == "committed" or options.policy(pipeline) == "freeze",
        max_line=source.connector.max_line,
        keeps_rows=options.window is not None,
        shares_tables=_shares_tables(pipeline, source, target),
    )


def _shares_tables(pipeline: Pipeline, source: PreparedConnector, target: PreparedConnector) -> bool:
    """Return True if other rows of a matrix may write to the same tables: no value of the target depends on the row,
    or there are columns that tell the rows apart.
    """
    if pipeline.row is None:
        return False
    entries = [*pipeline.maps.values(), *source.connector.maps.values()]
    renames = any(isinstance(entry, Mapping) and "__alias__" in entry for entry in entries)
    return bool(pipeline.columns) or (target.connector.row is None and not renames)


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
    return said if said.kind else msgspec.structs.replace(said, kind="destination")


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
