"""Expressions of stream maps: compiled once from a whitelist of syntax, and computed for each record.

The text is parsed by `ast`. It is never given to `eval` or `compile`: each node that is allowed becomes a closure, and
each other one is an error before the run begins. The names, functions and methods are those of the Singer SDK.
"""

import ast
import dataclasses
from collections.abc import Mapping
from typing import Any
from warnings import catch_warnings, simplefilter

from tapdock.errors import UsageError
from tapdock.translate.maps import calls, loops, names, syntax
from tapdock.translate.maps.build import (
    ABSENT,
    LEFT,
    OWN,
    Build,
    Frame,
    Scope,
    Step,
    UnknownName,
    new_frame,
    shortened,
)
from tapdock.translate.maps.inference import Schema, inferred
from tapdock.translate.maps.limits import BUDGET, MAX_DEPTH, MAX_EXPRESSION, Fault
from tapdock.translate.maps.results import result

__all__ = ["ABSENT", "Expression", "Scope", "Uncomputable", "UnknownName", "bare_words", "compiled"]

_STEPS = {**syntax.STEPS, **loops.STEPS, **names.STEPS, **calls.STEPS}
_REASONS: dict[type[Exception], str] = {
    ZeroDivisionError: "a number is divided by zero",
    OverflowError: "a number is too large",
    ArithmeticError: "a number is too large, too long, or not defined",
    UnicodeError: "a text has a character that is not valid Unicode",
    TypeError: "a value has the wrong type",
    ValueError: "a value cannot be converted",
    LookupError: "something that is read does not exist",
    RecursionError: "a value is nested too deeply",
    MemoryError: "a value is too large",
}
"""Reasons without values: the text of Python's errors often contains them."""


class Uncomputable(ValueError):
    """A value cannot be computed for a record. The text has the expression and the field, and never a value."""


@dataclasses.dataclass(frozen=True, slots=True)
class Expression:
    """An expression that can be computed.

    `schema` is the JSON schema of its values if the text determines it. If it is None, the caller decides: the schema
    of the field that `text` names, the schema of the raw record for `record`, the old type, or a string. `reads` are
    the top-level fields that it reads, or None if it may read any. `field` is the field that it computes.
    """

    text: str
    schema: Schema | None
    reads: frozenset[str] | None
    field: str | None
    _step: Step = dataclasses.field(repr=False, compare=False)
    variables: int = dataclasses.field(repr=False, compare=False)

    def __call__(self, record: Mapping[str, Any], *, stream: str, original_stream: str, own: Any = ABSENT) -> Any:
        """Return the value for a record, as a value of JSON. Raises Uncomputable.

        `own` is what the record has in the field that is computed, for the name `self`.
        """
        frame = new_frame(record, stream, original_stream, self.variables)
        frame[OWN] = own
        return self.of(frame)

    def of(self, frame: Frame) -> Any:
        """Return the value for a frame, which other expressions of the same record may use before and after it."""
        frame[LEFT] = BUDGET
        try:
            value = self._step(frame)
            return value if type(value) is str and value.isascii() else result(value)
        except Exception as error:
            reason = _reason(error)
        # Raised here, so that it has no reference to the other error, whose text may contain values.
        what = f"field `{self.field}`: " if self.field is not None else ""
        raise Uncomputable(f"{what}the expression `{shortened(self.text)}` cannot be computed: {reason}")


def _reason(error: Exception) -> str:
    if isinstance(error, Fault):
        return str(error)
    for kind in type(error).__mro__:
        if kind in _REASONS:
            return _REASONS[kind]
    return "a function failed"


def compiled(text: str, scope: Scope, *, field: str | None = None) -> Expression:
    """Return the expression of a text, for the field that it computes (None for a filter or an alias).

    Raises UsageError for what is not part of the language, and UnknownName for a bare word that means nothing.
    """
    node = parsed(text.strip())
    build = Build(text.strip(), scope, field=field, steps=_STEPS)
    step = build.step(node)
    reads = None if build.reads is None else frozenset(build.reads)
    return Expression(text.strip(), inferred(node), reads, field, step, build.variables)


def bare_words(text: str) -> frozenset[str]:
    """Return the names in an expression, among them those of fields; none for a text that is not an expression."""
    try:
        return frozenset(node.id for node in ast.walk(parsed(text.strip())) if isinstance(node, ast.Name))
    except UsageError:
        return frozenset()


def parsed(text: str) -> ast.expr:
    where = f"expression `{shortened(text)}`"
    if not text:
        raise UsageError("an expression is empty", hint="use `null` in the project file to remove a field")
    if len(text) > MAX_EXPRESSION:
        raise UsageError(f"{where} is longer than {MAX_EXPRESSION:,} characters", hint="divide it into several fields")
    try:
        with catch_warnings():
            simplefilter("ignore")  # of an escape in a string that Python does not know
            node = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        at = f" at character {error.offset}" if error.offset and error.lineno == 1 else ""
        hint = "write one Python expression; a text needs quotes of its own, for example `\"'text'\"` in YAML"
        raise UsageError(f"{where} is not valid{at}: {error.msg}", hint=hint) from None
    except (ValueError, RecursionError, MemoryError):
        raise UsageError(f"{where} is nested too deeply, or has a character that is not text") from None
    _check_depth(node, where)
    return node


def _check_depth(node: ast.AST, where: str) -> None:
    level: list[ast.AST] = [node]
    for _ in range(MAX_DEPTH):
        level = [inner for one in level for inner in ast.iter_child_nodes(one)]
        if not level:
            return
    raise UsageError(f"{where} has more than {MAX_DEPTH} levels", hint="divide it into several fields")
