"""How connectors are stopped: the source first and with grace, and killed where they do not obey."""

from collections.abc import Callable

from tapdock.events import Killed
from tapdock.project.model import Limits
from tapdock.relay.side import SideState
from tapdock.relay.timers import Timers
from tapdock.translate.base import Emit

__all__ = ["Stopping"]


class Stopping:
    """`started`: data is on its way. `ended` is called with the code of a side that is over."""

    def __init__(
        self,
        source: SideState,
        target: SideState,
        timers: Timers,
        limits: Limits,
        *,
        emit: Emit,
        ended: Callable[[SideState, int], None],
    ) -> None:
        self.started = False
        self._source = source
        self._target = target
        self._timers = timers
        self._limits = limits
        self._emit = emit
        self._ended = ended

    def stop_source(self) -> None:
        """Ask the source to end, and kill it after its grace. What has not begun is killed at once."""
        source = self._source
        if not self.started:
            self.kill(self._target)  # it was given nothing: there is nothing for it to take in
        if not source.greeted:
            self.kill(source)
        elif source.code is None and not source.stopping:
            source.stop()
            self._timers.arm("source stops", self._limits.stop_grace, lambda: self.kill(source))

    def kill(self, side: SideState) -> None:
        """Cut the lifeline. What never said hello holds nothing of ours; the runner removes its container."""
        if side.code is not None:
            return
        side.kill()
        if side.greeted:
            self._emit(Killed(side.name))
            self._timers.arm(f"{side.name} gone", self._limits.gone, lambda: self._ended(side, 137))
        else:
            side.ends.release()
            self._ended(side, side.engine_code or 137)
