"""Literals, operators, conditions, slices and f-strings, compiled to closures."""

import ast
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tapdock.translate.maps.build import FREE, SIZED, Build, Frame, Step, always, charge, metered
from tapdock.translate.maps.limits import ITEM_COST, Fault, check_length
from tapdock.translate.maps.numbers import BINARY, COMPARISONS, UNARY, Operator, described, with_constant
from tapdock.translate.maps.texts import formatted, items_of, text

__all__ = ["STEPS"]

_GROWING = {"Add", "Mult"}


def _constant(build: Build, node: ast.Constant) -> Step:
    value = node.value
    if isinstance(value, float):
        return always(_decimal(build, node))
    if value is not None and not isinstance(value, str | int):
        raise build.refused(node, "bytes, complex numbers and `...` are not values of JSON", "use a string or a number")
    return always(value)


def _decimal(build: Build, node: ast.Constant) -> Decimal:
    """Return a literal with all of its digits."""
    segment = ast.get_source_segment(build.text, node) or ""
    try:
        if float(segment) == node.value:
            return Decimal(segment)
    except (ValueError, ArithmeticError):
        pass  # in Python 3.11, positions inside of an f-string are wrong
    if node.value in (float("inf"), float("-inf")):
        raise build.refused(node, "the number is too large", "use a smaller number")
    return Decimal(repr(node.value))


def _binary(build: Build, node: ast.BinOp) -> Step:
    name = type(node.op).__name__
    operator = BINARY.get(name)
    if operator is None:
        raise build.refused(
            node, "this operator is not part of the language", "use an operator for numbers, such as `*`"
        )
    if name == "Mod" and isinstance(node.left, ast.Constant | ast.JoinedStr) and not _is_number(node.left):
        raise build.refused(node, "`%` does not format strings", "use an f-string such as `f'{name} {number}'`")
    left, right = build.step(node.left), build.step(node.right)
    if name in _GROWING:
        return _growing(operator, left, right)
    return lambda frame: operator(left(frame), right(frame))


def _growing(operator: Operator, left: Step, right: Step) -> Step:
    def grow(frame: Frame) -> Any:
        made = operator(left(frame), right(frame))
        return made if type(made) not in SIZED or len(made) <= FREE else metered(frame, made)

    return grow


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _unary(build: Build, node: ast.UnaryOp) -> Step:
    operator = UNARY[type(node.op).__name__]
    operand = build.step(node.operand)
    return lambda frame: operator(operand(frame))


def _boolean(build: Build, node: ast.BoolOp) -> Step:
    *first, last = map(build.step, node.values)
    stops = isinstance(node.op, ast.Or)

    def choose(frame: Frame) -> Any:
        for one in first:
            value = one(frame)
            if bool(value) is stops:
                return value
        return last(frame)

    return choose


def _compare(build: Build, node: ast.Compare) -> Step:
    operands = [node.left, *node.comparators]
    for operation, left, right in zip(node.ops, operands, operands[1:], strict=False):
        if isinstance(operation, ast.Is | ast.IsNot) and not (_is_single(left) or _is_single(right)):
            sign = "==" if isinstance(operation, ast.Is) else "!="
            raise build.refused(node, "`is` only compares with None, True or False", f"use `{sign}`")
    first = build.step(node.left)
    pairs = [
        (COMPARISONS[type(operation).__name__], build.step(right))
        for operation, right in zip(node.ops, node.comparators, strict=True)
    ]
    if len(pairs) == 1:
        ((operator, second),) = pairs
        right = node.comparators[0]
        name = type(node.ops[0]).__name__
        fast = with_constant(name, first, right.value) if isinstance(right, ast.Constant) else None
        return fast or (lambda frame: operator(first(frame), second(frame)))

    def chain(frame: Frame) -> bool:
        left = first(frame)
        for operator, step in pairs:
            right = step(frame)
            if not operator(left, right):
                return False
            left = right
        return True

    return chain


def _is_single(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


def _conditional(build: Build, node: ast.IfExp) -> Step:
    test, body, otherwise = build.step(node.test), build.step(node.body), build.step(node.orelse)
    return lambda frame: body(frame) if test(frame) else otherwise(frame)


def _display(make: Callable[[list[Any]], Any]) -> Callable[[Build, Any], Step]:
    def compiled(build: Build, node: ast.List | ast.Tuple | ast.Set) -> Step:
        if any(isinstance(one, ast.Starred) for one in node.elts):
            return _unpacked(build, node.elts, make)
        steps = [build.step(one) for one in node.elts]
        return lambda frame: make([step(frame) for step in steps])

    return compiled


def _unpacked(build: Build, elements: list[ast.expr], make: Callable[[list[Any]], Any]) -> Step:
    steps = [
        (isinstance(one, ast.Starred), build.step(one.value if isinstance(one, ast.Starred) else one))
        for one in elements
    ]

    def display(frame: Frame) -> Any:
        found: list[Any] = []
        for starred, step in steps:
            value = step(frame)
            if starred:
                items = items_of(value)
                charge(frame, ITEM_COST * len(items))
                found.extend(items)
            else:
                found.append(value)
        return make(found)

    return display


def _dict(build: Build, node: ast.Dict) -> Step:
    pairs = [
        (None if key is None else build.step(key), build.step(value))
        for key, value in zip(node.keys, node.values, strict=True)
    ]

    def display(frame: Frame) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value in pairs:
            if key is not None:
                found[key(frame)] = value(frame)
                continue
            inner = value(frame)
            if not isinstance(inner, dict):
                raise Fault(f"{described(inner)} after `**` is not an object")
            charge(frame, ITEM_COST * len(inner))
            found.update(inner)
        return found

    return display


def _slice(build: Build, node: ast.Slice) -> Step:
    steps = [None if one is None else build.step(one) for one in (node.lower, node.upper, node.step)]
    return lambda frame: slice(*[None if step is None else step(frame) for step in steps])


def _joined(build: Build, node: ast.JoinedStr) -> Step:
    steps: list[str | Step] = [
        str(one.value) if isinstance(one, ast.Constant) else build.step(one) for one in node.values
    ]

    def join(frame: Frame) -> str:
        parts = [step if isinstance(step, str) else step(frame) for step in steps]
        made = "".join(parts)
        if len(made) > FREE:
            check_length(len(made), *parts)
            charge(frame, len(made))
        return made

    return join


def _shown(value: Step) -> Step:
    def show(frame: Frame) -> str:
        found = value(frame)
        return found if type(found) is str else text(found)

    return show


def _formatted(build: Build, node: ast.FormattedValue) -> Step:
    if node.conversion not in (-1, ord("s")):
        raise build.refused(node, f"`!{chr(node.conversion)}` is not part of the language", "leave the conversion out")
    value = build.step(node.value)
    if node.format_spec is None:
        return _shown(value)
    spec = build.step(node.format_spec)
    as_text = node.conversion != -1
    return lambda frame: formatted(text(value(frame)) if as_text else value(frame), spec(frame))


STEPS: dict[type, Callable[[Build, Any], Step]] = {
    ast.Constant: _constant,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.List: _display(lambda items: items),
    ast.Tuple: _display(tuple),
    ast.Set: _display(set),
    ast.Dict: _dict,
    ast.Slice: _slice,
    ast.JoinedStr: _joined,
    ast.FormattedValue: _formatted,
}
