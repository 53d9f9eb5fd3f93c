"""The threads of a run that move data: the pump, the reader of the target's output, and the input of a mapper."""

from collections.abc import Callable

from tapdock.errors import TargetError
from tapdock.relay.mapper_input import MapperInput
from tapdock.relay.messages import BadAcknowledgement, Inbox, PumpPaused, background
from tapdock.relay.pipes import SidePipes
from tapdock.relay.pump import Pump, read_acks
from tapdock.translate.base import Translator

__all__ = ["MAPPER_INPUT", "DataThreads"]

MAPPER_INPUT = "mapper input"


class DataThreads:
    """`running` has the names of the threads that have started and not ended. Each reports its end to the inbox."""

    def __init__(
        self, pump: Pump, target: SidePipes, translator: Translator, inbox: Inbox, *, feed: MapperInput | None
    ) -> None:
        self.running: set[str] = set()
        self._pump = pump
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
        background("pump", lambda: self._pump.run(paused), self._inbox)
        background("acks", lambda: self._read_acks(acked), self._inbox)

    @property
    def readers(self) -> tuple[MapperInput | Pump, ...]:
        """The threads that read the outputs of the source and of the mapper, in this order."""
        return (self._feed, self._pump) if self._feed else (self._pump,)

    def abandon(self) -> None:
        """Count all threads as ended, and let those end that wait for the supervisor."""
        self.running.clear()
        self._pump.ending.tell(complete=None)
        if self._feed:
            self._feed.end()

    def _read_acks(self, acked: Callable[[], None]) -> None:
        read_acks(self._target, self._translator, acked=acked, wrong=self._refuse)

    def _refuse(self, error: TargetError) -> None:
        self._inbox.put(BadAcknowledgement(error))
