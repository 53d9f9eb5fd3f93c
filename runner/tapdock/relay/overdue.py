"""Timers for sides and threads that do not end by themselves, although everything before them has ended."""

from collections.abc import Callable
from functools import partial

from tapdock.errors import TapdockError
from tapdock.project.model import Limits
from tapdock.relay.data_threads import DataThreads
from tapdock.relay.side import SideState
from tapdock.relay.sides import Sides
from tapdock.relay.stopping import Stopping
from tapdock.relay.timers import Timers

__all__ = ["Overdue"]


class Overdue:
    """Arms the timers. `fail` ends the run."""

    def __init__(
        self,
        sides: Sides,
        threads: DataThreads,
        timers: Timers,
        limits: Limits,
        stopping: Stopping,
        *,
        fail: Callable[[TapdockError], None],
    ) -> None:
        self._sides = sides
        self._threads = threads
        self._timers = timers
        self._limits = limits
        self._stopping = stopping
        self._fail = fail

    def outputs(self) -> None:
        """Give sides whose output has ended some time to exit."""
        for side, reader in zip(self._sides.all, self._threads.readers, strict=False):
            if reader.source_ended and side.code is None:
                self._timers.arm(f"{side.name} lingers", self._limits.exit_grace, partial(self._lingered, side))

    def _lingered(self, side: SideState) -> None:
        if side.code is None:
            seconds = self._limits.exit_grace
            self._fail(side.error(f"the {side.name} closed its output but did not exit within {seconds:g} s"))
            if side is not self._sides.source:  # which is asked to stop
                self._stopping.kill(side)

    def killed_source(self) -> None:
        """Kill the other sides if the output of a killed source does not end: nobody killed its container for us."""
        self._timers.arm("source writes", 2 * self._limits.gone, self._still_writes)

    def _still_writes(self) -> None:
        if not self._threads.readers[0].source_ended:
            self._stopping.kill(*self._sides.behind)

    def input_broke(self, side: SideState) -> None:
        """Kill a side that closed its input, if it does not exit."""
        self._timers.arm(f"{side.name} left", self._limits.gone, partial(self._stopping.kill, side))

    def threads(self, seconds: float) -> None:
        """Stop waiting for the data threads after this time: nobody reads what they still write."""
        self._timers.arm("threads", seconds, self._abandon)

    def _abandon(self) -> None:
        if not self._threads.running:
            return
        stuck = " and ".join(sorted(self._threads.running))
        message = f"tapdock's own work (`{stuck}`) did not end after all connectors had"
        self._fail(TapdockError(message, hint="report this with the run's log: `tapdock runs logs`"))
        for side in self._sides.all:
            side.ends.abandon()
        self._threads.abandon()

    def drains(self) -> None:
        """Kill sides that do not exit after a signal, one after the other."""
        for turn, side in enumerate(self._sides.behind, start=2):
            self._timers.arm(f"{side.name} drains", turn * self._limits.stop_grace, partial(self._stopping.kill, side))
