"""One run: from a source and a target of the project to a run record."""

import os
import queue
import secrets
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tapdock import operations
from tapdock.catalog import ConfiguredStream, configured_catalog
from tapdock.config import Limits, Pipeline
from tapdock.connectors import airbyte, singer
from tapdock.context import Context, Ready
from tapdock.errors import Side, StateError, TapdockError, UsageError
from tapdock.events import Committed, Event, Failed, Logged, Rotated
from tapdock.last_words import explained
from tapdock.launch import Launch
from tapdock.operations import Resolved
from tapdock.place import Outcome, perform
from tapdock.plan import Plan
from tapdock.selection import select_streams
from tapdock.sides import Kill
from tapdock.state.base import Terms
from tapdock.state.store import Held, lease, read, state_key
from tapdock.translate import require_translatable
from tapdock.translate.names import singer_names
from tapdock.translate.states import state_to_pass

__all__ = ["Options", "Prepared", "execute", "prepare"]

Watch = Callable[[Event], None]

_ROUTE = "airbyte-singer"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user says for one run alone."""

    full_refresh: bool = False
    save_state: bool = True
    select: tuple[str, ...] = ()
    refresh_catalog: bool = False


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that is known before anything is read; `saved` is the state's text as it stands now."""

    pipeline: Pipeline
    source: Ready
    target: Ready
    source_config: Resolved
    target_config: Resolved
    streams: tuple[ConfiguredStream, ...]
    state_id: str


def prepare(context: Context, pipeline: Pipeline, options: Options) -> Prepared:
    """Images, kinds, configs checked against their specs, streams selected. Nothing is read and nothing changed."""
    project = context.project
    source = operations.prepare(context, project.sources[pipeline.source])
    target = operations.prepare(context, project.targets[pipeline.target])
    _require_route(source, target)
    # Discovery may rotate a token that works once: the config to read with is resolved behind it.
    streams = operations.discover(context, source, refresh=options.refresh_catalog)
    source_config = operations.resolved_config(context, source)
    target_config = operations.resolved_config(context, target)
    selected = select_streams(
        streams,
        options.select or source.connector.select,
        source.connector.streams,
        full_refresh=options.full_refresh,
    )
    require_translatable(_ROUTE, selected)
    return Prepared(
        pipeline=pipeline,
        source=source,
        target=target,
        source_config=source_config,
        target_config=target_config,
        streams=selected,
        state_id=state_key(
            pipeline.source, pipeline.target, environment=project.environment, suffix=pipeline.state_suffix
        ),
    )


def _require_route(source: Ready, target: Ready) -> None:
    for ready, kind in ((source, "airbyte"), (target, "singer")):
        if ready.kind != kind:
            connector = ready.connector
            raise UsageError(
                f"{connector.role} `{connector.name}` speaks {ready.kind.title()}; this version runs Airbyte sources"
                " into Singer targets",
                hint=f"if the image does speak {kind.title()}, say so with `kind: {kind}`",
            )


def execute(context: Context, prepared: Prepared, options: Options, *, run_id: str, watch: Watch) -> Outcome:
    """Read, translate, write, and save what the target acknowledged. Raises TapdockError when it cannot begin."""
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    lost: list[TapdockError] = []

    def stop(error: TapdockError) -> None:
        """Nothing may be written any more by whom somebody else may follow."""
        lost.append(error)
        inbox.put(Kill(code=error.exit_code))

    with _state(context, prepared, options, run_id, stop) as state:
        _require_dialect(state, prepared.state_id)
        source, target = _launches(prepared, state.saved)
        listener = _Listener(context, prepared, state, watch)
        plan = Plan(
            run_id=run_id,
            route=_ROUTE,
            streams=prepared.streams,
            state=state.saved,
            source_files=source.files,
            target_files=target.files,
            limits=_limits(prepared),
            ack_on_exit=prepared.target.quirks.ack_on_exit,
        )
        with context.signals.orders(inbox):
            outcome = perform(
                context.engine,
                plan,
                (source, target),
                relay_image=context.relay_image,
                inbox=inbox,
                emit=listener,
                logs=listener.stderr,
            )
    if lost:
        raise lost[0]
    verdict = explained(outcome, listener.last_words, {"source": source, "target": target})
    return Outcome(
        verdict=msgspec.structs.replace(verdict, message=verdict.message and context.heard(verdict.message)),
        exits=outcome.exits,
        relay=outcome.relay,
    )


def _limits(prepared: Prepared) -> Limits:
    source, target = prepared.source.connector.limits, prepared.target.connector.limits
    return Limits(
        source_idle=source.source_idle,
        target_idle=target.target_idle,
        stop_grace=max(source.stop_grace, target.stop_grace),
        exit_grace=source.exit_grace,
    )


def _launches(prepared: Prepared, saved: str | None) -> tuple[Launch, Launch]:
    source, target = prepared.source, prepared.target
    return (
        airbyte.read(
            source.connector,
            source.facts,
            config=prepared.source_config.given,
            catalog=configured_catalog(prepared.streams),
            state=state_to_pass(saved, prepared.streams),
        ),
        singer.write(target.connector, target.facts, config=prepared.target_config.given),
    )


@dataclass(frozen=True, kw_only=True)
class _State:
    """The state that this run starts from, and how it saves a newer one; `held` None keeps everything as it is."""

    saved: str | None
    dialect: str | None
    held: Held | None


@contextmanager
def _state(
    context: Context, prepared: Prepared, options: Options, run_id: str, lost: Callable[[TapdockError], None]
) -> Iterator[_State]:
    """Leased for the whole run, unless nothing is to be saved."""
    if not options.save_state:
        envelope = read(context.backend, prepared.state_id)
        yield _State(
            saved=envelope.state if envelope else None, dialect=envelope.dialect if envelope else None, held=None
        )
        return
    engine = context.engine
    terms = Terms(is_over=lambda holder: engine.is_over(holder.owner, holder.run_id), lost=lost, say=context.progress)
    with lease(
        context.backend, prepared.state_id, run_id=run_id, owner=engine.owner, clock=context.now, terms=terms
    ) as held:
        envelope = held.envelope
        yield _State(
            saved=envelope.state if envelope else None, dialect=envelope.dialect if envelope else None, held=held
        )


def _require_dialect(state: _State, state_id: str) -> None:
    if state.saved is not None and state.dialect != "airbyte":
        hint = f"look at it with `tapdock state show {state_id}`; `tapdock state clear {state_id}` begins anew"
        raise StateError(
            f"the state `{state_id}` is a {state.dialect} state; this source takes an Airbyte one", hint=hint
        )


class _Listener:
    """Takes the relay's events: saves states and rotated configs, remembers each side's last words, tells the rest."""

    def __init__(self, context: Context, prepared: Prepared, state: _State, watch: Watch) -> None:
        self.last_words: dict[str, deque[str]] = {"source": deque(maxlen=3), "target": deque(maxlen=3)}
        self._context = context
        self._prepared = prepared
        self._state = state
        self._watch = watch

    def __call__(self, event: Event) -> None:
        heard = self._context.heard
        match event:
            case Committed(state):
                self._save(state)
            case Rotated(side, config):
                self._keep_config(side, config)
            case Logged(side, level, message):
                event = Logged(side, level, heard(message))
                if (side, level) == ("source", "error"):
                    self.last_words["source"].append(event.message)
            case Failed():
                internal = event.internal and heard(event.internal)
                event = msgspec.structs.replace(event, message=heard(event.message), internal=internal)
            case _:
                pass
        self._watch(event)

    def stderr(self, role: str) -> Callable[[str], None]:
        side: Side = "source" if role == "source" else "target" if role == "target" else "runner"

        def hear(line: str) -> None:
            text = self._context.heard(line)
            if text.strip() and side != "runner":
                self.last_words[side].append(text.strip())
            self._watch(Logged(side, "info", text))

        return hear

    def _keep_config(self, side: Side, config: str) -> None:
        prepared = self._prepared
        ready, known = (
            (prepared.source, prepared.source_config) if side == "source" else (prepared.target, prepared.target_config)
        )
        operations.keep_rotated(self._context, ready.connector, known, config)

    def _save(self, state: str) -> None:
        if self._state.held is None:
            return
        keys = [stream.stream.key for stream in self._prepared.streams]
        names = {str(key): name for key, name in singer_names(keys).items()}
        try:
            self._state.held.save(state, dialect="airbyte", names=names)
        except StateError as error:
            file = _dumped(self._context.project.private, self._prepared.state_id, state)
            hint = f"the state was kept in {file}: `tapdock state set {self._prepared.state_id} {file}`"
            raise StateError(error.message, hint=f"{error.hint}; {hint}" if error.hint else hint) from error


def _dumped(private: Path, state_id: str, state: str) -> Path:
    """A state that cannot be saved where it belongs, in a file that only its user can read."""
    name = f"unsaved-{state_id.replace(':', '-').replace('/', '-')}.json"
    for folder in (private, Path(tempfile.gettempdir())):
        aside = folder / f".{name}.{secrets.token_hex(4)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Where everybody may write, names may be taken: never through a link, never in somebody else's file.
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(state)
            aside.replace(folder / name)
        except OSError:
            with suppress(OSError):
                aside.unlink()  # half of a state is none
            continue
        return folder / name
    raise StateError("the state could not be saved, and not even be kept in a file: the disks are full or read-only")
