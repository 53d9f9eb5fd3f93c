"""One expression while it is compiled: its settings, the fields that it reads, and the variables of comprehensions.

A compiled expression is a tree of Python closures. Each takes a frame, a list of what the evaluation works on: the
record, the stream, the original stream, the field's own value, what is left of the budget, and a place for each
variable of a comprehension.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tapdock.errors import UsageError
from tapdock.translate.maps.fakes import new_fake
from tapdock.translate.maps.limits import ITEM_COST, Fault

__all__ = [
    "ABSENT",
    "FIRST_VARIABLE",
    "FREE",
    "LEFT",
    "OWN",
    "SIZED",
    "Build",
    "Frame",
    "Scope",
    "Step",
    "Steps",
    "UnknownName",
    "always",
    "charge",
    "metered",
    "new_frame",
]

Frame = list[Any]
Step = Callable[[Frame], Any]
Steps = Mapping[type, Callable[["Build", Any], Step]]
"""The functions that compile a node, by the node's type. Other nodes are not allowed."""

RECORD, STREAM, ORIGINAL, OWN, LEFT = range(5)
FIRST_VARIABLE = 5
FREE = 1000
"""Shorter results do not count for the budget."""
SIZED = frozenset({str, list, tuple, dict, set})


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()
"""The own value of a field that the record does not have."""


class UnknownName(UsageError):
    """A bare word of an expression is not a name: neither a field, nor a function, nor a name of the maps."""


@dataclass(frozen=True)
class Scope:
    """What the expressions of one stream may use.

    `config` is `stream_map_config`. `fields` are the names that the schema declares, or None if they are not known.
    `faker` is `faker_config`. `hash_key` is the key of `hash`, `public_key` is the RSA key of `encrypt` as PEM.
    """

    config: Mapping[str, Any] = field(repr=False)
    fields: frozenset[str] | None = None
    hash_key: bytes | None = field(default=None, repr=False)
    faker: Mapping[str, Any] | None = None
    public_key: bytes | None = None

    @cached_property
    def fake(self) -> Any:
        """The Faker that these expressions share, so that two fields with the same generator get different values."""
        return new_fake(self.faker)


def new_frame(record: Mapping[str, Any], stream: str, original_stream: str, variables: int) -> Frame:
    """Return a frame for expressions with at most so many variables of comprehensions."""
    return [record, stream, original_stream, ABSENT, 0, *[None] * variables]


def always(value: Any) -> Step:
    return lambda _: value


def metered(frame: Frame, value: Any) -> Any:
    """Return the value, after a long one has used some of the budget."""
    if type(value) in SIZED and len(value) > FREE:
        charge(frame, len(value) if type(value) is str else ITEM_COST * len(value))
    return value


def charge(frame: Frame, units: int) -> None:
    """Take units of the evaluation's budget. Raises Fault if it is used up."""
    frame[LEFT] -= units
    if frame[LEFT] < 0:
        raise Fault("the expression makes too much text or too many items")


class Build:
    """The state of one compilation. `reads` is None once the expression uses the record as a whole."""

    def __init__(self, text: str, scope: Scope, *, field: str | None, steps: Steps) -> None:
        self.text = text
        self.scope = scope
        self.field = field
        self.reads: set[str] | None = set()
        self.variables = 0
        self._steps = steps
        self._places: dict[str, int] = {}

    def step(self, node: ast.AST) -> Step:
        """Return the function that computes a node. Raises UsageError if the node is not allowed."""
        compiler = self._steps.get(type(node))
        if compiler is None:
            raise self.refused(
                node, f"{_kind(node)} is not part of the language", "use one expression without statements"
            )
        return compiler(self, node)

    def read(self, field: str) -> None:
        if self.reads is not None:
            self.reads.add(field)

    def place(self, name: str) -> int | None:
        """Return the place of a comprehension's variable in the frame."""
        return self._places.get(name)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Forget the variables that are bound inside, which is a comprehension."""
        before = dict(self._places)
        try:
            yield
        finally:
            self._places = before

    def bind(self, name: str) -> int:
        place = FIRST_VARIABLE + self.variables
        self.variables += 1
        self._places[name] = place
        return place

    def refused(self, node: ast.AST, why: str, hint: str, *, error: type[UsageError] = UsageError) -> UsageError:
        """Return the error for a part of the expression."""
        return error(f"expression `{shortened(self.text)}`: `{snippet(node)}` is not allowed: {why}", hint=hint)


def shortened(text: str, longest: int = 120) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[:longest]}…"


def snippet(node: ast.AST) -> str:
    """Return the text of a part of an expression. Positions of nodes in f-strings are wrong before Python 3.12."""
    try:
        return shortened(ast.unparse(node), 60)
    except (RecursionError, ValueError):
        return "…"


def _kind(node: ast.AST) -> str:
    names = {
        "Lambda": "a lambda",
        "NamedExpr": "an assignment",
        "Await": "`await`",
        "Yield": "`yield`",
        "YieldFrom": "`yield`",
        "Starred": "a `*` at this place",
    }
    return names.get(type(node).__name__, f"this ({type(node).__name__})")
