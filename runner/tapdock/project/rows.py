"""Rows of matrices as pipelines."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tapdock.errors import UsageError
from tapdock.project.composed import Composed
from tapdock.project.fields import did_you_mean
from tapdock.project.interpolate import Unset
from tapdock.project.layers import walk
from tapdock.project.matrix import RowReader
from tapdock.project.model import Pipeline, Project
from tapdock.project.row import Row, row_name, split_name
from tapdock.project.secret import Secret
from tapdock.project.state_keys import key_of

__all__ = ["Rows", "is_row_key", "keys_begin", "named_pipeline", "row_of_key", "same_matrix", "state_facts"]


@dataclass(kw_only=True)
class Rows:
    """Makes a pipeline of each row of a matrix, once. `make` returns the variant of the project for a row."""

    reader: RowReader
    make: Callable[[Row], Project] = field(repr=False)
    made: dict[Row, Project] = field(default_factory=dict, repr=False)

    def read(self, pipeline: Pipeline) -> tuple[Row, ...]:
        assert pipeline.matrix is not None
        is_new = pipeline.name not in self.reader.known
        rows = self.reader.read(pipeline.name, pipeline.matrix)
        references = self.reader.scope.references
        if is_new and references:
            references.learn([text for row in rows for text in _secrets(row.values)])
        return rows

    def added(self, pipeline: Pipeline) -> tuple[str, ...]:
        return self.reader.added(pipeline.name, pipeline.matrix) if pipeline.matrix else ()

    def pipelines(self, project: Project, pipeline: Pipeline, names: tuple[str, ...] | None) -> tuple[Pipeline, ...]:
        rows = {row.name: row for row in self.read(pipeline)}
        for name in names or ():
            if name not in rows:
                raise _unknown(pipeline, name, rows)
        wanted = [rows[name] for name in (rows if names is None else dict.fromkeys(names))]
        if any(self._pipeline(project, row).state_id for row in wanted[:1]):
            _require_own_states(project, [self._pipeline(project, row) for row in rows.values()])
        found = tuple(self._pipeline(project, row) for row in wanted)
        _require_own_states(project, (*found, *self._beside(project, pipeline, found)))
        return found

    def _beside(self, project: Project, pipeline: Pipeline, found: tuple[Pipeline, ...]) -> Iterator[Pipeline]:
        """Yield the rows of other matrices that could have the states of these rows.

        The name of a row is part of its state's name, unless it has a `state_id`. Rows that a command prints are
        only compared if they were read already.
        """
        names = {each.row for each in found}
        for other in project.pipelines.values():
            if other.matrix is None or other.name == pipeline.name or not found:
                continue
            if other.matrix.command and other.name not in self.reader.known:
                continue
            with suppress(UsageError):  # its own runs report it
                rows = self.read(other)
                is_apart = bool(other.state_suffix and pipeline.state_suffix)  # each the same for all of its rows
                if found[0].state_id:
                    rows = rows if rows and self._pipeline(project, rows[0]).state_id else ()
                elif is_apart or (other.source, other.target) != (pipeline.source, pipeline.target):
                    rows = ()
                else:
                    rows = tuple(row for row in rows if row.name in names)
                yield from (self._pipeline(project, row) for row in rows)

    def _pipeline(self, project: Project, row: Row) -> Pipeline:
        if row not in self.made:
            self.made[row] = replace(self.make(row), env_files=project.env_files)
        variant = self.made[row]
        return replace(variant.pipelines[row_name(row.pipeline, row.name)], variant=variant)


def _secrets(values: Mapping[str, Any]) -> Iterator[str]:
    for _, leaf in walk(values):
        if isinstance(leaf, Secret) and not isinstance(leaf, Composed | Unset):
            yield from (leaf.reveal(), *leaf.parts)


def _unknown(pipeline: Pipeline, name: str, rows: Mapping[str, Row]) -> UsageError:
    near = did_you_mean(name, rows)
    listed = ", ".join(list(rows)[:10]) + (f" and {len(rows) - 10} more" if len(rows) > 10 else "")
    return UsageError(
        f"the matrix of pipeline `{pipeline.name}` has no row `{name}`", hint=near or f"rows: {listed or 'none'}"
    )


def _require_own_states(project: Project, rows: list[Pipeline] | tuple[Pipeline, ...]) -> None:
    """Raise UsageError if a row has the state of another row, or of a pipeline without a matrix."""
    plain = (each for each in project.pipelines.values() if not each.is_template)
    seen = {key_of(each, project.environment): each for each in plain}
    for row in rows:
        key = key_of(row, project.environment)
        other = seen.setdefault(key, row)
        if other is not row:
            what = "`state_id`" if row.state_id else "`state_suffix`"
            raise UsageError(
                f"`{row.name}` and `{other.name}` would share the state `{key}`",
                hint=f"change {what} of one of them, or rename the row",
            )


def named_pipeline(project: Project, name: str) -> Pipeline | None:
    """Return the pipeline, or the row of one (`shop[acme]`), with this name; None if there is none.

    Raises UsageError for a pipeline with a matrix without a row, and for an unknown row.
    """
    pipeline, row = split_name(name)
    found = project.pipelines.get(name) or project.pipelines.get(pipeline)
    if found is None or not found.is_template or project.rows is None:
        return found if found is None or found.name == name else None
    if row is None:
        example = shlex.quote(row_name(pipeline, "ROW"))
        raise UsageError(f"pipeline `{name}` has a matrix", hint=f"name one of its rows: {example}")
    return project.rows.pipelines(project, found, (row,))[0]


def is_row_key(project: Project, key: str) -> bool:
    """Return True for a key that the state of a row can have. The rows are not read, and may be removed ones."""
    return any(keys_begin(project, each) == key.rpartition(":")[0] for each in project.pipelines.values())


def keys_begin(project: Project, pipeline: Pipeline) -> str | None:
    """Return the text before `:ROW` in the keys of a matrix; None if there is no matrix, or the text is not known."""
    if not pipeline.is_template or pipeline.state_id:
        return None
    return key_of(pipeline, project.environment)


def state_facts(project: Project, pipeline: Pipeline) -> dict[str, Any]:
    """Return the name of the pipeline's state for programs; for a matrix, those of its rows.

    `rows` is None for rows that a command prints, which is not started.
    """
    if not pipeline.is_template or pipeline.matrix is None or project.rows is None:
        return {"state_id": key_of(pipeline, project.environment)}
    rows = None
    if not pipeline.matrix.command:
        made = project.rows.pipelines(project, pipeline, None)
        rows = [{"name": each.name, "row": each.row, "state_id": key_of(each, project.environment)} for each in made]
    command = shlex.join(pipeline.matrix.command) or None
    return {"state_id": None, "matrix": {"file": pipeline.matrix.file, "command": command, "rows": rows}}


def row_of_key(project: Project, key: str) -> Pipeline | None:
    """Return the row that has this state; None if there is none, or if a command would have to be started for it."""
    name = key.rpartition(":")[2]
    for each in project.pipelines.values():
        if each.is_template and each.matrix and not each.matrix.command and project.rows:
            with suppress(UsageError):
                found = project.rows.pipelines(project, each, (name,))
                if key_of(found[0], project.environment) == key:
                    return found[0]
    return None


def same_matrix(one: str, other: str) -> bool:
    """Return True for the names of two rows of one pipeline: a failure of one does not stop the other.

    >>> same_matrix("shop[acme]", "shop[beta]"), same_matrix("shop", "shop"), same_matrix("shop[acme]", "crm[acme]")
    (True, False, False)
    """
    (first, row), (second, beside) = split_name(one), split_name(other)
    return first == second and row is not None and beside is not None
