"""Stop connectors: the source first. A connector that does not exit within its grace period is killed."""

from collections.abc import Callable

from tapdock.events import Killed
from tapdock.project.model import Limits
from tapdock.relay.pump import Pump
from tapdock.relay.side import SideState
from tapdock.relay.timers import Timers
from tapdock.translate.base import Emit

__all__ = ["Stopping"]


class Stopping:
    """Stops and kills the sides of a run.

    `started` is true once data flows. `ended` is called with a side that has ended and its exit code.
    """

    def __init__(
        self,
        source: SideState,
        target: SideState,
        pump: Pump,
        timers: Timers,
        limits: Limits,
        *,
        emit: Emit,
        ended: Callable[[SideState, int], None],
    ) -> None:
        self.started = False
        self._source = source
        self._target = target
        self._pump = pump
        self._timers = timers
        self._limits = limits
        self._emit = emit
        self._ended = ended

    def stop_source(self) -> None:
        """Ask the source to stop, and kill it after `stop_grace`. A side that has not started is killed at once."""
        source = self._source
        if not self.started:
            self.kill(self._target)  # it received no data, so there is nothing to drain
        if not source.greeted:
            self.kill(source)
        elif source.code is None and not source.stopping:
            source.stop()
            self._timers.arm("source stops", self._limits.stop_grace, lambda: self.kill(source))

    def drain(self) -> None:
        """Stop the source. The target gets what was read from it for `stop_grace`, and has as long again to end."""
        self.stop_source()
        self._timers.arm("buffer drains", self._limits.stop_grace, self._cut)
        self._timers.arm("target drains", 2 * self._limits.stop_grace, lambda: self.kill(self._target))

    def source_killed(self) -> None:
        """Expect the end of the output of a source that was killed: where its container lives on, there is none."""
        self._timers.arm("source writes", 2 * self._limits.gone, self._still_writes)

    def _still_writes(self) -> None:
        if self._pump.held and not self._pump.cut:  # the end of its output may be behind what the buffer holds
            self._cut()
            self.source_killed()
        elif not self._pump.source_ended:
            self.kill(self._target)

    def _cut(self) -> None:
        """Drop what the target has not taken in time, so that it can end in order."""
        self._pump.cut = self._pump.cut or self._pump.held > 0

    def kill(self, side: SideState) -> None:
        """Close the lifeline. A container that never said hello has not opened any pipe; the runner removes it."""
        if side.code is not None:
            return
        side.kill()
        if side.greeted:
            self._emit(Killed(side.name))
            self._timers.arm(f"{side.name} gone", self._limits.gone, lambda: self._ended(side, 137))
        else:
            side.ends.release()
            self._ended(side, side.engine_code or 137)
