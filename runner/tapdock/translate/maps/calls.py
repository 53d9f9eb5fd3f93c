"""Calls of functions and of methods, compiled to closures."""

import ast
from collections.abc import Callable
from difflib import get_close_matches
from operator import itemgetter
from typing import Any

from tapdock.translate.maps import private
from tapdock.translate.maps.build import FREE, RECORD, SIZED, Build, Frame, Scope, Step, metered
from tapdock.translate.maps.fakes import fake_method
from tapdock.translate.maps.functions import FUNCTIONS, MODULES, Function
from tapdock.translate.maps.limits import Fault
from tapdock.translate.maps.methods import INSTEAD, METHODS
from tapdock.translate.maps.names import MAPS_NAMES, check_attribute, is_record, module_path
from tapdock.translate.maps.numbers import described

__all__ = ["PRIVATE", "STEPS"]


def _hash(scope: Scope) -> Function:
    return Function(private.tokens(private.check_hash_key(scope.hash_key)), 1)


def _encrypt(scope: Scope) -> Function:
    pem = private.check_public_key(scope.public_key)
    return Function(lambda value: private.encrypted(value, pem), 1)


PRIVATE: dict[str, Callable[[Scope], Function]] = {
    "encrypt": _encrypt,
    "hash": _hash,
    "mask": lambda _: Function(private.masked, 1, 2, frozenset({"keep"})),
}
"""The functions for personal data. Each is made with the keys of the scope."""


def _call(build: Build, node: ast.Call) -> Step:
    if any(isinstance(one, ast.Starred) for one in node.args) or any(one.arg is None for one in node.keywords):
        raise build.refused(node, "`*` and `**` are not possible in a call", "write the arguments one by one")
    if isinstance(node.func, ast.Name):
        return _apply(build, node, _function(build, node.func))
    if not isinstance(node.func, ast.Attribute):
        raise build.refused(node.func, "only functions and methods can be called", "call a function by its name")
    check_attribute(build, node.func)
    path = module_path(build, node.func)
    if path is not None:
        return _apply(build, node, _module_function(build, node.func, path))
    base = node.func.value
    if isinstance(base, ast.Name) and base.id == "fake" and build.place("fake") is None:
        return _apply(build, node, _generator(build, node.func))
    return _method(build, node, node.func)


def _function(build: Build, node: ast.Name) -> Function:
    name = node.id
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if name in PRIVATE:
        return PRIVATE[name](build.scope)
    known = (*FUNCTIONS, *PRIVATE)
    if name in MAPS_NAMES or name in (build.scope.fields or ()) or build.place(name) is not None:
        raise build.refused(node, "it is a value and not a function", f"the functions are: {_listed(known)}")
    if name in METHODS:
        raise build.refused(node, "it is a method", f"call it on a value, for example `field.{name}(...)`")
    close = get_close_matches(name, known, n=1)
    guess = f"did you mean `{close[0]}`? " if close else ""
    raise build.refused(node, "it is not a function of expressions", f"{guess}The functions are: {_listed(known)}")


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _module_function(build: Build, node: ast.Attribute, path: str) -> Function:
    function = MODULES.get(path)
    if function is None:
        module = path.split(".")[0]
        allowed = _listed(one for one in MODULES if one.split(".")[0] == module)
        raise build.refused(node, "it is not a function of a module that expressions may use", f"use one of: {allowed}")
    return function


def _generator(build: Build, node: ast.Attribute) -> Function:
    method = fake_method(build.scope.fake, node.attr)
    if method is None:
        hint = "use a generator such as `fake.first_name()`, `fake.email()` or `fake.pyint()`"
        raise build.refused(node, "Faker has no such generator for values of JSON", hint)
    return Function(method, 0, 100, None)


def _apply(build: Build, node: ast.Call, function: Function) -> Step:
    _check_arguments(build, node, function)
    call = function.call
    steps = [build.step(one) for one in node.args]
    if node.keywords:
        named = [(str(one.arg), build.step(one.value)) for one in node.keywords]
        return lambda frame: metered(
            frame, call(*[step(frame) for step in steps], **{name: step(frame) for name, step in named})
        )
    if len(steps) == 1:
        (only,) = steps
        return _applied(call, only)
    return lambda frame: metered(frame, call(*[step(frame) for step in steps]))


def _applied(call: Callable[[Any], Any], argument: Step) -> Step:
    def apply(frame: Frame) -> Any:
        made = call(argument(frame))
        return made if type(made) not in SIZED or len(made) <= FREE else metered(frame, made)

    return apply


def _check_arguments(build: Build, node: ast.Call, function: Function) -> None:
    count = len(node.args)
    if not function.least <= count <= function.most:
        expected = f"{function.least}" if function.least == function.most else f"{function.least} to {function.most}"
        raise build.refused(node, f"it has {count} arguments without a name", f"the function takes {expected}")
    for one in node.keywords:
        if function.keywords is not None and one.arg not in function.keywords:
            allowed = f"use {_listed(sorted(function.keywords))}" if function.keywords else "leave it out"
            raise build.refused(node, f"the function has no argument `{one.arg}`", allowed)
    keep = next((one.value for one in node.keywords if one.arg == "keep"), node.args[1] if count == 2 else None)
    if function.call is private.masked and isinstance(keep, ast.UnaryOp):
        raise build.refused(
            node, "`keep` is negative", "set `keep` to the number of characters that stay, for example 4"
        )


def _method(build: Build, node: ast.Call, func: ast.Attribute) -> Step:
    name = func.attr
    by_type = METHODS.get(name)
    if by_type is None:
        close = get_close_matches(name, METHODS, n=1)
        hint = INSTEAD.get(name) or (f"did you mean `{close[0]}`?" if close else f"the methods are: {_listed(METHODS)}")
        raise build.refused(func, f"`{name}` is not a method of expressions", hint)
    value = _receiver(build, node, func)
    steps = [build.step(one) for one in node.args]
    named = [(str(one.arg), build.step(one.value)) for one in node.keywords]
    is_fixed = not named and all(isinstance(one, ast.Constant) for one in node.args)
    fixed = [step([]) for step in steps] if is_fixed else []

    def call(frame: Frame) -> Any:
        found = value(frame)
        method = by_type.get(type(found))
        if method is None:
            raise Fault(f"{described(found)} has no method `{name}`")
        if is_fixed:
            made = method(found, *fixed)
        elif named:
            made = method(found, *[step(frame) for step in steps], **{key: step(frame) for key, step in named})
        else:
            made = method(found, *[step(frame) for step in steps])
        return made if type(made) is str and len(made) <= FREE else metered(frame, made)

    return call


def _receiver(build: Build, node: ast.Call, func: ast.Attribute) -> Step:
    """Return the step of the value whose method is called. `record.get('x')` reads only one field."""
    if func.attr == "get" and is_record(build, func.value) and node.args:
        key = node.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            build.read(key.value)
            return itemgetter(RECORD)
    return build.step(func.value)


STEPS: dict[type, Callable[[Build, Any], Step]] = {ast.Call: _call}
