"""Recognize records of a Singer tap by how their lines begin, without parsing them."""

import re
from collections.abc import Iterator

from tapdock.protocol.lines import split, values
from tapdock.translate.tally import Tally

__all__ = ["KnownPrefixes"]

_MOST = 64
_NEVER = re.compile(rb"\n")


class KnownPrefixes:
    """The beginnings of lines that were parsed once: up to the body, with the type and the stream.

    A line that begins with one of them and ends with a brace is a record of that stream, unless `"stream"` is in it
    again: parsers use the last member of a name.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Tally] = {}
        self._starts: tuple[bytes, ...] = ()
        self._odd = _NEVER

    def learn(self, text: bytes, body: bytes, tally: Tally) -> None:
        """Learn the beginning of a parsed line; `body` is the record in it, byte for byte."""
        at = text.find(body)
        before = text[:at] if at > 0 else b""
        if before + b"{" in self._known:
            return
        if all(before.count(name) == 1 for name in (b'"type"', b'"stream"', b'"record"')) and len(self._known) < _MOST:
            self._known[before + b"{"] = tally
            self._starts = tuple(self._known)
            # A line feed without a brace before it, or without a known beginning after it. The pattern must begin with
            # the line feed, which makes the search fast.
            self._odd = re.compile(rb"\n(?:(?<!\}\n)|(?!%s))" % b"|".join(map(re.escape, self._starts)))

    def forget(self) -> None:
        """Forget all beginnings, so that every line is parsed again."""
        self._known.clear()
        self._starts = ()
        self._odd = _NEVER

    def parts(self, lines: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield the lines in order: known ones together with their number, each other one alone with 0, and without its
        line feed.

        Beginnings that are learned meanwhile are used for the rest of the lines. Known lines that are not exactly one
        JSON object each, or that have `"stream"` twice, are yielded alone.
        """
        at = 0
        while at < len(lines):
            end = self._known_until(lines, at)
            if end > at:
                part = lines[at:end] if at or end < len(lines) else lines
                number = part.count(b"\n")
                # Each line begins and ends with a brace, and names its stream only in its beginning.
                if values(part) == number and part.count(b'"stream"') == number:
                    yield part, number
                else:
                    yield from ((line, 0) for line in split(part))
                at = end
                continue
            end = lines.find(b"\n", at)
            end = len(lines) if end < 0 else end
            yield lines[at:end], 0
            at = end + 1

    def _known_until(self, lines: bytes, at: int) -> int:
        """Return the end of the known lines from `at`; `at` itself if the first line is not known."""
        if not lines.startswith(self._starts, at):
            return at
        odd = self._odd.search(lines, at)
        if odd is None:
            return lines.rfind(b"\n") + 1 or at
        if lines[odd.start() - 1 : odd.start()] == b"}":
            return odd.end()
        return max(at, lines.rfind(b"\n", at, odd.start()) + 1)

    def counts(self, lines: bytes, number: int) -> list[tuple[Tally, int, int]]:
        """Return for each stream its known lines and their approximate bytes, which are divided by numbers of lines.

        `number` is that of all lines.
        """
        if len(self._starts) == 1:  # the usual case, in a third of the time
            (start,) = self._starts
            return [(self._known[start], number, len(lines))]
        left = number
        found: list[tuple[Tally, int, int]] = []
        for start, tally in reversed(self._known.items()):
            count = lines.count(b"\n" + start) + lines.startswith(start)
            if count:
                found.append((tally, count, len(lines) * count // number))
                left -= count
            if not left:
                break
        return found
