"""Singer states on their way to a Singer target: passed on as they are, and known again when they come back."""

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
    """What a tap sent, and which of it the target has written (protocol.md 3.8).

    A state is saved if it is one that the tap sent in this run, or if every bookmark in it is one: some targets put
    together what each stream had reached. Anything else that a target prints is nothing of ours. Texts are kept up to a
    limit: of what was forgotten, the target's own text says the same. While `held` nothing is to be saved. One thread
    notes, another takes acknowledgements.
    """

    def __init__(self, saved: str | None, *, held: bool = False) -> None:
        self.baseline = saved or '{"bookmarks":{}}'
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
        """Take a state that is sent now; raises ValueError when it is none."""
        if is_nothing(value):
            with self._lock:
                self._acked = True  # no target ever prints it, nor what came before
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
        """The source ended well: once its last state comes back, that may be saved."""
        with self._lock:
            self._ending = True

    def again(self) -> bytes:
        """The last state's line, to be acknowledged once more; nothing where the tap sent none."""
        with self._lock:
            if self._last is None:
                return b""
            self._acked = False
            self._sent[self._last] = self._last_text
            return b'{"type":"STATE","value":%s}\n' % self._last_text.encode()

    def _remember(self, value: Raw) -> None:
        for path, part in _parts(value):
            self._parts.setdefault(path, set()).add(_mark(part))

    def acked(self, value: Raw) -> bool:
        """Take a state that the target printed; True when more than before may be saved."""
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
        """Those before it: a target goes on, never back. It itself may be printed again."""
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
        """Take the last state that was sent as acknowledged."""
        with self._lock:
            if self._last is not None:
                self._acked = self._ending = True
                self._save(self._last_text)
                self._forget(self._last)  # a line that the target printed before may still be on its way
                self._parts.clear()

    def committed(self) -> str | None:
        """The state to save, as the tap is given it again; None when nothing was acknowledged."""
        with self._lock:
            return None if self._held else self._committed

    @property
    def settled(self) -> bool:
        """Whether the last state came back."""
        with self._lock:
            return self._acked


def _parts(value: Raw) -> list[tuple[tuple[str, ...], Raw]]:
    """Each bookmark, and each other member; raises ValueError for what is no object."""
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
