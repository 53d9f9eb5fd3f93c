"""Questions to one connector: its spec, whether its config works, which streams it has."""

import queue
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tapdock import images, lock, overlay, specs
from tapdock.cache import Cache
from tapdock.catalog import Stream, parse_catalog
from tapdock.collect import Collection
from tapdock.config import Connector, Kind, Project
from tapdock.connectors import airbyte, singer
from tapdock.connectors.base import kind_of
from tapdock.connectors.quirks import Quirks, quirks_of
from tapdock.engines.base import Engine, Logs
from tapdock.errors import EngineError, Interrupted, SourceError, TapdockError, TargetError, UsageError
from tapdock.events import Event, Output, Rotated
from tapdock.images import Making
from tapdock.launch import ImageFacts, Launch
from tapdock.place import perform
from tapdock.protocol.airbyte import Answer, read_answer
from tapdock.signals import Signals
from tapdock.state.base import Backend

__all__ = [
    "Checked",
    "Context",
    "Ready",
    "Resolved",
    "check",
    "discover",
    "make_folders",
    "prepare",
    "resolved_config",
    "spec",
]

_CATALOG_SECONDS = 24 * 3600.0
_NO_PROGRAM = (126, 127)
"""What a shell exits with for a program that cannot be run, or is not there."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What every operation needs: where containers run, what is remembered, who hears of progress."""

    engine: Engine
    project: Project
    backend: Backend
    relay_image: Callable[[], str]
    making: Making
    progress: Logs
    log: Logs
    signals: Signals
    now: Callable[[], float]
    locked: Mapping[str, str] | None = None

    @property
    def cache(self) -> Cache:
        return Cache(self.project.private / "cache")


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A connector whose image is here and known."""

    connector: Connector
    facts: ImageFacts
    kind: Kind
    quirks: Quirks


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Whether a connector can work, in its own words; `how` tells where a plain Singer tap has no test of its own."""

    succeeded: bool
    message: str | None
    how: str


def prepare(context: Context, connector: Connector) -> Ready:
    """Find, pull or build the image, and tell its kind. Raises ImageMissing, EngineError."""
    facts = images.obtain(context.engine, connector, making=context.making, progress=context.progress)
    if context.locked is not None:
        lock.verify(context.locked, facts)
    elif lock.is_moving(connector.image) and not connector.build:
        context.progress(f"{connector.image} may be another image tomorrow: give it a tag, or use `tapdock lock`")
    return Ready(connector=connector, facts=facts, kind=kind_of(connector, facts), quirks=quirks_of(facts))


def spec(context: Context, ready: Ready) -> Mapping[str, Any] | None:
    """The JSON schema of the connector's config; None where it has no way to tell. Remembered by image."""
    name = f"spec-{_name(ready.facts.digest)}.json"
    known = context.cache.read(name)
    if known is None:
        known = orjson.dumps(_asked_spec(context, ready))
        context.cache.write(name, known)
    schema: Mapping[str, Any] | None = orjson.loads(known)
    return schema


def _asked_spec(context: Context, ready: Ready) -> Mapping[str, Any] | None:
    if ready.kind == "airbyte":
        asked = _ask(context, ready, airbyte.spec(ready.connector, ready.facts))
        if asked.answer.spec is None:
            raise asked.failure("did not tell its spec")
        schema: Mapping[str, Any] = orjson.loads(bytes(asked.answer.spec.connection_specification))
        return schema
    asked = _ask(context, ready, singer.about(ready.connector, ready.facts))
    if asked.code in _NO_PROGRAM:
        raise asked.failure("could not be started")
    try:
        settings = orjson.loads(asked.text).get("settings")
    except (orjson.JSONDecodeError, AttributeError):
        return None  # only connectors made with Meltano's SDK can tell
    return settings if isinstance(settings, dict) else None


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A connector's config in plain values: the user's own, and what the connector is given."""

    user: dict[str, Any] = field(repr=False)
    given: dict[str, Any] = field(repr=False)


def resolved_config(context: Context, ready: Ready) -> Resolved:
    """Secrets revealed, text typed by the connector's spec, and what it rotated since in place of the user's values.

    Raises UsageError when it breaks the connector's own spec: that is told before anything reads.
    """
    schema = spec(context, ready) or {}
    connector = ready.connector
    user = specs.coerce(connector.config, schema)
    given = overlay.merge(context.backend, overlay.overlay_key(connector.name, context.project.environment), user)
    _require_valid(context, ready, user, schema)
    return Resolved(user=user, given=given)


def _require_valid(context: Context, ready: Ready, config: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Only the user's own values: what a connector rotated may have keys that its spec does not know."""
    name = f"valid-{context.cache.fingerprint(schema, config)}"
    if context.cache.read(name) is not None:
        return
    if problems := specs.violations(config, schema):
        connector = ready.connector
        where = f"{context.project.file.name}: {connector.role}s.{connector.name}.config"
        hint = f"`tapdock spec {connector.name}` shows what it takes"
        raise UsageError(f"{where}: {'; '.join(problems)}", hint=hint)
    context.cache.write(name, b"")


def check(context: Context, ready: Ready) -> Checked:
    """Ask the connector whether its config works. A FAILED status comes with exit code 0 (protocol.md 1.2)."""
    config = resolved_config(context, ready)
    connector = ready.connector
    if ready.kind == "singer":
        return _checked_singer(context, ready, config)
    asked = _ask(context, ready, airbyte.check(connector, ready.facts, config.given))
    keep_rotated(context, connector, config, asked.rotated)
    status = asked.answer.status
    if status is None:
        return Checked(succeeded=False, message=asked.failure("did not answer").message, how="check")
    return Checked(succeeded=status.status == "SUCCEEDED", message=status.message, how="check")


def _checked_singer(context: Context, ready: Ready, config: Resolved) -> Checked:
    connector = ready.connector
    if connector.role == "target":
        return Checked(
            succeeded=True, message="a Singer target cannot be asked more", how="its config against its spec"
        )
    asked = _ask(context, ready, singer.discover(connector, ready.facts, config.given))
    keep_rotated(context, connector, config, asked.rotated)
    failed = asked.code != 0
    return Checked(succeeded=not failed, message=asked.last_words if failed else None, how="discovery")


def discover(context: Context, ready: Ready, *, refresh: bool = False) -> tuple[Stream, ...]:
    """The source's streams. Remembered for a day per image and config; `refresh` asks again. Raises SourceError."""
    config = resolved_config(context, ready)
    name = f"catalog-{context.cache.fingerprint(ready.facts.digest, config.user)}.json"
    known = None if refresh else context.cache.read(name, newer_than=context.now() - _CATALOG_SECONDS)
    if known is not None:
        return parse_catalog(known)
    if ready.kind == "singer":
        hint = "use an Airbyte source"
        raise UsageError(f"source `{ready.connector.name}` is a Singer tap, which this version cannot run", hint=hint)
    asked = _ask(context, ready, airbyte.discover(ready.connector, ready.facts, config.given))
    keep_rotated(context, ready.connector, config, asked.rotated)
    if asked.answer.catalog is None:
        raise asked.failure("did not tell its streams")
    catalog = bytes(asked.answer.catalog)
    streams = parse_catalog(catalog)
    context.cache.write(name, catalog)
    return streams


def make_folders(connector: Connector) -> None:
    """A folder that is to be mounted and is not there is made here, as the user: the engine would make it as root."""
    for mount in connector.mounts:
        if not mount.is_volume and not mount.read_only:
            Path(mount.source).mkdir(parents=True, exist_ok=True)


def keep_rotated(context: Context, connector: Connector, config: Resolved, rotated: str | None) -> None:
    """Save a config that the connector changed (protocol.md 1.9): a single-use token is lost otherwise.

    It is kept against the user's own values, so that it holds for as long as they leave those alone.
    """
    if rotated is None:
        return
    try:
        values = orjson.loads(rotated)
    except orjson.JSONDecodeError:
        context.progress(f"{connector.name} left a config that is not JSON; it is not kept")
        return
    key = overlay.overlay_key(connector.name, context.project.environment)
    changed = overlay.record(context.backend, key, config.user, values)
    if changed:
        context.progress(f"{connector.name} changed its config: {', '.join(changed)}")


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a connector answered."""

    connector: Connector
    text: str
    code: int
    answer: Answer
    rotated: str | None = field(repr=False)
    last_words: str
    program: tuple[str, ...]

    def failure(self, what: str) -> TapdockError:
        """In the connector's own words where it has any."""
        error = self.answer.error
        why = (error.message if error else "") or self.last_words
        message = f"{self.connector.role} `{self.connector.name}` {what} and exited with {self.code}"
        if why:
            message = f"{message}: {why}"
        if self.code in _NO_PROGRAM:
            return EngineError(message, hint=f"is `{' '.join(self.program)}` in the image? `entrypoint:` names another")
        return (SourceError if self.connector.role == "source" else TargetError)(message)


def _ask(context: Context, ready: Ready, launch: Launch) -> _Asked:
    """Run the connector for one answer."""
    said: deque[str] = deque(maxlen=5)
    output: list[str] = []
    rewritten: list[str] = []
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def emit(event: Event) -> None:
        if isinstance(event, Output):
            output.append(event.text)
        elif isinstance(event, Rotated):
            rewritten.append(event.config)

    def hear(line: str) -> None:
        said.append(line)
        context.log(line)

    context.progress(f"asking {ready.connector.name}: {' '.join(arg for arg in launch.args if isinstance(arg, str))}")
    if launch.mounts:
        make_folders(ready.connector)
    with context.signals.orders(inbox):
        outcome = perform(
            context.engine,
            Collection(run_id=secrets.token_hex(6), source_files=launch.files),
            (launch,),
            relay_image=context.relay_image,
            inbox=inbox,
            emit=emit,
            logs=lambda _: hear,
        )
    verdict = outcome.verdict
    if verdict.exit_code in (130, 143):
        raise Interrupted(f"{ready.connector.name}: {verdict.message}", exit_code=verdict.exit_code)
    if verdict.exit_code:
        kind = SourceError if verdict.side == "source" else EngineError
        raise kind(f"{ready.connector.name}: {verdict.message}", hint=verdict.hint)
    text = "".join(output)
    answer = read_answer(text.encode())
    return _Asked(
        connector=ready.connector,
        text=text,
        code=verdict.source_code or 0,
        answer=answer,
        rotated=answer.config or (rewritten[-1] if rewritten else None),
        last_words=" / ".join(said),
        program=launch.entrypoint,
    )


def _name(digest: str) -> str:
    return digest.rpartition(":")[2][:24]
