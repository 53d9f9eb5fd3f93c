"""Which exit code of a connector counts: the one that came through its pipe, or the engine's."""

from collections.abc import Callable

from tapdock.errors import Side as SideName
from tapdock.relay.side import SideState
from tapdock.relay.timers import Timers

__all__ = ["ExitCodes"]


class ExitCodes:
    """A connector can write to the pipe that reports its exit code, so that report alone is never believed.

    It counts once the pipe is closed, as it is when the launcher exits. A success also needs the engine's word, where
    there is an engine. `open` are sides whose success the engine has not confirmed yet. `ended` is called with the code
    of a side that is over, `contradicted` with a side that reported what is not so. `seconds` is how long a side may
    take to be gone once it reported its exit; an engine has six times as long to confirm it.
    """

    def __init__(
        self,
        timers: Timers,
        *,
        seconds: float,
        ended: Callable[[SideState, int], None],
        contradicted: Callable[[SideState, str], None],
    ) -> None:
        self.open: set[SideName] = set()
        self._reported: dict[SideName, int] = {}
        self._waiting: set[SideName] = set()
        self._timers = timers
        self._seconds = seconds
        self._ended = ended
        self._contradicted = contradicted

    def of_the_pipe(self, side: SideState, code: int, *, engine: bool, wait: bool) -> None:
        """Take a report from the pipe. Where there is an `engine` and its word is needed now, `wait` for it."""
        self._reported[side.name] = code
        if engine and code == 0 and side.engine_code is None:
            self.open.add(side.name)
            if wait:
                self._waiting.add(side.name)
        self._timers.arm(f"{side.name} exits", self._seconds, lambda: self._lives(side))

    def of_the_engine(self, side: SideState, code: int) -> None:
        """Take a code from the engine. The pipe may still hold a better word on it, until it is closed as well."""
        side.engine_code = code
        side.ends.release()
        self.open.discard(side.name)
        if code and side.code == 0:
            side.code = code
            self._contradicted(side, f"reported exit code 0, but its container exited with {code}")
        elif side.gone:
            self._ended(side, self._known(side))

    def of_a_closed_pipe(self, side: SideState) -> None:
        """The pipe closed. Without a last word its writer was killed: the engine knows more, but may be silent."""
        side.gone = True
        if side.name in self.open:
            self._timers.arm(f"{side.name} exits", 6 * self._seconds, lambda: self._lives(side))
        if side.name in self._waiting and side.name in self.open:
            return
        if side.name in self._reported or side.engine_code is not None or side.killed:
            self._ended(side, self._known(side))
        else:
            self._timers.arm(f"{side.name} gone", self._seconds, lambda: self._ended(side, self._known(side)))

    def _known(self, side: SideState) -> int:
        """The code as far as it is known; nobody exits with 0 without a word."""
        reported = self._reported.get(side.name)
        return side.engine_code or 137 if reported is None else reported or side.engine_code or 0

    def _lives(self, side: SideState) -> None:
        """It reported its exit, and has not gone."""
        if side.name in self.open or not side.gone:
            self.open.discard(side.name)
            self._contradicted(side, "reported that it had exited, but its container still runs")
