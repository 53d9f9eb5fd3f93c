"""Read the output of a Singer target: acknowledged states, and anything else that it prints (protocol.md 2.4)."""

from collections.abc import Callable, Container

import msgspec
from msgspec import Raw

from tapdock.protocol.singer import parse_state
from tapdock.translate.notices import Notices

__all__ = ["SingerTarget"]

_NOTHING = (b"", b"{}", b"null")


class SingerTarget:
    """The reader of a Singer target's output. `names` are the top-level members of states that were sent to it."""

    def __init__(self, notices: Notices, names: Container[str]) -> None:
        self._notices = notices
        self._names = names
        self._line = 0

    def read_line(self, line: bytes, acked: Callable[[Raw], bool]) -> bool:
        """Read one line. Return True if it is a state for which `acked` returned True.

        A line that cannot be a state is logged. Many targets print an error only there.
        """
        self._line += 1
        value = parse_state(line)
        if value is not None and self._is_state(value):
            return acked(value)
        if line.strip() not in _NOTHING:
            self._notices.junk(line, self._line, side="target")
        return False

    def _is_state(self, value: Raw) -> bool:
        return any(name in self._names for name in msgspec.json.decode(value, type=dict[str, Raw]))
