"""Replace `${VAR}`, `${VAR:-default}`, `${file:…}`, `${exec:…}` and `$$` in the project file.

Values come from the environment, from files that `VAR_FILE` names, from the `.env` file beside the project file, and
from its `vars:`. `builtin.py` has the built-in variables, `references.py` secrets from files and programs.
"""

import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from tapdock.errors import UsageError
from tapdock.project.builtin import BUILTIN, ENVIRONMENT, read_builtin
from tapdock.project.composed import Composed, Piece
from tapdock.project.layers import Layer, dotted
from tapdock.project.layers import Path as Keys
from tapdock.project.references import Reference, References
from tapdock.project.secret import Secret
from tapdock.project.values import flaw

__all__ = ["REFERENCE", "VARIABLE", "Scope", "Unset", "interpolate", "is_private", "parse_dotenv"]

VARIABLE = "[A-Za-z_][A-Za-z0-9_]*"
"""The names of variables, as a regular expression."""
REFERENCE = re.compile(
    rf"\$(?:(?P<escaped>\$)|\{{(?:(?P<later>(?:file|exec):(?!-)[^}}]*)|(?P<builtin>{BUILTIN}[^}}]*)"
    rf"|(?P<name>{VARIABLE})(?::-(?P<default>[^}}]*))?)\}}|\{{)"
)
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
        if name == ENVIRONMENT:
            return UsageError(
                f"{self._origin}: `{dotted(self._path)}` needs the name of the environment, but none is chosen",
                hint="add `--environment NAME`, or write `${ENVIRONMENT:-text}` for runs without one",
            )
        return UsageError(
            f"{self._origin}: `{dotted(self._path)}` needs the variable `{name}`, which is not set",
            hint=f"export {name}=…, or put `{name}=…` into `.env` beside the project file",
        )

    def reveal(self) -> NoReturn:
        raise self.error()

    def __repr__(self) -> str:
        return f"[unset: {self.variable}]"

    __str__ = __repr__


_MAPS = ("maps", "stream_maps", "stream_map_config", "hash_key", "encrypt_key")


def _is_map(path: Keys) -> bool:
    return path[:1] in (("sources",), ("pipelines",)) and path[2:3] != () and path[2] in _MAPS


def is_private(path: Keys) -> bool:
    """Return True for connector config and env, `vars`, `notify`, and keys and values with which maps compute.

    Text from the environment becomes a `Secret` there.
    """
    if _is_map(path):
        return path[2] not in ("maps", "stream_maps")
    if path[:1] == ("pipelines",) and path[2:3] == ("notify",):
        return True
    if path[:1] == ("defaults",):
        return path[1:2] == ("env",)
    if path[:1] == ("vars",):
        return True
    groups = (("sources",), ("mappers",), ("targets",), ("schedules",))
    return path[:1] in groups and path[2:3] in (("config",), ("env",), ("mappings",))


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where references find their values.

    `own` are the values of `vars:`, which yield to `variables`. They are secret only if a variable is part of them.
    """

    variables: Mapping[str, str]
    own: Mapping[str, str | Secret] = field(default_factory=dict)
    environment: str | None = None
    references: References | None = None


def interpolate(layer: Layer, scope: Scope) -> Layer:
    """Return the layer with every reference replaced; where a variable is missing, the value is an `Unset`.

    Built-in variables, and secrets from files and programs, have their values later: see `Composed`.
    """

    def replaced(value: Any, path: Keys) -> Any:
        if isinstance(value, dict):
            return {key: replaced(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [replaced(inner, (*path, index)) for index, inner in enumerate(value)]
        if isinstance(value, str) and "$" in value:
            return _text(value, scope, path, layer.origins.get(path, "tapdock.yaml"))
        return value

    return Layer(replaced(layer.tree, ()), layer.origins)


def _text(text: str, scope: Scope, path: Keys, origin: str) -> "str | Secret":
    place = f"{origin}: `{dotted(path)}`"
    pieces: list[Piece] = []
    end = 0
    for match in REFERENCE.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
        found = "$" if match["escaped"] else _piece(match, scope, place)
        if isinstance(found, Unset):
            return Unset(found.variable, path=path, origin=origin)
        pieces += found.pieces if isinstance(found, Composed) else [found]
    return _joined([*pieces, text[end:]], path, place)


def _joined(pieces: list[Piece], path: Keys, place: str) -> "str | Secret":
    made = Composed(tuple(piece for piece in pieces if piece != ""), place=place)
    if made.builtins and (_is_map(path) or not is_private(path)):
        where = "which only has a value in `config` and `env` of a source or a target"
        raise UsageError(f"{place} refers to `{made.builtins[0].written}`, {where}", hint="write the text itself")
    if not is_private(path) and not _is_map(path):  # an expression with a secret in it is refused later
        return made.reveal()
    if all(isinstance(piece, str) for piece in pieces):
        return made.reveal()
    if all(isinstance(piece, str | Secret) for piece in pieces):
        return Secret(made.reveal(), parts=made.parts, variables=made.variables)
    return made


def _piece(match: re.Match[str], scope: Scope, place: str) -> "Piece | Unset":
    """Return what a reference stands for: text, a secret, or what has its value later."""
    if match["later"] is not None:
        if scope.references is None:
            raise UsageError(f"{place} refers to a file or a program, which is not possible here")
        return Reference(match["later"], place, scope.references)
    if match["builtin"] is not None:
        found = read_builtin(match["builtin"], place=place)
        if found.name != ENVIRONMENT:
            return found
        value = scope.environment or found.default
        return Unset(ENVIRONMENT, path=(), origin="") if value is None else value
    if match["name"] is None:
        raise UsageError(
            f"{place} has a `${{` that is not a reference",
            hint="write `${NAME}` or `${NAME:-default}`; `$${` is a plain `${`",
        )
    return _of_variable(match["name"], match["default"], scope, place)


def _of_variable(name: str, default: str | None, scope: Scope, place: str) -> str | Secret:
    value = _variable(name, scope.variables, place=place)
    given = scope.own.get(name) if value is None else Secret(value, parts=(value,) * bool(value), variables=(name,))
    if isinstance(given, Unset):
        name, given = given.variable, None
    if given is None:
        return Unset(name, path=(), origin="") if default is None else Secret(default, variables=(name,))
    if default is None or isinstance(given, Composed):
        return given
    if isinstance(given, Secret):
        return given if given.reveal() else Secret(default, variables=given.variables)
    return given or default


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


def parse_dotenv(text: str, label: str, *, reserved: Collection[str] = ()) -> dict[str, str]:
    """Return the values of `NAME=value` lines, which may have `export`, quotes and comments as in python-dotenv.

    References such as `${A}` are not replaced. Raises UsageError for any other line, and for a `reserved` name.

    >>> parse_dotenv("A=1 # one\\nexport B='x y'", ".env")
    {'A': '1', 'B': 'x y'}
    """
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.key is None and not binding.error:
            continue  # a comment
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string.count("\n", 0, blank)
        if binding.key in reserved:
            hint = f"rename it: `${{{binding.key}}}` is a built-in variable"
            raise UsageError(f"{label}:{line}: `{binding.key}` is a reserved name", hint=hint)
        if binding.error or binding.key is None or binding.value is None or not _NAME.fullmatch(binding.key):
            raise UsageError(f"{label}:{line}: not a `NAME=value` line", hint="comment it out with `#`")
        values[binding.key] = binding.value
    return values
