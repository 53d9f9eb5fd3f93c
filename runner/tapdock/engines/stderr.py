"""Split a connector's stderr into lines."""

from collections.abc import Iterable, Iterator

__all__ = ["lines_of"]

_LONGEST = 64 << 10


def lines_of(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield lines without their line ends. A line is cut after 64 KiB, so that memory stays flat."""
    rest = b""
    is_cut = False
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if not is_cut:
                yield _decoded(line)
            is_cut = False
        if len(rest) > _LONGEST:
            if not is_cut:
                yield _decoded(rest)
            is_cut = True
            rest = b""
    if rest and not is_cut:
        yield _decoded(rest)


def _decoded(line: bytes) -> str:
    return line[:_LONGEST].decode("utf-8", "replace").rstrip("\r")
