"""Comprehensions, compiled to closures. Their rounds use the budget of the evaluation."""

import ast
from collections.abc import Callable
from typing import Any

from tapdock.translate.maps.build import Build, Frame, Step, charge
from tapdock.translate.maps.limits import BUDGET, MAX_LOOP, STEP_COST, Fault
from tapdock.translate.maps.texts import items_of

__all__ = ["STEPS"]

_Body = Callable[[Frame, Any], None]
"""What happens in a round: it takes the frame and what the comprehension has made so far."""
_PARTS = (list, tuple, str)


def _comprehension(build: Build, node: Any) -> Step:
    cost = max(BUDGET // MAX_LOOP, STEP_COST * sum(1 for _ in ast.walk(node)))
    with build.hidden():
        # Names are bound from left to right, and closures are made from the inside out.
        parts = [_parts(build, one) for one in node.generators]
        if _is_short(node, parts):
            ((items, place, conditions),) = parts
            return _short(items, place, conditions, cost, build.step(node.elt))
        body = _pair(build, node) if isinstance(node, ast.DictComp) else _item(build, node.elt)
    for items, bind, conditions in reversed(parts):
        body = _loop(items, bind, conditions, cost, body)
    make: Callable[[], Any] = dict if isinstance(node, ast.DictComp) else list

    def run(frame: Frame) -> Any:
        found = make()
        body(frame, found)
        return found

    return run if not isinstance(node, ast.SetComp) else lambda frame: set(run(frame))


def _item(build: Build, node: ast.expr) -> _Body:
    step = build.step(node)
    return lambda frame, found: found.append(step(frame))


def _pair(build: Build, node: ast.DictComp) -> _Body:
    key, value = build.step(node.key), build.step(node.value)
    return lambda frame, found: found.__setitem__(key(frame), value(frame))


def _parts(build: Build, node: ast.comprehension) -> tuple[Step, int | _Body, list[Step]]:
    if node.is_async:
        raise build.refused(node.iter, "`async` is not part of the language", "leave it out")
    items = build.step(node.iter)
    bind = _target(build, node.target)
    return items, bind, [build.step(one) for one in node.ifs]


def _into(bind: int | _Body) -> _Body:
    if isinstance(bind, int):
        return lambda frame, value: frame.__setitem__(bind, value)
    return bind


def _target(build: Build, node: ast.expr) -> int | _Body:
    """Return the place of a variable of a comprehension, or what puts the parts of an item into several."""
    if isinstance(node, ast.Name):
        if node.id.startswith("_"):
            raise build.refused(node, "names that begin with an underscore are private", "choose another name")
        return build.bind(node.id)
    if not isinstance(node, ast.Tuple | ast.List):
        raise build.refused(node, "a variable of a comprehension must be a name", "use a name such as `item`")
    binds = [_into(_target(build, one)) for one in node.elts]

    def unpack(frame: Frame, value: Any) -> None:
        if not isinstance(value, _PARTS) or len(value) != len(binds):
            raise Fault(f"an item of a comprehension does not have {len(binds)} parts")
        for bind, part in zip(binds, value, strict=True):
            bind(frame, part)

    return unpack


def _loop(items: Step, bind: int | _Body, conditions: list[Step], cost: int, body: _Body) -> _Body:
    unpack = _into(bind)

    def run(frame: Frame, found: Any) -> None:
        values = items_of(items(frame))
        charge(frame, cost * len(values))
        for value in values:
            unpack(frame, value)
            for condition in conditions:
                if not condition(frame):
                    break
            else:
                body(frame, found)

    return run


def _is_short(node: Any, parts: list[Any]) -> bool:
    return not isinstance(node, ast.DictComp | ast.SetComp) and len(parts) == 1 and isinstance(parts[0][1], int)


def _short(items: Step, place: Any, conditions: list[Step], cost: int, item: Step) -> Step:
    """Return a list with one loop and one variable: the most frequent form, which is faster."""

    def run(frame: Frame) -> list[Any]:
        found = []
        values = items_of(items(frame))
        charge(frame, cost * len(values))
        for value in values:
            frame[place] = value
            for condition in conditions:
                if not condition(frame):
                    break
            else:
                found.append(item(frame))
        return found

    return run


STEPS: dict[type, Callable[[Build, Any], Step]] = dict.fromkeys(
    (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp), _comprehension
)
