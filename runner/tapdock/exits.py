"""Which exit code of a connector counts: the one that came through its pipe, or the engine's."""

from collections.abc import Callable

from tapdock.errors import Side as SideName
from tapdock.sides import Side
from tapdock.timers import Timers

__all__ = ["ExitCodes"]


class ExitCodes:
    """A connector can write to the pipe that reports its exit code, so the engine has the last word on success.

    `open` are sides whose success the engine has not confirmed yet. `ended` is called with the code of a side that is
    over, `contradicted` where the engine reports a failure of a side that was taken for a success. An engine that says
    nothing for `seconds` is not waited for.
    """

    def __init__(
        self,
        timers: Timers,
        *,
        seconds: float,
        ended: Callable[[Side, int], None],
        contradicted: Callable[[Side, int], None],
    ) -> None:
        self.open: set[SideName] = set()
        self._timers = timers
        self._seconds = seconds
        self._ended = ended
        self._contradicted = contradicted

    def of_the_pipe(self, side: Side, code: int, *, engine: bool, wait: bool) -> None:
        """Take a code from the pipe. Where there is an `engine` and its word is needed now, `wait` for it."""
        if engine and code == 0 and side.engine_code is None:
            self.open.add(side.name)
            self._timers.arm(f"{side.name} exits", 2 * self._seconds, lambda: self._confirmed(side, 0))
            if wait:
                return
        self._ended(side, code or side.engine_code or 0)

    def of_the_engine(self, side: Side, code: int) -> None:
        """Take a code from the engine. The pipe may still hold a better word on it, until it is closed as well."""
        side.engine_code = code
        side.ends.release()
        if side.name in self.open:
            self._confirmed(side, code)
        elif side.gone:
            self._ended(side, code)

    def of_a_closed_pipe(self, side: Side) -> None:
        """The pipe closed. Without a last word its writer was killed: the engine knows more, but may be silent."""
        side.gone = True
        if side.code is not None or side.name in self.open:
            return
        if side.engine_code is not None or side.killed:
            self._ended(side, side.engine_code or 137)
        else:
            self._timers.arm(f"{side.name} gone", self._seconds, lambda: self._ended(side, side.engine_code or 137))

    def _confirmed(self, side: Side, code: int) -> None:
        self.open.discard(side.name)
        if code and side.code == 0:
            side.code = code
            self._contradicted(side, code)
        self._ended(side, code)
