"""Convert the words of a command line without pydantic where they need no conversion.

Newer versions of typer import pydantic to convert the value of any parameter, also of one that was not given. This
import takes longer than most commands.
"""

from collections.abc import Callable
from typing import Any, get_args, get_origin

import typer.core

__all__ = ["quicken"]


def quicken() -> None:
    """Let typer use pydantic only for values that are neither text nor defaults."""
    real = getattr(typer.core, "build_runtime_param", None)
    if real is not None and not isinstance(real, _Quick):
        typer.core.build_runtime_param = _Quick(real)  # type: ignore[attr-defined,assignment] # there is no public way


class _Quick:
    """In place of typer's function that returns the conversion of a parameter."""

    def __init__(self, real: Callable[[Any], Any]) -> None:
        self._real = real

    def __call__(self, descriptor: Any) -> "_Conversion":
        return _Conversion(lambda: self._real(descriptor))


class _Conversion:
    """The conversion of one parameter. The real one is made for the first value that needs it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        several = param.multiple or param.nargs == -1
        annotation = param.type_descriptor.annotation
        if value is None:
            return () if several else None
        if not several and annotation in (str, bool, int, float) and type(value) is annotation:
            return value  # a number that was given is still text, and is converted
        if several and get_origin(annotation) is list and get_args(annotation) == (str,) and _are_texts(value):
            return list(value)
        return self._make().coerce(value, param=param, ctx=ctx)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(type(each) is str for each in value)
