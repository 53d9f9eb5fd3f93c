"""Detect a side that is silent for longer than its `idle_timeout`."""

from collections.abc import Callable

from tapdock.errors import TapdockError, TranslationError
from tapdock.project.model import Limits
from tapdock.relay.mapper_input import MapperInput
from tapdock.relay.pump import Pump
from tapdock.relay.side import SideState
from tapdock.relay.sides import Sides

__all__ = ["IdleLimits"]


class IdleLimits:
    """The time limits of all sides. A side's clock only runs while tapdock waits for that side.

    Before the pump starts, that is a side whose container has not started. An acknowledgement counts as activity of a
    target that does not read its input.
    """

    def __init__(self, pump: Pump, limits: Limits, clock: Callable[[], float], *, feed: MapperInput | None) -> None:
        self._pump = pump
        self._feed = feed
        self._limits = limits
        self._clock = clock
        self._last_ack = self._began = clock()
        self._started = False

    def started(self) -> None:
        """Note that the pump has started."""
        self._started = True

    def acked(self) -> None:
        """Note that the target acknowledged a state."""
        self._last_ack = self._clock()

    def exceeded(self, sides: Sides) -> tuple[TapdockError, tuple[SideState, ...]] | None:
        """Return the error for what has been silent for too long, and the sides that cannot continue; None if nothing.

        A source is only asked to stop: what the target got is worth keeping.
        """
        if error := self.of_source(sides.source):
            return error, ()
        if error := self.of_mapper(sides.mapper):
            return error, sides.behind[:-1]
        error = self.of_target(sides.target) or self.of_tapdock()
        return (error, sides.behind) if error else None

    def of_source(self, source: SideState) -> TapdockError | None:
        """Return the error for a source that has been silent for too long, or None."""
        since = (self._feed or self._pump).source_idle_since if self._started else self._awaited(source)
        if source.code is not None or source.stopping or since is None:
            return None
        return _too_long(source, self._clock() - since, self._limits.source_idle)

    def of_mapper(self, mapper: SideState | None) -> TapdockError | None:
        """Return the error for a mapper that neither reads nor prints for too long, or None."""
        if mapper is None or self._feed is None or mapper.code is not None:
            return None
        input_since, output_since = self._feed.mapper_idle_since, self._pump.source_idle_since
        since = None if input_since is None or output_since is None else max(input_since, output_since)
        since = since if self._started else self._awaited(mapper)
        return None if since is None else _too_long(mapper, self._clock() - since, self._limits.mapper_idle)

    def _awaited(self, side: SideState) -> float | None:
        return None if side.greeted else self._began

    def of_target(self, target: SideState) -> TapdockError | None:
        """Return the error for a target that has been silent for too long, or None."""
        since = self._pump.target_idle_since if self._started else self._awaited(target)
        if target.code is not None or since is None:
            return None
        limit = self._limits.target_idle if self._started else min(self._limits.source_idle, self._limits.target_idle)
        return _too_long(target, self._clock() - max(since, self._last_ack), limit)

    def of_tapdock(self) -> TapdockError | None:
        """Return the error for a translation that takes too long, or None."""
        since = self._pump.busy_since
        if since is None or self._clock() - since <= self._limits.source_idle:
            return None
        message = f"tapdock has been translating the same data for more than {self._limits.source_idle:g} s"
        return TranslationError(message, hint="report this with the run's log: `tapdock runs logs`")


def _too_long(side: SideState, silent: float, limit: float) -> TapdockError | None:
    if silent <= limit:
        return None
    hint = f"increase `idle_timeout` of the {side.name} if long pauses are normal"
    return side.error(f"the {side.name} was silent for {limit:g} s", hint=hint, retryable=True)
