"""`tapdock config show`: the project as tapdock reads it."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from tapdock.cli.session import Session, shared
from tapdock.cli.state import Yes, asked
from tapdock.connectors import known_specs, masking, rotated_config, rotation_rules
from tapdock.connectors.cache import Cache
from tapdock.errors import StateError, UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.layers import Path, dotted, walk
from tapdock.project.model import Connector, Mount, Project
from tapdock.protocol.json_pointer import parts
from tapdock.text.output import err, print_json, print_table
from tapdock.text.secret_names import masked_text

__all__ = ["reset", "rows", "show"]

WHOLE = ("select", "mounts", "extra_hosts", "entrypoint", "command")  # lists that are shown in one line


def show(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Only this source, target or pipeline.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show each value of the project and its origin

    Secrets are masked.

    Example: tapdock config show faker --environment prod
    """
    session = shared(ctx)
    project = session.project
    if name is not None:
        _require_known(name, [*project.sources, *project.targets, *project.pipelines])
    found = [row for row in (*rows(project), *_rotated(session)) if name is None or row[0][1:2] == (name,)]
    if as_json:
        print_json([{"path": dotted(path), "value": value, "origin": origin} for path, value, origin in found])
        return
    print_table(("VALUE", "IS", "FROM"), [(dotted(path), _shown(value), origin) for path, value, origin in found])


def reset(
    ctx: typer.Context, name: Annotated[str, typer.Argument(help="A source or a target.")], *, yes: Yes = False
) -> None:
    """Discard what a connector changed in its own config

    If a connector renews its token by itself, tapdock keeps the new token beside the state. After a reset the connector
    starts with the value in the project file, which may no longer be valid.

    Example: tapdock config reset faker --yes
    """
    session = shared(ctx)
    _require_known(name, [*session.project.sources, *session.project.targets])
    asked(f"Discard what {name} changed in its config?", yes=yes)
    forgotten = rotated_config.reset(session.backend, rotated_config.overlay_key(name, session.environment))
    err(f"discarded what {name} changed in its config" if forgotten else f"{name} has not changed its config")


def _require_known(name: str, names: list[str]) -> None:
    if name not in names:
        hint = did_you_mean(name, names) or f"known: {', '.join(names) or 'none'}"
        raise UsageError(f"the project has no `{name}`", hint=hint)


def _rotated(session: Session) -> Iterator[tuple[Path, Any, str]]:
    """Yield (path, placeholder, origin) of each value that a connector changed itself. The values stay hidden."""
    for group, connectors in (("sources", session.project.sources), ("targets", session.project.targets)):
        for name, connector in connectors.items():
            try:
                found = rotated_config.kept(session.backend, rotated_config.overlay_key(name, session.environment))
            except StateError as error:
                yield (group, name, "config"), "[unreadable]", error.message
                continue
            for pointer in found.pointers if found else ():
                yield (group, name, "config", *parts(pointer)), "[secret]", _use(connector, found)


def _use(connector: Connector, kept: rotated_config.Kept | None) -> str:
    if connector.rotate == "none":
        return "updated by the connector (not used: `rotate: none`)"
    if kept and kept.program not in (None, rotation_rules.program(connector)):
        return f"updated by {rotation_rules.name_of(kept.program)} (not used: the program has changed)"
    return "updated by the connector (used until you change this value in tapdock.yaml)"


def rows(project: Project) -> list[tuple[Path, Any, str]]:
    """Return (path, value without secrets, origin) of everything that is configured or has a default."""
    return [(path, _masked(value), _origin(project, path)) for path, value in _values(project)]


def _masked(value: Any) -> Any:
    """Return the value with tokens in addresses masked: any text may be such an address."""
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return masked_text(value) if isinstance(value, str) else value


def _origin(project: Project, path: Path) -> str:
    for end in range(len(path), 0, -1):
        if dotted(path[:end]) in project.origins:
            return project.origins[dotted(path[:end])]
    return "default"


def _values(project: Project) -> Iterator[tuple[Path, Any]]:
    yield ("state_backend", "uri"), project.state_uri
    cache = Cache(project.private / "cache")
    for group, connectors in (("sources", project.sources), ("targets", project.targets)):
        for name, connector in connectors.items():
            yield from _connector((group, name), connector, known_specs.remembered(cache, connector))
    for name, pipeline in project.pipelines.items():
        said = dataclasses.asdict(pipeline)
        naming = said.pop("namespacing")
        said |= {"namespace": naming["kind"], "namespace_format": naming["format"], "prefix": naming["prefix"]}
        for key, value in said.items():
            if key != "name" and value not in (None, ""):
                yield ("pipelines", name, key), value


_OTHERS = {
    "source": ("state_type", "waits_for_complete", "allow_unsafe_overwrite"),
    "target": ("manifest", "select", "streams", "catalog", "catalog_option", "discovery"),
}
"""What a connector of the other role says."""


def _connector(path: Path, connector: Connector, schema: Mapping[str, Any] | None) -> Iterator[tuple[Path, Any]]:
    """`schema` is the connector's spec, where it is known."""
    for field in dataclasses.fields(connector):
        value = getattr(connector, field.name)
        here = (*path, field.name)
        if field.name in ("name", "role", "limits", *_OTHERS[connector.role]) or value in (None, (), {}):
            continue
        if field.name in ("config", "env"):
            yield from walk(masking.masked(value, schema if field.name == "config" else None), here)
        elif field.name in WHOLE:
            yield here, [_mount(item) if isinstance(item, Mount) else item for item in value]
        elif field.name == "streams":
            for stream, options in value.items():
                said = {key: inner for key, inner in dataclasses.asdict(options).items() if inner}
                if said.pop("log_based", False):
                    said = {"replication_method": "LOG_BASED"} | said
                    del said["sync_mode"]
                yield from (((*here, stream, key), inner) for key, inner in said.items())
        elif field.name == "build":
            yield (*here, value.family.removesuffix("-python")), value.package
            if value.executable:
                yield (*here, "executable"), value.executable
        elif field.name in ("manifest", "catalog"):
            yield here, str(value.file)
        else:
            yield here, value
    idle = connector.limits.source_idle if connector.role == "source" else connector.limits.target_idle
    yield (*path, "idle_timeout"), idle
    yield (*path, "stop_grace"), connector.limits.stop_grace
    yield (*path, "exit_grace"), connector.limits.exit_grace


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
