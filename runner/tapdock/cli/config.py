"""`tapdock config show` and `forget-rotated`, and `tapdock schema`: the project as tapdock reads it."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from tapdock.cli.config_rows import rows, variables_of
from tapdock.cli.session import Session, shared
from tapdock.cli.state import Yes, asked
from tapdock.connectors import rotated_config, rotation_rules
from tapdock.errors import StateError, UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.layers import Path, dotted
from tapdock.project.model import Connector, Project
from tapdock.protocol.json_pointer import parts
from tapdock.text.output import err, print_json, print_table

__all__ = ["forget_rotated", "reset", "schema", "show"]


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
