"""Text of values: `str(x)`, JSON, formats of f-strings and of dates. Each has a limit."""

import datetime
import json
import math
import re
from collections.abc import Collection
from decimal import Decimal
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

from tapdock.translate.maps.limits import MAX_WIDTH, Fault, check_weight
from tapdock.translate.maps.numbers import described

__all__ = ["canonical", "dumps", "formatted", "items_of", "loads", "strftime", "strptime_format", "text"]

_PLAIN = json.JSONEncoder(allow_nan=False)
_SPEC = re.compile(r"(?:.?[<>=^])?[-+ ]?z?#?0?(\d*)[,_]?(?:\.(\d+))?[bcdeEfFgGnosxX%]?", re.DOTALL)
_DATE_FORMAT = re.compile(r"(?:[^%]|%[aAwdbBmyYHIMSfpzZjUWcxXGuVFTDR%])*", re.DOTALL)
_CONTAINERS = (list, tuple, set, dict)
_LOOPS = frozenset({list, tuple, dict, str})
_DATES = (datetime.date, datetime.time)
_MAX_DATE_FORMAT = 200


def text(value: Any) -> str:
    """Return a value as `str(value)` of Python, with Decimals in lists and objects as plain numbers."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is not int and isinstance(value, _CONTAINERS):
        check_weight(value)
        return _written(value)
    return str(value)


def _written(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_written(key)}: {_written(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case tuple():
            return "(" + ", ".join(map(_written, value)) + (",)" if len(value) == 1 else ")")
        case set():
            return "{" + ", ".join(sorted(map(_written, value))) + "}" if value else "set()"
        case Decimal():
            return str(value)
    return repr(value)


def formatted(value: Any, spec: str) -> str:
    """Return a value in a format of an f-string. Raises Fault for formats that would have no limit."""
    if not spec:
        return text(value)
    if isinstance(value, _DATES):
        return strftime(value, spec)
    if not isinstance(value, str | int | float | Decimal):
        raise Fault(f"{described(value)} cannot have the format of an f-string")
    matched = _SPEC.fullmatch(spec)
    if matched is None or any(int(size or 0) > MAX_WIDTH for size in matched.groups()):
        raise Fault(f"the format of an f-string is not valid, or is wider than {MAX_WIDTH:,} characters")
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) > MAX_WIDTH:
        raise Fault(f"a number with more than {MAX_WIDTH:,} digits cannot be formatted")
    return format(value, spec)


def strftime(value: Any, pattern: str) -> str:
    return str(value.strftime(strptime_format(pattern)))


def strptime_format(pattern: Any) -> str:
    """Return the format of a date if it only has the usual directives. The C library knows others without a limit."""
    if not isinstance(pattern, str) or len(pattern) > _MAX_DATE_FORMAT or not _DATE_FORMAT.fullmatch(pattern):
        raise Fault("the format of a date is not valid: use directives of Python such as `%Y-%m-%d`")
    return pattern


def dumps(
    value: Any, *, sort_keys: bool = False, ensure_ascii: bool = True, separators: tuple[str, str] = (", ", ": ")
) -> str:
    """Return JSON as `json.dumps` of Python, with Decimals as numbers in their own digits."""
    check_weight(value)
    between, after_key = separators
    if not isinstance(between, str) or not isinstance(after_key, str) or len(between) + len(after_key) > 10:
        raise Fault("`separators` of json.dumps must be two short strings")
    try:
        if (sort_keys, ensure_ascii, between, after_key) == (False, True, ", ", ": "):
            return _PLAIN.encode(value)
    except (TypeError, ValueError):
        pass  # a Decimal, or what has no JSON
    return _Writer(bool(sort_keys), bool(ensure_ascii), between, after_key, canonical=False).written(value)


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: keys in order, numbers without needless digits.

    >>> canonical({"b": Decimal("1.50"), "a": 100.0})
    '{"a":100,"b":1.5}'
    """
    check_weight(value)
    return _Writer(sort_keys=True, ensure_ascii=False, between=",", after_key=":", canonical=True).written(value)


def items_of(value: Any) -> Collection[Any]:
    """Return what a loop over the value goes through. Raises Fault if that is not possible.

    The items of a set are in order: Python's own order of strings is another one in each process.
    """
    if type(value) in _LOOPS:
        return value  # type: ignore[no-any-return]
    if isinstance(value, set):
        return sorted(value, key=lambda one: (type(one).__name__, canonical(one)))
    raise Fault(f"{described(value)} has no items")


class _Writer:
    """Writes JSON. `json.dumps` cannot write a Decimal as a number."""

    def __init__(self, sort_keys: bool, ensure_ascii: bool, between: str, after_key: str, *, canonical: bool) -> None:
        self._sort_keys = sort_keys
        self._string = encode_basestring_ascii if ensure_ascii else encode_basestring
        self._between = between
        self._after_key = after_key
        self._canonical = canonical

    def written(self, value: Any) -> str:
        match value:
            case None:
                return "null"
            case bool():
                return "true" if value else "false"
            case str():
                return self._string(value)
            case int() | float() | Decimal():
                return self._number(value)
            case dict():
                pairs = [(self._key(key), inner) for key, inner in value.items()]
                if self._sort_keys:
                    pairs.sort(key=lambda pair: pair[0])
                members = (self._string(key) + self._after_key + self.written(inner) for key, inner in pairs)
                return "{" + self._between.join(members) + "}"
            case list() | tuple():
                return "[" + self._between.join(map(self.written, value)) + "]"
            case datetime.date() | datetime.time() if self._canonical:
                return self._string(value.isoformat())
        raise Fault(f"{described(value)} cannot be written as JSON. Use `str(...)`")

    def _key(self, key: Any) -> str:
        if isinstance(key, str):
            return key
        if key is None or isinstance(key, int | float | Decimal):
            return self.written(key)
        raise Fault(f"{described(key)} cannot be a key in JSON. Use `str(...)`")

    def _number(self, value: int | float | Decimal) -> str:
        if (
            not math.isfinite(value)
            if isinstance(value, float)
            else isinstance(value, Decimal) and not value.is_finite()
        ):
            raise Fault("a number is not finite")
        if not self._canonical:
            return repr(value) if isinstance(value, float) else str(value)
        sign, digits, exponent = Decimal(repr(value) if isinstance(value, float) else value).as_tuple()
        assert isinstance(exponent, int)
        plain = "".join(map(str, digits)).lstrip("0")
        short = plain.rstrip("0")
        exponent += len(plain) - len(short)
        if not short:
            return "0"
        return ("-" if sign else "") + _placed(short, exponent)


def _placed(digits: str, exponent: int) -> str:
    """Return digits times ten to the power of `exponent`, without an exponent up to 4,300 places."""
    if abs(exponent) > 4300:
        return f"{digits}e{exponent}"
    if exponent >= 0:
        return digits + "0" * exponent
    padded = digits.rjust(1 - exponent, "0")
    return f"{padded[:exponent]}.{padded[exponent:]}"


def _refused(_: str) -> None:
    raise Fault("a number in JSON is not finite")


def loads(value: Any) -> Any:
    """Return the value of a JSON text; numbers that are not integers are Decimals."""
    if not isinstance(value, str):
        raise Fault(f"json.loads takes a string, not {described(value)}")
    try:
        return json.loads(value, parse_float=Decimal, parse_constant=_refused)
    except json.JSONDecodeError:
        pass  # it has the text
    raise Fault("a string is not valid JSON")
