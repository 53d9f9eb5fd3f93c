"""`tapdock config list`, `get`, `set` and `unset`: the settings of one connector."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import typer

from tapdock.cache import Cache
from tapdock.cli.assembly import operations_of
from tapdock.cli.config import origin_of, rows, variables_of
from tapdock.cli.connectors import named
from tapdock.cli.session import Session, shared
from tapdock.cli.spec_rows import spec_rows
from tapdock.cli.state import text_of
from tapdock.connectors import about, config_keys, known_specs, masking, operations, settings
from tapdock.connectors.config_edit import ConfigEdit
from tapdock.connectors.config_keys import ABSENT
from tapdock.errors import UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.interpolate import Unset
from tapdock.project.layers import Path, dotted
from tapdock.project.model import Connector, Project
from tapdock.relay.signals import Signals
from tapdock.text.output import err, out, print_json, print_table, said_at_once

__all__ = ["edit_of", "get", "list_settings", "report", "set_setting", "spec_of", "unset"]

Name = Annotated[str, typer.Argument(help="A source or a target of the project.")]
Key = Annotated[str, typer.Argument(help="A setting. Nested settings: `credentials.client_id`, `items.0`, `a\\.b`.")]
NoValidate = Annotated[bool, typer.Option("--no-validate", help="Do not compare the value with the connector's spec.")]


def list_settings(
    ctx: typer.Context, name: Name, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the settings of one connector

    Each value has its origin, and secrets are masked. Settings that are not set are listed if the connector's spec is
    known: `tapdock spec NAME` asks the connector for it.

    Example: tapdock config list faker
    """
    session = shared(ctx)
    project, connector = session.project, named(session.project, name)
    above = (f"{connector.role}s", name, "config")
    found = [(path, value, origin) for path, value, origin in rows(project) if path[:3] == above and len(path) > 3]
    schema = known_specs.remembered(Cache(project.private / "cache"), connector)
    unset = [
        row for row in spec_rows(schema) if row[0] not in connector.config and "." not in row[0] and row[1] != "choice"
    ]
    unset = [row for row in unset if "[]" not in row[0]]
    if as_json:
        facts: list[dict[str, Any]] = [
            {
                "setting": dotted(path[3:]),
                "value": value,
                "origin": origin,
                "variables": list(variables_of(project, path)),
            }
            for path, value, origin in found
        ]
        for setting, _, required, default, _ in unset:
            given = {"default": json.loads(default)} if default else {}
            facts.append({"setting": setting, "origin": None, "required": bool(required), **given})
        print_json(facts)
        return
    table = [[dotted(path[3:]), _text(value), origin] for path, value, origin in found]
    for setting, _, required, default, _ in unset:
        origin = "default of the connector" if default else "required, not set" if required else "not set"
        table.append([setting, default, origin])
    print_table(("SETTING", "VALUE", "FROM"), table)


def get(ctx: typer.Context, name: Name, key: Key) -> None:
    """Print one setting of a connector

    Text is printed as it is, and everything else as JSON. A secret is printed as `[secret]`.

    Example: tapdock config get faker count
    """
    session = shared(ctx)
    connector = named(session.project, name)
    schema = known_specs.remembered(Cache(session.project.private / "cache"), connector)
    shown = masking.masked(connector.config, schema)
    found = config_keys.at(shown, config_keys.place_of(config_keys.key_of(key), shown, schema or {}))
    if found is ABSENT:
        hint = did_you_mean(key, connector.config) or f"`tapdock config list {name}` lists the settings"
        raise UsageError(f"`{connector.role}s.{name}.config` has no `{key}`", hint=hint)
    out(_text(found))


def set_setting(
    ctx: typer.Context,
    name: Name,
    key: Annotated[str | None, typer.Argument(help="A setting, as `tapdock config list` shows it.")] = None,
    value: Annotated[str | None, typer.Argument(help="Its value: text or JSON, by the type in the spec.")] = None,
    *,
    from_file: Annotated[str | None, typer.Option(help="Read the value from a file, or from stdin for `-`.")] = None,
    reference: Annotated[bool, typer.Option("--reference", help="Keep `${NAME}` in the value as a reference.")] = False,
    no_validate: NoValidate = False,
    interactive: Annotated[bool, typer.Option("--interactive", help="Ask for each setting in turn.")] = False,
) -> None:
    """Change one setting of a connector, or all in a dialog

    The value is checked by the connector's spec, and written into the project file, with `--environment NAME` into the
    block of that environment. Nothing else in the file changes. A secret is written into `.env`, and the project file
    refers to it. Write `--` before a value that begins with `-`: `tapdock config set faker seed -- -1`.

    Example: tapdock config set faker count 500
    """
    session = shared(ctx)
    connector = named(session.project, name)
    if interactive:
        from tapdock.cli.dialog import ask_settings

        if key is not None or from_file is not None:
            raise UsageError("`--interactive` takes no setting and no value")
        ask_settings(session, connector)
        return
    if key is None:
        hint = f"`tapdock config set {name} KEY VALUE`, or `tapdock config set {name} --interactive`"
        raise UsageError("there is no setting to change", hint=hint)
    if (value is None) == (from_file is None):
        raise UsageError("give a value, or `--from-file FILE`, and not both", hint="`-` reads the value from stdin")
    text = value if value is not None else text_of(str(from_file)).removesuffix("\n")
    schema = spec_of(session, connector, ask=not no_validate) or {}
    edit = edit_of(session, connector)
    path = config_keys.place_of(config_keys.key_of(key), edit.raw, schema)
    if reference:
        edit.set_written(path, text)
    else:
        own = config_keys.schema_of(path, edit.raw, schema)
        new = config_keys.value_of(text, own, schema)
        edit.set_plain(path, new, secret=partial(config_keys.secret_leaves, schema=schema))
        if "${" in text:
            err("note: `${` is written as plain text; with `--reference`, `${NAME}` refers to a variable")
    _save(session, edit, path, {} if no_validate else schema)


def unset(ctx: typer.Context, name: Name, key: Key) -> None:
    """Remove one setting of a connector

    It is removed from the project file, with `--environment NAME` from the block of that environment. A secret in
    `.env` stays there.

    Example: tapdock config unset faker seed
    """
    session = shared(ctx)
    connector = named(session.project, name)
    edit = edit_of(session, connector)
    path = config_keys.place_of(config_keys.key_of(key), edit.raw, {})
    old = config_keys.at(edit.raw, path)
    edit.remove(path)
    after = edit.after()
    edit.write()
    err(f"removed `{dotted((*edit.place, *path))}` from {session.file.name}")
    if isinstance(old, str) and old.startswith("${"):
        err(f"note: `{old}` may still be set in .env; remove it there if nothing else refers to it")
    if config_keys.at(_of(after, connector).config, path) is not ABSENT:
        err(f"warning: the setting still has a value, from {origin_of(after, (*_above(connector), *path))}")


def edit_of(session: Session, connector: Connector) -> ConfigEdit:
    """Return an edit of a connector's config. Only `--environment` chooses the block of an environment."""
    return ConfigEdit(session.project, connector, session.chosen_environment or None, session.environ)


def spec_of(session: Session, connector: Connector, *, ask: bool) -> Mapping[str, Any] | None:
    """Return the connector's spec: the one that is known, else its answer. None if it reports none."""
    found = known_specs.remembered(Cache(session.project.private / "cache"), connector)
    if found is not None or not ask:
        return found
    with Signals(said_at_once) as signals:
        needed = operations_of(session, signals)
        return about.spec(needed, operations.prepare(needed, connector))


def _save(session: Session, edit: ConfigEdit, path: Path, schema: Mapping[str, Any]) -> None:
    """Check a change of one setting, write it, and report it. Raises UsageError if the spec refuses it."""
    after = edit.after()
    place = dotted((*edit.place, *path))
    notes: list[str] = []
    if schema:
        refused, notes = config_keys.refusals(path, *_plain(_of(after, edit.connector), schema))
        if refused:
            hint = f"`tapdock spec {edit.connector.name}` lists the settings; `--no-validate` writes it anyway"
            raise UsageError(f"{session.file.name}: {place}: {refused[0]}", hint=hint)
    changed = edit.write()
    report(edit, after, path, changed=changed)
    for line in notes:
        err(f"note: {line}")


def _plain(connector: Connector, schema: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return the config in plain values, without those whose variables are not set, and the schema."""
    return settings.coerce(_known(connector.config), schema), schema


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _known(inner) for key, inner in value.items() if not isinstance(inner, Unset)}
    return [_known(item) for item in value] if isinstance(value, list) else value


def report(edit: ConfigEdit, after: Project, path: Path, *, changed: bool) -> None:
    """Report where a setting was written, and what overrides it."""
    place, file = dotted((*edit.place, *path)), edit.project.file.name
    kept = f"; its value is in .env ({', '.join(edit.secrets)})" if edit.secrets else ""
    err(f"{'wrote' if changed else 'already set:'} `{place}` in {file}{kept}")
    origin = origin_of(after, (*_above(edit.connector), *path))
    own = f"environment {edit.environment} ({file}:" if edit.environment else f"{file}:"
    if not origin.startswith(own):
        err(f"warning: the value in {file} has no effect: it is overridden by {origin}")


def _above(connector: Connector) -> Path:
    return f"{connector.role}s", connector.name, "config"


def _of(project: Project, connector: Connector) -> Connector:
    return (project.sources if connector.role == "source" else project.targets)[connector.name]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
