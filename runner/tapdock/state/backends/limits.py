"""Requests that end: an object by its length, a listing by its pages, a call by its time."""

import io
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from tapdock.errors import StateError

__all__ = ["LARGEST", "Body", "listed", "require_small", "require_writable", "within"]

LARGEST = 64 * 1024**2
"""Bytes of an object. Nothing that tapdock writes is larger, so nothing larger is read."""
_PAGES = 1000
_NAMES = 200_000
_T = TypeVar("_T")
_TO_READ = "tapdock writes nothing that large: remove the object, or restore a copy of the original one"
_TO_WRITE = "select fewer streams in this pipeline: each has its part of the state"


def require_small(size: int, what: str, *, largest: int, hint: str = _TO_READ) -> None:
    """Raises StateError for an object of more than `largest` bytes; `what` names it and its place."""
    if size > largest:
        limit = f"{largest >> 20} MiB" if largest >= 1 << 20 else f"{largest} bytes"
        raise StateError(f"{what} has more than {limit}, which is the limit for an object", hint=hint)


def require_writable(body: bytes, name: str, place: str, *, largest: int) -> None:
    """Raises StateError for a body that could be written and not be read again."""
    require_small(len(body), f"the new `{name}` for {place}", largest=largest, hint=_TO_WRITE)


class Body(io.BytesIO):
    """An object while it is downloaded, whatever length its server has announced."""

    def __init__(self, what: str, *, largest: int) -> None:
        super().__init__()
        self._what = what
        self._largest = largest

    def write(self, data: Any) -> int:
        require_small(self.tell() + len(data), self._what, largest=self._largest)
        return super().write(data)


def listed(pages: Iterable[Iterable[_T]], what: str) -> list[_T]:
    """Everything on the pages of a listing. Raises StateError for a listing without an end."""
    found: list[_T] = []
    for number, page in enumerate(pages, start=1):
        found += page
        if number >= _PAGES or len(found) >= _NAMES:
            raise StateError(
                f"the listing of {what} has not ended after {number:,} pages with {len(found):,} names",
                hint="give the states a prefix of their own, such as `s3://bucket/tapdock`",
            )
    return found


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """What `call` returns or raises. Raises TimeoutError after `seconds`.

    `call` runs in a thread of its own: the timeouts of clients count from one byte to the next, so that a server which
    sends a byte a second would hold the caller for ever. After the timeout that thread is abandoned.
    """
    future: Future[_T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # raised again in the thread that waits
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    if not wait([future], timeout=seconds).done:
        raise TimeoutError(f"no complete answer within {seconds:g} s")
    return future.result()
