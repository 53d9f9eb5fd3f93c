"""Delayed actions, which run in the thread that calls `fire`."""

from collections.abc import Callable

__all__ = ["Timers"]


class Timers:
    """Actions by name. Each runs once, at a clock reading in seconds. Arming a name again moves its action."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._armed: dict[str, tuple[float, Callable[[], None]]] = {}

    def arm(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` in `seconds` from now."""
        self._armed[name] = (self._clock() + seconds, action)

    def wait(self, most: float) -> float:
        """Return the seconds until the next action is due, at most `most`."""
        now = self._clock()
        return max(0.0, min([now + most, *(deadline for deadline, _ in self._armed.values())]) - now)

    def fire(self) -> None:
        """Call all actions that are due."""
        now = self._clock()
        for name, (deadline, action) in list(self._armed.items()):
            if now >= deadline:
                del self._armed[name]
                action()
