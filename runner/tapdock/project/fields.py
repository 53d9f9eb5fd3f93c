"""Read typed values of the project file. Each value has its place with it, so that errors can name the place."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar, cast, get_args

from tapdock.errors import UsageError
from tapdock.project.discovery import Discovery
from tapdock.project.interpolate import Unset
from tapdock.project.keys import LISTS, MOST, PATTERNS, Key, Pattern
from tapdock.project.layers import Path, dotted
from tapdock.project.secret import Secret
from tapdock.text.nearest import did_you_mean

__all__ = ["Field", "did_you_mean", "written_size"]

T = TypeVar("T")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
SECONDS = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Field:
    """A value of the project file at its path."""

    value: Any
    path: Path
    origins: Mapping[Path, str]
    label: str

    @property
    def origin(self) -> str:
        """Return where the value, or the nearest value around it, was written."""
        for end in range(len(self.path), 0, -1):
            if self.path[:end] in self.origins:
                return self.origins[self.path[:end]]
        return self.label

    def error(self, problem: str, *, hint: str | None = None) -> UsageError:
        """Return the error `file:line: path problem`."""
        return UsageError(f"{self.origin}: `{dotted(self.path)}` {problem}", hint=hint)

    def wrong(self, wanted: str, *, hint: str | None = None) -> UsageError:
        """Return the error for a value that is not `wanted`. Its message shows scalars; of others, only the type."""
        if isinstance(self.value, Unset):
            return self.value.error()
        match self.value:
            case None:
                return self.error(f"is empty, not {wanted}", hint=hint)
            case dict():
                return self.error(f"is a mapping, not {wanted}", hint=hint)
            case list():
                return self.error(f"is a list, not {wanted}", hint=hint)
            case _:
                shown = json.dumps(self.value) if isinstance(self.value, bool) else self.value
                return self.error(f"is `{shown}`, not {wanted}", hint=hint)

    def child(self, key: str | int) -> "Field":
        return Field(self.value[key], (*self.path, key), self.origins, self.label)

    def entries(self) -> dict[str, "Field"]:
        """Return the fields of a mapping whose names the user chose; an empty value counts as an empty mapping."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise self.wrong("a mapping")
        return {key: self.child(key) for key in self.value}

    def keys(self, known: Iterable[str], *, instead: Mapping[str, str] | None = None) -> dict[str, "Field"]:
        """Return the fields of a mapping with known names, without empty ones. Raises UsageError for an unknown name.

        `instead` maps some unknown names to a hint: what to write or do instead.
        """
        known = tuple(known)
        fields = self.entries()
        for key, field in fields.items():
            if instead and key in instead:
                raise field.error("is not a key here", hint=instead[key])
            if key not in known:
                hint = did_you_mean(key, known) or f"known here: {', '.join(known)}"
                raise field.error("is not a known key", hint=hint)
        return {key: field for key, field in fields.items() if field.value is not None}

    def items(self) -> list["Field"]:
        """Return the fields of a list; a single text counts as a list of one."""
        if isinstance(self.value, str):
            return [Field([self.value], self.path, self.origins, self.label).child(0)]
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        return [self.child(index) for index in range(len(self.value))]

    def text(self) -> str:
        """Return text. A whole number is accepted; `1.10` is not, because YAML has already turned it into 1.1."""
        if isinstance(self.value, bool) or not isinstance(self.value, str | int):
            raise self.wrong("text", hint="put it in quotes" if isinstance(self.value, float) else None)
        if not str(self.value).strip():
            raise self.error("is empty text")
        if "\0" in str(self.value):
            raise self.error("contains a NUL character")
        return str(self.value)

    def texts(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self.items())

    def labels(self) -> dict[str, str]:
        """Return texts by name. A number or a boolean is written as in YAML."""
        entries = {name: field for name, field in self.entries().items() if field.value is not None}
        return {name: _label(field) for name, field in entries.items()}

    def words(self) -> tuple[str, ...]:
        """Return a command line: a list of texts, or one text split as a shell does it."""
        if not isinstance(self.value, str):
            return self.texts()
        try:
            return tuple(shlex.split(self.value))
        except ValueError as error:
            raise self.wrong(f"a command line ({error})", hint="write it as a list") from error

    def read(self, key: Key) -> Any:
        """Return the value of a key whose form is read the same everywhere."""
        match key.form:
            case "choice":
                return self.choice(key.words)
            case "count":
                return self.integer(least=key.least)
            case "number":
                return self.number(least=key.least)
            case "size":
                return self.size(least=key.least)
            case form if form in LISTS:
                return tuple(item.matching(PATTERNS[form]) for item in self.items())
            case "date":
                return self.date()
            case form if form in PATTERNS:
                return self.matching(PATTERNS[form])
            case _:
                return _READERS[key.form](self)

    def matching(self, pattern: Pattern) -> str:
        text = self.text()
        if not re.fullmatch(pattern.regex, text):
            raise self.wrong(pattern.what, hint=f"for example `{pattern.example}`")
        return text

    def date(self) -> str:
        """Return a day of the calendar: `2024-06-30`."""
        text = self.matching(PATTERNS["date"])
        try:
            date.fromisoformat(text)
        except ValueError:
            raise self.wrong("a day of the calendar") from None
        return text

    def number(self, *, least: float) -> float:
        """Return a number from `least` to the largest one."""
        try:
            number = float(self.value) if not isinstance(self.value, bool) else None
        except (TypeError, ValueError, OverflowError):
            number = None
        if number is None or not least <= number <= MOST["number"]:
            raise self.wrong(f"a number from {least:g} to {MOST['number']:.0f}")
        return number

    def integer(self, *, least: float = 0) -> int:
        """Return a whole number of at most 18 digits: an engine stores it in 64 bits."""
        text = str(self.value)
        if (
            isinstance(self.value, bool)
            or not re.fullmatch(r"\d{1,18}", text)
            or not least <= int(text) <= MOST["count"]
        ):
            raise self.wrong(f"a whole number from {least:g} to {MOST['count']}")
        return int(text)

    def flag(self) -> bool:
        if self.value not in (True, False, "true", "false"):
            raise self.wrong("`true` or `false`")
        return self.value in (True, "true")

    def choice(self, kind: type[T] | Any) -> T:
        """Return the value if it is one of the words of the Literal `kind`. Raises UsageError otherwise."""
        words = get_args(kind)
        if self.value not in words:
            listed = ", ".join(f"`{word}`" for word in words)
            near = did_you_mean(str(self.value).replace("-", "_"), words)
            raise self.wrong(f"one of {listed}", hint=near)
        return cast(T, self.value)

    def size(self, *, least: float) -> int:
        """Return bytes: from `512m`, `1g` (powers of 1024, as in `docker run --memory`), or a plain number."""
        match = SIZE.fullmatch(str(self.value).strip())
        if isinstance(self.value, bool) or not match:
            raise self.wrong("a size", hint="write a size such as `512m` or `1g`")
        size = float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " ")
        if not least <= size <= MOST["size"]:
            raise self.wrong(f"a size from `{written_size(least)}` to `{written_size(MOST['size'])}`")
        return int(size)

    def duration(self) -> float:
        """Return seconds: from `90`, `90s`, `15m`, `3h`."""
        match = DURATION.fullmatch(str(self.value).strip())
        if isinstance(self.value, bool) or not match or float(match[1]) == 0:
            raise self.wrong("a duration", hint="write seconds, or a duration such as `90s`, `15m` or `3h`")
        seconds = float(match[1]) * SECONDS[match[2]]
        if seconds > MOST["duration"]:
            raise self.wrong(f"a duration of at most `{MOST['duration'] / SECONDS['d']:.0f}d`")
        return seconds


def _discovery(field: Field) -> Discovery:
    """Return when a source is asked for its streams: a word, `true` or `false`, or the age of its cached catalog."""
    match field.value:
        case True | "true" | "cached":
            return Discovery()
        case False | "false":
            return Discovery(mode="never")
        case "always" | "committed" as mode:
            return Discovery(mode=mode)
        case value if isinstance(value, str) and not DURATION.fullmatch(value.strip()):
            words = ("cached", "always", "committed")
            raise field.wrong("`cached`, `always`, `committed`, `false` or a duration", hint=did_you_mean(value, words))
        case _:
            return Discovery(seconds=field.duration())


def written_size(size: float) -> str:
    """Return bytes as they are written in a project file: 6291456 is `6m`."""
    units = [(unit, size / 1024**power) for power, unit in enumerate(("", "k", "m", "g", "t"))]
    found = (f"{number:g}{unit}" for unit, number in reversed(units) if number >= 1 and number.is_integer())
    return next(found, "0")


def _mapping(field: Field) -> dict[str, Any]:
    """Return a mapping as it is written; its references have their values later."""
    field.entries()
    return dict(field.value or {})


def _secret(field: Field) -> Secret:
    """Return a secret. It is not read yet, so that commands that do not need it work without it."""
    if not isinstance(field.value, Secret):
        hint = "put it into `.env` or the environment, and refer to it: `${NAME}`, `${file:PATH}` or `${exec:PROGRAM}`"
        raise field.error("is a secret, which must not be in the project file", hint=hint)
    return field.value


def _public(field: Field) -> str | Secret:
    return field.value if isinstance(field.value, Secret) else field.text()


def _label(field: Field) -> str:
    if isinstance(field.value, bool):
        return str(field.value).lower()
    return "" if field.value == "" else field.text()


_READERS: Mapping[str, Callable[[Field], Any]] = {
    "text": Field.text,
    "texts": Field.texts,
    "words": Field.words,
    "flag": Field.flag,
    "labels": Field.labels,
    "duration": Field.duration,
    "discovery": _discovery,
    "mapping": _mapping,
    "secret": _secret,
    "public": _public,
}
