"""What is to happen later, in the thread that asks for it."""

from collections.abc import Callable

__all__ = ["Timers"]


class Timers:
    """Actions by name, each once, at a clock reading in seconds. Arming a name again moves it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._armed: dict[str, tuple[float, Callable[[], None]]] = {}

    def arm(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` that many seconds from now."""
        self._armed[name] = (self._clock() + seconds, action)

    def wait(self, most: float) -> float:
        """Seconds until the next action is due, and never more than `most`."""
        now = self._clock()
        return max(0.0, min([now + most, *(deadline for deadline, _ in self._armed.values())]) - now)

    def fire(self) -> None:
        """Call what is due."""
        now = self._clock()
        for name, (deadline, action) in list(self._armed.items()):
            if now >= deadline:
                del self._armed[name]
                action()
