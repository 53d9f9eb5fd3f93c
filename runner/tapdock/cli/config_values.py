"""`tapdock config list`, `get`, `set` and `unset`: the settings of one connector."""

import json
from functools import partial
from typing import Annotated, Any

import typer

from tapdock.cli.config_edits import above, edit_of, known_spec, of, save, spec_of
from tapdock.cli.config_rows import origin_of, rows, variables_of
from tapdock.cli.connectors import named
from tapdock.cli.session import shared
from tapdock.cli.spec_rows import spec_rows
from tapdock.cli.state import text_of
from tapdock.connectors import config_keys, masking
from tapdock.connectors.config_keys import ABSENT
from tapdock.errors import UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.interpolate import REFERENCE
from tapdock.project.layers import dotted
from tapdock.text.output import err, out, print_json, print_table

__all__ = ["get", "list_settings", "set_setting", "unset"]

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
    found = [
        (path, value, origin) for path, value, origin in rows(project) if path[:3] == above(connector) and len(path) > 3
    ]
    schema = known_spec(session.project, connector)
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
    schema = known_spec(session.project, connector)
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
    text = value if value is not None else _content(str(from_file))
    schema = spec_of(session, connector, ask=not no_validate) or {}
    edit = edit_of(session, connector)
    path = config_keys.place_of(config_keys.key_of(key), edit.raw, schema)
    new: Any = ABSENT
    if reference:
        edit.set_written(path, text)
    else:
        own = config_keys.schema_of(path, edit.raw, schema)
        new = config_keys.value_of(text, own, schema)
        edit.set_plain(path, new, secret=partial(config_keys.secret_leaves, schema=schema))
        if "${" in text:
            err("note: `${` is written as plain text; with `--reference`, `${NAME}` refers to a variable")
    save(edit, path, {} if no_validate else schema, value=new)
    if not schema and not no_validate:
        err(f"note: {name} reports no settings, so the name and the value were not checked")
    if edit.secrets and value is not None:
        err("note: the history of your shell may have this secret; `--from-file -` reads it from stdin")


def _content(file: str) -> str:
    """Return the text of a file or of stdin without its last line end. Raises UsageError if there is none."""
    text = text_of(file).removesuffix("\n").removesuffix("\r")
    if not text:  # the program before a pipe has failed
        what = "stdin" if file == "-" else file
        raise UsageError(f"{what} is empty", hint="an empty text is set with `tapdock config set NAME KEY ''`")
    return text


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
    err(f"removed `{dotted((*edit.place, *path))}` from {edit.label}")
    reference = REFERENCE.fullmatch(old) if isinstance(old, str) else None
    if reference and reference["name"]:
        err(f"note: `{reference['name']}` may still be set in .env; remove it there if nothing else refers to it")
    if not isinstance(path[-1], int) and config_keys.at(of(after, connector).config, path) is not ABSENT:
        err(f"warning: the setting still has a value, from {origin_of(after, (*above(connector), *path))}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
