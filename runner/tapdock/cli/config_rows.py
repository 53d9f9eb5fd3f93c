"""The values of a project as rows, each with its origin, and without secrets."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tapdock.cache import Cache
from tapdock.cli.schedule_rows import notify_rows, schedule_rows
from tapdock.connectors import known_specs, masking
from tapdock.project.connector_values import Mount
from tapdock.project.keys import BUILD, CONNECTOR, MAPS, names
from tapdock.project.layers import Path, dotted, walk
from tapdock.project.maps import MapKeys
from tapdock.project.model import Connector, Job, Pipeline, Project, StreamOptions
from tapdock.project.row import Matrix
from tapdock.project.secret import Secret
from tapdock.project.steps import After, Command
from tapdock.text.secret_names import masked_text

__all__ = ["origin_of", "rows", "variables_of"]


def variables_of(project: Project, path: Path) -> tuple[str, ...]:
    """Return the variables to which the project file refers in settings of a connector, and in maps of a pipeline."""
    own = ("config", "env", "mappings", *names(MAPS)) if path[0] != "pipelines" else names(MAPS)
    if path[0] not in ("sources", "mappers", "targets", "tasks", "pipelines") or path[2:3] == () or path[2] not in own:
        return ()
    entries: Mapping[str, MapKeys] = getattr(project, str(path[0]))
    value: Any = getattr(entries[str(path[1])], str(path[2]))
    if path[2] == "mappings":
        value = [{"config": config} for config in value.values()]
    for part in path[3:]:
        known = isinstance(part, int) and isinstance(value, list | tuple) and part < len(value)
        value = value[part] if known else value.get(part) if isinstance(value, Mapping) else None
    return value.variables if isinstance(value, Secret) else ()


def rows(project: Project) -> list[tuple[Path, Any, str]]:
    """Return (path, value without secrets, origin) of everything that is configured or has a default."""
    redactor = masking.redactor_of(project)
    return [
        (path, _masked(redactor(value) if _is_label(path) else value), origin_of(project, path))
        for path, value in _values(project)
    ]


def _is_label(path: Path) -> bool:
    """Return True for a label or an annotation, which may refer to a secret."""
    return not {path[0], *path[2:3]}.isdisjoint(("labels", "annotations"))


def _masked(value: Any) -> Any:
    """Return the value with tokens in addresses masked: any text may be such an address."""
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return masked_text(value) if isinstance(value, str) else value


def origin_of(project: Project, path: Path) -> str:
    """Return the origin of the value, or of the nearest value around it inside of its key.

    A key without an origin is not set, wherever its entry was written.
    """
    depth = 2 if path[0] in ("state_backend", "registries", "labels", "annotations") else 3  # `sources.faker.config`
    for end in range(len(path), depth - 1, -1):
        if dotted(path[:end]) in project.origins:
            return project.origins[dotted(path[:end])]
    return "default"


def _values(project: Project) -> Iterator[tuple[Path, Any]]:
    yield ("state_backend", "uri"), project.state_uri
    for key, texts in (("labels", project.labels), ("annotations", project.annotations)):
        yield from walk(texts, (key,)) if texts else ()
    yield from ((("registries", name), place) for name, place in project.registries.items())
    cache = Cache(project.private / "cache")
    for connector in project.connectors:
        path = (f"{connector.role}s", connector.name)
        yield from _connector(path, connector, known_specs.remembered(cache, connector))
    for name, pipeline in project.pipelines.items():
        said = {field.name: getattr(pipeline, field.name) for field in dataclasses.fields(Pipeline)}
        del said["variant"], said["row"]
        naming = said.pop("namespacing")
        said |= {"namespace": naming.kind, "namespace_format": naming.format, "prefix": naming.prefix}
        maps = {key: said.pop(key) for key in names(MAPS)}
        for key, value in said.items():
            if key in ("labels", "annotations"):
                yield from walk(value, ("pipelines", name, key)) if value else ()
            elif key == "matrix":
                yield from _matrix(name, value) if value else ()
            elif isinstance(value, After):
                yield from walk(_plain(value), ("pipelines", name, key)) if value else ()
            elif key == "notify":
                yield from notify_rows(value, ("pipelines", name, key))
            elif key != "name" and value not in (None, "", ()):
                yield ("pipelines", name, key), value
        for key in maps:
            yield from _map_key(("pipelines", name), pipeline, key)
    for job in project.jobs.values():
        yield from walk({key: value for key, value in _plain(job).items() if key != "name"}, ("jobs", job.name))
        yield from notify_rows(job.notify, ("jobs", job.name, "notify"))

    yield from schedule_rows(project.schedules.values())


def _matrix(pipeline: str, matrix: Matrix) -> Iterator[tuple[Path, Any]]:
    """Yield the names of the rows that are in the project file, or where they are, and the columns."""
    path: Path = ("pipelines", pipeline, "matrix")
    said = {
        "rows": None if matrix.rows is None else [row.name for row in matrix.rows],
        "file": matrix.file,
        "command": list(matrix.command) or None,
        "timeout": matrix.seconds if matrix.command else None,
        "allow_empty": matrix.allow_empty or None,
    }
    yield from (((*path, key), value) for key, value in said.items() if value is not None)
    yield from (((*path, "columns", name), str(value)) for name, value in matrix.columns.items())


def _plain(value: After | Command | Job) -> Any:
    """Return a value as it is written in a project file, without what is empty, and without what has other rows."""
    match value:
        case Command():
            value = dataclasses.replace(value, unset=None)
        case Job():
            value = dataclasses.replace(value, notify=())
    return {key: inner for key, inner in msgspec.to_builtins(value).items() if inner not in ((), [], {}, None)}


def _connector(path: Path, connector: Connector, schema: Mapping[str, Any] | None) -> Iterator[tuple[Path, Any]]:
    """`schema` is the connector's spec, if it is known."""
    for key in CONNECTOR:
        if not key.of(connector.role):
            continue
        if key.name in names(MAPS):
            yield from _map_key(path, connector, key.name)
            continue
        here = (*path, key.name)
        value: Any = _limit(connector, key.name) if key.form == "duration" else getattr(connector, key.name)
        if value in (None, (), {}, ""):
            continue
        match key.form:
            case "config" | "env":
                yield from walk(masking.masked(value, schema if key.form == "config" else None), here)
            case "mappings":
                for index, config in enumerate(value.values()):
                    yield from walk(masking.masked(config, schema), (*here, index, "config"))
            case "labels":
                yield from walk(value, here)
            case "commands":
                yield from walk({name: _plain(command) for name, command in value.items()}, here)
            case "texts" | "words" | "mounts":  # lists that are shown in one line
                yield here, [_mount(item) if isinstance(item, Mount) else item for item in value]
            case "streams":
                for stream, options in value.items():
                    yield from (((*here, stream, name), inner) for name, inner in _stream(options).items())
            case "build":
                families = {"airbyte-python": "airbyte", "python": "pip"}
                if value.package:
                    yield (*here, families.get(value.family, value.family)), value.package
                for option in BUILD:
                    if given := getattr(value, option.attribute, None):
                        yield (*here, option.name), list(given) if isinstance(given, tuple) else given
            case "window":
                yield from walk({name: each for name, each in msgspec.structs.asdict(value).items() if each}, here)
            case "manifest" | "catalog":
                yield here, str(value.file)
            case "discovery":
                yield here, value.written
            case _:
                yield here, value


def _map_key(path: Path, owner: MapKeys, name: str) -> Iterator[tuple[Path, Any]]:
    """Yield the values of a key that maps streams, unless it has its default. A removed field is `null`."""
    value = getattr(owner, name)
    if value == getattr(MapKeys(), name):
        return
    for here, leaf in walk({name: value}, path):
        # a field such as `password` has an expression as its value, which is not a secret
        is_expression = name == "maps" and not isinstance(leaf, Secret)
        yield here, leaf if is_expression else masking.masked({str(here[-1]): leaf}, None)[str(here[-1])]


def _limit(connector: Connector, name: str) -> float:
    seconds: float = getattr(connector.limits, f"{connector.role}_idle" if name == "idle_timeout" else name)
    return seconds


def _stream(options: StreamOptions) -> dict[str, Any]:
    said = {name: value for name, value in dataclasses.asdict(options).items() if value and name != "given"}
    if said.pop("log_based", False):
        said = {"replication_method": "LOG_BASED"} | said
        del said["sync_mode"]
    return said


def _mount(mount: Mount) -> str:
    options = ",".join((*(("ro",) if mount.read_only else ()), *mount.options))
    return f"{mount.source}:{mount.target}" + (f":{options}" if options else "")
