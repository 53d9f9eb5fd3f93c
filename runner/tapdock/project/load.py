"""Load `tapdock.yaml` as a `Project`.

Precedence: a variable `TAPDOCK_…`, the block of the chosen environment, the file, its `defaults:`, tapdock's defaults.
"""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from tapdock.errors import UsageError
from tapdock.project.airbyte_wrapper import translated
from tapdock.project.blocks import parse_blocks, parse_tasks
from tapdock.project.builtin import NAMES
from tapdock.project.connectors import connector
from tapdock.project.extends import extended
from tapdock.project.fields import Field, did_you_mean
from tapdock.project.files import text_of
from tapdock.project.home import DOTENV, HOME, private_folder
from tapdock.project.include import read_included
from tapdock.project.interpolate import VARIABLE, Scope, interpolate, parse_dotenv
from tapdock.project.jobs import job
from tapdock.project.keys import CONNECTOR, DEFAULTS, REGISTRIES, ROOT, STATE_BACKEND, misplaced, names
from tapdock.project.layers import Layer, cut, dotted, merge, relabelled
from tapdock.project.layers import Path as Keys
from tapdock.project.model import Connector, ConnectorRole, Pipeline, Project
from tapdock.project.overrides import ROOTS, overridden
from tapdock.project.pipelines import pipeline, require_own_names, require_own_states
from tapdock.project.references import References
from tapdock.project.renamed import renamed
from tapdock.project.schedules import names_by_environment, require_runnable, schedule
from tapdock.project.secret import Secret

__all__ = ["load", "with_own_variables", "written"]

STATE_URI = ".tapdock/state"
_KEYS = {"TAPDOCK_STATE_KEY", "TAPDOCK_STATE_KEY_FILE"}
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
    variables, origins = _variables(file.parent, environ, env_files)
    references = References(folder=file.parent, environ=variables)
    scope = Scope(variables=variables, environment=environment, references=references)
    layer, scope = _own_values(layer, scope, file.name)
    layer, more = renamed(
        overridden(interpolate(layer, scope), variables, origins=origins, label=file.name), replaces=True
    )
    own = with_own_variables(file.parent, environ, env_files=env_files)
    private = private_folder(file.parent, own)
    state_uri = str(private / "state") if own.get(HOME) else STATE_URI
    layer = _with_defaults(extended(layer, file.name), file.name, state_uri=state_uri)
    found = _project(layer, file, environment, private, blocks)
    return dataclasses.replace(found, references=references, warnings=(*warnings, *more), env_files=tuple(env_files))


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


def with_own_variables(folder: Path, environ: Mapping[str, str], *, env_files: Sequence[Path] = ()) -> dict[str, str]:
    """Return the environment, and tapdock's own variables (`TAPDOCK_…`) in the project's `.env`, which yield to it.

    The same holds for those in `env_files`.

    Paths in `.env` are relative to the project. An empty key in the environment does not replace one in the file,
    because states would then be stored without encryption. Raises UsageError for a `.env` that cannot be read.
    """
    environ = {name: value for name, value in environ.items() if value or name not in _KEYS}
    values, _ = _variables(folder, {}, env_files)
    own = {name: value for name, value in values.items() if name.startswith("TAPDOCK_") and name not in environ}
    if not _KEYS.isdisjoint(environ):  # one of the two in the environment replaces both in the file
        own = {name: value for name, value in own.items() if name not in _KEYS}
    own |= {name: str(folder / own[name]) for name in (HOME, "TAPDOCK_STATE_KEY_FILE") if own.get(name)}
    return {**own, **environ}


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


def _own_values(layer: Layer, scope: Scope, label: str) -> tuple[Layer, Scope]:
    """Return the layer without `vars`, and the scope with their values. A value may refer to those above it."""
    kept = {key: value for key, value in layer.tree.items() if key not in ("vars", "default_environment")}
    values: dict[str, str | Secret] = {}
    for name in Field(layer.tree.get("vars"), ("vars",), layer.origins, label).entries():
        scope = dataclasses.replace(scope, own=dict(values))
        found = interpolate(Layer({"vars": {name: layer.tree["vars"][name]}}, layer.origins), scope)
        field = Field(found.tree["vars"][name], ("vars", name), layer.origins, label)
        if not re.fullmatch(VARIABLE, name):
            raise field.error("is not a name of a variable", hint="use letters, digits and `_`")
        if name in NAMES:
            raise field.error("has the name of a built-in variable", hint=f"rename it: `${{{name}}}` is built in")
        if name.startswith("TAPDOCK_"):
            raise field.error("is a variable of tapdock's own", hint="put it into `.env`, or into the environment")
        if isinstance(field.value, Secret):
            values[name] = field.value
        elif isinstance(field.value, bool):
            values[name] = str(field.value).lower()
        elif field.value == "":
            values[name] = ""
        elif field.value is not None:
            values[name] = field.text()
    return Layer(kept, layer.origins), dataclasses.replace(scope, own=values)


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


def _variables(
    folder: Path, environ: Mapping[str, str], env_files: Sequence[Path]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables of the environment over those of files, and the origins of those from files."""
    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    dotenv = folder / DOTENV
    for file in (*([dotenv] if dotenv.is_file() else []), *env_files):
        found = parse_dotenv(text_of(file), file.name if file == dotenv else str(file), reserved=NAMES)
        values |= found
        origins |= dict.fromkeys(found, file.name if file == dotenv else str(file))
    return {**values, **environ}, {name: origin for name, origin in origins.items() if name not in environ}


def _with_defaults(layer: Layer, label: str, *, state_uri: str) -> Layer:
    """Return the layer with defaults: each connector over the `defaults:` block, and that over tapdock's defaults."""
    defaults = cut(layer, ("defaults",))
    shared = tuple(key.name for key in CONNECTOR if key.shared)
    Field(defaults.tree, ("defaults",), layer.origins, label).keys(shared, instead=misplaced(shared))
    tree: dict[str, Any] = {}
    origins: dict[Keys, str] = {}
    if cut(layer, ("state_backend",)).tree.get("uri") is None:
        layer = _with_state_uri(layer, state_uri)
    for role in get_args(ConnectorRole):
        group = f"{role}s"
        of_role = names(CONNECTOR, role=role)
        given = {key: value for key, value in defaults.tree.items() if value is not None and key in of_role}
        for name, entry in cut(layer, (group,)).tree.items():
            if not isinstance(entry, dict):
                continue
            tree.setdefault(group, {})[name] = {**DEFAULTS[role], **given}
            origins |= {(group, name, key): "default" for key in DEFAULTS[role]}
            origins |= {(group, name, *path): origin for path, origin in defaults.origins.items() if path[0] in given}
    return merge(Layer(tree, origins), layer)


def _with_state_uri(layer: Layer, uri: str) -> Layer:
    """Return the layer with the default in place of a `uri` that is missing or empty. A `state_backend` of another type
    is returned as it is, to be refused.
    """
    if not isinstance(layer.tree.get("state_backend"), dict | None):
        return layer
    base = Layer({**layer.tree, "state_backend": layer.tree.get("state_backend") or {}}, layer.origins)
    return merge(base, Layer({"state_backend": {"uri": uri}}, {("state_backend", "uri"): "default"}))


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
