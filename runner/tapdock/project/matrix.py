"""Read the key `matrix:` of a pipeline, and the rows of a matrix from a file or from what a command prints."""

import csv
import io
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tapdock.errors import UsageError
from tapdock.project import document
from tapdock.project.fields import Field
from tapdock.project.files import text_of
from tapdock.project.interpolate import Scope, Unset, interpolate
from tapdock.project.layers import Layer
from tapdock.project.owners import require_owner
from tapdock.project.programs import TooLong, printed
from tapdock.project.row import Matrix, Row
from tapdock.project.secret import Secret
from tapdock.project.values import parse_json

__all__ = ["RowReader", "matrix"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "`|`"}
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_KEYS = ("rows", "file", "command", "columns", "timeout", "allow_empty")
_PLACES = _KEYS[:3]
_EXAMPLE = "for example `matrix: [{name: acme, host: db1}, {name: beta, host: db2}]`"


def matrix(field: Field) -> Matrix:
    """Return the matrix of a pipeline. Rows that are in the project file are checked; others are not read yet."""
    pipeline = str(field.path[1])
    if isinstance(field.value, list):
        return Matrix(rows=_rows(field.items(), pipeline), place=field.origin)
    keys = field.keys(_KEYS, instead={"row": "write `rows`", "exec": "write `command`"})
    given = [name for name in _PLACES if name in keys]
    if len(given) != 1:
        problem = f"has both `{given[0]}` and `{given[1]}`" if given else "has no rows"
        raise field.error(problem, hint=f"write one of `rows`, `file` and `command`; {_EXAMPLE}")
    if "timeout" in keys and "command" not in keys:
        raise keys["timeout"].error("has no effect without `command`", hint="remove it")
    return Matrix(
        rows=_rows(keys["rows"].items(), pipeline) if "rows" in keys else None,
        file=keys["file"].text() if "file" in keys else None,
        command=keys["command"].words() if "command" in keys else (),
        columns=_columns(keys["columns"]) if "columns" in keys else {},
        seconds=keys["timeout"].duration() if "timeout" in keys else Matrix.seconds,
        allow_empty=keys["allow_empty"].flag() if "allow_empty" in keys else False,
        place=keys[given[0]].origin,
    )


def _columns(field: Field) -> Mapping[str, Any]:
    """Return the constant columns. The value of a row is a placeholder as long as no row is chosen."""
    found: dict[str, Any] = {}
    for name, column in field.entries().items():
        if isinstance(column.value, Secret) and not isinstance(column.value, Unset):
            hint = "refer to a value of the row that is not a secret, such as `${matrix.name}`"
            raise column.error("is a secret, which would be written with each record", hint=hint)
        if not isinstance(column.value, Unset | str | int | float):
            raise column.wrong("text, a number or a boolean", hint="for example `columns: {tenant: ${matrix.name}}`")
        found[name] = column.value
    return found


def _rows(fields: Sequence[Field], pipeline: str) -> tuple[Row, ...]:
    """Return checked rows. Raises UsageError for one without a name, and for two whose states would have one name."""
    found: list[Row] = []
    seen: dict[str, tuple[str, Field]] = {}
    for each in fields:
        if not isinstance(each.value, dict):
            raise each.wrong("a mapping", hint=_EXAMPLE)
        for key, value in each.entries().items():
            if not _KEY.fullmatch(key):
                hint = "use letters, digits, `_`, `-` and `.`"
                if other := next((each for each in _SEPARATORS if each in key), None):
                    hint = f"the columns of a CSV file must be separated by commas, not by {_SEPARATORS[other]}"
                raise value.error("is not the name of a value", hint=hint)
            if isinstance(value.value, Unset) and value.value.is_of_row:
                raise value.error("refers to a row, but is itself part of one", hint="write the value itself")
        name = _name(each)
        if name.lower() in seen:
            other, first = seen[name.lower()]
            problem = f"is `{name}`, and {first.origin} has `{other}`" if other != name else f"is `{name}`, too"
            hint = "each row needs a name, and a state, of its own; upper and lower case count as the same"
            raise each.child("name").error(
                f"{problem} (first in {first.origin})" * (other == name) or problem, hint=hint
            )
        seen[name.lower()] = (name, each)
        found.append(Row(pipeline=pipeline, name=name, values={**each.value, "name": name}))
    return tuple(found)


def _name(row: Field) -> str:
    if row.value.get("name") in (None, ""):
        raise row.error("has no `name`", hint="each row needs a name of its own: its state and its runs have it")
    name = row.child("name")
    if isinstance(name.value, Secret):
        raise name.error("is a secret or a reference", hint="write the name itself: states and run records have it")
    if not _NAME.fullmatch(text := name.text()):
        hint = "use at most 100 letters, digits, `-`, `_` and `.`; other text can be another value of the row"
        raise name.wrong("a valid name of a row", hint=hint)
    return text


@dataclass(kw_only=True)
class RowReader:
    """Reads the rows of the matrices of a project when a command needs them, each once.

    `label` is the name of the project file. `trusted` are the user ids whose files may have rows; None trusts all.
    """

    folder: Path
    label: str
    scope: Scope = field(repr=False)
    trusted: Collection[int] | None = None
    known: dict[str, tuple[Row, ...]] = field(default_factory=dict, repr=False)
    learn: Callable[[Row], None] = lambda _: None

    def read(self, pipeline: str, matrix: Matrix) -> tuple[Row, ...]:
        """Return the rows. Raises UsageError if there are none, unless the matrix allows it."""
        if pipeline not in self.known:
            if matrix.rows is not None:
                self.known[pipeline] = matrix.rows
            elif matrix.file is not None:
                self.known[pipeline] = self._of_file(pipeline, matrix)
            else:
                self.known[pipeline] = self._of_command(pipeline, matrix)
        if not self.known[pipeline] and not matrix.allow_empty:
            hint = "add a row; or write `allow_empty: true` beside it, if a run of no rows is a success"
            raise UsageError(f"{matrix.place}: the matrix of pipeline `{pipeline}` has no rows", hint=hint)
        return self.known[pipeline]

    def added(self, pipeline: str, matrix: Matrix) -> tuple[str, ...]:
        """Return the names of rows that were added to the file of a matrix after it was read. Raises UsageError."""
        known = {row.name for row in self.known.get(pipeline, ())}
        now = self._of_file(pipeline, matrix) if matrix.file is not None and pipeline in self.known else ()
        return tuple(row.name for row in now if row.name not in known)

    def _of_file(self, pipeline: str, matrix: Matrix) -> tuple[Row, ...]:
        path = self.folder / str(matrix.file)
        if not path.is_file():
            raise UsageError(
                f"{matrix.place}: `pipelines.{pipeline}.matrix` names the file `{matrix.file}`, which does not exist",
                hint=f"create it, or correct the path: it is relative to {self.folder}",
            )
        for each in (path.parent, path) if self.trusted is not None else ():
            require_owner(each, self.trusted or (), project=self.folder)
        text, label = text_of(path), str(matrix.file)
        items: Any
        origins: Mapping[tuple[str | int, ...], str]
        match path.suffix.lower():
            case ".csv":
                items, origins = _csv_rows(text, label)
            case ".json":
                items, origins = _json_rows(text, label), {}
            case ".yaml" | ".yml":
                items, origins = document.parse_list(text, label)
            case _:
                raise UsageError(
                    f"{matrix.place}: `{matrix.file}` is not a file of rows", hint="name a .yaml, .json or .csv file"
                )
        path_ = ("pipelines", pipeline, "matrix", "rows")
        where = {(*path_, *inner): origin for inner, origin in origins.items()}
        tree = {"pipelines": {pipeline: {"matrix": {"rows": items}}}}
        found = interpolate(Layer(tree, where), self.scope).tree["pipelines"][pipeline]["matrix"]["rows"]
        return _rows(Field(found, path_, where, label).items(), pipeline)

    def _of_command(self, pipeline: str, matrix: Matrix) -> tuple[Row, ...]:
        program = f"{matrix.place}: `{matrix.command[0]}`, which prints the rows of `{pipeline}`,"
        by_hand = "run it by hand in the folder of the project: it must print a JSON list of objects with `name`"
        try:
            done = printed(
                matrix.command,
                folder=self.folder,
                environ=self.scope.variables,
                seconds=matrix.seconds,
                largest=_LARGEST,
            )
        except OSError as error:
            hint = "install it, or write its path; it is started without a shell, in the folder of the project"
            raise UsageError(f"{program} cannot be started: {error.strerror}", hint=hint) from None
        except TooLong as error:
            raise UsageError(f"{program} {error}", hint=f"{by_hand}; `timeout: 5m` gives it more time") from None
        if done.code:
            said = done.err.decode(errors="replace").strip()[-2000:]
            ending = f"exited with {done.code}" if done.code > 0 else f"was killed by signal {-done.code}"
            raise UsageError(f"{program} {ending}" + (f": {said}" if said else ""), hint=by_hand)
        try:
            items = parse_json(done.out)
        except ValueError as error:
            raise UsageError(f"{program} did not print JSON: {error}", hint=by_hand) from None
        label = f"the output of {shlex.join(matrix.command)}"
        return _rows(Field(items, ("pipelines", pipeline, "matrix", "rows"), {}, label).items(), pipeline)


_LARGEST = 16 << 20  # bytes that a command may print


def _json_rows(text: str, label: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise UsageError(
            f"{label} is not JSON: {error}", hint='write a list of objects: `[{"name": "acme"}]`'
        ) from None


def _csv_rows(text: str, label: str) -> tuple[list[dict[str, str]], dict[tuple[str | int, ...], str]]:
    """Return the rows of CSV text with a header, and their places. Raises UsageError for a row of another length."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    rows: list[dict[str, str]] = []
    origins: dict[tuple[str | int, ...], str] = {}
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                if twice := next((name for name in header if header.count(name) > 1), None):
                    raise UsageError(
                        f"{label}:{reader.line_num}: the column `{twice}` is there twice", hint="rename one"
                    )
                continue
            if len(cells) != len(header):
                problem = f"the row has {len(cells)} values, but the header has {len(header)}"
                raise UsageError(f"{label}:{reader.line_num}: {problem}", hint="put text with a comma into quotes")
            origins[(len(rows),)] = f"{label}:{reader.line_num}"
            rows.append(dict(zip(header, (cell.strip() for cell in cells), strict=True)))
    except csv.Error as error:
        raise UsageError(f"{label}:{reader.line_num}: not CSV: {error}", hint="is it the right file?") from None
    return rows, origins
