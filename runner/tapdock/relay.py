"""The relay: it owns the pipes of one run, pumps, and gives the verdict.

It knows pipes in a folder and nothing else: no engine, no project, no state backend. So it is the same function beside
the runner, in a container of its own, and in a pod that somebody else schedules.
"""

import queue
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import assert_never

import msgspec

from tapdock.cause import Cause
from tapdock.commits import Commits
from tapdock.errors import EngineError, LeaseHeld, StateError, TapdockError, TargetError
from tapdock.errors import Side as SideName
from tapdock.events import Event, Failed, Finished, Killed, Ready, Rotated, Verdict
from tapdock.pipes import Ends
from tapdock.plan import Plan, translator
from tapdock.pump import Pump, read_acks
from tapdock.sides import Abort, Exited, Gone, Inbox, Kill, Raised, Rewritten, Side, Stop, Turned, Word, background
from tapdock.silence import Silence
from tapdock.timers import Timers
from tapdock.translate.base import Emit

__all__ = ["relay"]

_TURN_SECONDS = 1.0
_ABORTS = {kind.exit_code: kind for kind in (StateError, LeaseHeld, EngineError)}


def relay(plan: Plan, folder: Path, *, inbox: Inbox, emit: Emit, clock: Callable[[], float]) -> Verdict:
    """Make the pipes in `folder`/source and `folder`/target, and serve both launchers until both are gone.

    `inbox` takes orders from outside (Stop, Kill, Exited, Abort); `emit` is called from several threads. How the
    connectors ended, and what could not be translated or saved, is in the verdict and never raised.
    """
    with (
        Ends(folder / "source", files=plan.source_files, stdin=False) as source,
        Ends(folder / "target", files=plan.target_files, stdin=True) as target,
    ):
        supervisor = _Supervisor(plan, source, target, inbox=inbox, emit=emit, clock=clock)
        emit(Ready())
        return supervisor.run()


class _Supervisor:
    """Takes what launchers, threads and the runner say, one thing at a time, until nothing is left to wait for.

    An exit status is a cause of failure, a broken pipe never is.
    """

    def __init__(
        self, plan: Plan, source: Ends, target: Ends, *, inbox: Inbox, emit: Emit, clock: Callable[[], float]
    ) -> None:
        self._emit_outside = emit
        self._inbox = inbox
        self._clock = clock
        self._plan = plan
        self._gone_seconds = plan.limits.gone
        self._translator = translator(plan, source.folder.parent, emit=self._emit, clock=clock)
        self._source = Side("source", source, inbox)
        self._target = Side("target", target, inbox)
        self._commits = Commits(self._translator, emit=self._emit, clock=clock)
        give = target.give if plan.manner.spool else None
        self._pump = Pump(source, target, self._translator, clock, give=give, max_line=plan.manner.max_line)
        self._running: set[str] = set()
        self._started = False
        self._claims: set[SideName] = set()
        self._cause = Cause()
        self._timers = Timers(clock)
        self._silence = Silence(self._pump, plan.limits, clock)
        self._began = clock()

    def run(self) -> Verdict:
        while self._source.code is None or self._target.code is None or self._running or self._claims:
            try:
                message = self._inbox.get(timeout=self._timers.wait(_TURN_SECONDS))
            except queue.Empty:
                pass
            else:
                self._take(message)
            self._tend()
        self._commits.save()
        return self._verdict()

    def _emit(self, event: Event) -> None:
        if isinstance(event, Failed):
            self._cause.heard(event)
        self._emit_outside(event)

    def _take(self, message: Stop | Kill | Exited | Abort | Word | Gone | Rewritten | Turned | Raised) -> None:
        match message:
            case Word(name, words):
                self._heard(self._side(name), words)
            case Gone(name):
                self._gone(self._side(name))
            case Exited():
                side = self._side(message.side)
                self._exited(side, message.code)
            case Rewritten(name, config):
                self._emit(Rotated(name, config))
            case Turned():
                self._turned()
            case Raised(thread, error):
                self._thread_ended(thread, error)
            case Stop():
                self._stop(message.code)
            case Kill():
                self._cause.end(message.code)
                self._kill(self._source)
                self._kill(self._target)
                self._claims.clear()
                self._timers.arm("threads", self._gone_seconds, self._abandon)
            case Abort():
                self._cause.fail(_ABORTS[message.exit_code](message.message, hint=message.hint))
                self._stop_source()
            case _:
                assert_never(message)

    def _side(self, name: SideName) -> Side:
        return self._source if name == "source" else self._target

    def _heard(self, side: Side, words: list[str]) -> None:
        if side.code is not None:
            return  # it was given up before it said so
        match words:
            case ["hello"] if not side.greeted:
                if hello := side.greet():
                    self._emit(hello)
                if self._source.greeted and self._target.greeted:
                    self._start()
            case ["short", name, got, size]:
                message = f"`{name}` reached the {side.name} with {got} of its {size} bytes"
                self._cause.fail(side.error(message, retryable=True))
            case ["exit", code] if side.greeted:
                self._claimed(side, int(code))
            case _:
                message = f"the {side.name}'s container wrote to a pipe that only tapdock's own commands may use"
                self._cause.fail(side.error(message, hint=f"check where the image of the {side.name} comes from"))
                self._stop_source()
                self._kill(side)

    def _claimed(self, side: Side, code: int) -> None:
        """Take the exit code that came through the pipe, which the connector can write to as well.

        Where there is an engine, it has the last word on success: the run waits for it at its end, and before a target
        is told to replace anything.
        """
        if self._plan.engine and code == 0 and side.engine_code is None:
            self._claims.add(side.name)
            self._timers.arm(f"{side.name} exits", 2 * self._gone_seconds, lambda: self._confirmed(side, 0))
            if self._plan.only_complete and side is self._source:
                return
        self._ended(side, code or side.engine_code or 0)

    def _exited(self, side: Side, code: int) -> None:
        side.engine_code = code
        side.ends.release()
        if side.name in self._claims:
            self._confirmed(side, code)
        elif side.gone:
            self._ended(side, code)

    def _confirmed(self, side: Side, code: int) -> None:
        self._claims.discard(side.name)
        if code and side.code == 0:
            side.code = code
            message = f"the {side.name} reported exit code 0, but its container exited with {code}"
            self._cause.fail(side.error(message))
            self._stop_source()
        self._ended(side, code)

    def _start(self) -> None:
        self._started = True
        self._silence.started()
        self._running = {"pump", "acks"}
        background("pump", lambda: self._pump.run(lambda: self._inbox.put(Turned())), self._inbox)
        acks = partial(read_acks, self._target.ends, self._translator, acked=self._acked, wrong=self._wrong)
        background("acks", acks, self._inbox)

    def _wrong(self, error: TargetError) -> None:
        self._inbox.put(Raised("acknowledgement", error))

    def _acked(self) -> None:
        self._silence.acked()
        self._commits.moved()

    def _gone(self, side: Side) -> None:
        """The launcher's pipe closed. Without a last word it was killed: the engine knows more, but may be silent."""
        side.gone = True
        if side.code is not None:
            return
        if side.engine_code is not None or side.killed:
            self._ended(side, side.engine_code or 137)
        else:
            self._timers.arm(
                f"{side.name} gone", self._gone_seconds, lambda: self._ended(side, side.engine_code or 137)
            )

    def _turned(self) -> None:
        if self._pump.error and self._pump.torn and not self._pump.headless:
            self._cause.torn(self._pump.error)
        elif self._pump.error:
            self._cause.bad_line(self._pump.error)
            self._stop_source()
            if self._pump.headless:
                self._kill(self._target)
        if self._pump.source_ended:
            self._conclude()
            if self._source.code is None:
                self._timers.arm("source lingers", self._plan.limits.exit_grace, self._lingered)

    def _lingered(self) -> None:
        if self._source.code is not None:
            return
        seconds = self._plan.limits.exit_grace
        self._cause.fail(self._source.error(f"the source closed its output but did not exit within {seconds:g} s"))
        self._stop_source()

    def _thread_ended(self, thread: str, error: BaseException | None) -> None:
        self._running.discard(thread)
        if error is None:
            return
        if isinstance(error, TapdockError):
            self._cause.fail(error)
            self._stop_source()
            if thread == "pump":
                self._kill(self._target)
        elif isinstance(error, BrokenPipeError):
            self._timers.arm("target left", self._gone_seconds, lambda: self._kill(self._target))
        else:
            raise error

    def _ended(self, side: Side, code: int) -> None:
        if side.code is not None:
            return
        side.code = code
        self._emit(Finished(side.name, code))
        if self._source.code is not None and self._target.code is not None:
            self._timers.arm("threads", 2 * self._gone_seconds, self._abandon)
        if side is self._source:
            self._source_ended(code)
        else:
            self._target_ended(code)

    def _source_ended(self, code: int) -> None:
        if not self._source.greeted:
            self._cause.fail(self._source.error("the source ended before it had read anything"))
            self._kill(self._target)
        elif code and not self._source.stopping:
            self._cause.source_exited(code)
        if self._source.killed:  # where nobody kills its container for us, it may go on writing
            self._timers.arm("source writes", 2 * self._gone_seconds, self._still_writes)
        self._conclude()  # a quick source may be over before the target is there: its output waits in the pipe

    def _still_writes(self) -> None:
        if not self._pump.source_ended:
            self._kill(self._target)

    def _target_ended(self, code: int) -> None:
        if not self._pump.input_ended:
            early = "before the end of its input" if self._started else "before it had read anything"
            self._cause.target_exited(f"the target exited with {code} {early}")
        elif code:
            self._cause.target_exited(f"the target exited with {code}")
        elif self._plan.manner.quirks.ack_on_exit:
            self._translator.states.acked_all()
            self._commits.moved()
        self._stop_source()

    def _conclude(self) -> None:
        """Once the source's output and exit code are both known, the pump may say the last words."""
        if not self._pump.source_ended or self._source.code is None:
            return
        self._cause.source_read(self._source.code)
        if self._plan.strict_counts:
            self._cause.counts_differ(self._translator.counts.mismatches())
        complete = self._source.code == 0 and self._cause.error is None and self._cause.ending is None
        failures = self._translator.counts.failures()
        self._cause.unfinished(failures)
        if self._plan.only_complete and not (complete and not failures):
            self._kill(self._target)
            self._pump.ending.tell(complete=None)
        else:
            self._pump.ending.tell(complete=complete)

    def _stop(self, code: int) -> None:
        self._cause.end(code)
        self._stop_source()
        self._timers.arm("target drains", 2 * self._plan.limits.stop_grace, lambda: self._kill(self._target))

    def _stop_source(self) -> None:
        if not self._started:
            self._kill(self._target)  # it was given nothing: there is nothing for it to take in
        if not self._source.greeted:
            self._kill(self._source)
        elif self._source.code is None and not self._source.stopping:
            self._source.stop()
            self._timers.arm("source stops", self._plan.limits.stop_grace, lambda: self._kill(self._source))

    def _kill(self, side: Side) -> None:
        """Cut the lifeline. What never said hello holds nothing of ours; the runner removes its container."""
        if side.code is not None:
            return
        side.kill()
        if side.greeted:
            self._emit(Killed(side.name))
            self._timers.arm(f"{side.name} gone", self._gone_seconds, lambda: self._ended(side, 137))
        else:
            side.ends.release()
            self._ended(side, side.engine_code or 137)

    def _abandon(self) -> None:
        """Stop waiting for threads of ours: both connectors are gone, and what a thread still does reaches nobody."""
        if not self._running:
            return
        stuck = " and ".join(sorted(self._running))
        message = f"tapdock's own work (`{stuck}`) did not end after both connectors had"
        self._cause.fail(TapdockError(message, hint="report this with the run's log: `tapdock runs logs`"))
        self._source.ends.abandon()
        self._target.ends.abandon()
        self._running.clear()
        self._pump.ending.tell(complete=None)

    def _tend(self) -> None:
        self._timers.fire()
        self._watch_silence()
        self._commits.tend(started=self._started)

    def _watch_silence(self) -> None:
        source, target = self._silence.of_source(self._source), self._silence.of_target(self._target)
        if error := source or target or self._silence.of_tapdock():
            self._cause.fail(error)
            self._stop_source()
        if target:
            self._kill(self._target)

    def _verdict(self) -> Verdict:
        self._cause.settle(self._translator)
        if self._plan.strict_counts:
            self._cause.counts_differ(self._translator.counts.mismatches())
        first = self._pump.first_record
        verdict = msgspec.structs.replace(
            self._cause.verdict(),
            streams=self._translator.counts.reports(),
            first_record_seconds=None if first is None else first - self._began,
            source_code=self._source.code,
            target_code=self._target.code,
        )
        self._emit(verdict)
        return verdict
