"""Replace `${VAR}`, `${VAR:-default}`, `${file:…}`, `${exec:…}` and `$$` in the project file.

Values come from the environment, from files that `VAR_FILE` names, from the `.env` file beside the project file, and
from its `vars:`. `builtin.py` has the built-in variables, `references.py` secrets from files and programs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from tapdock.errors import UsageError
from tapdock.project.builtin import BUILTIN, ENVIRONMENT, filled, read_builtin
from tapdock.project.composed import Composed, Piece
from tapdock.project.layers import Layer, dotted
from tapdock.project.layers import Path as Keys
from tapdock.project.references import Reference, References
from tapdock.project.row import PREFIX, Row
from tapdock.project.secret import Secret
from tapdock.project.values import flaw
from tapdock.text.nearest import did_you_mean

__all__ = [
    "REFERENCE",
    "VARIABLE",
    "Scope",
    "Unset",
    "interpolate",
    "is_private",
]

VARIABLE = "[A-Za-z_][A-Za-z0-9_]*"
"""The names of variables, as a regular expression."""
REFERENCE = re.compile(
    rf"\$(?:(?P<escaped>\$)|\{{(?:(?P<later>(?:file|exec):(?!-)[^}}]*)|(?P<builtin>{BUILTIN}[^}}]*)"
    rf"|matrix\.(?P<row>[^}}:]*)(?::-(?P<row_default>[^}}]*))?|(?P<name>{VARIABLE})(?::-(?P<default>[^}}]*))?)\}}|\{{)"
)


class Unset(Secret):
    """A value whose variable is not set. The error is raised only when the value is needed."""

    __slots__ = ("_hint", "_origin", "_path", "_problem", "variable")

    def __init__(
        self, variable: str, *, path: Keys, origin: str, problem: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__("")
        self.variable = variable
        self._path = path
        self._origin = origin
        self._problem = problem
        self._hint = hint

    @property
    def is_of_row(self) -> bool:
        """True for a value that only a row of a matrix has."""
        return self.variable.startswith(PREFIX)

    def at(self, path: Keys, origin: str) -> "Unset":
        return Unset(self.variable, path=path, origin=origin, problem=self._problem, hint=self._hint)

    def error(self) -> UsageError:
        name = self.variable
        if self._problem:
            return UsageError(f"{self._origin}: `{dotted(self._path)}` {self._problem}", hint=self._hint)
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
        return f"${{{self.variable}}}" if self.is_of_row else f"[unset: {self.variable}]"

    __str__ = __repr__


_MAPS = ("maps", "stream_maps", "stream_map_config", "hash_key", "encrypt_key")


def _is_map(path: Keys) -> bool:
    return path[:1] in (("sources",), ("pipelines",)) and path[2:3] != () and path[2] in _MAPS


def _is_visible(path: Keys) -> bool:
    """Return True for the words of a command line, which are visible in `ps` and `docker inspect`."""
    groups = ("sources", "mappers", "targets", "tasks")
    return path[0] in groups and path[2:3] in (("commands",), ("command",), ("entrypoint",))


def is_private(path: Keys) -> bool:
    """Return True for config, `env`, `vars`, `notify`, and what maps compute with.

    Text from the environment becomes a `Secret` there.
    """
    if _is_map(path):
        return path[2] not in ("maps", "stream_maps")
    if path[:1] in (("pipelines",), ("jobs",)) and path[2:3] == ("notify",):
        return True
    if path[:1] == ("defaults",):
        return path[1:2] == ("env",)
    if path[:1] == ("vars",) or (path[:1] == ("pipelines",) and path[2:3] == ("matrix",)):
        return True
    groups = (("sources",), ("mappers",), ("targets",), ("tasks",), ("schedules",))
    return path[:1] in groups and path[2:3] in (("config",), ("env",), ("mappings",))


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where references find their values.

    `own` are the values of `vars:`, which yield to `variables`. They are secret only if a variable is part of them.
    `row` is that of a matrix, and `matrices` are the pipelines that have one. `of_row` are the names in `vars:` whose
    values depend on a row. `by_row` gets the path of each value that depends on one.
    """

    variables: Mapping[str, str]
    own: Mapping[str, str | Secret] = field(default_factory=dict)
    environment: str | None = None
    references: References | None = None
    row: Row | None = None
    matrices: tuple[str, ...] = ()
    of_row: frozenset[str] = frozenset()
    by_row: set[Keys] = field(default_factory=set, compare=False)


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
            if _is_by_row(value, scope):
                scope.by_row.add(path)
            return _text(value, scope, path, layer.origins.get(path, "tapdock.yaml"))
        return value

    return Layer(replaced(layer.tree, ()), layer.origins)


def _is_by_row(text: str, scope: Scope) -> bool:
    """Return True if the text refers to a row of a matrix, or to a value of `vars:` that does."""
    if "matrix." not in text and not scope.of_row:
        return False
    return any(each["row"] is not None or each["name"] in scope.of_row for each in REFERENCE.finditer(text))


def _text(text: str, scope: Scope, path: Keys, origin: str) -> Any:
    place = f"{origin}: `{dotted(path)}`"
    whole = REFERENCE.fullmatch(text) if scope.row else None
    if whole and whole["row"] is not None and not isinstance(value := _row_value(whole, scope), str | Secret):
        return value  # a number, a list or a mapping stays one
    pieces: list[Piece] = []
    end = 0
    for match in REFERENCE.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
        found = "$" if match["escaped"] else _piece(match, scope, place)
        if isinstance(found, Unset):
            return found.at(path, origin)
        if _is_visible(path) and not isinstance(found, str) and (match["row"] or match["name"] in scope.of_row):
            hint = "write it under `env`, and refer to the variable in the program"
            raise UsageError(f"{place} has a secret of a row, which every user of the machine could see", hint=hint)
        pieces += found.pieces if isinstance(found, Composed) else [found]
    made = _joined([*pieces, text[end:]], path, place)
    if scope.row and "matrix." in text and isinstance(made, str) and is_private(path) and path[:1] != ("vars",):
        return filled(made, made)  # its type is that of the connector's spec
    return made


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
    if match["row"] is not None:
        return _row_piece(match, scope, place)
    if match["name"] is None:
        raise UsageError(
            f"{place} has a `${{` that is not a reference",
            hint="write `${NAME}` or `${NAME:-default}`; `$${` is a plain `${`",
        )
    return _of_variable(match["name"], match["default"], scope, place)


def _row_value(match: re.Match[str], scope: Scope) -> Any:
    """Return what a reference to the row of a matrix stands for; an `Unset` without a row, or without the value."""
    name, default, row = match["row"], match["row_default"], scope.row
    if row is None:
        example = scope.matrices[0] if scope.matrices else "PIPELINE"
        hint = f"name one: `tapdock run '{example}[ROW]'`, or `--pipeline '{example}[ROW]'` of other commands"
        problem = f"depends on the row of a matrix: it refers to `${{matrix.{name}}}`"
        return Unset(PREFIX + name, path=(), origin="", problem=problem, hint=hint)
    found = row.values.get(name)
    if isinstance(found, Unset):
        return found
    if found is None or found == "":
        if default is not None:
            return default
        if found == "":
            return found
        hint = did_you_mean(name, row.values) or f"its values: {', '.join(row.values)}"
        problem = f"refers to `${{matrix.{name}}}`, but the row `{row.name}` of `{row.pipeline}` has no `{name}`"
        if name in row.values:
            problem, hint = f"{problem}: it is empty", f"write `${{matrix.{name}:-text}}` for rows without it"
        return Unset(PREFIX + name, path=(), origin="", problem=problem, hint=hint)
    return found


def _row_piece(match: re.Match[str], scope: Scope, place: str) -> "Piece | Unset":
    """Return the text of a value of the row inside of a longer text. Raises UsageError for a list or a mapping."""
    value = _row_value(match, scope)
    if isinstance(value, str | Secret):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    kind = "empty" if value is None else "a list" if isinstance(value, list) else "a mapping"
    row = scope.row.name if scope.row else ""
    raise UsageError(
        f"{place} has `${{matrix.{match['row']}}}` inside of a text, but it is {kind} in row `{row}`",
        hint="write the reference alone, or give the row a text or a number",
    )


def _of_variable(name: str, default: str | None, scope: Scope, place: str) -> str | Secret:
    value = _variable(name, scope.variables, place=place)
    given = scope.own.get(name) if value is None else Secret(value, parts=(value,) * bool(value), variables=(name,))
    if isinstance(given, Unset) and given.is_of_row:
        return given
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
