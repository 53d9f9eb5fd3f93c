"""Run a connector's commands: report its spec, check its config, discover its streams."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec

from tapdock.connectors import images, known_specs, lockfile, masking, rotated_config, rotation_rules, settings
from tapdock.connectors.ask import NO_PROGRAM, ask
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds import airbyte, singer
from tapdock.connectors.kinds.base import kind_of
from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.connectors.spec_checks import flaw
from tapdock.errors import SourceError, TargetError, UsageError
from tapdock.project.model import Connector, Secret
from tapdock.protocol.catalog import Stream, parse_catalog
from tapdock.translate.catalogs.singer import singer_streams

__all__ = [
    "About",
    "Checked",
    "Resolved",
    "about",
    "check",
    "discover",
    "keep_rotated",
    "prepare",
    "resolved_config",
    "say_laid",
    "spec",
]

_MOST_TEXTS = 50  # that one changed config may add to the redacted texts
_CATALOG_SECONDS = 24 * 3600.0
_NO_DISCOVERY = "for a tap without discovery, set `discovery: false`, or `catalog: FILE` with a catalog of your own"
_NAMED = 10
_LAST_OF_ITS_OWN = 127
"""Higher exit codes are those of signals."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The result of a check. `message` is the connector's own text, `how` the command or method of the check."""

    succeeded: bool
    message: str | None
    how: str


def prepare(context: Context, connector: Connector) -> PreparedConnector:
    """Find, pull or build the image, and find its kind and quirks. Raises ImageMissing, EngineError."""
    context.redactor.learn(masking.connector_secrets(connector))
    facts = images.obtain(context.engine, connector, making=context.making, progress=context.say)
    if context.locked is not None:
        lockfile.verify(context.locked, facts)
    elif lockfile.is_moving(connector.image) and not connector.build:
        context.progress(f"{connector.image} is not pinned; use a version tag or run `tapdock lock`")
    return PreparedConnector(connector=connector, facts=facts, kind=kind_of(connector, facts), quirks=quirks_of(facts))


class About(msgspec.Struct, frozen=True, kw_only=True):
    """A connector's description of itself; each value is None if it reports none.

    `config` is the JSON schema of its config, `modes` are the destination sync modes that it supports, `capabilities`
    are those of Singer connectors.
    """

    config: dict[str, Any] | None = None
    modes: tuple[str, ...] | None = None
    capabilities: tuple[str, ...] | None = None

    def has_setting(self, name: str) -> bool:
        return name in ((self.config or {}).get("properties") or {})


def about(context: Context, ready: PreparedConnector) -> About:
    """Return the connector's description, cached by image. Raises TapdockError if it cannot be read."""
    name = f"about-{_program(ready)}.json"
    known = context.cache.read(name)
    if known is not None:
        found = msgspec.json.decode(known, type=About)
    else:
        found = _asked_airbyte(context, ready) if ready.kind == "airbyte" else _asked_singer(context, ready)
        if found.config is not None and (what := flaw(found.config)):
            failed = SourceError if ready.connector.role == "source" else TargetError
            name = f"{ready.connector.role} `{ready.connector.name}`"
            raise failed(f"{name} reported a spec that cannot be used: {what}", hint="check the origin of its image")
        context.cache.write(name, msgspec.json.encode(found))
    known_specs.remember(context.cache, ready.connector, found.config)
    return found


def spec(context: Context, ready: PreparedConnector) -> Mapping[str, Any] | None:
    """Return the JSON schema of the connector's config; None if the connector does not report one."""
    return about(context, ready).config


def _asked_airbyte(context: Context, ready: PreparedConnector) -> About:
    if ready.connector.manifest:  # its program's spec is only that of a manifest (decision 0011)
        schema = ready.connector.manifest.spec
        return About(config=dict(schema) if schema is not None else None)
    asked = ask(context, ready, airbyte.spec(ready.connector, ready.facts))
    told = asked.answer.spec
    if told is None:
        raise asked.failure(after="did not report its spec")
    try:
        schema = msgspec.json.decode(told.connection_specification)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise asked.failure(after=f"reported a spec that cannot be read: {error}") from error
    return About(config=schema, modes=told.supported_destination_sync_modes)


def _asked_singer(context: Context, ready: PreparedConnector) -> About:
    asked = ask(context, ready, singer.about(ready.connector, ready.facts))
    if asked.code in NO_PROGRAM:
        raise asked.failure(after="could not be started")
    if asked.code > _LAST_OF_ITS_OWN:
        raise asked.failure(after="was killed while reporting its settings")  # maybe out of memory
    try:
        told = msgspec.json.decode(asked.text)
        settings, capabilities = told.get("settings"), told.get("capabilities")
    except (ValueError, RecursionError, AttributeError):
        return About()  # only connectors made with Meltano's SDK report settings
    return About(
        config=settings if isinstance(settings, dict) else None,
        capabilities=tuple(map(str, capabilities)) if isinstance(capabilities, list) else None,
    )


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A connector's config in plain values: `user` is the user's own, `given` is passed to the connector.

    `laid` are the values that the connector changed in earlier runs, `rules` those for its next changes.
    """

    user: dict[str, Any] = field(repr=False)
    given: dict[str, Any] = field(repr=False)
    laid: rotated_config.Laid = field(default_factory=lambda: rotated_config.Laid({}), repr=False)
    rules: rotation_rules.Rules = field(default_factory=rotation_rules.Rules)


def resolved_config(context: Context, ready: PreparedConnector) -> Resolved:
    """Return the config with secrets revealed, text typed by the spec, and rotated values in place of the user's.

    Raises UsageError if the user's config does not match the connector's spec, before any data is read.
    """
    schema = spec(context, ready) or {}
    connector = ready.connector
    user = settings.coerce(connector.config, schema)
    rules = rotation_rules.Rules(rotate=connector.rotate, schema=schema, program=rotation_rules.program(connector))
    key = rotated_config.overlay_key(connector.name, context.project.environment)
    laid = rotated_config.laid(context.backend, key, user, rules)
    given = rotation_rules.laid_over(user, laid.values)
    context.redactor.learn((*masking.secret_texts(given, schema), *masking.new_texts(given, user)))
    _require_valid(context, ready, user, schema)
    return Resolved(user=user, given=given, laid=laid, rules=rules)


def say_laid(context: Context, connector: Connector, config: Resolved) -> None:
    """Report which values of a config are rotated ones, and which rotated ones are not used."""
    laid, reset = config.laid, f"`tapdock config reset {connector.name}` removes them"
    if laid.values:
        found = ", ".join(rotation_rules.described(laid.values, config.user, config.rules, written=connector.config))
        context.progress(f"{connector.name} uses values that it has changed in its config: {found}; {reset}")
    if laid.refused:
        found = f"{_named(laid.refused)} (its `rotate` is `{config.rules.rotate}`)"
        context.progress(f"{connector.name} does not use values that it has changed in its config: {found}; {reset}")
    if laid.foreign:
        program = rotation_rules.name_of(laid.foreign)
        found = f"changed by another program: {program}, not {config.rules.program}"
        context.progress(f"{connector.name} does not use the values of its config that were {found}; {reset}")


def _require_valid(
    context: Context, ready: PreparedConnector, config: dict[str, Any], schema: Mapping[str, Any]
) -> None:
    """Raise UsageError if the user's values do not match the spec. A rotated config may have keys beside the spec."""
    name = f"valid-{context.cache.fingerprint(schema, config)}"
    if context.cache.read(name) is not None:
        return
    if problems := settings.violations(config, schema):
        connector = ready.connector
        where = f"{context.project.file.name}: {connector.role}s.{connector.name}.config"
        hint = f"run `tapdock spec {connector.name}` to see its settings"
        raise UsageError(f"{where}: {'; '.join(problems)}", hint=hint)
    context.cache.write(name, b"")


def check(context: Context, ready: PreparedConnector) -> Checked:
    """Run the connector's check of its config. A status FAILED has the exit code 0 (protocol.md 1.2)."""
    config = resolved_config(context, ready)
    connector = ready.connector
    say_laid(context, connector, config)
    if ready.kind == "singer":
        return _checked_singer(context, ready, config)
    launch = airbyte.check(connector, ready.facts, config.given)
    asked = ask(context, ready, launch, keep=_keeper(context, connector, config))
    status = asked.answer.status
    if status is None:
        return Checked(succeeded=False, message=asked.failure("check failed for").message, how="check")
    message = status.message and context.heard(status.message)
    return Checked(succeeded=status.status == "SUCCEEDED", message=message, how="check")


def _checked_singer(context: Context, ready: PreparedConnector, config: Resolved) -> Checked:
    connector = ready.connector
    if connector.role == "target" or not connector.discovery:
        what = "target" if connector.role == "target" else "tap without discovery"
        return Checked(
            succeeded=True, message=f"a Singer {what} has no further check", how="its config against its spec"
        )
    launch = singer.discover(connector, ready.facts, config.given)
    asked = ask(context, ready, launch, keep=_keeper(context, connector, config))
    failed = asked.code != 0
    return Checked(succeeded=not failed, message=asked.words if failed else None, how="discovery")


def discover(
    context: Context, ready: PreparedConnector, *, refresh: bool = False, namespaced: bool = False
) -> tuple[Stream, ...]:
    """Return the streams that the source offers; none for a tap without discovery. Raises SourceError.

    The catalog is cached for a day for each image and config; `refresh` reads it again. `namespaced` is for taps whose
    streams are in schemas of a database.
    """
    connector = ready.connector
    if ready.kind == "singer" and not (connector.discovery and connector.catalog is None):
        return singer_streams(connector.catalog.content, namespaced=namespaced) if connector.catalog else ()
    config = resolved_config(context, ready)
    env = {name: value.reveal() if isinstance(value, Secret) else value for name, value in connector.env.items()}
    name = f"catalog-{context.cache.fingerprint(_program(ready), env, config.user)}.json"
    catalog = None if refresh else context.cache.read(name, newer_than=context.now() - _CATALOG_SECONDS)
    known = catalog is not None
    if catalog is None:
        catalog = _asked_catalog(context, ready, config)
    try:
        streams = parse_catalog(catalog) if ready.kind == "airbyte" else singer_streams(catalog, namespaced=namespaced)
    except RecursionError as error:
        raise SourceError(f"source `{connector.name}` reported streams that are nested too deeply") from error
    if streams and not known:  # an empty catalog is often that of a user who lacks a permission
        context.cache.write(name, catalog)
    return streams


def _asked_catalog(context: Context, ready: PreparedConnector, config: Resolved) -> bytes:
    keep = _keeper(context, ready.connector, config)
    if ready.kind == "airbyte":
        asked = ask(context, ready, airbyte.discover(ready.connector, ready.facts, config.given), keep=keep)
        if asked.answer.catalog is None:
            raise asked.failure("discovery failed for")
        return bytes(asked.answer.catalog)
    asked = ask(context, ready, singer.discover(ready.connector, ready.facts, config.given), keep=keep)
    if asked.code == 0 and asked.text.strip():
        return asked.text.encode()
    error = asked.failure("discovery failed for")
    error.hint = error.hint or _NO_DISCOVERY
    raise error


def _keeper(context: Context, connector: Connector, config: Resolved) -> Callable[[str], None]:
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
    key = rotated_config.overlay_key(connector.name, context.project.environment)
    found = rotated_config.record(context.backend, key, config.user, values, config.rules, given=config.given)
    if found.changed:
        context.progress(f"{connector.name} changed its config: {_named(found.changed)}")
    if found.refused:
        refused = f"{connector.name} changed values of its config that are not kept: {_named(found.refused)}"
        context.progress(f"{refused} (its `rotate` is `{config.rules.rotate}`)")


def _named(pointers: tuple[str, ...]) -> str:
    more = f" and {len(pointers) - _NAMED} more" if len(pointers) > _NAMED else ""
    return ", ".join(rotation_rules.name_of(pointer) for pointer in pointers[:_NAMED]) + more


def _program(ready: PreparedConnector) -> str:
    """Return a hash of the program: of the image's content, the user's command, and a low-code source's manifest."""
    connector = ready.connector
    content = connector.manifest.content if connector.manifest else None
    parts = (ready.facts.digest, ready.kind, connector.entrypoint, connector.command, content)
    return blake2b(repr(parts).encode(), digest_size=12).hexdigest()
