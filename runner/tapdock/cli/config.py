"""`tapdock config show` and `forget-rotated`, and `tapdock schema`: the project as tapdock reads it."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
import typer

from tapdock.cache import Cache
from tapdock.cli.schedule_rows import notify_rows, schedule_rows
from tapdock.cli.session import Session, shared
from tapdock.cli.state import Yes, asked
from tapdock.connectors import known_specs, masking, rotated_config, rotation_rules
from tapdock.errors import StateError, UsageError
from tapdock.project.connector_values import Mount
from tapdock.project.fields import did_you_mean
from tapdock.project.keys import BUILD, CONNECTOR, MAPS, names
from tapdock.project.layers import Path, dotted, walk
from tapdock.project.maps import MapKeys
from tapdock.project.model import Connector, Job, Pipeline, Project, StreamOptions
from tapdock.project.row import Matrix
from tapdock.project.secret import Secret
from tapdock.project.steps import After, Command
from tapdock.protocol.json_pointer import parts
from tapdock.text.output import err, print_json, print_table
from tapdock.text.secret_names import masked_text

__all__ = ["forget_rotated", "origin_of", "reset", "rows", "schema", "show", "variables_of"]


def show(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Only this source, target or pipeline.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show each value of the project and its origin

    Secrets are masked. If the project file refers to a variable, its name follows the masked value.

    Example: tapdock config show faker --environment prod
    """
    session = shared(ctx)
    project = session.project
    if name is not None:
        _require_known(name, [*(each.name for each in project.connectors), *project.pipelines, *project.jobs])
    found = [row for row in (*rows(project), *_rotated(session)) if name is None or row[0][1:2] == (name,)]
    if as_json:
        print_json([_fact(project, *row) for row in found])
        return
    print_table(
        ("VALUE", "IS", "FROM"),
        [(dotted(path), _shown(value) + _references(project, path), origin) for path, value, origin in found],
    )


def forget_rotated(
    ctx: typer.Context, name: Annotated[str, typer.Argument(help="A source or a target.")], *, yes: Yes = False
) -> None:
    """Discard what a connector changed in its own config

    If a connector renews its token by itself, tapdock keeps the new token beside the state. After this command the
    connector starts with the value in the project file, which may no longer be valid. The project file is not changed.

    Example: tapdock config forget-rotated faker --yes
    """
    session = shared(ctx)
    _require_known(name, [each.name for each in session.project.connectors])
    asked(f"Discard what {name} changed in its config?", yes=yes)
    forgotten = rotated_config.reset(session.backend, rotated_config.overlay_key(name, session.project.environment))
    err(f"discarded what {name} changed in its config" if forgotten else f"{name} has not changed its config")


def reset(
    ctx: typer.Context, name: Annotated[str, typer.Argument(help="A source or a target.")], *, yes: Yes = False
) -> None:
    """Discard rotated values: the earlier name of `forget-rotated`

    Example: tapdock config forget-rotated faker --yes
    """
    err("warning: `config reset` is now called `config forget-rotated`; `config unset` removes a setting")
    forget_rotated(ctx, name, yes=yes)


def schema() -> None:
    """Print the JSON schema of the project file

    Editors complete and check a file whose first line names it: `# yaml-language-server: $schema=tapdock.schema.json`.
    `tapdock init` writes both. After an update of tapdock, write the schema again.

    Example: tapdock schema > tapdock.schema.json
    """
    from tapdock.project.schema import json_schema

    print_json(json_schema())


def _require_known(name: str, names: list[str]) -> None:
    if name not in names:
        hint = did_you_mean(name, names) or f"known: {', '.join(names) or 'none'}"
        raise UsageError(f"the project has no `{name}`", hint=hint)


def _rotated(session: Session) -> Iterator[tuple[Path, Any, str]]:
    """Yield (path, placeholder, origin) of each value that a connector changed itself. The values stay hidden."""
    for connector in session.project.connectors:
        path = (f"{connector.role}s", connector.name, "config")
        try:
            key = rotated_config.overlay_key(connector.name, session.project.environment)
            found = rotated_config.kept(session.backend, key)
        except StateError as error:
            yield path, "[unreadable]", error.message
            continue
        for pointer in found.pointers if found else ():
            yield (*path, *parts(pointer)), "[secret]", _use(connector, found)


def _use(connector: Connector, kept: rotated_config.Kept | None) -> str:
    if connector.rotate == "none":
        return "updated by the connector (not used: `rotate: none`)"
    if kept and kept.program not in (None, rotation_rules.program(connector)):
        return f"updated by {rotation_rules.name_of(kept.program)} (not used: the program has changed)"
    return "updated by the connector (used until you change this value in tapdock.yaml)"


def _fact(project: Project, path: Path, value: Any, origin: str) -> dict[str, Any]:
    variables = variables_of(project, path)
    return {"path": dotted(path), "value": value, "origin": origin, **({"variables": variables} if variables else {})}


def _references(project: Project, path: Path) -> str:
    names = ", ".join(f"${{{name}}}" for name in variables_of(project, path))
    return f" ({names})" if names else ""


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
    """Return a value as it is written in a project file, without what is empty."""
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
                yield from walk({name: each for name, each in dataclasses.asdict(value).items() if each}, here)
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


def _shown(value: Any) -> str:
    match value:
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case list() | tuple():
            return ", ".join(_shown(item) for item in value)
        case float():
            return repr(value).removesuffix(".0")
        case _:
            return str(value)
