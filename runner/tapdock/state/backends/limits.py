"""Limits for requests: the size of an object, the pages of a listing, the duration of a call."""

import io
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from tapdock.errors import StateError

__all__ = ["LARGEST", "Body", "listed", "require_small", "require_writable", "within"]

LARGEST = 64 * 1024**2
"""The largest size of an object in bytes. tapdock neither writes nor reads larger ones."""
_PAGES = 1000
_NAMES = 200_000
_T = TypeVar("_T")
_TO_READ = "tapdock does not write objects that large: remove the object, or restore a copy of the original"
_TO_WRITE = "select fewer streams in this pipeline: each stream has a part of the state"


def require_small(size: int, what: str, *, largest: int, hint: str = _TO_READ) -> None:
    """Raise StateError for an object of more than `largest` bytes. `what` names the object and its place."""
    if size > largest:
        limit = f"{largest >> 20} MiB" if largest >= 1 << 20 else f"{largest} bytes"
        raise StateError(f"{what} is larger than {limit}, the limit for an object", hint=hint)


def require_writable(body: bytes, name: str, place: str, *, largest: int) -> None:
    """Raise StateError for a body that is too large to be read again."""
    require_small(len(body), f"the new `{name}` for {place}", largest=largest, hint=_TO_WRITE)


class Body(io.BytesIO):
    """The buffer of a download. It enforces the limit even if the server announced a wrong length."""

    def __init__(self, what: str, *, largest: int) -> None:
        super().__init__()
        self._what = what
        self._largest = largest

    def write(self, data: Any) -> int:
        require_small(self.tell() + len(data), self._what, largest=self._largest)
        return super().write(data)


def listed(pages: Iterable[Iterable[_T]], what: str) -> list[_T]:
    """Return all items of a listing. Raises StateError for a listing that does not end."""
    found: list[_T] = []
    for number, page in enumerate(pages, start=1):
        found += page
        if number >= _PAGES or len(found) >= _NAMES:
            raise StateError(
                f"the listing of {what} has not ended after {number:,} pages with {len(found):,} names",
                hint="use a separate prefix for states, such as `s3://bucket/tapdock`",
            )
    return found


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """Return what `call` returns, or raise what it raises. Raises TimeoutError after `seconds`.

    `call` runs in a separate thread, which is abandoned after the timeout. The timeouts of client libraries only limit
    the pause between two bytes: a server that sends one byte a second would block the caller forever.
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
