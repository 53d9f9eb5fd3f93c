"""Prepare a connector, resolve its config, and discover its streams."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from tapdock.connectors import (
    catalog_files,
    images,
    known_specs,
    lockfile,
    masking,
    rotated_config,
    rotation_rules,
    settings,
)
from tapdock.connectors.about import spec
from tapdock.connectors.ask import Asked, ask
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds import airbyte, singer
from tapdock.connectors.kinds.base import assumed, kind_of, place_of, require_kind
from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.connectors.mistaken import kind_hint, require_fitting
from tapdock.connectors.resolved import Resolved
from tapdock.errors import EngineError, ImageMissing, SourceError, UsageError
from tapdock.launch import ImageFacts
from tapdock.project.composed import steady
from tapdock.project.connector_values import Config
from tapdock.project.model import Connector
from tapdock.project.named import alone, is_namespaced
from tapdock.project.secret import Secret
from tapdock.protocol.catalog import Stream, parse_catalog
from tapdock.translate.catalogs.singer import singer_streams

__all__ = [
    "committed",
    "discover",
    "discovered",
    "keep_rotated",
    "keeper",
    "prepare",
    "resolved_config",
    "say_laid",
]

_MOST_TEXTS = 50  # that one changed config may add to the redacted texts
_NO_DISCOVERY = "for a tap without discovery, set `discovery: false`, or `catalog: FILE` with a catalog of your own"
_NAMED = 10


def prepare(context: Context, connector: Connector) -> PreparedConnector:
    """Find, pull or build the image, and find its kind and quirks. Raises UsageError, EngineError.

    A connector without the names of a pipeline gets those of its only one: see `alone`.
    """
    if connector.unset is not None:
        connector.unset.reveal()
    connector = alone(context.project, connector, now=context.now())
    context.redactor.learn(masking.connector_secrets(connector))
    facts = _image(context, connector)
    if context.locked is not None:
        lockfile.verify(context.locked, facts)
    elif lockfile.is_moving(connector.image) and not connector.build and context.engine.name != "local":
        context.once(f"{connector.image} is not pinned; use a version tag or run `tapdock lock`")
    kind = kind_of(connector, facts)
    require_kind(connector, kind, context.project.origins)
    known_specs.remember_kind(context.cache, connector, kind)
    for mount in connector.mounts:
        if mount.is_volume and (context.project.folder / mount.source).is_dir():
            text = f"{connector.name} mounts the volume `{mount.source}`, not the folder `./{mount.source}`"
            context.once(f"warning: {text}; write `./{mount.source}:{mount.target}` for the folder")
    return PreparedConnector(
        connector=connector,
        facts=facts,
        kind=kind,
        quirks=quirks_of(facts),
        assumed=assumed(connector, facts, context.project.origins),
    )


def _image(context: Context, connector: Connector) -> ImageFacts:
    """Return the facts of the image. Raises EngineError that names the key, also for a network that is missing."""
    origins = context.project.origins
    if connector.network and not context.engine.has_network(connector.network):
        hint = f"`docker network ls` lists the networks; or create it: `docker network create {connector.network}`"
        place = place_of(connector, "network", origins)
        raise EngineError(f"{place}there is no network `{connector.network}` on this engine", hint=hint)
    try:
        return images.obtain(context.engine, connector, making=context.making, progress=context.say)
    except ImageMissing as error:
        error.message = f"{place_of(connector, 'build' if connector.build else 'image', origins)}{error.message}"
        raise


def resolved_config(context: Context, ready: PreparedConnector) -> Resolved:
    """Return the config with secrets revealed, text typed by the spec, and rotated values in place of the user's.

    Raises UsageError if the user's config does not match the connector's spec, before any data is read.
    """
    schema = spec(context, ready) or {}
    connector = ready.connector
    user = settings.coerce(connector.config, schema)
    unmoved = settings.coerce(Config(steady(connector.config)), schema)
    rules = rotation_rules.Rules(rotate=connector.rotate, schema=schema, program=rotation_rules.program(connector))
    key = rotated_config.overlay_key(connector.name, context.project.environment, row=connector.row)
    laid = rotated_config.laid(context.backend, key, unmoved, rules)
    given = rotation_rules.laid_over(user, laid.values)
    context.redactor.learn((*masking.secret_texts(given, schema), *masking.new_texts(given, user)))
    _require_valid(context, ready, user, schema, unmoved)
    for line in settings.unknown(user, schema):
        context.once(f"warning: {_where(context, connector)}: {line}; it may be ignored")
    return Resolved(user=user, given=given, laid=laid, rules=rules, steady=unmoved)


def say_laid(context: Context, connector: Connector, config: Resolved) -> None:
    """Report which values of a config are rotated ones, and which rotated ones are not used."""
    laid, reset = config.laid, f"`tapdock config forget-rotated {connector.name}` removes them"
    if laid.values:
        found = ", ".join(rotation_rules.described(laid.values, config.user, config.rules, written=connector.config))
        context.once(f"{connector.name} uses values that it has changed in its config: {found}; {reset}")
    if laid.refused:
        found = f"{_named(laid.refused)} (its `rotate` is `{config.rules.rotate}`)"
        context.once(f"{connector.name} does not use values that it has changed in its config: {found}; {reset}")
    if laid.foreign:
        program = rotation_rules.name_of(laid.foreign)
        found = f"changed by another program: {program}, not {config.rules.program}"
        context.once(f"{connector.name} does not use the values of its config that were {found}; {reset}")


def _where(context: Context, connector: Connector) -> str:
    return f"{context.project.file.name}: {connector.role}s.{connector.name}.config"


def _require_valid(
    context: Context,
    ready: PreparedConnector,
    config: dict[str, Any],
    schema: Mapping[str, Any],
    unmoved: dict[str, Any],
) -> None:
    """Raise UsageError if the user's values do not match the spec. A rotated config may have keys beside the spec."""
    name = f"valid-{context.cache.fingerprint(schema, unmoved)}"
    if context.cache.read(name) is not None:
        return
    if problems := settings.violations(config, schema):
        connector = ready.connector
        where = _where(context, connector)
        hint = f"run `tapdock spec {connector.name}` to see its settings"
        raise UsageError(f"{where}: {'; '.join(problems)}", hint=hint)
    context.cache.write(name, b"")


def discover(
    context: Context, ready: PreparedConnector, *, refresh: bool = False, namespaced: bool | None = None
) -> tuple[Stream, ...]:
    """Return the streams that the source offers; none for a tap without discovery. Raises SourceError.

    `connector.discovery` says whether a cached or a committed catalog is used; `refresh` asks the source in any case.
    `namespaced` is for taps whose streams are in schemas of a database; by default, the source's pipelines say it.
    Raises UsageError for a committed catalog that is missing or cannot be read.
    """
    connector = ready.connector
    namespaced = is_namespaced(context.project, connector.name) if namespaced is None else namespaced
    if connector.catalog or not connector.reports_streams:
        return singer_streams(connector.catalog.content, namespaced=namespaced) if connector.catalog else ()
    if connector.discovery.mode == "committed" and not refresh:
        return committed(context, ready, namespaced=namespaced)
    config = resolved_config(context, ready)
    name = _cache_name(context, ready, config)
    now = context.now()
    fresh = refresh or connector.discovery.mode == "always"
    known = None if fresh else context.cache.read(name, written=(now - connector.discovery.seconds, now))
    if known is not None:
        with suppress(SourceError):  # a damaged file: the source is asked again
            streams = _streams(ready, known, namespaced=namespaced)
            _note_cached(context, connector, context.cache.written(name))
            return streams
    catalog, streams = discovered(context, ready, config, namespaced=namespaced)
    if streams:  # an empty catalog is often that of a user who lacks a permission
        context.cache.write(name, catalog)
    return streams


def _cache_name(context: Context, ready: PreparedConnector, config: Resolved) -> str:
    """Return the name of the cached catalog: another one for each image, config, and place that the source reads from.

    An environment may reach another database under the same address, by another network or another folder.
    """
    connector = ready.connector
    env = {
        name: value.reveal() if isinstance(value, Secret) else value for name, value in steady(connector.env).items()
    }
    place = (context.project.environment, connector.network, connector.extra_hosts, connector.user)
    mounts = [(mount.source, mount.target) for mount in connector.mounts]
    return f"catalog-{context.cache.fingerprint(ready.program, env, config.steady, place, mounts)}.json"


def committed(context: Context, ready: PreparedConnector, *, namespaced: bool = False) -> tuple[Stream, ...]:
    """Return the streams of the source's committed catalog. Raises UsageError, which names the file."""
    name = ready.connector.name
    content = catalog_files.content(context.project.folder, name)
    try:
        return _streams(ready, content, namespaced=namespaced)
    except SourceError as error:
        raise catalog_files.unusable(context.project.folder, name, error.message) from error


def _note_cached(context: Context, connector: Connector, written: float | None) -> None:
    at = f" at {datetime.fromtimestamp(written, UTC):%Y-%m-%dT%H:%M:%SZ}" if written else ""
    where = f" --environment {context.project.environment}" if context.project.environment else ""
    context.note(f"using the streams discovered{at}; `tapdock discover {connector.name}{where}` asks again")


def discovered(
    context: Context, ready: PreparedConnector, config: Resolved, *, namespaced: bool = False
) -> tuple[bytes, tuple[Stream, ...]]:
    """Ask the source for its catalog. Return it with its streams. Raises SourceError."""
    make = airbyte.discover if ready.kind == "airbyte" else singer.discover
    asked = ask(
        context,
        ready,
        make(ready.connector, ready.facts, config.given),
        keep=keeper(context, ready.connector, config),
    )
    catalog = _catalog(context, ready, asked)
    try:
        return catalog, _streams(ready, catalog, namespaced=namespaced)
    except SourceError as error:
        if ready.kind == "airbyte":
            raise
        require_fitting(context, ready, asked)
        what = f"printed text that is not a catalog: {error.message}"
        raise asked.failure("discovery of", what, hint=_joined(_NO_DISCOVERY, ready.assumed)) from error


def _catalog(context: Context, ready: PreparedConnector, asked: Asked) -> bytes:
    if ready.kind == "airbyte" and asked.answer.catalog is not None:
        return bytes(asked.answer.catalog)
    if ready.kind == "singer" and asked.code == 0 and asked.text.strip():
        return asked.text.encode()
    require_fitting(context, ready, asked)
    if ready.kind == "airbyte":
        raise asked.failure("discovery failed for", hint=kind_hint(ready, asked))
    raise asked.failure("discovery failed for", hint=_joined(_NO_DISCOVERY, ready.assumed))


def _joined(hint: str, assumed: str | None) -> str:
    return f"{hint}; {assumed}" if assumed else hint


def _streams(ready: PreparedConnector, catalog: bytes, *, namespaced: bool) -> tuple[Stream, ...]:
    try:
        return parse_catalog(catalog) if ready.kind == "airbyte" else singer_streams(catalog, namespaced=namespaced)
    except RecursionError as error:
        raise SourceError(f"source `{ready.connector.name}` reported streams that are nested too deeply") from error


def keeper(context: Context, connector: Connector, config: Resolved) -> Callable[[str], None]:
    return lambda rotated: keep_rotated(context, connector, config, rotated)


def keep_rotated(context: Context, connector: Connector, config: Resolved, rotated: str) -> None:
    """Save a config that the connector changed (protocol.md 1.9): otherwise a single-use token is lost.

    Each value is used until the user changes their own value.
    """
    try:
        values = rotation_rules.parsed(rotated)
    except ValueError as error:
        context.progress(f"{connector.name} wrote a config that is not kept: it {error}")
        return
    values.pop(airbyte.MANIFEST, None)  # a low-code source reports its manifest as a part of its config
    context.redactor.learn(sorted(masking.new_texts(values, config.user))[:_MOST_TEXTS])
    key = rotated_config.overlay_key(connector.name, context.project.environment, row=connector.row)
    found = rotated_config.record(context.backend, key, config.steady, values, config.rules, given=config.given)
    if found.changed:
        context.progress(f"{connector.name} changed its config: {_named(found.changed)}")
    if found.refused:
        refused = f"{connector.name} changed values of its config that are not kept: {_named(found.refused)}"
        context.progress(f"{refused} (its `rotate` is `{config.rules.rotate}`)")


def _named(pointers: tuple[str, ...]) -> str:
    more = f" and {len(pointers) - _NAMED} more" if len(pointers) > _NAMED else ""
    return ", ".join(rotation_rules.name_of(pointer) for pointer in pointers[:_NAMED]) + more
