"""The thread that moves the source's output into a mapper. What the mapper prints is the pump's source."""

import os
import threading
from collections.abc import Callable, Iterator

from tapdock.errors import SourceError, TapdockError, TranslationError
from tapdock.protocol import singer
from tapdock.protocol.lines import split, whole_messages
from tapdock.protocol.singer import Message
from tapdock.relay.mapped import Mapped
from tapdock.relay.pipes import write
from tapdock.relay.plan import MapperPlan
from tapdock.relay.pump import Input, whole_lines
from tapdock.relay.read_ahead import Output
from tapdock.relay.unselected import Unselected
from tapdock.translate.base import Emit
from tapdock.translate.notices import Notices

__all__ = ["MapperInput"]

_CHUNK = 128 << 10
_PIPES = 4 << 20
"""More bytes than the pipes before and behind a mapper hold, together with what it has read of them."""


class MapperInput:
    """Moves messages from the source into the mapper, in one thread. The supervisor reads its public attributes.

    Text that is not a message is logged, and the mapper does not get it. `source_idle_since` and `mapper_idle_since`
    are clock readings while the thread waits for that side, else None; the latter stays after the end of the input.
    `error` is about a line that the mapper must not get; then it never sees the end of its input. `torn` is about a
    last line without an end, as a killed source leaves it.
    """

    def __init__(
        self,
        source: Output,
        mapper: Input,
        plan: MapperPlan,
        *,
        max_line: int,
        buffer: int,
        unselected: Unselected,
        emit: Emit,
        clock: Callable[[], float],
    ) -> None:
        self.source_idle_since: float | None = None
        self.mapper_idle_since: float | None = None
        self.source_ended = self.input_ended = False
        self.error: TapdockError | None = None
        self.torn: TranslationError | None = None
        self.mapped = Mapped(plan.name, _PIPES + buffer)
        self._source = source
        self._mapper = mapper
        self._only = plan.only
        self._unselected = unselected
        self._max_line = max_line
        self._notices = Notices(emit, airbyte=())
        self._clock = clock
        self._line = 0
        self._may_end = threading.Event()

    def end(self) -> None:
        """Let the mapper see the end of its input, now that the source's exit code is known."""
        self._may_end.set()

    def run(self, ended: Callable[[], None]) -> None:
        """Move everything up to the end of input. Raises BrokenPipeError if the mapper exited.

        `ended` is called once the source's output has ended, and for an `error`.
        """
        try:
            for lines in whole_lines(self._chunks(), self._max_line):
                self._pass(lines)
        except BrokenPipeError:
            self._drain()
            raise
        except TapdockError as error:
            self.error = error
            ended()
            self._drain()
            return
        self.source_ended = True
        ended()
        self._may_end.wait()
        self.mapper_idle_since = self._clock()
        if not self._mapper.taken():
            raise BrokenPipeError
        self.input_ended = True
        self._mapper.end_input()

    def _pass(self, lines: bytes) -> None:
        is_torn = not lines.endswith(b"\n")
        whole = None if is_torn or self._unselected else whole_messages(lines, singer.MESSAGES.decode_lines)
        try:
            messages, clean = (whole.messages, whole.lines) if whole else self._cleaned(lines)
        except TranslationError as error:
            if not is_torn:
                raise
            self.torn = error
            return
        self._line += whole.total if whole else 0
        self.mapped.into(messages)
        self._require_known()
        self.mapper_idle_since = self._clock()
        write(self._mapper.input, clean)
        self.mapper_idle_since = None

    def _cleaned(self, lines: bytes) -> tuple[list[Message], bytes]:
        """Return the messages for the mapper, and a line for each. Raises TranslationError for a broken one."""
        messages: list[Message] = []
        out: list[bytes] = []
        for line in split(lines):
            self._line += 1
            for part in singer.DIALECT.parts(line):
                if part.refused:
                    raise TranslationError(f"line {self._line}: {part.refused}", hint="a mapper needs whole messages")
                if part.message is None:
                    self._notices.junk(part.text, self._line)
                    continue
                self._notices.mended(part.notes, number=self._line)
                if text := self._unselected.without(part.message, part.text) if self._unselected else part.text:
                    messages.append(part.message)
                    out += (text, b"\n")
                else:
                    self.mapped.moved += 1
        return messages, b"".join(out)

    def _require_known(self) -> None:
        """Raise SourceError for a stream that the run leaves out: the mapper may rename it, so that it would not be."""
        if self._only is None or self.mapped.records_in.keys() <= self._only:
            return
        name = min(self.mapped.records_in.keys() - self._only)
        hint = "`tapdock catalog commit SOURCE` or `tapdock run … --accept-schema-changes` adds a stream"
        raise SourceError(f"the source sent stream `{name}`, which is not in the catalog", hint=hint)

    def _chunks(self) -> Iterator[bytes]:
        """Yield the source's output as it arrives. Lines that are not messages do not count as activity."""
        idle_from = self._clock()
        moved = 0
        while True:
            self.source_idle_since = idle_from
            chunk = os.read(self._source.out, _CHUNK)
            self.source_idle_since = None
            if not chunk:
                return
            waited_until = self._clock()
            yield chunk
            now, before, moved = self._clock(), moved, self.mapped.moved
            idle_from = now if moved != before else idle_from + now - waited_until

    def _drain(self) -> None:
        """Read the rest of the source's output, so that the source can end."""
        self.mapper_idle_since = None
        while os.read(self._source.out, _CHUNK):
            pass
        self.source_ended = True
