"""`tapdock state import` and `export`: convert states from and to the formats of other runners."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tapdock.cli.session import Session, shared
from tapdock.cli.state import Yes, asked, kept, text_of
from tapdock.cli.state_ids import AnyName, is_used, known_id, require_dialect
from tapdock.cli.state_transfer import Newer, export_all, import_all
from tapdock.errors import UsageError
from tapdock.state import formats, store
from tapdock.state.backends.base import open_backend
from tapdock.state.backends.keys import MELTANO
from tapdock.state.formats import Format
from tapdock.text.output import err, out_json

__all__ = ["export", "import_state"]

NewerOption = Annotated[
    Newer | None,
    typer.Option("--newer", help="With --all: keep or replace a state that may be newer where it is copied to."),
]
_MELTANO_FILE = "state.json"


def import_state(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="A file, `-` for stdin, or Meltano's folder or bucket of states.")],
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

    From Meltano: a file of its state backend, the output of `meltano state get`, or all states of its folder or bucket
    (`s3://bucket/prefix`, `azblob://…`, `gs://…`). From Airbyte: the state of a connection, as its API or UI shows it.
    The next run is incremental and resumes from the imported state.

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
    if "://" in file or Path(file).is_dir():
        if key or renames or source != "meltano":
            raise UsageError(
                f"{file} holds several states: use `--format meltano`, without a name and without `--rename`"
            )
        found = _bucket(session, file) if "://" in file else _folder(Path(file))
    else:
        if key is None:
            raise UsageError(
                "the name of the state is missing", hint=f"`tapdock state import {file} NAME --format {source}`"
            )
        text = text_of(file)
        found = {known_id(session, key, any_name=any_name): text}
    taken = {name: _imported(name, text, source, renames) for name, text in found.items()}
    for name, state in taken.items():
        require_dialect(session, name, state.dialect)
    known = [name for name in taken if not store.is_empty(session.backend, name)]
    if known:
        asked(f"Replace {', '.join(known)}?", yes=yes)
    for name, state in taken.items():
        _keep(session, name, state)
        if not is_used(session, name):
            err(f"warning: no pipeline of this project uses the state {name}")


def _imported(name: str, text: str, source: Format, renames: Mapping[str, str]) -> formats.Text:
    try:
        return formats.imported(text, source=source, renames=renames)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", hint=error.hint) from error


def _keep(session: Session, name: str, state: formats.Text) -> None:
    with store.replacing(session.backend, name, run_id="state-import", clock=time.time) as held:
        held.save(state.text, dialect=state.dialect)
    err(f"state {name} is set ({state.dialect})")


def _folder(folder: Path) -> Mapping[str, str]:
    """Return the text of each state in a folder of Meltano's, by its name.

    Meltano's ids `<environment>:<extractor>-to-<loader>` are valid names in tapdock. Its files are `<id>/state.json`.
    """
    found = {path.parent.name: text_of(str(path)) for path in sorted(folder.glob(f"*/{_MELTANO_FILE}"))}
    if not found:
        raise UsageError(f"there is no */{_MELTANO_FILE} in {folder}", hint="`meltano state list` lists the states")
    return found


def _bucket(session: Session, uri: str) -> Mapping[str, str]:
    bucket = open_backend(uri, session.project.folder, codec=MELTANO)
    stored = {name: bucket.get(name) for name in bucket.names()}
    if not stored:
        raise UsageError(f"there is no */{_MELTANO_FILE} in {bucket.uri}", hint="`meltano state list` lists the states")
    return {name: one.body.decode("utf-8", "replace") for name, one in stored.items() if one}


def _renames(given: list[str]) -> dict[str, str]:
    renames = {}
    for each in given:
        old, separator, new = each.partition("=")
        if not (old and separator and new):
            raise UsageError(f"`--rename {each}` does not name two streams", hint="write `--rename old=new`")
        renames[old] = new
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
