"""The JSON schema of an expression's value, where its text determines it."""

import ast
from typing import Any

from tapdock.translate.maps.functions import MODULES

__all__ = ["inferred"]

Schema = dict[str, Any]
_FUNCTIONS = {
    **dict.fromkeys(("str", "md5", "sha256", "hash", "mask", "encrypt"), "string"),
    **dict.fromkeys(("float", "rand"), "number"),
    **dict.fromkeys(("int", "randint"), "integer"),
    "bool": "boolean",
}
_STRING_METHODS = [
    "capitalize",
    "casefold",
    "center",
    "expandtabs",
    "isoformat",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "removeprefix",
    "removesuffix",
    "rjust",
    "rstrip",
    "strftime",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
]
_BOOLEAN_METHODS = frozenset({"endswith", "startswith", "issubset", "issuperset", "isdisjoint"})
_NUMERIC = ("integer", "number")
_DATE = "date"
_DATE_TIME = "date-time"
_SPANS = "time difference"
_CLASSES = {"datetime.datetime": _DATE_TIME, "datetime.date": _DATE, "datetime.timedelta": _SPANS}


def inferred(node: ast.expr) -> Schema | None:
    """Return the schema of a value, always with null, or None if the text does not determine it."""
    kind = _kind(node)
    if kind in (None, _SPANS):
        return None
    if kind in (_DATE, _DATE_TIME):
        return {"type": ["string", "null"], "format": kind}
    return {"type": [kind, "null"]}


def _kind(node: ast.expr) -> str | None:
    match node:
        case ast.JoinedStr():
            return "string"
        case ast.Constant():
            return _literal(node.value)
        case ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return "boolean"
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            kind = _kind(node.operand)
            return kind if kind in _NUMERIC else None
        case ast.Call():
            return _called(node)
        case ast.BinOp():
            return _operated(node)
        case ast.IfExp():
            return _either([node.body, node.orelse])
        case ast.BoolOp():
            return _either(node.values)
    return None


def _literal(value: object) -> str | None:
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return names.get(type(value))


def _either(nodes: list[ast.expr]) -> str | None:
    """Return the kind of all nodes. Null fits each kind, because all schemas include it."""
    kinds = {_kind(node) for node in nodes if not (isinstance(node, ast.Constant) and node.value is None)}
    if kinds == set(_NUMERIC):
        return "number"
    return kinds.pop() if len(kinds) == 1 else None


def _operated(node: ast.BinOp) -> str | None:
    left, right = _kind(node.left), _kind(node.right)
    if isinstance(node.op, ast.Add) and "string" in (left, right):
        return "string"
    if {left, right} <= {*_NUMERIC}:
        whole = left == right == "integer" and not isinstance(node.op, ast.Div | ast.Pow)
        return "integer" if whole else "number"
    if isinstance(node.op, ast.Div) and (left in _NUMERIC or right in _NUMERIC) and _SPANS not in (left, right):
        return "number" if left in _NUMERIC else None
    if isinstance(node.op, ast.Add | ast.Sub) and left in (_DATE, _DATE_TIME) and right == _SPANS:
        return left
    return None


def _called(node: ast.Call) -> str | None:
    if isinstance(node.func, ast.Name):
        return _FUNCTIONS.get(node.func.id)
    path = ast.unparse(node.func)
    if path == "json.dumps":
        return "string"
    if path in MODULES:
        return next((kind for prefix, kind in _CLASSES.items() if f"{path}.".startswith(f"{prefix}.")), None)
    if not isinstance(node.func, ast.Attribute):
        return None
    name = node.func.attr
    if name == "date" and not node.args:
        return _DATE
    if name in _STRING_METHODS:
        return "string"
    return "boolean" if name in _BOOLEAN_METHODS else None
