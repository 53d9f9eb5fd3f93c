"""`tapdock state import` and `export`: from other runners and to them."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tapdock.cli.session import Session, shared, state_id
from tapdock.cli.state import Key, Yes, asked, kept, text_of
from tapdock.errors import UsageError
from tapdock.state import formats, store
from tapdock.state.backends.base import open_backend
from tapdock.state.backends.keys import MELTANO
from tapdock.state.formats import Format
from tapdock.text.output import err, out_json

__all__ = ["export", "import_state"]

FormatOption = Annotated[Format, typer.Option("--format", help="Whose it is.")]
_MELTANO_FILE = "state.json"


def import_state(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="A file, `-` for stdin, or the folder or bucket of Meltano's states.")],
    key: Annotated[
        str | None, typer.Argument(help="A pipeline, or a state's name; of a folder, each keeps its own.")
    ] = None,
    *,
    source: FormatOption,
    rename: Annotated[
        list[str] | None, typer.Option(help="A stream's other name here, as `old=new`; repeatable.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Take a state over from Meltano or Airbyte

    Meltano's: a file of its state backend, what `meltano state get` prints, or all states of its folder or bucket
    (`s3://bucket/prefix`, `azblob://…`, `gs://…`). Airbyte's: what its API or its UI gives as a connection's state. The
    next run is incremental, as theirs would have been.

    Example: tapdock state import state.json demo --format meltano
    """
    session = shared(ctx)
    renames = _renames(rename or [])
    if "://" in file or Path(file).is_dir():
        if key or renames or source != "meltano":
            raise UsageError(f"{file} has many: it takes `--format meltano`, and neither a name nor `--rename`")
        found = _bucket(session, file) if "://" in file else _folder(Path(file))
    else:
        if key is None:
            raise UsageError("into which state?", hint=f"tapdock state import {file} NAME --format {source}")
        found = {state_id(session, key): text_of(file)}
    taken = {name: _imported(name, text, source, renames) for name, text in found.items()}
    known = [name for name in taken if not store.is_empty(session.backend, name)]
    if known:
        asked(f"Replace {', '.join(known)}?", yes=yes)
    for name, state in taken.items():
        _keep(session, name, state)


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
    """Meltano's ids are names of ours: `<environment>:<extractor>-to-<loader>`, its files `<id>/state.json`."""
    found = {path.parent.name: text_of(str(path)) for path in sorted(folder.glob(f"*/{_MELTANO_FILE}"))}
    if not found:
        raise UsageError(f"there is no */{_MELTANO_FILE} in {folder}", hint="`meltano state list` tells what there is")
    return found


def _bucket(session: Session, uri: str) -> Mapping[str, str]:
    bucket = open_backend(uri, session.project.folder, codec=MELTANO)
    stored = {name: bucket.get(name) for name in bucket.names()}
    if not stored:
        raise UsageError(
            f"there is no */{_MELTANO_FILE} in {bucket.uri}", hint="`meltano state list` tells what there is"
        )
    return {name: one.body.decode("utf-8", "replace") for name, one in stored.items() if one}


def _renames(given: list[str]) -> dict[str, str]:
    renames = {}
    for each in given:
        old, separator, new = each.partition("=")
        if not (old and separator and new):
            raise UsageError(f"`--rename {each}` names no two streams", hint="write `--rename old=new`")
        renames[old] = new
    return renames


def export(ctx: typer.Context, key: Key, *, target: FormatOption) -> None:
    """Print a state as Meltano or Airbyte take it

    Example: tapdock state export demo --format meltano | meltano state set dev:tap-faker-to-target-duckdb
    """
    envelope = kept(shared(ctx), key)
    assert envelope.state is not None, "or nothing is kept"
    out_json(formats.exported(envelope.state, envelope.dialect or "airbyte", target=target))
