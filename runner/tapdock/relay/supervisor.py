"""The relay owns the pipes of one run, moves the data, and decides how the run ended.

It knows pipes in a folder and nothing else: no engine, no project, no state backend. So it is the same function beside
the runner, in a container of its own, and in a pod that somebody else schedules.
"""

import queue
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

import msgspec

from tapdock.errors import EngineError, LeaseHeld, SourceError, StateError, TapdockError, TargetError
from tapdock.errors import Side as SideName
from tapdock.events import Event, Failed, Finished, Logged, RelayReady, Rotated, Verdict
from tapdock.relay import messages
from tapdock.relay.checkpoints import Checkpoints
from tapdock.relay.data_threads import DataThreads, pump_of
from tapdock.relay.exits import ExitCodes
from tapdock.relay.idle import IdleLimits
from tapdock.relay.pipes import SidePipes
from tapdock.relay.plan import RelayPlan, translator
from tapdock.relay.side import SideState
from tapdock.relay.stopping import Stopping
from tapdock.relay.timers import Timers
from tapdock.relay.verdict import FirstFailure
from tapdock.translate.base import Emit

__all__ = ["relay"]

_TURN_SECONDS = 1.0
_ABORTS = {kind.exit_code: kind for kind in (SourceError, TargetError, StateError, LeaseHeld, EngineError)}


def relay(plan: RelayPlan, folder: Path, *, inbox: messages.Inbox, emit: Emit, clock: Callable[[], float]) -> Verdict:
    """Create the pipes in `folder`/source and `folder`/target, and serve both launchers until both are gone.

    `inbox` takes orders from outside (Stop, Kill, Exited, Abort); `emit` is called from several threads. How the
    connectors ended, and what could not be translated or saved, is in the verdict and never raised.
    """
    with (
        SidePipes(folder / "source", files=plan.source_files, stdin=False) as source,
        SidePipes(folder / "target", files=plan.target_files, stdin=True) as target,
    ):
        supervisor = _Supervisor(plan, source, target, inbox=inbox, emit=emit, clock=clock)
        emit(RelayReady())
        return supervisor.run()


class _Supervisor:
    """Handles the messages of launchers, threads and the runner, one at a time, until both sides have ended.

    An exit status is a cause of failure, a broken pipe never is.
    """

    def __init__(
        self,
        plan: RelayPlan,
        source: SidePipes,
        target: SidePipes,
        *,
        inbox: messages.Inbox,
        emit: Emit,
        clock: Callable[[], float],
    ) -> None:
        self._emit_outside = emit
        self._inbox = inbox
        self._plan = plan
        self._translator = translator(plan, source.folder.parent, emit=self._emit, clock=clock)
        self._source = SideState("source", source, inbox)
        self._target = SideState("target", target, inbox)
        self._commits = Checkpoints(self._translator, emit=self._emit, clock=clock)
        self._pump = pump_of(plan, source, target, self._translator, inbox=inbox, clock=clock)
        self._threads = DataThreads(self._pump, target, self._translator, inbox)
        self._cause = FirstFailure()
        self._timers = Timers(clock)
        self._stopping = Stopping(
            self._source, self._target, self._pump, self._timers, plan.limits, emit=self._emit, ended=self._ended
        )
        self._exits = ExitCodes(
            self._timers, seconds=plan.limits.gone, ended=self._ended, contradicted=self._contradicted
        )
        self._silence = IdleLimits(self._pump, plan.limits, clock)
        self._began = clock()

    def run(self) -> Verdict:
        while self._source.code is None or self._target.code is None or self._threads.running or self._exits.open:
            try:
                message = self._inbox.get(timeout=self._timers.wait(_TURN_SECONDS))
            except queue.Empty:
                pass
            else:
                self._take(message)
            self._tend()
        self._commits.save()
        self._pump.salvage()
        return self._verdict()

    def _emit(self, event: Event) -> None:
        if isinstance(event, Failed):
            self._cause.reported(event)
        self._emit_outside(event)

    def _take(self, message: messages.Message) -> None:
        match message:
            case messages.LauncherSaid(name, words):
                self._launcher_said(self._side(name), words)
            case messages.LauncherGone(name):
                self._exits.of_a_closed_pipe(self._side(name))
            case messages.Exited():
                self._exits.of_the_engine(self._side(message.side), message.code)
            case messages.ConfigRewritten(name, config):
                self._emit(Rotated(name, config))
            case messages.PumpPaused():
                self._turned()
            case messages.BadAcknowledgement(error):
                self._fail(error)
            case messages.ThreadEnded(thread, reason):
                self._thread_ended(thread, reason)
            case messages.Stop():
                self._stop(message.code)
            case messages.Enough():
                self._stopping.stop_source()
            case messages.Kill():
                self._cause.end(message.code)
                self._stopping.kill(self._source)
                self._stopping.kill(self._target)
                self._exits.open.clear()
                self._timers.arm("threads", self._plan.limits.gone, self._abandon)
            case messages.Abort():
                self._fail(_ABORTS.get(message.exit_code, TapdockError)(message.message, hint=message.hint))
            case _:
                assert_never(message)

    def _side(self, name: SideName) -> SideState:
        return self._source if name == "source" else self._target

    def _launcher_said(self, side: SideState, words: list[str]) -> None:
        if side.code is not None and words:
            return  # it was given up before it said so
        match words:
            case ["hello"]:
                if hello := side.greet():
                    self._emit(hello)
                if self._source.greeted and self._target.greeted:
                    self._start()
            case ["short", name, got, size]:
                message = f"`{name}` reached the {side.name} with {got} of its {size} bytes"
                self._fail(side.error(message, retryable=True), kill=side)
            case ["exit", code]:
                replaced = self._plan.only_complete and side is self._source
                self._exits.of_the_pipe(side, int(code), engine=self._plan.engine, wait=replaced)
            case _:
                message = f"the {side.name}'s container wrote to a pipe that only tapdock's own commands may use"
                hint = f"check where the image of the {side.name} comes from"
                self._fail(side.error(message, hint=hint), kill=side)

    def _contradicted(self, side: SideState, what: str) -> None:
        self._fail(side.error(f"the {side.name} {what}"), kill=side)

    def _fail(self, error: TapdockError, *, kill: SideState | None = None) -> None:
        """Record the failure and ask the source to stop. Kill the given side, which cannot continue."""
        self._cause.fail(error)
        self._stopping.stop_source()
        if kill:
            self._stopping.kill(kill)

    def _start(self) -> None:
        self._stopping.started = True
        self._silence.started()
        self._threads.start(acked=self._acked)

    def _acked(self) -> None:
        self._silence.acked()
        self._commits.moved()

    def _refused(self) -> None:
        if self._pump.error and self._pump.torn and not self._pump.headless:
            self._cause.torn(self._pump.error)
        elif self._pump.error:
            self._cause.bad_line(self._pump.error)
            self._stopping.stop_source()
            if self._pump.headless:
                self._stopping.kill(self._target)

    def _turned(self) -> None:
        self._conclude()
        if self._pump.source_ended and self._source.code is None:
            self._timers.arm("source lingers", self._plan.limits.exit_grace, self._lingered)

    def _lingered(self) -> None:
        if self._source.code is None and not self._pump.limited:
            seconds = self._plan.limits.exit_grace
            self._fail(self._source.error(f"the source closed its output but did not exit within {seconds:g} s"))

    def _thread_ended(self, thread: str, error: BaseException | None) -> None:
        self._threads.running.discard(thread)
        if error is None:
            return
        if isinstance(error, TapdockError):
            self._fail(error, kill=self._target if thread == "pump" else None)
        elif isinstance(error, BrokenPipeError):
            self._timers.arm("target left", self._plan.limits.gone, lambda: self._stopping.kill(self._target))
        else:  # a fault of ours: both sides are ended in order all the same, and the log has all of it
            self._emit(Logged("runner", "error", "".join(traceback.format_exception(error))))
            self._fail(TapdockError(f"tapdock itself failed: {type(error).__name__}: {error}"), kill=self._target)

    def _ended(self, side: SideState, code: int) -> None:
        if side.code is not None:
            return
        side.code = code
        self._emit(Finished(side.name, code))
        if self._source.code is not None and self._target.code is not None:
            self._timers.arm("threads", 2 * self._plan.limits.gone, self._abandon)
        if side is self._source:
            self._source_ended(code)
        else:
            self._target_ended(code)

    def _source_ended(self, code: int) -> None:
        if not self._source.greeted:
            self._cause.fail(self._source.error("the source ended before it had read anything"))
            self._stopping.kill(self._target)
        elif code and not self._source.stopping:
            self._cause.source_exited(code)
        if self._source.killed:  # where nobody kills its container for us, it may go on writing
            self._stopping.source_killed()
        self._conclude()  # a quick source may be over before the target is there: its output waits in the pipe

    def _target_ended(self, code: int) -> None:
        if not self._pump.input_ended:
            early = "before the end of its input" if self._stopping.started else "before it had read anything"
            self._cause.target_exited(f"the target exited with {code} {early}")
        elif code:
            self._cause.target_exited(f"the target exited with {code}")
        elif self._plan.translation.quirks.ack_on_exit:
            self._translator.states.acked_all()
            self._commits.moved()
        self._stopping.stop_source()

    def _conclude(self) -> None:
        """Let the pump write the end of the stream once both the output and the exit code of the source are known."""
        self._refused()  # also if the pump's message about it is still in the inbox
        if not self._pump.source_ended or self._source.code is None:
            return
        self._cause.source_read(self._source.code, limited=self._pump.limited)
        if self._plan.strict_counts:
            self._cause.counts_differ(self._translator.counts.mismatches())
        complete = (self._pump.limited or self._source.code == 0) and self._cause.is_sound and not self._pump.cut
        failures = self._translator.counts.failures(ended=complete)
        self._cause.unfinished(failures)
        if self._plan.only_complete and not (complete and not failures):
            self._stopping.kill(self._target)
            self._pump.ending.tell(complete=None)
        else:
            self._pump.ending.tell(complete=complete)

    def _stop(self, code: int) -> None:
        self._cause.end(code)
        self._stopping.drain()

    def _abandon(self) -> None:
        """Stop waiting for the data threads: both connectors have ended, so nobody reads what they still write."""
        if not self._threads.running:
            return
        stuck = " and ".join(sorted(self._threads.running))
        message = f"tapdock's own work (`{stuck}`) did not end after both connectors had"
        self._cause.fail(TapdockError(message, hint="report this with the run's log: `tapdock runs logs`"))
        self._source.ends.abandon()
        self._target.ends.abandon()
        self._threads.running.clear()
        self._pump.ending.tell(complete=None)

    def _tend(self) -> None:
        self._timers.fire()
        source, target = self._silence.of_source(self._source), self._silence.of_target(self._target)
        own = self._silence.of_tapdock()
        if error := source or target or own:
            self._fail(error, kill=self._target if target or own else None)
        self._commits.tend(started=self._stopping.started)

    def _verdict(self) -> Verdict:
        self._cause.settle(self._translator, strict_counts=self._plan.strict_counts)
        first = self._pump.first_record
        verdict = msgspec.structs.replace(
            self._cause.verdict(),
            streams=self._cause.streams(self._translator, target_code=self._target.code, limit=self._plan.limit),
            first_record_seconds=None if first is None else first - self._began,
            source_code=self._source.code,
            target_code=self._target.code,
        )
        self._emit(verdict)
        return verdict
