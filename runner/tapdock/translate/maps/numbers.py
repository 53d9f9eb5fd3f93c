"""Operators of expressions. Decimals are computed exactly, and nothing grows without a limit.

Numbers of records and literals of expressions that are not integers are Decimals. Sums, differences and products of
Decimals are exact. Quotients and powers are rounded to 28 digits, or to as many as an operand has. `//` rounds down
and `%` has the sign of the divisor, as for integers; Python's own Decimals differ. A float (of `float(x)`, or the
quotient of two integers) with a Decimal becomes the Decimal of its shortest text, so `float(x) == 1.1` can be true.
"""

import datetime
import operator
from collections.abc import Callable
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Any

from tapdock.translate.maps.limits import MAX_BITS, MAX_TEXT, Fault, check_integer, check_length, repeated

__all__ = ["BINARY", "COMPARISONS", "EXACT", "UNARY", "Operator", "described", "exact", "with_constant"]

Operator = Callable[[Any, Any], Any]

_TRAPS = [InvalidOperation, DivisionByZero, Overflow]
EXACT = Context(prec=1000, traps=[*_TRAPS, Inexact])
_DIGITS = 28
_PLAIN = {
    *(bool, int, float, str, list, tuple, dict, set),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta),
}
_NUMBERS = frozenset({bool, int, float, Decimal})
_NATIVE = frozenset({int, float})
_JOINED = frozenset({str, list, tuple})
_REPEATED = (str, list, tuple)
_SEARCHED = (list, tuple, set)
_SIGNED = (int, float, datetime.timedelta)
_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    Decimal: "a number",
    str: "a string",
    list: "a list",
    tuple: "a tuple",
    dict: "an object",
    set: "a set",
    datetime.date: "a date",
    datetime.datetime: "a date with time",
    datetime.time: "a time",
    datetime.timedelta: "a time difference",
}


def described(value: Any) -> str:
    """Return the type of a value for a message."""
    return _NAMES.get(type(value), "a value of another type")


def exact(value: Any) -> Any:
    """Return a float as the Decimal of its shortest text; other values as they are."""
    return Decimal(repr(value)) if type(value) is float else value


def with_constant(name: str, step: Callable[[Any], Any], right: Any) -> Callable[[Any], bool] | None:
    """Return a faster comparison of a step's result with a value that is neither a Decimal nor a float, or None."""
    if type(right) not in (int, str, bool, type(None)):
        return None
    match name:
        case "Eq":
            return lambda frame: step(frame) == right
        case "NotEq":
            return lambda frame: step(frame) != right
        case "Is":
            return lambda frame: step(frame) is right
        case "IsNot":
            return lambda frame: step(frame) is not right
    if name not in _ORDERINGS:
        return None
    sign, compare = _ORDERINGS[name]

    def ordered(frame: Any) -> bool:
        left = step(frame)
        try:
            return bool(compare(left, right))
        except TypeError:
            pass  # the text of the error could contain values
        raise _impossible(sign, left, right)

    return ordered


def _impossible(sign: str, left: Any, right: Any) -> Fault:
    return Fault(f"`{sign}` is not possible for {described(left)} and {described(right)}")


def _other(sign: str, plain: Operator, left: Any, right: Any) -> Any:
    if type(left) in _PLAIN and type(right) in _PLAIN:
        try:
            return plain(left, right)
        except TypeError:
            pass  # the text of the error could contain values
    raise _impossible(sign, left, right)


def _is_decimal(left: Any, right: Any) -> bool:
    """Return True if one is a Decimal and the other one a number."""
    one, other = type(left), type(right)
    return (one is Decimal and other in _NUMBERS) or (other is Decimal and one in _NUMBERS)


def _spans(left: Any, right: Any) -> tuple[Any, Any]:
    """Return the operands with a float instead of a Decimal beside a time difference, which accepts no Decimal."""
    if type(left) is datetime.timedelta and type(right) is Decimal:
        return left, float(right)
    if type(right) is datetime.timedelta and type(left) is Decimal:
        return float(left), right
    return left, right


def _add(left: Any, right: Any) -> Any:
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return left + right
        if kind in _JOINED:
            if len(left) + len(right) > MAX_TEXT:
                check_length(len(left) + len(right), left, right)
            return left + right
    if _is_decimal(left, right):
        return EXACT.add(exact(left), exact(right))
    return _other("+", operator.add, left, right)


def _subtract(left: Any, right: Any) -> Any:
    if _is_decimal(left, right):
        return EXACT.subtract(exact(left), exact(right))
    return _other("-", operator.sub, left, right)


def _multiply(left: Any, right: Any) -> Any:
    kind, other = type(left), type(right)
    if kind is Decimal and (other is Decimal or other is int):
        return EXACT.multiply(left, right)
    if kind is other is int:
        check_integer(left.bit_length() + right.bit_length())
        return left * right
    if _is_decimal(left, right):
        return EXACT.multiply(exact(left), exact(right))
    for value, times in ((left, right), (right, left)):
        if isinstance(times, int) and isinstance(value, _REPEATED):
            repeated(value, times)
    return _other("*", operator.mul, *_spans(left, right))


def _rounded(compute: Callable[[Context, Any, Any], Decimal], left: Any, right: Any) -> Decimal:
    left, right = (Decimal(one) if isinstance(one, int) else exact(one) for one in (left, right))
    context = Context(prec=_DIGITS, traps=_TRAPS)
    value = compute(context, left, right)
    if not context.flags[Inexact]:
        return value
    longest = max(len(one.as_tuple().digits) for one in (left, right))
    return value if longest <= _DIGITS else compute(Context(prec=min(longest, EXACT.prec), traps=_TRAPS), left, right)


def _divide(left: Any, right: Any) -> Any:
    if type(left) in _NATIVE and type(right) in _NATIVE:
        return left / right
    if _is_decimal(left, right):
        return _rounded(Context.divide, left, right)
    return _other("/", operator.truediv, *_spans(left, right))


def _floors(left: Any, right: Any) -> tuple[Decimal, Decimal]:
    left, right = exact(left), exact(right)
    quotient, rest = EXACT.divmod(left, right)
    if rest and (rest < 0) != (right < 0):
        return EXACT.subtract(quotient, 1), EXACT.add(rest, right)
    return quotient, rest


def _floor_divide(left: Any, right: Any) -> Any:
    if _is_decimal(left, right):
        return _floors(left, right)[0]
    return _other("//", operator.floordiv, *_spans(left, right))


def _modulo(left: Any, right: Any) -> Any:
    if _is_decimal(left, right):
        return _floors(left, right)[1]
    if isinstance(left, str):  # the width of a format is not limited
        raise Fault("`%` does not format a string. Use an f-string")
    return _other("%", operator.mod, left, right)


def _power(left: Any, right: Any) -> Any:
    if _is_decimal(left, right):
        return _rounded(Context.power, left, right)
    if isinstance(left, int) and isinstance(right, int) and right > 0:
        check_integer(left.bit_length() * right if abs(left) > 1 else 0)
    value = _other("**", operator.pow, left, right)
    if isinstance(value, complex):
        raise Fault("a power of a negative number is not a real number")
    return value


def _shift_left(left: Any, right: Any) -> Any:
    if isinstance(right, int) and isinstance(left, int):
        check_integer(min(right, MAX_BITS + 1) + left.bit_length())
    return _other("<<", operator.lshift, left, right)


def _plain(sign: str, plain: Operator) -> Operator:
    return lambda left, right: _other(sign, plain, left, right)


BINARY: dict[str, Operator] = {
    "Add": _add,
    "Sub": _subtract,
    "Mult": _multiply,
    "Div": _divide,
    "FloorDiv": _floor_divide,
    "Mod": _modulo,
    "Pow": _power,
    "LShift": _shift_left,
    "RShift": _plain(">>", operator.rshift),
    "BitAnd": _plain("&", operator.and_),
    "BitOr": _plain("|", operator.or_),
    "BitXor": _plain("^", operator.xor),
}
"""The operators by the names of their nodes in `ast`."""


def _equal(left: Any, right: Any) -> bool:
    if _is_decimal(left, right):
        return bool(exact(left) == exact(right))
    return bool(left == right)


def _ordered(sign: str, plain: Operator) -> Operator:
    def compare(left: Any, right: Any) -> bool:
        if _is_decimal(left, right):
            return bool(plain(exact(left), exact(right)))
        return bool(_other(sign, plain, left, right))

    return compare


def _contained(left: Any, right: Any) -> bool:
    if isinstance(right, str):
        if isinstance(left, str):
            return left in right
    elif isinstance(right, _SEARCHED):
        if type(left) is float or type(left) is Decimal:
            return any(_equal(left, one) for one in right)
        return left in right
    elif isinstance(right, dict):
        return left in right
    raise Fault(f"`in` is not possible for {described(left)} and {described(right)}")


_ORDERINGS: dict[str, tuple[str, Operator]] = {
    "Lt": ("<", operator.lt),
    "LtE": ("<=", operator.le),
    "Gt": (">", operator.gt),
    "GtE": (">=", operator.ge),
}
COMPARISONS: dict[str, Operator] = {
    "Eq": _equal,
    "NotEq": lambda left, right: not _equal(left, right),
    **{name: _ordered(sign, plain) for name, (sign, plain) in _ORDERINGS.items()},
    "In": _contained,
    "NotIn": lambda left, right: not _contained(left, right),
    "Is": lambda left, right: left is right,
    "IsNot": lambda left, right: left is not right,
}


def _signed(sign: str, exactly: Callable[[Decimal], Any], plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def result(value: Any) -> Any:
        if type(value) is Decimal:
            return exactly(value)
        if isinstance(value, _SIGNED):
            return plain(value)
        raise Fault(f"`{sign}` is not possible for {described(value)}")

    return result


def _inverted(value: Any) -> Any:
    if isinstance(value, int):
        return -int(value) - 1
    raise Fault(f"`~` is not possible for {described(value)}")


UNARY: dict[str, Callable[[Any], Any]] = {
    "USub": _signed("-", EXACT.minus, operator.neg),
    "UAdd": _signed("+", lambda value: value, operator.pos),
    "Invert": _inverted,
    "Not": lambda value: not value,
}
