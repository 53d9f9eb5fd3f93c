"""Comparisons in expressions that fail for each record, by the types that the source declares."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tapdock.errors import UsageError
from tapdock.translate.maps.expression import parsed
from tapdock.translate.maps.stream_map import FILTER, StreamMap

__all__ = ["Mismatch", "mismatches"]

_ORDERINGS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_NUMBERS = frozenset({"integer", "number"})
_TEXT = frozenset({"string"})


class Mismatch(NamedTuple):
    """A comparison of a field with a value of another type. `place` is the option or the field with the expression."""

    place: str
    text: str
    field: str
    declared: str
    given: str


def mismatches(each: StreamMap) -> Iterator[Mismatch]:
    """Yield orderings (`<`, `<=`, `>`, `>=`) of a number with text. Only fields with one declared type are compared."""
    texts = [(FILTER, each.entry.filter or "")]
    texts += [(field.name, field.expression.text) for field in each.fields if field.expression]
    for place, text in texts:
        try:
            nodes = list(ast.walk(parsed(text.strip()))) if "<" in text or ">" in text else []
        except UsageError:  # it has its own error
            continue
        for node in nodes:
            if isinstance(node, ast.Compare):
                yield from _of_comparison(place, node, each.declared)


def _of_comparison(place: str, node: ast.Compare, declared: Mapping[str, Any]) -> Iterator[Mismatch]:
    for left, sign, right in zip((node.left, *node.comparators), node.ops, node.comparators, strict=False):
        if not isinstance(sign, _ORDERINGS):
            continue
        for name, value in ((left, right), (right, left)):
            if not (isinstance(name, ast.Name) and isinstance(value, ast.Constant)):
                continue
            types = _types(declared.get(name.id))
            given = type(value.value)
            is_text = given is str and types and types <= _NUMBERS
            if is_text or (given in (int, float) and types == _TEXT):
                kinds = ("a number", "text") if is_text else ("text", "a number")
                yield Mismatch(place, ast.unparse(node), name.id, *kinds)


def _types(schema: Any) -> frozenset[str]:
    """Return the declared types of a field but for null; none if they are not simple."""
    said = schema.get("type") if isinstance(schema, Mapping) else None
    types = said if isinstance(said, list) else [said]
    return frozenset(types) - {"null"} if all(isinstance(one, str) for one in types) else frozenset()
