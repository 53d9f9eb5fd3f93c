"""The threads of a run that move data: the pump, the reader of the target's output, and the input of a mapper."""

from collections.abc import Callable

from tapdock.errors import TargetError
from tapdock.relay.acks import read_acks
from tapdock.relay.mapper_input import MapperInput
from tapdock.relay.messages import BadAcknowledgement, Enough, Inbox, PumpPaused, background
from tapdock.relay.pipes import SidePipes
from tapdock.relay.plan import RelayPlan, limit_of
from tapdock.relay.pump import Pump
from tapdock.relay.sides import Sides
from tapdock.relay.unselected import Unselected
from tapdock.translate.base import Emit, Translator

__all__ = ["MAPPER_INPUT", "DataThreads", "feed_of", "pump_of"]

MAPPER_INPUT = "mapper input"


class DataThreads:
    """`running` has the names of the threads that have started and not ended. Each reports its end to the inbox."""

    def __init__(
        self, pump: Pump, target: SidePipes, translator: Translator, inbox: Inbox, *, feed: MapperInput | None
    ) -> None:
        self.running: set[str] = set()
        self.pump = pump
        self._feed = feed
        self._target = target
        self._translator = translator
        self._inbox = inbox

    def start(self, *, acked: Callable[[], None]) -> None:
        """Start all. `acked` is called in the reader's thread when more than before may be saved."""
        self.running = {"pump", "acks"}

        def paused() -> None:
            self._inbox.put(PumpPaused())

        if feed := self._feed:
            self.running.add(MAPPER_INPUT)
            background(MAPPER_INPUT, lambda: feed.run(paused), self._inbox)
        background("pump", lambda: self.pump.run(paused), self._inbox)
        background("acks", lambda: self._read_acks(acked), self._inbox)

    @property
    def readers(self) -> tuple[MapperInput | Pump, ...]:
        """The threads that read the outputs of the source and of the mapper, in this order."""
        return (self._feed, self.pump) if self._feed else (self.pump,)

    def abandon(self) -> None:
        """Count all threads as ended, and let those end that wait for the supervisor."""
        self.running.clear()
        self.pump.ending.tell(complete=None)
        if self._feed:
            self._feed.end()

    def _read_acks(self, acked: Callable[[], None]) -> None:
        read_acks(self._target, self._translator, acked=acked, wrong=self._refuse)

    def _refuse(self, error: TargetError) -> None:
        self._inbox.put(BadAcknowledgement(error))


def feed_of(plan: RelayPlan, sides: Sides, *, emit: Emit, clock: Callable[[], float]) -> MapperInput | None:
    """Return what moves the source's output into the mapper of a run; None without a mapper."""
    if not (sides.mapper and plan.mapper):
        return None
    return MapperInput(
        sides.source.ends,
        sides.mapper.ends,
        plan.mapper,
        max_line=plan.translation.max_line,
        buffer=plan.buffer,
        unselected=Unselected(plan, emit),
        emit=emit,
        clock=clock,
    )


def pump_of(
    plan: RelayPlan,
    sides: Sides,
    translator: Translator,
    *,
    feed: MapperInput | None,
    inbox: Inbox,
    clock: Callable[[], float],
) -> Pump:
    """Return the pump of a run. If it reaches the limit of records, it puts `Enough` into the inbox."""
    target = sides.target.ends
    return Pump(
        (sides.mapper or sides.source).ends,
        target,
        translator,
        clock,
        give=target.give if plan.translation.spool else None,
        max_line=plan.translation.max_line,
        seen=feed.mapped.out if feed else lambda _: None,
        limit=limit_of(plan),
        enough=lambda: inbox.put(Enough()),
        buffer=plan.buffer,
    )
