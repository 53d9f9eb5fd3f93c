"""Replace `${VAR}`, `${VAR:-default}` and `$$` in the project file.

Values come from the environment, from files that `VAR_FILE` names, from the `.env` file beside the project file, and
from its `vars:`.
"""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from tapdock.errors import UsageError
from tapdock.project.layers import Layer, dotted
from tapdock.project.layers import Path as Keys
from tapdock.project.model import Secret
from tapdock.project.values import flaw

__all__ = ["VARIABLE", "Unset", "interpolate", "is_private", "parse_dotenv"]

VARIABLE = "[A-Za-z_][A-Za-z0-9_]*"
"""The names of variables, as a regular expression."""
REFERENCE = re.compile(rf"\$(?:(?P<escaped>\$)|\{{(?P<name>{VARIABLE})(?::-(?P<default>[^}}]*))?\}}|\{{)")
_NAME = re.compile(VARIABLE)


class Unset(Secret):
    """A value whose variable is not set. The error is raised only when the value is needed."""

    __slots__ = ("_origin", "_path", "variable")

    def __init__(self, variable: str, *, path: Keys, origin: str) -> None:
        super().__init__("")
        self.variable = variable
        self._path = path
        self._origin = origin

    def error(self) -> UsageError:
        name = self.variable
        return UsageError(
            f"{self._origin}: `{dotted(self._path)}` needs the variable `{name}`, which is not set",
            hint=f"export {name}=…, or put `{name}=…` into `.env` beside the project file",
        )

    def reveal(self) -> NoReturn:
        raise self.error()

    def __repr__(self) -> str:
        return f"[unset: {self.variable}]"

    __str__ = __repr__


def is_private(path: Keys) -> bool:
    """Return True for connector config and env, and for `vars`: text from the environment becomes a `Secret` there."""
    if path[:1] == ("defaults",):
        return path[1:2] == ("env",)
    if path[:1] == ("vars",):
        return True
    return path[:1] in (("sources",), ("targets",)) and path[2:3] in (("config",), ("env",))


def interpolate(layer: Layer, variables: Mapping[str, str], own: Mapping[str, str | Secret] | None = None) -> Layer:
    """Return the layer with every reference replaced; where a variable is missing, the value is an `Unset`.

    `own` are the values of `vars:`, which yield to `variables`. They are secret only if a variable is part of them.
    """

    def replaced(value: Any, path: Keys) -> Any:
        if isinstance(value, dict):
            return {key: replaced(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [replaced(inner, (*path, index)) for index, inner in enumerate(value)]
        if isinstance(value, str) and "$" in value:
            return _text(value, variables, own or {}, path, layer.origins.get(path, "tapdock.yaml"))
        return value

    return Layer(replaced(layer.tree, ()), layer.origins)


def _text(
    text: str, variables: Mapping[str, str], own: Mapping[str, str | Secret], path: Keys, origin: str
) -> "str | Secret":
    parts: list[str] = []
    secret: list[str] = []
    names: list[str] = []
    end = 0
    for match in REFERENCE.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match["escaped"]:
            parts.append("$")
            continue
        if match["name"] is None:
            raise UsageError(
                f"{origin}: `{dotted(path)}` has a `${{` that is not a reference",
                hint="write `${NAME}` or `${NAME:-default}`; `$${` is a plain `${`",
            )
        name = match["name"]
        value = _variable(name, variables, place=f"{origin}: `{dotted(path)}`")
        given = own.get(name) if value is None else Secret(value, parts=(value,) * bool(value), variables=(name,))
        if isinstance(given, Unset):
            name, given = given.variable, None
        if isinstance(given, Secret):
            names += given.variables
            secret += given.parts
            given = given.reveal()
        elif given is None:
            names.append(name)
        if match["default"] is not None:
            given = given or match["default"]
        if given is None:
            return Unset(name, path=path, origin=origin)
        parts.append(given)
    result = "".join(parts) + text[end:]
    if not names or not is_private(path):
        return result
    return Secret(result, parts=tuple(secret), variables=tuple(dict.fromkeys(names)))


def _variable(name: str, variables: Mapping[str, str], *, place: str) -> str | None:
    """Return the variable's value, or the content of the file that `NAME_FILE` names; None if neither is set.

    Docker and Kubernetes pass secrets in such files.
    """
    file = variables.get(f"{name}_FILE")
    if name in variables or not file:
        if problem := flaw(variables.get(name)):
            raise UsageError(f"{place} needs the variable `{name}`, which {problem}")
        return variables.get(name)
    try:
        return Path(file).read_text("utf-8").removesuffix("\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        message = f"{place} needs the file {file} of `{name}_FILE`, which cannot be read: {reason}"
        raise UsageError(message, hint=f"create the file, or correct `{name}_FILE`") from error


def parse_dotenv(text: str, label: str) -> dict[str, str]:
    """Return the values of `NAME=value` lines, which may have `export`, quotes and comments as in python-dotenv.

    References such as `${A}` are not replaced. Raises UsageError for any other line.

    >>> parse_dotenv("A=1 # one\\nexport B='x y'", ".env")
    {'A': '1', 'B': 'x y'}
    """
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.key is None and not binding.error:
            continue  # a comment
        if binding.error or binding.key is None or binding.value is None or not _NAME.fullmatch(binding.key):
            blank = len(binding.original.string) - len(binding.original.string.lstrip())
            line = binding.original.line + binding.original.string.count("\n", 0, blank)
            raise UsageError(f"{label}:{line}: not a `NAME=value` line", hint="comment it out with `#`")
        values[binding.key] = binding.value
    return values
