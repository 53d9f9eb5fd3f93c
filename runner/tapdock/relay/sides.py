"""The sides of a run in the order of the data: the source, a mapper if there is one, and the target."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from tapdock.relay.messages import Inbox, SideName
from tapdock.relay.pipes import SidePipes
from tapdock.relay.plan import RelayPlan
from tapdock.relay.side import SideState

__all__ = ["Sides", "opened"]


class Sides(msgspec.Struct, frozen=True):
    """The sides of a run. Without a `mapper`, the source writes what the pump reads."""

    source: SideState
    mapper: SideState | None
    target: SideState

    @property
    def all(self) -> tuple[SideState, ...]:
        return (self.source, *self.behind)

    @property
    def behind(self) -> tuple[SideState, ...]:
        """The sides that get data of the source."""
        return (*((self.mapper,) if self.mapper else ()), self.target)

    def named(self, name: SideName) -> SideState:
        return next(side for side in self.all if side.name == name)

    @property
    def greeted(self) -> bool:
        """True if all launchers have said hello."""
        return all(side.greeted for side in self.all)

    @property
    def ended(self) -> bool:
        """True if the exit codes of all sides are known."""
        return all(side.code is not None for side in self.all)

    @property
    def read_code(self) -> int | None:
        """The first exit code that is not 0 of the sides whose output tapdock reads; None if one still runs."""
        codes = [side.code for side in self.all[:-1]]
        return None if None in codes else next((code for code in codes if code), 0)


@contextmanager
def opened(plan: RelayPlan, folder: Path, inbox: Inbox) -> Iterator[Sides]:
    """Create the pipes of each side in a folder of its own in `folder`, and close them in every ending."""
    with ExitStack() as stack:
        source = stack.enter_context(SidePipes(folder / "source", files=plan.source_files, stdin=False))
        target = stack.enter_context(SidePipes(folder / "target", files=plan.target_files, stdin=True))
        mapper = None
        if plan.mapper:
            mapper = stack.enter_context(SidePipes(folder / "mapper", files=plan.mapper.files, stdin=True))
        yield Sides(
            SideState("source", source, inbox),
            SideState("mapper", mapper, inbox) if mapper else None,
            SideState("target", target, inbox),
        )
