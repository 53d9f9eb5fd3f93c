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

from tapdock.errors import EngineError, LeaseHeld, MapperError, SourceError, StateError, TapdockError, TargetError
from tapdock.events import Event, Failed, Finished, Logged, RelayReady, Rotated, Verdict
from tapdock.relay import messages
from tapdock.relay.checkpoints import Checkpoints
from tapdock.relay.data_threads import MAPPER_INPUT, DataThreads, feed_of, pump_of
from tapdock.relay.exits import ExitCodes
from tapdock.relay.idle import IdleLimits
from tapdock.relay.overdue import Overdue
from tapdock.relay.plan import RelayPlan, translator
from tapdock.relay.side import SideState
from tapdock.relay.sides import Sides, opened
from tapdock.relay.stopping import Stopping
from tapdock.relay.timers import Timers
from tapdock.relay.verdict import FirstFailure
from tapdock.translate.base import Emit

__all__ = ["relay"]

_TURN_SECONDS = 1.0
_ABORTS = {kind.exit_code: kind for kind in (SourceError, MapperError, TargetError, StateError, LeaseHeld, EngineError)}


def relay(plan: RelayPlan, folder: Path, *, inbox: messages.Inbox, emit: Emit, clock: Callable[[], float]) -> Verdict:
    """Create the pipes of each side in `folder`, in a folder of its name, and serve the launchers until all are gone.

    `inbox` takes orders from outside (Stop, Kill, Exited, Abort); `emit` is called from several threads. How the
    connectors ended, and what could not be translated or saved, is in the verdict and never raised.
    """
    with opened(plan, folder, inbox) as sides:
        supervisor = _Supervisor(plan, folder, sides, inbox=inbox, emit=emit, clock=clock)
        emit(RelayReady())
        return supervisor.run()


class _Supervisor:
    """Handles the messages of launchers, threads and the runner, one at a time, until all sides have ended.

    An exit status is a cause of failure, a broken pipe never is.
    """

    def __init__(
        self,
        plan: RelayPlan,
        folder: Path,
        sides: Sides,
        *,
        inbox: messages.Inbox,
        emit: Emit,
        clock: Callable[[], float],
    ) -> None:
        self._emit_outside = emit
        self._inbox = inbox
        self._plan = plan
        self._translator = translator(plan, folder, emit=self._emit, clock=clock)
        self._sides, self._source, self._target = sides, sides.source, sides.target
        self._commits = Checkpoints(self._translator, emit=self._emit, clock=clock)
        self._feed = feed = feed_of(plan, sides, emit=self._emit, clock=clock)
        self._pump = pump_of(plan, sides, self._translator, feed=feed, inbox=inbox, clock=clock)
        self._threads = DataThreads(self._pump, sides.target.ends, self._translator, inbox, feed=feed)
        self._cause = FirstFailure()
        self._timers = Timers(clock)
        self._stopping = Stopping(sides, self._timers, plan.limits, emit=self._emit, ended=self._ended)
        self._exits = ExitCodes(
            self._timers, seconds=plan.limits.gone, ended=self._ended, contradicted=self._contradicted
        )
        self._overdue = Overdue(sides, self._threads, self._timers, plan.limits, self._stopping, fail=self._fail)
        self._silence = IdleLimits(self._pump, plan.limits, clock, feed=feed)
        self._began = clock()

    def run(self) -> Verdict:
        while not self._sides.ended or self._threads.running or self._exits.open:
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
                self._launcher_said(self._sides.named(name), words)
            case messages.LauncherGone(name):
                self._exits.of_a_closed_pipe(self._sides.named(name))
            case messages.Exited():
                self._exits.of_the_engine(self._sides.named(message.side), message.code)
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
                self._stopping.kill(*self._sides.all)
                self._exits.open.clear()
                self._overdue.threads(self._plan.limits.gone)
            case messages.Abort():
                self._fail(_ABORTS.get(message.exit_code, TapdockError)(message.message, hint=message.hint))
            case _:
                assert_never(message)

    def _launcher_said(self, side: SideState, words: list[str]) -> None:
        if side.code is not None and words:
            return  # it was given up before it said so
        match words:
            case ["hello"]:
                if hello := side.greet():
                    self._emit(hello)
                if self._sides.greeted:
                    self._start()
            case ["short", name, got, size]:
                message = f"`{name}` reached the {side.name} with {got} of its {size} bytes"
                self._fail(side.error(message, retryable=True), side)
            case ["exit", code]:
                replaced = self._plan.only_complete and side is not self._target
                self._exits.of_the_pipe(side, int(code), engine=self._plan.engine, wait=replaced)
            case _:
                message = f"the {side.name}'s container wrote to a pipe that only tapdock's own commands may use"
                hint = f"check where the image of the {side.name} comes from"
                self._fail(side.error(message, hint=hint), side)

    def _contradicted(self, side: SideState, what: str) -> None:
        self._fail(side.error(f"the {side.name} {what}"), side)

    def _fail(self, error: TapdockError, *kill: SideState) -> None:
        """Record the failure and ask the source to stop. Kill the given sides, which cannot continue."""
        self._cause.fail(error)
        self._stopping.stop_source()
        self._stopping.kill(*kill)

    def _start(self) -> None:
        self._stopping.started = True
        self._silence.started()
        self._threads.start(acked=self._acked)

    def _acked(self) -> None:
        self._silence.acked()
        self._commits.moved()

    def _refused(self) -> None:
        if self._feed and self._feed.torn:
            self._cause.torn(self._feed.torn)
        if self._feed and self._feed.error:
            self._fail(self._feed.error, *self._sides.behind[:-1])
        if self._pump.error and self._pump.torn and not self._pump.headless:
            self._cause.torn(self._pump.error)
        elif self._pump.error:
            self._cause.bad_line(self._pump.error)
            self._stopping.stop_source()
            if self._pump.headless:
                self._stopping.kill(self._target)

    def _turned(self) -> None:
        self._conclude()
        self._overdue.outputs()

    def _thread_ended(self, thread: str, error: BaseException | None) -> None:
        self._threads.running.discard(thread)
        if error is None:
            return
        if isinstance(error, TapdockError):
            self._fail(error, *(self._sides.behind if thread == "pump" else ()))
        elif isinstance(error, BrokenPipeError):
            self._overdue.input_broke(self._sides.named("mapper" if thread == MAPPER_INPUT else "target"))
        else:  # a fault of ours: all sides are ended in order all the same, and the log has all of it
            self._emit(Logged("runner", "error", "".join(traceback.format_exception(error))))
            self._fail(TapdockError(f"tapdock itself failed: {type(error).__name__}: {error}"), *self._sides.behind)

    def _ended(self, side: SideState, code: int) -> None:
        if side.code is not None:
            return
        side.code = code
        self._emit(Finished(side.name, code))
        if self._sides.ended:
            self._overdue.threads(2 * self._plan.limits.gone)
        if side is self._source:
            self._source_ended(code)
        elif side is self._target:
            self._target_ended(code)
        else:
            self._mapper_ended(side, code)

    def _source_ended(self, code: int) -> None:
        if not self._source.greeted:
            self._cause.fail(self._source.error("the source ended before it had read anything"))
            self._stopping.kill(*self._sides.behind)
        elif code and not self._source.stopping:
            self._cause.source_exited(code)
        if self._source.killed:  # where nobody kills its container for us, it may go on writing
            self._overdue.killed(self._source)
        if self._feed:
            self._feed.end()
        self._conclude()  # a quick source may be over before the target is there: its output waits in the pipe

    def _mapper_ended(self, mapper: SideState, code: int) -> None:
        if not (self._feed and self._feed.input_ended):
            self._cause.fail(mapper.error(f"the mapper exited with {code} before the end of its input"))
        elif code:
            self._cause.fail(mapper.error(f"the mapper exited with {code}"))
        if mapper.killed:
            self._overdue.killed(mapper)
        self._stopping.stop_source()
        self._conclude()

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
        """Let the pump write the end of the stream once the output and the exit code of all before it are known."""
        self._refused()  # also if the pump's message about it is still in the inbox
        code = self._sides.read_code
        if not self._pump.source_ended or code is None:
            return
        self._cause.source_read(code, limited=self._pump.limited)
        if self._feed and self._cause.is_sound and (fault := self._feed.mapped.fault()):
            self._cause.fail(fault)
        if self._plan.strict_counts:
            self._cause.counts_differ(self._translator.counts.mismatches())
        complete = (self._pump.limited or code == 0) and self._cause.is_sound and not self._pump.cut
        failures = self._translator.counts.failures(ended=complete)
        self._cause.unfinished(failures)
        if self._plan.only_complete and not (complete and not failures):
            self._stopping.kill(self._target)
            self._pump.ending.tell(complete=None)
        else:
            self._pump.ending.tell(complete=complete)

    def _stop(self, code: int) -> None:
        self._cause.end(code)
        self._overdue.drain()

    def _tend(self) -> None:
        self._timers.fire()
        if found := self._silence.exceeded(self._sides):
            self._fail(found[0], *found[1])
        self._commits.tend(started=self._stopping.started)

    def _verdict(self) -> Verdict:
        self._cause.settle(self._translator, strict_counts=self._plan.strict_counts)
        for warning in self._feed.mapped.warnings() if self._feed else ():
            self._emit(Logged("mapper", "warning", warning))
        first = self._pump.first_record
        verdict = msgspec.structs.replace(
            self._cause.verdict(),
            streams=self._cause.streams(self._translator, target_code=self._target.code, limit=self._plan.limit),
            first_record_seconds=None if first is None else first - self._began,
            source_code=self._source.code,
            mapper_code=self._sides.mapper and self._sides.mapper.code,
            target_code=self._target.code,
            mapper=self._feed and self._feed.mapped.report(),
        )
        self._emit(verdict)
        return verdict
