"""Which fields of a stream are removed: by path, and by patterns that also match fields that no schema declares."""

from collections.abc import Collection, Iterable
from typing import Literal

from tapdock.protocol.patterns import Path, is_glob, joined, matcher

__all__ = ["DELETE_MARKS", "Exclusion", "Verdict"]

Verdict = Literal["remove", "enter", "keep"]
"""What happens to a field: it is removed, fields inside of it may be removed, or all of it is kept."""

DELETE_MARKS = frozenset({("_sdc_deleted_at",), ("_ab_cdc_deleted_at",)})
"""The fields that say that a row was deleted. Globs do not match them: without them, a delete becomes a live row."""

_MOST_KNOWN = 10_000
_MOST_NAMED = 3


class Exclusion:
    """The excluded fields of one stream. `paths` have no other excluded path inside of them."""

    def __init__(self, names: Iterable[str], nested: Iterable[Path] = (), patterns: Collection[str] = ()) -> None:
        self.paths = frozenset((*((name,) for name in names), *nested))
        self.patterns = tuple(patterns)
        self._matchers = tuple(matcher(pattern).fullmatch for pattern in self.patterns)
        self._exact = tuple(matcher(pattern).fullmatch for pattern in self.patterns if not is_glob(pattern))
        self._around = {path[:end] for path in self.paths for end in range(1, len(path))}
        self._inside: dict[Path, set[str]] = {}
        for path in self.paths:
            for end in range(len(path)):
                self._inside.setdefault(path[:end], set()).add(path[end])
        self._known: dict[Path, Verdict] = {}

    def __bool__(self) -> bool:
        return bool(self.paths or self.patterns)

    def __str__(self) -> str:
        """Return a few of the fields and patterns, for a message."""
        names = [*sorted(".".join(path) for path in self.paths), *self.patterns]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        return ", ".join(f"`{name}`" for name in names[:_MOST_NAMED]) + more

    @property
    def is_one(self) -> bool:
        """True for a single field or pattern."""
        return len(self.paths) + len(self.patterns) == 1

    def candidates(self, path: Path, names: Collection[str]) -> Collection[str]:
        """Return those of the names inside of an object that are not kept for certain."""
        return names if self._matchers else [name for name in self._inside.get(path, ()) if name in names]

    def verdict(self, path: Path) -> Verdict:
        """Return what happens to a field. The fields around it are not removed."""
        known = self._known.get(path)
        if known is None:
            if len(self._known) > _MOST_KNOWN:  # objects whose names are data
                self._known.clear()
            known = self._known[path] = self._verdict(path)
        return known

    def _verdict(self, path: Path) -> Verdict:
        text, matchers = joined(path), self._exact if path in DELETE_MARKS else self._matchers
        if path in self.paths or any(matches(text) for matches in matchers):
            return "remove"
        return "enter" if self._matchers or path in self._around else "keep"
