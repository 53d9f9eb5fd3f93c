"""Stop connectors: the source first. A connector that does not exit within its grace period is killed."""

from collections.abc import Callable

from tapdock.events import Killed
from tapdock.project.model import Limits
from tapdock.relay.side import SideState
from tapdock.relay.sides import Sides
from tapdock.relay.timers import Timers
from tapdock.translate.base import Emit

__all__ = ["Stopping"]


class Stopping:
    """Stops and kills the sides of a run.

    `started` is true once data flows. `ended` is called with a side that has ended and its exit code.
    """

    def __init__(
        self,
        sides: Sides,
        timers: Timers,
        limits: Limits,
        *,
        emit: Emit,
        ended: Callable[[SideState, int], None],
    ) -> None:
        self.started = False
        self._source = sides.source
        self._behind = sides.behind
        self._timers = timers
        self._limits = limits
        self._emit = emit
        self._ended = ended

    def stop_source(self) -> None:
        """Ask the source to stop, and kill it after `stop_grace`. A side that has not started is killed at once."""
        source = self._source
        if not self.started:
            self.kill(*self._behind)  # they received no data, so there is nothing to drain
        if not source.greeted:
            self.kill(source)
        elif source.code is None and not source.stopping:
            source.stop()
            self._timers.arm("source stops", self._limits.stop_grace, lambda: self.kill(source))

    def kill(self, *sides: SideState) -> None:
        """Close the lifeline. A container that never said hello has not opened any pipe; the runner removes it."""
        for side in sides:
            self._kill(side)

    def _kill(self, side: SideState) -> None:
        if side.code is not None:
            return
        side.kill()
        if side.greeted:
            self._emit(Killed(side.name))
            self._timers.arm(f"{side.name} gone", self._limits.gone, lambda: self._ended(side, 137))
        else:
            side.ends.release()
            self._ended(side, side.engine_code or 137)
