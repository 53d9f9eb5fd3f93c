"""How the output that the pump reads ended: the supervisor knows it, and the pump waits for it."""

import threading

__all__ = ["Ending"]


class Ending:
    """Whether the output is complete. The supervisor sets it once, and the pump waits for it."""

    def __init__(self) -> None:
        self._known = threading.Event()
        self._complete: bool | None = False

    def tell(self, *, complete: bool | None) -> None:
        """Set the ending, if it is not set. `complete=None`: the target must not see the end of its input."""
        if not self._known.is_set():
            self._complete = complete
            self._known.set()

    def wait(self) -> bool | None:
        self._known.wait()
        return self._complete
