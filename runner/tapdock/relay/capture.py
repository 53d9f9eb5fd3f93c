"""Run a single connector and collect its output, for spec, check and discover."""

import codecs
import os
import queue
import sys
from collections.abc import Callable
from pathlib import Path

from tapdock.errors import SourceError
from tapdock.events import Finished, Killed, Output, RelayReady, Rotated, Verdict
from tapdock.protocol.singer import DIALECT, RecordMessage
from tapdock.relay import messages
from tapdock.relay.messages import background
from tapdock.relay.pipes import SidePipes
from tapdock.relay.plan import Collection
from tapdock.relay.side import SideState
from tapdock.translate.base import Emit

__all__ = ["MAX_ANSWER", "collect"]

MAX_ANSWER = 64 << 20
_CHUNK = 256 << 10


def collect(
    plan: Collection, folder: Path, *, inbox: messages.Inbox, emit: Emit, clock: Callable[[], float]
) -> Verdict:
    """Serve one launcher and emit the output of its connector. The verdict has its exit code as `source_code`."""
    with SidePipes(folder / "source", files=plan.source_files, stdin=False) as ends:
        side = SideState("source", ends, inbox)
        emit(RelayReady())
        verdict = _Collector(side, plan, inbox=inbox, emit=emit, clock=clock).run()
    emit(verdict)
    return verdict


class _Counter:
    """Counts RECORD messages in the output of a source, up to `most`."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._begun: list[bytes] = []

    @property
    def reached(self) -> bool:
        return self._left <= 0

    def counted(self, chunk: bytes) -> bytes:
        """Return the chunk, without what follows the last record that is wanted."""
        at = 0
        while not self.reached and (end := chunk.find(b"\n", at)) >= 0:
            self._left -= _records(b"".join((*self._begun, chunk[at:end])))
            self._begun.clear()
            at = end + 1
        if self.reached:
            return chunk[:at]
        self._begun.append(chunk[at:])
        return chunk


def _records(line: bytes) -> int:
    """Return the number of records on a line of either dialect. Both have an object in `record`."""
    found = DIALECT.parts(line) if b"RECORD" in line.upper() else ()
    return sum(isinstance(part.message, RecordMessage) and bytes(part.message.record)[:1] == b"{" for part in found)


class _Collector:
    def __init__(
        self, side: SideState, plan: Collection, *, inbox: messages.Inbox, emit: Emit, clock: Callable[[], float]
    ) -> None:
        self._side = side
        self._seconds = plan.seconds
        self._gone_seconds = plan.gone
        self._stop_seconds = plan.stop_grace
        self._counts = plan.records > 0
        self._counter = _Counter(plan.records or sys.maxsize)
        self._endless = plan.endless
        self._idle_since: float | None = clock()
        """The time since which the output is waited for; None while what was read is passed on."""
        self._deadline = clock() + plan.seconds
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
                if self._failure or self._side.killed:
                    self._abandon()
                elif self._side.stopping:
                    self._kill()
                elif self._endless and (since := self._last_output()) + self._seconds > self._clock():
                    self._deadline = since + self._seconds
                else:
                    text = f"no answer within {self._seconds:g} s"
                    self._give_up(Verdict(exit_code=3, side="source", message=text, timed_out=True))
            else:
                self._take(message)
        enough = self._side.stopping and not self._failure
        return self._failure or Verdict(exit_code=0, source_code=0 if enough else self._side.code)

    def _last_output(self) -> float:
        """Return when the source printed last. Time in which its output is not read does not count against it."""
        since = self._idle_since
        return self._clock() if since is None else since

    def _abandon(self) -> None:
        """Stop waiting for a killed connector that has not ended. The runner removes its container."""
        self._side.ends.abandon()
        self._reading = False
        self._ended(137)

    def _take(self, message: messages.Message) -> None:
        match message:
            case messages.LauncherSaid() if self._side.code is not None:
                pass  # it was given up before it said so
            case messages.LauncherSaid(_, ["hello"]) if not self._side.greeted:
                if hello := self._side.greet():
                    self._emit(hello)
                    self._reading = True
                    background("output", self._read, self._inbox)
            case messages.LauncherSaid(_, ["exit", code]):
                self._ended(int(code))
            case messages.LauncherSaid(_, ["short", name, got, size]):
                text = f"`{name}` reached the connector with {got} of its {size} bytes"
                self._give_up(Verdict(exit_code=3, side="source", message=text, retryable=True))
            case messages.LauncherSaid():
                text = "its container wrote to a pipe that only tapdock's own commands may use"
                self._give_up(Verdict(exit_code=3, side="source", message=text))
            case messages.Exited():
                self._side.engine_code = message.code
                self._side.ends.release()
            case messages.LauncherGone():
                self._ended(137 if self._side.engine_code is None else self._side.engine_code)
            case messages.Stop() | messages.Kill():
                self._give_up(Verdict(exit_code=message.code, message="stopped by signal"))
            case messages.Enough():
                self._stop()
            case messages.Abort():
                self._give_up(Verdict(exit_code=message.exit_code, message=message.message, hint=message.hint))
            case messages.ConfigRewritten(_, config):
                self._emit(Rotated("source", config))
            case messages.ThreadEnded("output", None):
                self._reading = False
                if self._counter.reached and self._side.code is None and not self._failure:
                    self._stop()
                    self._reading = True
                    background("rest", self._drain, self._inbox)
            case messages.ThreadEnded("output", SourceError() as error):
                self._reading = False
                self._give_up(Verdict(exit_code=3, side="source", message=error.message, hint=error.hint))
            case messages.ThreadEnded("rest", None):
                self._reading = False
            case messages.ThreadEnded(_, error) if error is not None:
                raise error

    def _ended(self, code: int) -> None:
        if self._side.code is None:
            self._side.code = code
            self._emit(Finished("source", code))

    def _give_up(self, verdict: Verdict) -> None:
        self._failure = self._failure or verdict
        self._kill()

    def _stop(self) -> None:
        """Ask a source to stop that has printed enough. It may do so only after its output was read."""
        if self._side.code is not None:
            self._kill()  # a process that it left behind may hold the output
            return
        self._side.stop()
        self._deadline = self._clock() + self._stop_seconds

    def _drain(self) -> None:
        while os.read(self._side.ends.out, _CHUNK):
            pass

    def _kill(self) -> None:
        self._deadline = self._clock() + self._gone_seconds
        self._side.kill()
        if self._side.greeted:
            self._emit(Killed("source"))
        else:
            self._side.ends.release()
            self._ended(137)

    def _read(self) -> None:
        """Emit the output as it arrives, up to the last record that is wanted.

        Raises SourceError for more than MAX_ANSWER bytes, unless the output is endless.
        """
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode  # keeps characters whole across chunks
        size = 0
        while not self._counter.reached and (chunk := os.read(self._side.ends.out, _CHUNK)):
            chunk = self._counter.counted(chunk) if self._counts else chunk
            size += len(chunk)
            if size > MAX_ANSWER and not self._endless:
                raise SourceError(
                    f"its answer is longer than {MAX_ANSWER >> 20} MiB", hint="check its image and config"
                )
            self._idle_since = None
            self._emit(Output(decode(chunk)))
            self._idle_since = self._clock()
        self._emit(Output(decode(b"", final=True)))
