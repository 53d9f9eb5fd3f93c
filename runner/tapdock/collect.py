"""One connector alone, its output collected: spec, check and discover."""

import os
import queue
from collections.abc import Callable
from pathlib import Path

from tapdock.events import Finished, Output, Ready, Rotated, Verdict
from tapdock.pipes import CAPACITY, Ends
from tapdock.plan import Collection
from tapdock.sides import Abort, Exited, Gone, Inbox, Kill, Raised, Rewritten, Side, Stop, Turned, Word, background
from tapdock.translate.base import Emit

__all__ = ["collect"]


def collect(plan: Collection, folder: Path, *, inbox: Inbox, emit: Emit, clock: Callable[[], float]) -> Verdict:
    """Serve one launcher; its connector's output is emitted as it comes, its exit code is the verdict's source_code."""
    with Ends(folder / "source", files=plan.source_files, stdin=False) as ends:
        side = Side("source", ends, inbox)
        emit(Ready())
        verdict = _Collector(side, plan.seconds, inbox=inbox, emit=emit, clock=clock).run()
    emit(verdict)
    return verdict


class _Collector:
    def __init__(self, side: Side, seconds: float, *, inbox: Inbox, emit: Emit, clock: Callable[[], float]) -> None:
        self._side = side
        self._seconds = seconds
        self._deadline = clock() + seconds
        self._inbox = inbox
        self._emit = emit
        self._clock = clock
        self._reading = False
        self._failure: Verdict | None = None

    def run(self) -> Verdict:
        while self._side.code is None or self._reading:
            try:
                message = self._inbox.get(timeout=max(0.0, self._deadline - self._clock()))
            except queue.Empty:
                self._give_up(Verdict(exit_code=3, side="source", message=f"no answer within {self._seconds:g} s"))
            else:
                self._take(message)
        return self._failure or Verdict(exit_code=0, source_code=self._side.code)

    def _take(self, message: Stop | Kill | Exited | Abort | Word | Gone | Rewritten | Turned | Raised) -> None:
        match message:
            case Word(_, ["hello"]) if self._side.code is None:
                if hello := self._side.greet():
                    self._emit(hello)
                    self._reading = True
                    background("output", self._read, self._inbox)
            case Word(_, ["exit", code]):
                self._ended(int(code))
            case Word(_, ["short", name, got, size]):
                text = f"`{name}` reached the connector with {got} of its {size} bytes"
                self._give_up(Verdict(exit_code=3, side="source", message=text, retryable=True))
            case Exited():
                self._side.engine_code = message.code
                self._side.ends.release()
            case Gone():
                self._ended(137 if self._side.engine_code is None else self._side.engine_code)
            case Stop() | Kill():
                self._give_up(Verdict(exit_code=message.code, message="stopped on request"))
            case Abort():
                self._give_up(Verdict(exit_code=message.exit_code, message=message.message, hint=message.hint))
            case Rewritten(_, config):
                self._emit(Rotated("source", config))
            case Raised("output", _):
                self._reading = False
            case Raised(_, error) if error is not None:
                raise error

    def _ended(self, code: int) -> None:
        if self._side.code is None:
            self._side.code = code
            self._emit(Finished("source", code))

    def _give_up(self, verdict: Verdict) -> None:
        self._failure = self._failure or verdict
        self._deadline = self._clock() + 3600
        self._side.kill()
        if not self._side.greeted:
            self._side.ends.release()
            self._ended(137)

    def _read(self) -> None:
        """Whole lines, so that no character is cut in two."""
        rest = b""
        while chunk := os.read(self._side.ends.out, CAPACITY):
            lines, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                self._emit(Output((lines + newline).decode("utf-8", "replace")))
        if rest:
            self._emit(Output(rest.decode("utf-8", "replace")))
