"""Patterns of streams and fields: names with globs, joined by dots, in which a backslash makes a character literal."""

import re
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["Path", "escaped", "is_glob", "joined", "matcher", "pieces", "splits", "unescaped"]

Path = tuple[str, ...]
"""The names from a top-level field to a nested one. Arrays between them have no name."""

_SEPARATOR = "\x1f"
_SPECIAL = frozenset(".*?[]!\\")
_TOKEN = re.compile(r"\\(?P<literal>[.*?\[\]!\\])|\[(?P<set>!?\]?[^\]]*)\]|(?P<any>.)", re.DOTALL)


def escaped(name: str) -> str:
    r"""Return the pattern that matches exactly this name.

    >>> escaped("animals.data")
    'animals\\.data'
    """
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in name)


def unescaped(pattern: str) -> str:
    r"""Return the name that a pattern without globs means.

    >>> unescaped(r"animals\.data")
    'animals.data'
    """
    return "".join(token["literal"] or token[0] for token in _TOKEN.finditer(pattern))


def is_glob(pattern: str) -> bool:
    r"""Return True if a pattern has globs, so that it may match several names, or none.

    >>> is_glob("*_url"), is_glob(r"users\*")
    (True, False)
    """
    return any(token["set"] is not None or token["any"] in ("*", "?") for token in _TOKEN.finditer(pattern))


def splits(pattern: str) -> list[tuple[str, str]]:
    r"""Return each way to divide a pattern into a stream and a field, from the shortest name of the stream.

    >>> splits(r"a\.b.c.d")
    [('a\\.b', 'c.d'), ('a\\.b.c', 'd')]
    """
    dots = [token.start() for token in _TOKEN.finditer(pattern) if token["any"] == "."]
    return [(pattern[:dot], pattern[dot + 1 :]) for dot in dots]


def pieces(pattern: str) -> list[str]:
    """Return the patterns between the dots of a pattern."""
    dots = [token.start() for token in _TOKEN.finditer(pattern) if token["any"] == "."]
    return [pattern[start + 1 : end] for start, end in zip([-1, *dots], [*dots, len(pattern)], strict=True)]


def joined(path: Sequence[str]) -> str:
    """Return the text of a path for `matcher`."""
    return _SEPARATOR.join(path)


@lru_cache(4096)
def matcher(pattern: str) -> re.Pattern[str]:
    r"""Return an expression for the whole of a name, or of a path from `joined`. A glob also matches dots.

    >>> bool(matcher("*_url").fullmatch(joined(("owner", "avatar_url"))))
    True
    """
    return re.compile("".join(_expression(token) for token in _TOKEN.finditer(pattern)), re.DOTALL)


def _expression(token: re.Match[str]) -> str:
    if token["literal"]:
        return re.escape(token["literal"])
    if (inner := token["set"]) is not None:
        negated = inner.startswith("!")
        return f"[{'^' * negated}{_set(inner[negated:])}]"
    match token["any"]:
        case "*":
            return ".*"
        case "?":
            return f"[^{_SEPARATOR}]"
        case ".":
            return f"[.{_SEPARATOR}]"
        case other:
            return re.escape(other)


def _set(inner: str) -> str:
    """Return the characters of a glob's set for an expression. A range that is the wrong way round matches nothing."""
    ranges = re.sub(r"(.)-(.)", lambda found: found[0] if found[1] <= found[2] else "", inner, flags=re.DOTALL)
    return re.sub(r"([\\\[\]^&~|])", r"\\\1", ranges) or "^\\s\\S"
