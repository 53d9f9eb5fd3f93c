"""Lines out of a connector's stderr."""

from collections.abc import Iterable, Iterator

__all__ = ["lines_of"]

_LONGEST = 64 << 10


def lines_of(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines without their ends; one that goes on for more than 64 KiB is cut, so that memory stays flat."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield _decoded(line)
        if len(rest) > _LONGEST:
            yield _decoded(rest)
            rest = b""
    if rest:
        yield _decoded(rest)


def _decoded(line: bytes) -> str:
    return line[:_LONGEST].decode("utf-8", "replace").rstrip("\r")
