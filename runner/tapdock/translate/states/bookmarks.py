"""The ledger for Singer states that are passed to a Singer target: recognize those that it acknowledges."""

import threading
from hashlib import blake2b

import msgspec
from msgspec import Raw

from tapdock.protocol.singer import is_nothing
from tapdock.translate.states.canonical import canonical

__all__ = ["BookmarkLedger"]

_MOST_BYTES = 8 << 20
_Members = dict[str, Raw]


class BookmarkLedger:
    """The states that a tap sent, and those that the target acknowledged (protocol.md 3.8).

    A state is saved if the tap sent it in this run, or if the tap sent every bookmark in it: some targets combine the
    bookmarks that each stream has reached. Other states from the target are ignored. Texts are kept up to a limit;
    beyond it, the target's own text of the same state is used. While `held`, nothing is saved. One thread notes states,
    another one reads acknowledgements. `names` are the top-level members of all states that were sent.
    """

    def __init__(self, saved: str | None, *, held: bool = False) -> None:
        self.baseline = saved or '{"bookmarks":{}}'
        self.names = {"bookmarks"}
        self._lock = threading.Lock()
        self._sent: dict[bytes, str | None] = {}
        self._parts: dict[tuple[str, ...], set[bytes]] = {}
        self._bytes = 0
        self._last: bytes | None = None
        self._last_text = ""
        self._acked = True
        self._held = held
        self._ending = False
        self._committed: str | None = None
        self._remember(Raw(self.baseline.encode()))

    def note(self, value: Raw) -> None:
        """Note a state that is sent now. Raises ValueError if it is not a state."""
        if is_nothing(value):
            with self._lock:
                self._acked = True  # targets never print an empty state, nor those before it
            return
        text = bytes(value).decode()
        mark = _mark(value)
        with self._lock:
            self._remember(value)
            self._sent.pop(mark, None)
            self._sent[mark] = text
            self._bytes += len(text)
            self._last, self._last_text, self._acked = mark, text, False
            if self._bytes > _MOST_BYTES:
                self._sent = dict.fromkeys(self._sent)
                self._sent[mark], self._bytes = text, len(text)

    def release(self) -> None:
        """Note that the source ended well: its last state can be saved when it is acknowledged."""
        with self._lock:
            self._ending = True

    def again(self) -> bytes:
        """Return the last state's line, to be acknowledged again; empty if the tap sent none."""
        with self._lock:
            if self._last is None:
                return b""
            self._acked = False
            self._sent[self._last] = self._last_text
            return b'{"type":"STATE","value":%s}\n' % self._last_text.encode()

    def _remember(self, value: Raw) -> None:
        for path, part in _parts(value):
            self.names.add(path[0])
            self._parts.setdefault(path, set()).add(_mark(part))

    def acked(self, value: Raw) -> bool:
        """Read a state that the target printed. Return True if a newer state can be saved."""
        try:
            mark = _mark(value)
            parts = [(path, _mark(part)) for path, part in _parts(value)]
        except ValueError:
            return False
        with self._lock:
            if mark in self._sent:
                own = self._sent[mark]
                self._forget(mark)
                self._acked = mark == self._last
                return self._save(own or bytes(value).decode())
            if all(part in self._parts.get(path, ()) for path, part in parts) and len(parts) > 1:
                return self._save(bytes(value).decode())
            return False

    def _forget(self, mark: bytes) -> None:
        """Forget the states before this one, because targets never go back. It may be printed again itself."""
        for older in list(self._sent):
            if older == mark:
                return
            del self._sent[older]

    def _save(self, text: str) -> bool:
        changed, self._committed = text != self._committed, text
        freed = self._held and self._ending and self._acked
        self._held = self._held and not freed
        return (changed or freed) and not self._held

    def acked_all(self) -> None:
        """Count the last sent state as acknowledged."""
        with self._lock:
            if self._last is not None:
                self._acked = self._ending = True
                self._save(self._last_text)
                self._forget(self._last)  # a line that the target printed earlier may arrive later
                self._parts.clear()

    def committed(self) -> str | None:
        """Return the state to save, as raw JSON for the tap; None if nothing was acknowledged."""
        with self._lock:
            return None if self._held else self._committed

    @property
    def settled(self) -> bool:
        """True if the last state was acknowledged."""
        with self._lock:
            return self._acked


def _parts(value: Raw) -> list[tuple[tuple[str, ...], Raw]]:
    """Return each bookmark and each other member with its path. Raises ValueError if the value is not an object."""
    members = msgspec.json.decode(value, type=_Members)
    bookmarks = members.pop("bookmarks", Raw(b"{}"))
    parts = [((name,), member) for name, member in members.items()]
    try:
        inner = msgspec.json.decode(bookmarks, type=_Members)
    except msgspec.ValidationError:
        return [*parts, (("bookmarks",), bookmarks)]
    return [*parts, *((("bookmarks", name), bookmark) for name, bookmark in inner.items())]


def _mark(value: Raw) -> bytes:
    return blake2b(canonical(bytes(value)).encode(), digest_size=16).digest()
