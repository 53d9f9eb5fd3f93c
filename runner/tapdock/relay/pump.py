"""The thread that moves bytes from source to target.

It reads the source no further than the pipeline's `buffer`: memory use stays constant, however slow a side is.
"""

import contextlib
import itertools
import os
import re
import select
import tempfile
from collections.abc import Callable, Iterator
from typing import Protocol

from tapdock.errors import EngineError, TranslationError
from tapdock.project.model import MAX_LINE
from tapdock.relay.ending import Ending
from tapdock.relay.limit import Limit
from tapdock.relay.pipes import write
from tapdock.relay.read_ahead import CHUNK, Output, ReadAhead
from tapdock.translate.base import Translator

__all__ = ["Input", "Pump", "each_batch", "whole_lines"]

_PIECE = 256 << 10
_MOST_LEFT = 8 << 20  # no pipe holds more
_STREAM = re.compile(rb'"stream"\s*:\s*"([^"\\]{1,200})"')


class Input(Protocol):
    """A side with an input, as a file descriptor."""

    input: int

    def taken(self) -> bool:
        """Wait until the side has read all its input. Return False if it exited before."""
        ...

    def end_input(self) -> None:
        """Let the side see the end of its input."""
        ...


class Pump:
    """Moves data from source to target, in one thread. The supervisor reads its public attributes.

    `source_idle_since` and `target_idle_since` are clock readings while the pump waits for that side, else None: a
    side's clock does not run while the pump waits for the other one. `busy_since` is the reading since which the
    thread has worked without waiting. With `give`, the pump first reads the source to its end, then gives the target
    its catalog and all data. When the `limit` is reached, `limited` becomes true, and `enough` is called. `seen` gets
    all lines that are passed on. `max_line` and `buffer` are in bytes; with a buffer, the target's pipe must be ours
    alone. `torn` is true if the line of `error` has no end, as a killed source leaves it. `cut` is true if output of
    the source is not passed on because the target has no more time for it.
    """

    def __init__(
        self,
        source: Output,
        target: Input,
        translator: Translator,
        clock: Callable[[], float],
        *,
        give: Callable[[bytes], None] | None = None,
        max_line: int = MAX_LINE,
        seen: Callable[[bytes], None] = lambda _: None,
        limit: Limit | None = None,
        enough: Callable[[], None] = lambda: None,
        buffer: int = 0,
    ) -> None:
        self.limited = False
        self.source_idle_since: float | None = None
        self.target_idle_since: float | None = None
        self.busy_since: float | None = None
        self.source_ended = self.input_ended = False
        self.first_record: float | None = None
        self.error: TranslationError | None = None
        self.torn = self.cut = False
        self.ending = Ending()
        self._source = source
        self._target = target
        self._translator = translator
        self._clock = clock
        self._give = give
        self._given = give is None
        self._max_line, self._seen = max_line, seen
        self._limit = limit
        self._enough = enough
        self._ahead = ReadAhead(source, buffer)
        self._batch = b""
        self._unsent = False
        self._begun: list[bytes] = []
        translator.spill = self._send

    @property
    def held(self) -> int:
        """The number of bytes that were read from the source and wait until the target has taken those before them."""
        return self._ahead.held

    @property
    def headless(self) -> bool:
        """True if the target has no catalog yet, so that not even the end of input can be sent."""
        return not self._given

    def run(self, ended: Callable[[], None]) -> None:
        """Move everything from the first schema to the end of input. Raises BrokenPipeError if the target exited.

        `ended` is called once the source has ended. Raises EngineError if the disk is full while it spools.
        """
        try:
            if self._give:
                self._spool(self._give)
            else:
                self._pass(self._lines(self._begun))
        except BrokenPipeError:
            self.busy_since = None
            self._drain()
            raise
        except _CutError:
            self.busy_since = None
            self._drain()
        except TranslationError as error:
            self.error = error
            ended()
            if self._given and self._unsent:
                self._send(self._translator.partial)
            self.busy_since = None
            self._translator.left(self._batch)  # the lines after the bad one
            self._drain()
        self.busy_since = None
        self.source_ended = True
        ended()
        complete = self.ending.wait()
        if complete is None or self.headless:
            return
        self._send(self._translator.closing(complete=complete))
        self.busy_since = None
        self.target_idle_since = self._clock()
        if not self._target.taken():
            raise BrokenPipeError
        self.input_ended = True
        self._target.end_input()

    def _lines(self, begun: list[bytes] | None = None) -> Iterator[bytes]:
        """Yield whole lines of the source. Once the limit is reached, the rest of its output is drained."""
        batches = whole_lines(self._chunks(), self._max_line, begun)
        if self._limit is None:
            yield from batches
            return
        yield from self._limit.wanted(batches, self._translator.counts.reports)
        if self._limit.is_reached:
            self.limited = True
            self._enough()
            self.busy_since = None
            self._drain()

    def _pass(self, batches: Iterator[bytes]) -> None:
        self._send(self._translator.opening())
        for lines in batches:
            self.torn, self._batch = not lines.endswith(b"\n"), lines
            self._seen(lines)
            self._send(self._translate(lines))

    def _spool(self, give: Callable[[bytes], None]) -> None:
        """Write the source's output to a file, then pass it on. The unnamed file disappears with this process."""
        with tempfile.TemporaryFile(buffering=0) as file:
            for lines in self._lines():
                self._translator.scan(lines)
                _keep(file.fileno(), lines)
            catalog = self._translator.catalog()
            assert catalog is not None, "the whole output was scanned"
            give(catalog)
            self._given = True
            file.seek(0)
            self._pass(whole_lines(iter(lambda: file.read(CHUNK), b""), self._max_line, self._begun))

    def _translate(self, lines: bytes) -> bytes:
        self._unsent = True
        out = self._translator.feed(lines)
        self._unsent = False
        if self.first_record is None and any(report.records for report in self._translator.counts.reports()):
            self.first_record = self._clock()
        return out

    def _chunks(self) -> Iterator[bytes]:
        """Yield the source's output as it arrives, and send due states in between."""
        poll = select.poll()
        poll.register(self._source.out, select.POLLIN)
        idle_from = self._clock()
        alive = self._translator.counts.alive
        while not self.cut:
            chunk = self._ahead.take()
            if not chunk:
                self.source_idle_since, self.busy_since = idle_from, None
                due = self._translator.due()
                if due is not None and not poll.poll(max(0, due) * 1000):
                    self.source_idle_since = None
                    self._send(self._translator.tick())
                    continue
                chunk = os.read(self._source.out, CHUNK)
                self.source_idle_since = None
            if not chunk:
                return
            waited_until = self.busy_since = self._clock()
            yield chunk
            now = self._clock()
            # Log lines do not count as activity, and time spent on the target does not count against the source.
            idle_from = now if self._translator.counts.alive != alive else idle_from + now - waited_until
            alive = self._translator.counts.alive
        raise _CutError

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            self.target_idle_since, self.busy_since = self._clock(), None
            self._ahead.write(self._target.input, view[start : start + _PIECE])
            self.target_idle_since, self.busy_since = None, self._clock()

    def salvage(self) -> None:
        """Use renewed configs in output that was never read, because the other side did not start or did not end.

        To be called after the source has ended.
        """
        with contextlib.suppress(OSError):  # nothing is left, or the pipe was never opened
            os.set_blocking(self._source.out, False)
            reads = (os.read(self._source.out, CHUNK) for _ in range(_MOST_LEFT // CHUNK))
            chunks = itertools.chain(tuple(self._begun), iter(self._ahead.take, b""), iter(reads.__next__, b""))
            each_batch(whole_lines(chunks), self._translator.left, chunks)

    def _drain(self) -> None:
        """Read the rest of the source's output, so that the source can end. Only renewed configs in it are used."""
        chunks = iter(lambda: self._ahead.take() or os.read(self._source.out, CHUNK), b"")
        begun, self._begun = self._begun, []
        each_batch(whole_lines(itertools.chain(begun, chunks)), self._translator.left, chunks)


class _CutError(Exception):
    """No more output of the source is passed on."""


def each_batch(batches: Iterator[bytes], use: Callable[[bytes], None], chunks: Iterator[bytes]) -> None:
    """Call `use` with all whole lines, also after a line that is too long. `chunks` is what `batches` are made from."""
    while True:
        try:
            for lines in batches:
                use(lines)
        except TranslationError:
            batches = whole_lines(chunks)
        else:
            return


def whole_lines(chunks: Iterator[bytes], max_line: int = MAX_LINE, begun: list[bytes] | None = None) -> Iterator[bytes]:
    """Yield pieces of whole lines. Only the very last line may lack its newline.

    `begun` gets the parts of the line that is not complete yet. Raises TranslationError for a line of more than
    `max_line` bytes, because a line is kept in memory.
    """
    parts = [] if begun is None else begun
    size = 0
    for chunk in chunks:
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            parts.append(chunk)
            size += len(chunk)
            if size > max_line:
                raise _too_long(parts, max_line)
            continue
        lines = b"".join((*parts, chunk[:cut])) if parts else chunk[:cut]
        parts[:] = [chunk[cut:]] if cut < len(chunk) else []
        size = len(chunk) - cut
        yield lines
    if parts:
        last = b"".join(parts)
        parts.clear()
        yield last


def _too_long(parts: list[bytes], max_line: int) -> TranslationError:
    named = _STREAM.search(b"".join(parts[:2]))
    of = f" of stream `{named[1].decode('utf-8', 'replace')}`" if named else ""
    hint = "increase `max_line` of the source if this is normal; a line takes several times its size in memory"
    return TranslationError(f"a line{of} is longer than the limit of {max_line / (1 << 20):g} MiB", hint=hint)


def _keep(fd: int, lines: bytes) -> None:
    try:
        write(fd, lines)
    except OSError as error:
        hint = f"free space in {tempfile.gettempdir()} or set TMPDIR; `late_schema: stream` needs no space"
        raise EngineError(f"the source's output could not be spooled to disk: {error.strerror}", hint=hint) from error
