"""Records of a Singer tap told by how their lines begin, without reading them: one looks like the other."""

from tapdock.translate.tally import Tally

__all__ = ["Glance"]

_MOST = 64


class Glance:
    """The beginnings of lines that were read whole once: up to the body, with type and stream in it.

    What begins so and ends with a brace is a record of that stream; whoever needs to know more must read it.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Tally] = {}
        self._last: tuple[bytes, Tally] | None = None

    def learn(self, text: bytes, body: bytes, tally: Tally) -> None:
        """A line that was read: `body` is its record, as it stands there."""
        start = text.find(body)
        before = text[:start] if start > 0 else b""
        if all(before.count(name) == 1 for name in (b'"type"', b'"stream"', b'"record"')) and len(self._known) < _MOST:
            self._known[before + b"{"] = tally
            self._last = (before + b"{", tally)

    def forget(self) -> None:
        """From now on every line is read again."""
        self._known.clear()
        self._last = None

    def of(self, text: bytes) -> Tally | None:
        """The stream of a line that looks like a known one."""
        if self._last and text.startswith(self._last[0]):
            return self._last[1] if text.endswith(b"}") else None
        for start, tally in self._known.items():
            if text.startswith(start) and text.endswith(b"}"):
                self._last = (start, tally)
                return tally
        return None

    def all_one(self, lines: bytes) -> tuple[Tally, int] | None:
        """The stream and number of whole lines that all look as the last one did; None where they do not."""
        if self._last is None or not lines.endswith(b"}\n"):
            return None
        start, tally = self._last
        count = lines.count(b"\n")
        same = lines.startswith(start) and lines.count(b"}\n") == count and lines.count(b"\n" + start) == count - 1
        return (tally, count) if same else None
