"""Load `tapdock.yaml` as a `Project`.

Precedence: a variable `TAPDOCK_…`, the block of the chosen environment, the file, its `defaults:`, tapdock's defaults.
"""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tapdock.errors import UsageError
from tapdock.project.airbyte_wrapper import translated
from tapdock.project.blocks import parse_blocks, parse_tasks
from tapdock.project.connectors import connector
from tapdock.project.defaults import STATE_URI, with_defaults
from tapdock.project.extends import extended
from tapdock.project.fields import Field, did_you_mean
from tapdock.project.home import HOME, private_folder
from tapdock.project.include import read_included
from tapdock.project.interpolate import Scope, interpolate
from tapdock.project.jobs import job
from tapdock.project.keys import REGISTRIES, ROOT, STATE_BACKEND, names
from tapdock.project.layers import Layer, cut, dotted, merge, relabelled
from tapdock.project.layers import Path as Keys
from tapdock.project.matrix import RowReader
from tapdock.project.model import Connector, ConnectorRole, Pipeline, Project
from tapdock.project.overrides import ROOTS, overridden
from tapdock.project.own_values import own_values, variables_of, with_own_variables
from tapdock.project.pipelines import pipeline, require_own_names, require_own_states
from tapdock.project.references import References
from tapdock.project.renamed import renamed
from tapdock.project.row import Row
from tapdock.project.rows import Rows
from tapdock.project.schedules import names_by_environment, require_runnable, schedule
from tapdock.project.task_rows import require_rows
from tapdock.project.variants import (
    by_row,
    marked,
    matrices,
    naming_columns,
    of_row,
    only_used,
    without_missing,
    without_rows,
)

__all__ = ["load", "with_own_variables", "written"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
INSTEAD = {
    "destinations": "write `targets`",
    "loaders": "write `targets`",
    "extractors": "write `sources`",
    "taps": "write `sources`",
    "plugins": "write `sources` and `targets`",
    "schedule": "write `schedules`",
}


def load(
    file: Path,
    *,
    environment: str | None,
    environ: Mapping[str, str],
    trusted: Collection[int] | None = None,
    texts: Mapping[Path, str] | None = None,
    env_files: Sequence[Path] = (),
) -> Project:
    """Return the checked project of `file` in one environment. Raises UsageError with the place of a mistake.

    Without an `environment`, the file's `default_environment` applies; an empty text means none. `trusted` are the
    user ids whose files it may include; None trusts all. `env_files` have priority over `.env`, the last one first.
    `texts` replace the content of files: what a command is about to write.
    """
    file = file.absolute()
    layer, warnings = renamed(translated(read_included(file, trusted=trusted, texts=texts)))
    default = _check(Field(layer.tree, (), layer.origins, file.name))
    environment = (default if environment is None else environment) or None
    blocks = names_by_environment(layer)
    layer = _chosen(layer, environment, file.name)
    variables, origins = variables_of(file.parent, environ, env_files)
    references = References(folder=file.parent, environ=variables)
    base = _Base(
        file=file,
        layer=layer,
        scope=Scope(variables=variables, environment=environment, references=references, matrices=matrices(layer.tree)),
        origins=origins,
        own=with_own_variables(file.parent, environ, env_files=env_files),
        blocks=blocks,
    )
    found = base.project()
    require_rows(found)
    rows = RowReader(folder=file.parent, label=file.name, scope=base.scope, trusted=trusted)
    return dataclasses.replace(
        found,
        warnings=(*warnings, *found.warnings),
        env_files=tuple(env_files),
        rows=Rows(reader=rows, make=base.project) if base.scope.matrices else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Base:
    """A project file before its references are replaced. `own` are the environment and tapdock's own variables.

    `blocks` are the names of what can run in each environment.
    """

    file: Path
    layer: Layer
    scope: Scope
    origins: Mapping[str, str]
    own: Mapping[str, str]
    blocks: Mapping[str, Collection[str]]

    @cached_property
    def without_rows(self) -> Layer:
        return without_rows(self.layer)

    def project(self, row: Row | None = None) -> Project:
        """Return the project; with a `row` of a matrix, the one in which that row is a pipeline. Raises UsageError."""
        label = self.file.name
        layer = self.layer if row is None else of_row(self.without_rows, row)
        scope = dataclasses.replace(self.scope, row=row, by_row=set())
        layer, scope = own_values(layer, scope, label)
        layer, missing = without_missing(interpolate(layer, scope), scope, label)
        variables = self.scope.variables
        layer, more = renamed(overridden(layer, variables, origins=self.origins, label=label), replaces=True)
        layer = layer if row is None else only_used(layer, row)
        private = private_folder(self.file.parent, self.own)
        state_uri = str(private / "state") if self.own.get(HOME) else STATE_URI
        users = by_row(layer, scope)
        layer = with_defaults(extended(layer, label), label, state_uri=state_uri)
        found = _project(layer, self.file, scope.environment, private, self.blocks)
        found = dataclasses.replace(found, references=scope.references, warnings=more)
        naming = () if row is None else naming_columns(self.without_rows, row)
        return marked(found, users, missing, row, naming=naming)


def written(
    file: Path,
    *,
    environment: str | None,
    texts: Mapping[Path, str] | None = None,
    trusted: Collection[int] | None = None,
) -> Layer:
    """Return the values of a checked project as they are written, with references.

    The block of the environment is merged over the others, and each connector over the one that it extends.
    """
    layer, _ = renamed(translated(read_included(file.absolute(), trusted=trusted, texts=texts)))
    return extended(_chosen(layer, environment, file.name), file.name)


def _check(root: Field) -> str | None:
    """Raise UsageError for an unknown key at the top or in an environment. Return the default environment."""
    keys = root.keys(names(ROOT), instead=INSTEAD)
    if "version" not in keys:
        raise UsageError(f"{root.label}: there is no `version`", hint="start the file with `version: 1`")
    if keys["version"].value != 1:
        raise keys["version"].wrong("1", hint="this version of tapdock reads only `version: 1`")
    blocks = keys["environments"].entries() if "environments" in keys else {}
    for name, block in blocks.items():
        _check_name(block, name)
        block.keys(("vars", *ROOTS), instead=INSTEAD)
    if "default_environment" not in keys:
        return None
    default = keys["default_environment"].text()
    if default not in blocks:
        hint = did_you_mean(default, blocks) or f"known: {', '.join(blocks) or 'none'}"
        raise keys["default_environment"].error(f"is `{default}`, but there is no such environment", hint=hint)
    return default


def _chosen(layer: Layer, environment: str | None, label: str) -> Layer:
    blocks = cut(layer, ("environments",))
    if environment is not None and environment not in blocks.tree:
        none = f"add `environments: {{{environment}: {{}}}}` to {label}"
        known = f"known: {', '.join(blocks.tree)}" if blocks.tree else none
        hint = did_you_mean(environment, blocks.tree) or known
        raise UsageError(f"{label} has no environment `{environment}`", hint=hint)
    kept = {key: value for key, value in layer.tree.items() if key != "environments"}
    base = Layer(kept, {path: origin for path, origin in layer.origins.items() if path[0] != "environments"})
    if environment is None:
        return base
    return merge(base, relabelled(cut(blocks, (environment,)), f"environment {environment}"))


def _project(
    layer: Layer, file: Path, environment: str | None, private: Path, blocks: Mapping[str, Collection[str]]
) -> Project:
    root = Field(layer.tree, (), layer.origins, file.name)
    keys = root.keys(("version", *ROOTS))
    sources = _connectors(keys, "source", file.parent)
    mappers = _connectors(keys, "mapper", file.parent)
    targets = _connectors(keys, "target", file.parent)
    fields = keys["pipelines"].entries() if "pipelines" in keys else {}
    pipelines: dict[str, Pipeline] = {}
    for name, field in fields.items():
        _check_name(field, name)
        pipelines[name] = pipeline(field, sources, targets, mappers)
    jobs = keys["jobs"].entries() if "jobs" in keys else {}
    for name, field in jobs.items():
        _check_name(field, name)
    schedules = keys["schedules"].entries() if "schedules" in keys else {}
    for name, field in schedules.items():
        _check_name(field, name)
    require_own_names(keys, mappers)
    require_own_states(pipelines, fields, environment)
    found = Project(
        folder=file.parent,
        file=file,
        environment=environment,
        state_uri=_state_uri(keys["state_backend"]),
        sources=sources,
        targets=targets,
        mappers=mappers,
        pipelines=pipelines,
        tasks=_connectors(keys, "task", file.parent),
        jobs={name: job(field) for name, field in jobs.items()},
        schedules={name: schedule(field, blocks) for name, field in schedules.items()},
        private=private,
        labels=keys["labels"].labels() if "labels" in keys else {},
        annotations=keys["annotations"].labels() if "annotations" in keys else {},
        registries=_registries(keys),
        origins={dotted(path): origin for path, origin in layer.origins.items() if not _is_empty_key(path, layer.tree)},
    )
    _require_known(found, {**fields, **jobs})
    require_runnable(found, schedules, blocks)
    return found


def _require_known(project: Project, fields: Mapping[str, Field]) -> None:
    """Raise UsageError if a job or a hook names what does not exist, or if a job contains itself."""
    for name, field in fields.items():
        try:
            if name in project.jobs:
                parse_blocks(project, [name])
            else:
                parse_tasks(project, project.pipelines[name].tasks)
        except UsageError as error:
            raise UsageError(f"{field.origin}: `{dotted(field.path)}`: {error.message}", hint=error.hint) from None


def _is_empty_key(path: Keys, tree: Any) -> bool:
    """Return True for a key of an entry, such as `sources.faker.pull`, that is empty: it has tapdock's own default."""
    if len(path) != 3:
        return False
    for part in path:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree is None


def _connectors(keys: Mapping[str, Field], role: ConnectorRole, folder: Path) -> dict[str, Connector]:
    fields = keys[f"{role}s"].entries() if f"{role}s" in keys else {}
    for name, field in fields.items():
        _check_name(field, name)
        if "-to-" in name:
            raise field.error(
                "has `-to-` in its name, which is reserved: it joins source and target in the name of a state",
                hint="rename it",
            )
    return {name: connector(field, role, folder) for name, field in fields.items()}


def _check_name(field: Field, name: str) -> None:
    if not NAME.fullmatch(name):
        raise field.error("is not a valid name", hint="use letters, digits, `-`, `_` and `.`")


def _registries(keys: Mapping[str, Field]) -> dict[str, str]:
    """Return the places of the registries: those of tapdock, unless the project has its own."""
    given = keys["registries"].keys(names(REGISTRIES)) if "registries" in keys else {}
    return {key.name: given[key.name].text() if key.name in given else str(key.default) for key in REGISTRIES}


def _state_uri(field: Field) -> str:
    keys: dict[str, Any] = field.keys(names(STATE_BACKEND), instead={"url": "write `uri`", "path": "write `uri`"})
    return str(keys["uri"].text())
