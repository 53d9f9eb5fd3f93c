"""Which streams and fields patterns choose, and by which pattern each is included or excluded."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tapdock.connectors.matching import WHOLE, Offered
from tapdock.errors import UsageError
from tapdock.protocol.catalog import StreamKey
from tapdock.protocol.patterns import Path, is_glob, joined, matcher

__all__ = ["Choice", "chosen", "left_out", "narrowing"]

Warn = Callable[[str], None]
Because = dict[StreamKey, dict[Path, str]]
"""The pattern that matched each field, by stream. The path of a stream itself is `WHOLE`."""


@dataclass(frozen=True)
class Choice:
    """What one list of patterns chooses. `hidden` are the parts for fields of the globs that exclude, by stream."""

    included: Because
    excluded: Because
    hidden: Mapping[StreamKey, Collection[str]]

    def excluding(self, key: StreamKey, path: Path) -> str | None:
        """Return the pattern that excludes a field, or one around it; without its `!`. None if there is none."""
        known = self.excluded.get(key, {})
        return next((known[path[:end]] for end in range(len(path) + 1) if path[:end] in known), None)

    def forbids(self, key: StreamKey, path: Path) -> bool:
        """Return True if a field is excluded, whether the source declares it or not."""
        text = joined(path)
        hides = any(matcher(pattern).fullmatch(text) for pattern in self.hidden.get(key, ()))
        return hides or self.excluding(key, path) is not None

    def including(self, key: StreamKey, path: Path) -> str | None:
        """Return the pattern that includes a field, one around it, or one inside of it; None if there is none."""
        known = self.included.get(key, {})
        around = next((known[path[:end]] for end in range(len(path) + 1) if path[:end] in known), None)
        return around or next((pattern for other, pattern in known.items() if other[: len(path)] == path), None)

    def reads(self, key: StreamKey, path: Path = WHOLE) -> bool:
        """Return True if a field is included and not excluded."""
        return self.including(key, path) is not None and self.excluding(key, path) is None


def chosen(offered: Offered, patterns: Iterable[str], *, warn: Warn, option: str = "select") -> Choice:
    """Return what patterns choose; `!` excludes. If none includes, everything is included.

    `warn` gets a message for each glob that matches nothing; `option` names the patterns in it. Raises UsageError for a
    name that does not exist.
    """
    patterns = list(patterns)
    excluding = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    including = [pattern for pattern in patterns if not pattern.startswith("!")] or ["*"]
    hidden: dict[StreamKey, list[str]] = {}
    for pattern in excluding:
        for key, fields in offered.hidden(pattern).items():
            hidden.setdefault(key, []).extend(fields)
    return Choice(
        _because(offered, including, warn, option, excludes=False),
        _because(offered, excluding, warn, option, excludes=True),
        hidden,
    )


def _because(offered: Offered, patterns: Iterable[str], warn: Warn, option: str, *, excludes: bool) -> Because:
    because: Because = {}
    for pattern in patterns:
        found = offered.matches(pattern, excludes=excludes)
        if not found and not is_glob(pattern):
            raise offered.unknown(pattern)
        if not found:
            warn(f"warning: the pattern `{'!' * excludes}{pattern}` of `{option}` matches no stream and no field")
        for key, paths in found.items():
            for path in paths:
                because.setdefault(key, {}).setdefault(path, pattern)
    return because


def narrowing(offered: Offered, project: Choice, only: Sequence[str], *, warn: Warn) -> Choice:
    """Return what the patterns of one run choose among what the project selects.

    Raises UsageError for a pattern that only matches what the project leaves out, because it would change nothing.
    """
    for pattern in only:
        found = {} if pattern.startswith("!") else offered.matches(pattern, excludes=False)
        if found and not any(project.reads(key, path) for key, paths in found.items() for path in paths):
            raise UsageError(
                f"`--select {pattern}` matches only what the project's `select` leaves out",
                hint="`--select` selects among what the project selects: to read more, change `select` of the source",
            )
    return chosen(offered, only, warn=warn, option="--select` or `--exclude")


def left_out(
    offered: Offered, key: StreamKey, choices: Sequence[Choice], *, automatic: Collection[str]
) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Return the top-level fields that are not read, and the paths of the fields inside of others that are not.

    Fields inside of a field that is not read are not in the list. The `automatic` top-level fields are read anyway, so
    they count as included, and the fields inside of them are in the list.
    """
    names: list[str] = []
    nested: list[Path] = []
    around: Path = ()
    for path in offered.fields[key]:
        if around and path[: len(around)] == around:
            continue
        if all(choice.reads(key, path) for choice in choices):
            continue
        if len(path) == 1:
            names.append(path[0])
        elif not (path[0] in automatic and _is_only_unlisted(choices, key, path)):
            nested.append(path)
        around = () if len(path) == 1 and path[0] in automatic else path
    open_ones = (path for choice in choices for path in choice.excluded.get(key, {}) if path)
    undeclared = [path for path in open_ones if path not in offered.fields[key]]
    names += [path[0] for path in undeclared if len(path) == 1]
    return tuple(names), (*nested, *(path for path in undeclared if len(path) > 1))


def _is_only_unlisted(choices: Sequence[Choice], key: StreamKey, path: Path) -> bool:
    return not any(choice.excluding(key, path) for choice in choices)
