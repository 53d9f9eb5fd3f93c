"""`tapdock state import` and `export`: convert states from and to the formats of other runners."""

import shlex
import time
from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

from tapdock.cli.session import Session, shared
from tapdock.cli.state import Yes, asked, kept, text_of
from tapdock.cli.state_ids import AnyName, is_used, keys_of_pipelines, known_id, require_dialect
from tapdock.cli.state_transfer import Newer, export_all, import_all
from tapdock.errors import UsageError
from tapdock.project.state_keys import valid_id
from tapdock.state import formats, store
from tapdock.state.formats import Format
from tapdock.state.meltano_store import holds_several, states_of_meltano
from tapdock.text.output import err, out_json

__all__ = ["export", "import_state"]

NewerOption = Annotated[
    Newer | None,
    typer.Option("--newer", help="With --all: keep or replace a state that may be newer where it is copied to."),
]


def import_state(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="A file, `-` for stdin, or Meltano's folder, bucket or database.")],
    key: Annotated[
        str | None, typer.Argument(help="A pipeline, or a state's name. States of a folder keep their names.")
    ] = None,
    *,
    source: Annotated[Format | None, typer.Option("--format", help="The other runner.")] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Import all states of a file or a backend of tapdock, under their names.")
    ] = False,
    newer: NewerOption = None,
    rename: Annotated[list[str] | None, typer.Option(help="Rename a stream, as `old=new`; repeatable.")] = None,
    any_name: AnyName = False,
    yes: Yes = False,
) -> None:
    """Import states from Meltano or Airbyte, or all states of another backend

    From Meltano: a file of its state backend, the output of `meltano state get`, or all states of its system database
    (`.meltano/meltano.db`), its folder or its bucket (`s3://bucket/prefix`, `azblob://…`, `gs://…`). The states that no
    pipeline uses are listed. From Airbyte: the state of a connection, as its API or UI shows it. The next
    run is incremental and resumes from the imported state.

    With `--all`, FILE is a file that `state export --all` has written, or a `state_backend`: a folder or a URI. Values
    that connectors changed in their configs are imported as well; encrypted ones stay encrypted. Nothing is imported
    if a state may be newer here, unless `--newer` says what to do then.

    Example: tapdock state import state.json demo --format meltano

    Example: tapdock state import --all old-machine.json
    """
    session = shared(ctx)
    if all_:
        if key or source or rename:
            raise UsageError("`--all` imports all states under their names, without NAME, `--format` and `--rename`")
        import_all(session, file, newer=newer, yes=yes)
        return
    if source is None or newer:
        raise _needs("import", source, newer)
    renames = _renames(rename or [])
    several: Mapping[str, str] = {}
    if holds_several(file):
        if key or renames or source != "meltano":
            raise UsageError(
                f"{file} holds several states: use `--format meltano`, without a name and without `--rename`"
            )
        several = states_of_meltano(file, session.project.folder)
        found = _by_valid_id(several)
    else:
        text = None if key is None and file == "-" else text_of(file)  # a file that is missing is the first error
        if key is None or text is None:
            raise UsageError(
                "the name of the state is missing", hint=f"`tapdock state import {file} NAME --format {source}`"
            )
        found = {known_id(session, key, any_name=any_name): text}
    taken = {name: _imported(name, text, source, renames) for name, text in found.items()}
    _save(session, taken, is_single=not several, yes=yes)


def _save(session: Session, taken: Mapping[str, formats.Text], *, is_single: bool, yes: bool) -> None:
    """Save imported states, and name those that no pipeline uses. Raises UsageError for states of another protocol."""
    for name, state in taken.items():
        require_dialect(session, name, state.dialect)
    known = [name for name in taken if not store.is_empty(session.backend, name)]
    if known:
        asked(f"Replace {', '.join(known)}?", yes=yes)
    for name, state in taken.items():
        _keep(session, name, state)
        if is_single and not is_used(session, name):
            err(f"warning: no pipeline of this project uses the state {name}")
    if not is_single:
        _left_over(session, taken)


def _by_valid_id(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the states by the names that a store can have. Raises UsageError if two of them get one name."""
    names: dict[str, str] = {}
    for name in texts:
        other = names.setdefault(valid_id(name), name)
        if other != name:
            raise UsageError(
                f"the states `{other}` and `{name}` would both be `{valid_id(name)}`, so nothing is imported",
                hint=f"import each of them with a name: `tapdock state import FILE NAME --format meltano`, "
                f"where FILE is the output of `meltano state get {shlex.quote(name)}`",
            )
    return {valid: texts[name] for valid, name in names.items()}


def _left_over(session: Session, names: Iterable[str]) -> None:
    """Report the states that no pipeline uses, in any environment: no run would resume from them."""
    used = keys_of_pipelines(session)
    left = [name for name in names if name not in used]
    if left:
        err("states that belong to no pipeline:")
    for name in left:
        err(f"  {name}" + " (of a source and a target that can run together)" * is_used(session, name))


def _imported(name: str, text: str, source: Format, renames: Mapping[str, str]) -> formats.Text:
    try:
        return formats.imported(text, source=source, renames=renames)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", hint=error.hint) from error


def _keep(session: Session, name: str, state: formats.Text) -> None:
    with store.replacing(session.backend, name, run_id="state-import", clock=time.time) as held:
        held.save(state.text, dialect=state.dialect)
    err(f"state {name} is set ({state.dialect})")


def _renames(given: list[str]) -> dict[str, str]:
    renames: dict[str, str] = {}
    for each in given:
        old, separator, new = each.partition("=")
        if not (old and separator and new):
            raise UsageError(f"`--rename {each}` does not name two streams", hint="write `--rename old=new`")
        if renames.setdefault(old, new) != new:
            raise UsageError(f"`--rename` gives `{old}` two names: `{renames[old]}` and `{new}`")
    return renames


def export(
    ctx: typer.Context,
    key: Annotated[
        str | None, typer.Argument(help="A pipeline, or the name of a state; with `--all`, the file or the backend.")
    ] = None,
    *,
    target: Annotated[Format | None, typer.Option("--format", help="The other runner.")] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Export all states to a file, or to another backend of tapdock.")
    ] = False,
    newer: NewerOption = None,
    yes: Yes = False,
) -> None:
    """Print a state in the format of Meltano or Airbyte, or export all states

    With `--all`, the states are printed, or written into a file whose name ends with `.json`, or copied to another
    `state_backend`: a folder or a URI. Values that connectors changed in their configs are exported as well; encrypted
    ones stay encrypted. Previous versions and run records are not.

    Example: tapdock state export demo --format meltano | meltano state set dev:tap-faker-to-target-duckdb

    Example: tapdock state export --all s3://my-bucket/tapdock
    """
    session = shared(ctx)
    if all_:
        if target:
            raise UsageError("`--all` exports the states of tapdock, without `--format`")
        export_all(session, key, newer=newer, yes=yes)
        return
    if target is None or newer:
        raise _needs("export", target, newer)
    if key is None:
        raise UsageError("the name of the state is missing", hint=f"`tapdock state export NAME --format {target}`")
    envelope = kept(session, known_id(session, key))
    assert envelope.state is not None, "`kept` raises for an empty state"
    out_json(formats.exported(envelope.state, envelope.dialect or "airbyte", target=target))


def _needs(word: str, chosen: Format | None, newer: Newer | None) -> UsageError:
    if newer and chosen:
        return UsageError("`--newer` can only be used together with `--all`")
    return UsageError(
        "the option `--format` is missing",
        hint=f"`tapdock state {word} … --format meltano` for a state of another runner, `--all` for all of tapdock's",
    )
