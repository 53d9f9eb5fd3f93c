"""Decide which exit code of a connector counts: the one from its control pipe, or the engine's."""

from collections.abc import Callable

from tapdock.errors import Side as SideName
from tapdock.relay.side import SideState
from tapdock.relay.timers import Timers

__all__ = ["ExitCodes"]


class ExitCodes:
    """The exit codes of both sides. A connector could write to the pipe that reports its code, so the relay checks it.

    A report counts once the pipe is closed, because it closes when the launcher exits. With an engine, a success also
    needs the engine's confirmation. `open` contains the sides whose success is not confirmed yet. `ended` is called
    with a side that has ended and its code, `contradicted` with a side whose report is wrong. `seconds` is the time for
    a container to end after its report; an engine has six times as long to confirm the exit.
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
        """Take a report from the pipe. With `engine` and `wait`, a success does not count before it is confirmed."""
        self._reported[side.name] = code
        if engine and code == 0 and side.engine_code is None:
            self.open.add(side.name)
            if wait:
                self._waiting.add(side.name)
        self._timers.arm(f"{side.name} exits", self._seconds, lambda: self._lives(side))

    def of_the_engine(self, side: SideState, code: int) -> None:
        """Take a code from the engine. The pipe may still contain a more precise report, until it is closed as well."""
        side.engine_code = code
        side.ends.release()
        self.open.discard(side.name)
        if code and side.code == 0:
            side.code = code
            self._contradicted(side, f"reported exit code 0, but its container exited with {code}")
        elif side.gone:
            self._ended(side, self._known(side))

    def of_a_closed_pipe(self, side: SideState) -> None:
        """Note that the pipe is closed. Without a report its writer was killed, and the engine may report the code."""
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
        """Return the exit code as far as it is known. Without a report, it is never 0."""
        reported = self._reported.get(side.name)
        return side.engine_code or 137 if reported is None else reported or side.engine_code or 0

    def _lives(self, side: SideState) -> None:
        """Handle a side that reported its exit but still runs."""
        if side.name in self.open or not side.gone:
            self.open.discard(side.name)
            self._contradicted(side, "reported that it had exited, but its container still runs")
