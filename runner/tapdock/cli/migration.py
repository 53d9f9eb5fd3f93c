"""`tapdock state import` and `export`: convert states from and to the formats of other runners."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tapdock.cli.session import Session, shared
from tapdock.cli.state import Key, Yes, asked, kept, text_of
from tapdock.cli.state_ids import AnyName, is_used, known_id, require_dialect
from tapdock.errors import UsageError
from tapdock.state import formats, store
from tapdock.state.backends.base import open_backend
from tapdock.state.backends.keys import MELTANO
from tapdock.state.formats import Format
from tapdock.text.output import err, out_json

__all__ = ["export", "import_state"]

FormatOption = Annotated[Format, typer.Option("--format", help="The other runner.")]
_MELTANO_FILE = "state.json"


def import_state(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="A file, `-` for stdin, or Meltano's folder or bucket of states.")],
    key: Annotated[
        str | None, typer.Argument(help="A pipeline, or a state's name. States of a folder keep their names.")
    ] = None,
    *,
    source: FormatOption,
    rename: Annotated[list[str] | None, typer.Option(help="Rename a stream, as `old=new`; repeatable.")] = None,
    any_name: AnyName = False,
    yes: Yes = False,
) -> None:
    """Import states from Meltano or Airbyte

    From Meltano: a file of its state backend, the output of `meltano state get`, or all states of its folder or bucket
    (`s3://bucket/prefix`, `azblob://…`, `gs://…`). From Airbyte: the state of a connection, as its API or UI shows it.
    The next run is incremental and resumes from the imported state.

    Example: tapdock state import state.json demo --format meltano
    """
    session = shared(ctx)
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


def export(ctx: typer.Context, key: Key, *, target: FormatOption) -> None:
    """Print a state in the format of Meltano or Airbyte

    Example: tapdock state export demo --format meltano | meltano state set dev:tap-faker-to-target-duckdb
    """
    session = shared(ctx)
    envelope = kept(session, known_id(session, key))
    assert envelope.state is not None, "`kept` raises for an empty state"
    out_json(formats.exported(envelope.state, envelope.dialect or "airbyte", target=target))
