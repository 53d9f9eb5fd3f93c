"""Limits of what an expression may make, so that none can use up memory or time, and the error for exceeding them."""

from collections.abc import Sized
from typing import Any

__all__ = [
    "BUDGET",
    "ITEM_COST",
    "MAX_BITS",
    "MAX_DEPTH",
    "MAX_EXPRESSION",
    "MAX_LOOP",
    "MAX_TEXT",
    "MAX_WEIGHT",
    "MAX_WIDTH",
    "STEP_COST",
    "Fault",
    "check_integer",
    "check_length",
    "check_weight",
    "check_width",
    "repeated",
]

MAX_EXPRESSION = 10_000
"""Characters of an expression."""
MAX_DEPTH = 100
"""Levels of nesting in an expression. Evaluation uses two Python frames for each."""
MAX_TEXT = 1_000_000
"""Characters or items that one operation may make, unless it was given a value of half that length."""
MAX_LOOP = 10_000
"""Rounds of all comprehensions of one evaluation, as in simpleeval. Long expressions have fewer."""
MAX_WIDTH = 10_000
"""Characters to which a value may be padded."""
MAX_BITS = 14_000
"""Bits of an integer: Python writes at most 4,300 digits."""
MAX_WEIGHT = 50_000_000
"""Characters of a value that becomes text as a whole. An item of a list or an object counts as `ITEM_COST`."""
BUDGET = 100_000_000
"""Characters that all operations of one evaluation may make. An item counts as `ITEM_COST`."""
ITEM_COST = 40
STEP_COST = 50
"""What a node of a comprehension uses of the budget in each round."""


_CONTAINERS = (list, tuple, set, dict)


class Fault(ValueError):
    """A value cannot be computed. The text has neither a value of the record nor a length of one."""


def check_length(length: int, *given: Sized) -> None:
    """Raise Fault if a new text or list of this length would be too long for the values that it is made of."""
    if length > MAX_TEXT and length > 2 * max(map(len, given), default=0):
        raise Fault(f"a text or list would have more than {MAX_TEXT:,} characters or items")


def check_width(width: Any) -> None:
    if isinstance(width, int) and width > MAX_WIDTH:
        raise Fault(f"a text would be padded to more than {MAX_WIDTH:,} characters")


def check_integer(bits: int) -> None:
    if bits > MAX_BITS:
        raise Fault("an integer would have more than 4,200 digits")


def repeated(value: Sized, times: int) -> None:
    """Raise Fault if the value cannot be repeated that often."""
    if len(value) * times > MAX_TEXT:
        raise Fault(f"a repeated text or list would have more than {MAX_TEXT:,} characters or items")


def check_weight(value: Any) -> None:
    """Raise Fault if a value is too large to become text.

    One list can be many times in another one without using more memory, so its weight counts each time.
    """
    if _weight(value, {}) > MAX_WEIGHT:
        raise Fault("a value is too large to become text")


def _weight(value: Any, known: dict[int, int]) -> int:
    if isinstance(value, str):
        return len(value)
    if not isinstance(value, _CONTAINERS):
        return 0
    if id(value) in known:
        return known[id(value)]
    total = ITEM_COST * len(value) + sum(_weight(one, known) for one in value)
    if isinstance(value, dict):
        total += sum(_weight(one, known) for one in value.values())
    known[id(value)] = total
    return total
