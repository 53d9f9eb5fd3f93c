"""The variants of a project that the rows of its matrices make: each row is a pipeline in a project of its own.

Without a row, a value that depends on one is unset: a setting of a connector raises its error when it is needed, and
every other key is left out, so that commands which need no row work.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tapdock.errors import UsageError
from tapdock.project.interpolate import REFERENCE, Scope, Unset, is_private
from tapdock.project.layers import Layer, Path, dotted
from tapdock.project.model import Connector, Pipeline, Project
from tapdock.project.row import Row, row_name

__all__ = [
    "Entry",
    "by_row",
    "marked",
    "matrices",
    "naming_columns",
    "of_row",
    "only_used",
    "without_missing",
    "without_rows",
]

Entry = tuple[str, str]
"""A connector or a pipeline: `("sources", "shop")`."""
_GROUPS = ("sources", "mappers", "targets", "tasks")
_FIXED = ("image", "build", "manifest", "catalog", "kind", "extends", "discovery", "engine")
_FIXED_HERE = ("source", "target", "mappers", "before", "after")
_ROWS = ("rows", "file", "command", "timeout", "allow_empty")


def matrices(tree: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the pipelines that have a matrix."""
    pipelines = tree.get("pipelines")
    entries = pipelines.items() if isinstance(pipelines, dict) else ()
    return tuple(str(name) for name, entry in entries if isinstance(entry, dict) and entry.get("matrix") is not None)


def without_rows(layer: Layer) -> Layer:
    """Return the layer without the rows of matrices, of which a row needs none, and without jobs."""
    named = set(matrices(layer.tree))
    pipelines: dict[str, Any] = {}
    for name, entry in (layer.tree.get("pipelines") or {}).items():
        if name in named:
            old = entry["matrix"]
            columns = old.get("columns") if isinstance(old, dict) else None
            entry = {**entry, "matrix": {} if columns is None else {"columns": columns}}
        pipelines[name] = entry
    tree = {key: value for key, value in layer.tree.items() if key != "jobs"}
    origins = {path: origin for path, origin in layer.origins.items() if not _is_row(path) and path[0] != "jobs"}
    return Layer({**tree, "pipelines": pipelines}, origins)


def _is_row(path: Path) -> bool:
    inside = path[0] == "pipelines" and path[2:3] == ("matrix",)
    return inside and path[3:4] != () and (isinstance(path[3], int) or path[3] in _ROWS)


def of_row(layer: Layer, row: Row) -> Layer:
    """Return the layer for one row: without the pipelines of other matrices."""
    named = set(matrices(layer.tree)) - {row.pipeline}
    pipelines = {name: entry for name, entry in layer.tree["pipelines"].items() if name not in named}
    own = pipelines[row.pipeline]
    pipelines[row.pipeline] = {**own, "matrix": {**own["matrix"], "rows": [{"name": row.name}]}}
    return Layer({**layer.tree, "pipelines": pipelines}, layer.origins)


def naming_columns(layer: Layer, row: Row) -> tuple[str, ...]:
    """Return the columns that are `${matrix.name}` and nothing else, in a layer whose references are not replaced."""
    columns = layer.tree["pipelines"][row.pipeline]["matrix"].get("columns")
    found = columns.items() if isinstance(columns, dict) else ()
    whole = ((name, REFERENCE.fullmatch(text)) for name, text in found if isinstance(text, str))
    return tuple(name for name, match in whole if match and match["row"] == "name")


def only_used(layer: Layer, row: Row) -> Layer:
    """Return the layer with the row's pipeline, the other pipelines into its target, and their connectors.

    A project of 500 rows is made 500 times, so that what a row does not need is left out.
    """
    tree, pipelines = dict(layer.tree), layer.tree["pipelines"]
    tree.pop("schedules", None)
    target = pipelines[row.pipeline].get("target")
    kept = {name: each for name, each in pipelines.items() if isinstance(each, dict) and each.get("target") == target}
    tree["pipelines"] = kept
    for key in ("source", "target"):
        entries = tree.get(f"{key}s")
        if not isinstance(entries, dict):
            continue
        used: set[Any] = set()
        for name in (each.get(key) for each in kept.values()):
            while name in entries and name not in used:
                used.add(name)
                name = entries[name].get("extends") if isinstance(entries[name], dict) else None
        tree[f"{key}s"] = {name: entry for name, entry in entries.items() if name in used}
    return Layer(tree, {path: origin for path, origin in layer.origins.items() if _is_at(path, tree)})


def _is_at(path: Path, tree: Mapping[str, Any]) -> bool:
    """Return True if a path begins with an entry of the tree."""
    block = tree.get(str(path[0]))
    return len(path) == 1 or not isinstance(block, dict) or path[1] in block


def without_missing(layer: Layer, scope: Scope, label: str) -> tuple[Layer, Mapping[Entry, Unset]]:
    """Return the layer without keys that have no value in this row, and the first of them by its entry.

    Settings, maps and commands of tasks keep an `Unset`. Raises UsageError for a reference to a row at a place that
    cannot have one.
    """
    if not scope.by_row:
        return layer, {}
    named = set(matrices(layer.tree))
    for path in sorted(scope.by_row, key=str):
        if problem := _misplaced(path, named):
            place = f"{layer.origins.get(path, label)}: `{dotted(path)}`"
            raise UsageError(f"{place} refers to the row of a matrix, {problem[0]}", hint=problem[1])
    missing: dict[Entry, Unset] = {}

    def kept(value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            items = ((key, inner, (*path, key)) for key, inner in value.items())
            return {key: kept(inner, here) for key, inner, here in items if not _is_missing(inner, here, missing)}
        if isinstance(value, list):
            items_ = ((inner, (*path, index)) for index, inner in enumerate(value))
            return [kept(inner, here) for inner, here in items_ if not _is_missing(inner, here, missing)]
        return value

    return Layer(kept(layer.tree, ()), layer.origins), missing


def _is_missing(value: Any, path: Path, missing: dict[Entry, Unset]) -> bool:
    if not isinstance(value, Unset) or not value.is_of_row or is_private(path):
        return False
    if path[0] == "tasks" and path[2:3] == ("commands",):
        return False  # of one command only: the others of the task can run without a row
    missing.setdefault((str(path[0]), str(path[1])), value)
    return path[2:3] not in (("maps",), ("stream_maps",))  # without an expression, a field would be passed on as it is


def _misplaced(path: Path, named: Collection[str]) -> tuple[str, str] | None:
    """Return why a reference to a row cannot be at a place, and what to do; None if it can."""
    if path[0] == "vars":
        return None
    if path[0] == "pipelines" and len(path) > 2:
        if str(path[1]) not in named:
            return "but this pipeline has no `matrix`", f"add `pipelines.{path[1]}.matrix`, or write the value itself"
        if path[2] in _FIXED_HERE:
            return f"but `{path[2]}` is the same for all rows", "write the name itself; its config can refer to the row"
        return None
    if path[0] in _GROUPS and len(path) > 2:
        if path[2] not in _FIXED:
            return None
        hint = "write the value itself, or define a second connector and a second pipeline"
        return f"but `{path[2]}` is the same for all rows", hint
    return "which has no value here", "a pipeline with a `matrix`, its connectors, tasks and `vars` can refer to a row"


def by_row(layer: Layer, scope: Scope) -> Mapping[Entry, bool]:
    """Return the connectors that depend on a row, themselves or by a connector that they extend."""
    found = {(str(path[0]), str(path[1])): True for path in scope.by_row if path[0] in _GROUPS}
    return {entry: True for entry in _entries(layer) if _first(layer, entry, found)}


def _entries(layer: Layer) -> Iterable[Entry]:
    for group in _GROUPS:
        entries = layer.tree.get(group)
        yield from ((group, str(name)) for name in entries) if isinstance(entries, dict) else ()


def _first(layer: Layer, entry: Entry, found: Mapping[Entry, Any]) -> Any:
    """Return what is known of a connector, or of the nearest one that it extends; None if nothing is."""
    seen: set[Entry] = set()
    while entry not in found and entry not in seen:
        seen.add(entry)
        own = layer.tree[entry[0]].get(entry[1])
        base = own.get("extends") if isinstance(own, dict) else None
        if not isinstance(base, str) or base not in layer.tree[entry[0]]:
            return None
        entry = (entry[0], base)
    return found.get(entry)


def marked(
    project: Project,
    users: Mapping[Entry, bool],
    missing: Mapping[Entry, Unset],
    row: Row | None,
    *,
    naming: tuple[str, ...] = (),
) -> Project:
    """Return the project in which connectors say whether they depend on a row.

    With a row, its pipeline has the row's name, and its matrix the columns in `naming`. Raises UsageError if a key of
    it has no value in this row.
    """
    name = row_name(row.pipeline, row.name) if row else None

    def of(group: str, connectors: Mapping[str, Connector]) -> Mapping[str, Connector]:
        if not any(entry[0] == group for entry in (*users, *missing)):
            return connectors
        return {
            key: dataclasses.replace(
                each, row=name if (group, key) in users else None, unset=_inherited(project, group, each, missing)
            )
            for key, each in connectors.items()
        }

    found = dataclasses.replace(
        project,
        **{group: of(group, getattr(project, group)) for group in _GROUPS},  # type: ignore[arg-type]
    )
    if row is None:
        _require_fixed_states(project)
        return found
    own = found.pipelines[row.pipeline]
    used = [found.sources[own.source], found.targets[own.target], *(found.mappers.get(each) for each in own.mappers)]
    for unset in (missing.get(("pipelines", row.pipeline)), *(each.unset for each in used if each)):
        if unset is not None:
            unset.reveal()
    others = {key: each for key, each in found.pipelines.items() if key != row.pipeline}
    matrix = dataclasses.replace(own.matrix, naming=naming) if own.matrix else None
    pipelines = {**others, str(name): dataclasses.replace(own, name=str(name), row=row.name, matrix=matrix)}
    return dataclasses.replace(found, pipelines=pipelines)


def _inherited(project: Project, group: str, connector: Connector, missing: Mapping[Entry, Unset]) -> Unset | None:
    """Return the key without a value of a connector, or of one that it extends."""
    connectors: Mapping[str, Connector] = getattr(project, group)
    each: Connector | None = connector
    while each is not None:
        if (group, each.name) in missing:
            return missing[group, each.name]
        each = connectors.get(each.extends) if each.extends else None
    return None


def _require_fixed_states(project: Project) -> None:
    """Raise UsageError for matrices whose rows could have one state."""
    seen: dict[tuple[str, str, str | None], Pipeline] = {}
    plain = [each for each in project.pipelines.values() if each.matrix is None and each.state_suffix]
    for name, each in project.pipelines.items():
        if each.matrix is None:
            continue
        place = f"{each.matrix.place}: `pipelines.{name}`"
        if each.state_id:
            raise UsageError(
                f"{place} has a matrix and the `state_id` `{each.state_id}`, so all rows would share one state",
                hint="remove `state_id`, or make it different for each row: `state_id: nightly-${matrix.name}`",
            )
        other = seen.setdefault((each.source, each.target, each.state_suffix), each)
        if other is not each:
            raise UsageError(
                f"{place} and `pipelines.{other.name}` have matrices, and the same source and target, so their rows"
                " could share states",
                hint="give each of the two pipelines a `state_suffix` of its own",
            )
        for beside in plain:
            if (beside.source, beside.target) == (each.source, each.target) and _may_be_row(beside, each):
                raise UsageError(
                    f"{place} has a matrix, and the `state_suffix` `{beside.state_suffix}` of"
                    f" `pipelines.{beside.name}` makes its state that of a row",
                    hint="give one of the two pipelines another `state_suffix`",
                )


def _may_be_row(plain: Pipeline, matrix: Pipeline) -> bool:
    """Return True if the state of a pipeline may be that of a row. Rows of other files and programs have any name."""
    begin = f"{matrix.state_suffix}:" if matrix.state_suffix else ""
    suffix = plain.state_suffix or ""
    rows = matrix.matrix.rows if matrix.matrix else None
    if plain.state_id or not suffix.startswith(begin):
        return False
    name = suffix.removeprefix(begin)
    return ":" not in name if rows is None else name in {row.name for row in rows}
