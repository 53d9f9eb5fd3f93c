"""One run: from a source and a target of the project to a run record."""

import dataclasses
import os
import queue
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tapdock.connectors import operations
from tapdock.connectors.context import Context
from tapdock.errors import EngineError, Side, SourceError, StateError, TapdockError, TargetError
from tapdock.events import Committed, Event, Failed, Logged, Renewed, Rotated, SetAside, StreamReport
from tapdock.project.model import Limits
from tapdock.relay.host import Outcome, perform
from tapdock.relay.plan import Plan
from tapdock.relay.side import Kill
from tapdock.runs import records
from tapdock.runs.begin import begun, launches, names_of
from tapdock.runs.explain import Words, explained
from tapdock.runs.prepare import Options, Prepared
from tapdock.runs.target_metrics import Metrics
from tapdock.state.backends.base import Terms
from tapdock.state.envelope import Envelope
from tapdock.state.store import Held, lease, read

__all__ = ["execute"]

_MOST_ROTATIONS = 100
Watch = Callable[[Event], None]


def execute(context: Context, prepared: Prepared, options: Options, *, run_id: str, watch: Watch) -> Outcome:
    """Read, translate, write, and save what the target acknowledged. Raises TapdockError when it cannot begin."""
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    lost: list[TapdockError] = []

    def stop(error: TapdockError) -> None:
        """Nothing may be written any more by whom somebody else may follow."""
        lost.append(error)
        inbox.put(Kill(code=error.exit_code))

    with _state(context, prepared, options, run_id, stop) as state:
        _require_dialect(state, prepared)
        job = begun(prepared, state.envelope, options, now=context.now())
        if state.held and job.changed:
            state.held.save(job.saved, dialect=prepared.source.kind, generations=job.generations)
        source, target = launches(prepared, job)
        listener = _Listener(context, prepared, state, run_id, watch, generations=job.generations)
        plan = Plan(
            run_id=run_id,
            route=prepared.route,
            streams=job.streams,
            state=job.saved,
            source_files=source.files,
            target_files=target.files,
            limits=_limits(prepared),
            manner=job.manner,
            only_complete=prepared.only_complete,
            scratch=prepared.scratch,
            strict_counts=options.strict_counts,
            engine=True,
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
    outcome = _counted(outcome, listener, strict=options.strict_counts)
    verdict = explained(outcome, listener.last_words, {"source": source, "target": target})
    verdict = msgspec.structs.replace(verdict, message=verdict.message and context.heard(verdict.message))
    return dataclasses.replace(outcome, verdict=verdict)


def _counted(outcome: Outcome, listener: "_Listener", *, strict: bool) -> Outcome:
    """What the target counted by itself, once all is over: what differs is told, and may fail the run."""
    verdict = outcome.verdict
    differ = [] if verdict.exit_code else listener.differing_counts(verdict.streams)
    for message in differ:
        listener(Logged("target", "warning", message))
    if not differ or not strict:
        return outcome
    error = TargetError(differ[0], hint="without `--strict-counts` this is a warning")
    failed = msgspec.structs.replace(
        verdict, exit_code=error.exit_code, side=error.side, message=error.message, hint=error.hint
    )
    return dataclasses.replace(outcome, verdict=failed)


def _limits(prepared: Prepared) -> Limits:
    source, target = prepared.source.connector.limits, prepared.target.connector.limits
    return Limits(
        source_idle=source.source_idle,
        target_idle=target.target_idle,
        stop_grace=max(source.stop_grace, target.stop_grace),
        exit_grace=source.exit_grace,
    )


@dataclass(frozen=True, kw_only=True)
class _State:
    """The state that this run starts from, and how it saves a newer one; `held` None keeps everything as it is."""

    envelope: Envelope | None
    held: Held | None


@contextmanager
def _state(
    context: Context, prepared: Prepared, options: Options, run_id: str, lost: Callable[[TapdockError], None]
) -> Iterator[_State]:
    """Leased for the whole run, unless nothing is to be saved."""
    if not options.save_state:
        yield _State(envelope=read(context.backend, prepared.state_id), held=None)
        return
    engine = context.engine
    terms = Terms(is_over=lambda holder: engine.is_over(holder.owner, holder.run_id), lost=lost, say=context.progress)
    with lease(
        context.backend, prepared.state_id, run_id=run_id, owner=engine.owner, clock=context.now, terms=terms
    ) as held:
        yield _State(envelope=held.envelope, held=held)


def _require_dialect(state: _State, prepared: Prepared) -> None:
    found, kind, state_id = state.envelope, prepared.source.kind, prepared.state_id
    if found and found.state is not None and found.dialect != kind:
        hint = f"look at it with `tapdock state show {state_id}`; `tapdock state clear {state_id}` begins anew"
        article = "an Airbyte" if kind == "airbyte" else "a Singer"
        raise StateError(
            f"the state `{state_id}` is a {found.dialect} state; this source takes {article} one", hint=hint
        )


class _Listener:
    """Takes the relay's events: saves states and rotated configs, remembers each side's last words, tells the rest."""

    def __init__(
        self,
        context: Context,
        prepared: Prepared,
        state: _State,
        run_id: str,
        watch: Watch,
        *,
        generations: Mapping[str, int],
    ) -> None:
        self.last_words = {"source": Words(), "target": Words()}
        self._context = context
        self._prepared = prepared
        self._state = state
        self._names = names_of(prepared)
        self._aside = context.project.private, run_id
        self._generations = dict(generations)
        self._lost = False
        self._rotations = 0
        self._metrics = Metrics()
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
                if level == "error" and side != "runner":
                    self.last_words[side].hear(event.message)
            case Failed():
                texts = {"message": event.message, "reason": event.reason, "internal": event.internal}
                changes = {name: heard(text) for name, text in texts.items() if text is not None}
                event = msgspec.structs.replace(event, **changes)
                if event.side != "runner":
                    self.last_words[event.side].told(event.message)
            case SetAside():
                self._set_aside(event)
            case Renewed(stream, generation):
                self._generations[stream] = generation
            case _:
                pass
        self._watch(event)

    def stderr(self, role: str) -> Callable[[str], None]:
        side: Side = "source" if role == "source" else "target" if role == "target" else "runner"

        def hear(line: str) -> None:
            text = self._context.heard(line)
            if side == "target":
                self._metrics.hear(line)
            if side != "runner":
                self.last_words[side].hear(text)
            self._watch(Logged(side, "info", text))

        return hear

    def differing_counts(self, reports: tuple[StreamReport, ...]) -> list[str]:
        """Each stream that the target counted otherwise."""
        return self._metrics.mismatches(reports, self._prepared.streams, self._names)

    def _keep_config(self, side: Side, config: str) -> None:
        """Keep a config that a connector changed. Raises SourceError or TargetError for more than anybody needs."""
        self._rotations += 1
        if self._rotations > _MOST_ROTATIONS:
            failed = SourceError if side == "source" else TargetError
            raise failed(f"the {side} changed its config more than {_MOST_ROTATIONS} times in one run")
        prepared = self._prepared
        ready, known = (
            (prepared.source, prepared.source_config) if side == "source" else (prepared.target, prepared.target_config)
        )
        operations.keep_rotated(self._context, ready.connector, known, config)

    def _set_aside(self, event: SetAside) -> None:
        """A record that is lost is a reason to save nothing any more: the next run must read it again."""
        try:
            records.set_aside(*self._aside, event)
        except OSError as error:
            self._lost = True
            hint = "make room, or let such a record fail the run: `on_bad_record: fail`"
            raise EngineError(
                f"a record that is to be set aside cannot be kept: {error.strerror}", hint=hint
            ) from error

    def _save(self, state: str) -> None:
        if self._state.held is None or self._lost:
            return
        try:
            self._state.held.save(
                state, dialect=self._prepared.source.kind, generations=self._generations, names=self._names
            )
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
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
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
