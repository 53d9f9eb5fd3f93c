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
        self._pump = threads.pump
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
        if side.code is None and not self._pump.limited:
            seconds = self._limits.exit_grace
            self._fail(side.error(f"the {side.name} closed its output but did not exit within {seconds:g} s"))
            if side is not self._sides.source:  # which is asked to stop
                self._stopping.kill(side)

    def killed(self, side: SideState) -> None:
        """Expect the end of the output of a side that was killed: where its container lives on, there is none."""
        self._timers.arm(f"{side.name} writes", 2 * self._limits.gone, partial(self._still_writes, side))

    def _still_writes(self, side: SideState) -> None:
        """Kill the sides behind it. Before that, drop what the buffer holds: the end may be behind it."""
        place = self._sides.all.index(side)
        if self._threads.readers[place].source_ended:
            return
        if self._pump.held and not self._pump.cut:
            self._cut()
            self.killed(side)
        else:
            self._stopping.kill(*self._sides.all[place + 1 :])

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

    def drain(self) -> None:
        """Stop the source. Kill the others if they do not exit after it, one after the other.

        The target gets what is read for it until the side before it must have exited, and then has as long again.
        """
        self._stopping.stop_source()
        for turn, side in enumerate(self._sides.behind, start=2):
            self._timers.arm(f"{side.name} drains", turn * self._limits.stop_grace, partial(self._stopping.kill, side))
        self._timers.arm("buffer drains", len(self._sides.behind) * self._limits.stop_grace, self._cut)

    def _cut(self) -> None:
        """Drop what the target has not taken in time, so that it can end in order."""
        self._pump.cut = self._pump.cut or self._pump.held > 0
