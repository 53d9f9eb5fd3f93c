"""The two threads of a run that move data: the pump, and the reader of the target's output."""

from collections.abc import Callable

from tapdock.errors import TargetError
from tapdock.relay.acks import read_acks
from tapdock.relay.messages import BadAcknowledgement, Enough, Inbox, PumpPaused, background
from tapdock.relay.pipes import SidePipes
from tapdock.relay.plan import RelayPlan, limit_of
from tapdock.relay.pump import Pump
from tapdock.translate.base import Translator

__all__ = ["DataThreads", "pump_of"]


class DataThreads:
    """`running` has the names of the threads that have started and not ended. Each reports its end to the inbox."""

    def __init__(self, pump: Pump, target: SidePipes, translator: Translator, inbox: Inbox) -> None:
        self.running: set[str] = set()
        self._pump = pump
        self._target = target
        self._translator = translator
        self._inbox = inbox

    def start(self, *, acked: Callable[[], None]) -> None:
        """Start both. `acked` is called in the reader's thread when more than before may be saved."""
        self.running = {"pump", "acks"}
        background("pump", lambda: self._pump.run(lambda: self._inbox.put(PumpPaused())), self._inbox)
        background("acks", lambda: self._read_acks(acked), self._inbox)

    def _read_acks(self, acked: Callable[[], None]) -> None:
        read_acks(self._target, self._translator, acked=acked, wrong=self._refuse)

    def _refuse(self, error: TargetError) -> None:
        self._inbox.put(BadAcknowledgement(error))


def pump_of(
    plan: RelayPlan,
    source: SidePipes,
    target: SidePipes,
    translator: Translator,
    *,
    inbox: Inbox,
    clock: Callable[[], float],
) -> Pump:
    """Return the pump of a run. If it reaches the limit of records, it puts `Enough` into the inbox."""
    return Pump(
        source,
        target,
        translator,
        clock,
        give=target.give if plan.translation.spool else None,
        max_line=plan.translation.max_line,
        limit=limit_of(plan),
        enough=lambda: inbox.put(Enough()),
        buffer=plan.buffer,
    )
