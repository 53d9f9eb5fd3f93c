"""SIGINT and SIGTERM as orders: the first signal stops runs in order, the second one immediately."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NamedTuple, Protocol

from tapdock.errors import Interrupted
from tapdock.relay.messages import Kill, Order, Stop

__all__ = ["AGAIN", "SecondSignal", "Signals"]

AGAIN = "(press Ctrl-C again to stop immediately)"

_TURN_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Orders(Protocol):
    """A receiver of orders, such as an inbox. `put` is called in the signal's handler."""

    def put(self, item: Order, /) -> None: ...


class _Waiting(NamedTuple):
    inbox: Orders
    doing: str
    thread: int


class SecondSignal:
    """Sets `ended` at a second signal, while no run is left for the first one to stop."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended

    def put(self, order: Order, /) -> None:
        """Take an order."""
        if isinstance(order, Kill):
            self._ended.set()


class _Later:
    """Passes the signals after the first one on."""

    def __init__(self, later: "Signals") -> None:
        self._later = later

    def put(self, order: Order, /) -> None:
        """Take an order."""
        if isinstance(order, Kill):
            self._later.receive(order.code - 128)


class Signals:
    """A context manager for the main thread. The runs of all threads get their orders from it.

    `told` is called inside the handler, which may interrupt the main thread anywhere: it must not use buffered streams.
    `numbers` are the signals. If the object is not entered, it handles none, and can be used in any thread.
    """

    def __init__(self, told: Callable[[str], None], *, numbers: Sequence[int] = _SIGNALS) -> None:
        self._told = told
        self._numbers = numbers
        self._waiting: list[_Waiting] = []
        self._received: list[int] = []
        self._stopped = threading.Event()

    def __enter__(self) -> "Signals":
        self._before = {number: signal.signal(number, self._handle) for number in self._numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def code(self) -> int | None:
        """The exit code after a signal, None before the first one."""
        return 128 + self._received[0] if self._received else None

    @property
    def count(self) -> int:
        """How many signals were received."""
        return len(self._received)

    @contextmanager
    def later(self, *, doing: str) -> Iterator["Signals"]:
        """Yield signals for what still runs after the first signal: only those count that are received from now on."""
        later = Signals(self._told, numbers=())
        with self.orders(_Later(later), doing=doing):
            yield later

    def receive(self, number: int) -> None:
        """Handle a signal."""
        self._handle(number, None)

    def wait_for(self, ended: threading.Event, *, doing: str) -> None:
        """Wait until `ended` is set by another thread, or here at a second signal. `doing` is as for `orders`."""
        with self.orders(SecondSignal(ended), doing=f"{doing} {AGAIN}"):
            while not ended.wait(_TURN_SECONDS):  # in short waits: a signal's handler only runs between two waits
                pass

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`, or until a signal arrives."""
        self._stopped.wait(seconds)

    def stop(self) -> None:
        """Stop the runs in order, as SIGTERM does. It may be called in any thread."""
        with suppress(Interrupted):
            self._handle(signal.SIGTERM, None)

    @contextmanager
    def orders(self, inbox: Orders, *, doing: str) -> Iterator[None]:
        """Put signals into `inbox` as orders during the block. Earlier signals count as well.

        `doing` describes what happens after a first signal, for people.
        """
        waiting = _Waiting(inbox, doing, threading.get_ident())
        self._waiting.append(waiting)
        if self.code:
            inbox.put(Stop(code=self.code) if len(self._received) == 1 else Kill(code=self.code))
        try:
            yield
        finally:
            self._waiting.remove(waiting)

    def _handle(self, number: int, _: FrameType | None) -> None:
        self._received.append(number)
        self._stopped.set()
        assert self.code is not None, "a signal was received"
        first = len(self._received) == 1
        waiting = list(self._waiting)
        for each in waiting:
            each.inbox.put(Stop(code=self.code) if first else Kill(code=self.code))
        if first:
            inner = {each.thread: each.doing for each in waiting}  # of nested blocks, the last one counts
            for doing in dict.fromkeys(inner.values()):
                self._told(f"stopping: {doing}")
        if not waiting:
            raise Interrupted("stopped by signal", exit_code=self.code)
