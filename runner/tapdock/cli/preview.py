"""`tapdock preview`: show the first records of each stream of a source. Nothing is written, and no state is saved."""

import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import typer

from tapdock.cli.assembly import operations_of, said
from tapdock.cli.connectors import AsJson, InPipeline, Verbose, in_pipeline
from tapdock.cli.session import shared
from tapdock.cli.state import print_exactly
from tapdock.connectors import operations
from tapdock.connectors.context import Context as Operations
from tapdock.errors import UsageError
from tapdock.project.model import Pipeline, Project
from tapdock.protocol.catalog import Stream, StreamKey
from tapdock.protocol.patterns import escaped
from tapdock.relay.signals import Signals
from tapdock.runs.given import masked_json
from tapdock.runs.options import Options
from tapdock.runs.reading import read_records
from tapdock.runs.to_read import to_read
from tapdock.text.clean import one_line
from tapdock.text.output import out, print_table, said_at_once

__all__ = ["preview"]

_WIDTH = 80
_GAP = 2
_WIDEST = (30, 16)  # characters of a value: the second if not all fields fit with the first
_JSON = msgspec.json.Encoder(decimal_format="number")
_Found = dict[StreamKey, list[Mapping[str, Any]]]


def preview(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="A source of the project.")],
    streams: Annotated[
        list[str] | None, typer.Argument(help="Only this of what the project selects: `users`, `users.email`.")
    ] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The most records of each stream.")] = 10,
    as_json: AsJson = False,
    verbose: Verbose = False,
    pipeline: InPipeline = None,
) -> None:
    """Show the first records of a source, without a target

    The selected streams are read from their beginning, without excluded fields, and after their maps. No state is read
    or saved. Once each stream has N records, or is complete, tapdock asks the source to stop.

    The table has as many fields as fit; long values are cut. `--json` prints everything. Known secrets are masked.

    Example: tapdock preview faker users --limit 3

    Example: tapdock preview faker --json
    """
    session = shared(ctx)
    connector = in_pipeline(session, source, pipeline)
    if connector.role != "source":
        raise UsageError(f"`{source}` is a {connector.role}; only sources have records to read")
    options = Options(select=tuple(streams or ()), save_state=False)
    with Signals(said_at_once) as signals:
        needed = operations_of(session, signals, verbose=verbose)
        ready = operations.prepare(needed, connector)
        what = to_read(needed, ready, options, pipeline=_pipeline_of(session.project, source, pipeline))
        found: _Found = {one.target.stream.key: [] for one in what.landed}
        try:
            for record in read_records(needed, ready, what, limit=limit):
                found.setdefault(StreamKey(record.namespace, record.stream), []).append(record.data)
        finally:  # what came before a failure may explain it
            origins = {one.target.stream.key: one.source.stream for one in what.landed}
            _show(needed, found, limit, source=source, origins=origins, as_json=as_json)


def _pipeline_of(project: Project, source: str, name: str | None) -> Pipeline | None:
    """Return the pipeline whose maps are applied: the named one, or the only one of the source."""
    if name is not None:
        return project.pipelines[name]
    users = [each for each in project.pipelines.values() if each.source == source and not each.is_template]
    if len(users) == 1:
        return users[0]
    if mapped := [each.name for each in users if each.has_maps]:
        said(f"note: the maps of {', '.join(mapped)} are not applied; `--pipeline {mapped[0]}` applies them")
    return None


def _show(
    needed: Operations, found: _Found, limit: int, *, source: str, origins: Mapping[StreamKey, Stream], as_json: bool
) -> None:
    if as_json:
        whole = [
            {"stream": key.name, "namespace": key.namespace, "records": [_whole(needed, each) for each in records]}
            for key, records in found.items()
        ]
        print_exactly({"limit": limit, "streams": whole})
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH
    for number, (key, records) in enumerate(found.items()):
        if number:
            out("")
        out(one_line(f"{key}: {len(records)} record{'s' * (len(records) != 1)}"))
        if records:
            rows = [{name: _text(needed, value) for name, value in each.items()} for each in records]
            _print_records(rows, width, source=source, stream=origins.get(key))


def _whole(needed: Operations, record: Mapping[str, Any]) -> msgspec.Raw:
    """Return a record as JSON. One with a known secret is written anew without it."""
    return msgspec.Raw(masked_json(needed, _JSON.encode(record)))


def _text(needed: Operations, value: object) -> str:
    """Return a value for a table: texts as they are, everything else as JSON."""
    return one_line(needed.redactor(value if isinstance(value, str) else _JSON.encode(value).decode()))


def _print_records(records: Sequence[Mapping[str, str]], width: int, *, source: str, stream: Stream | None) -> None:
    """Print the fields that fit, in the order in which they came, and the names of the others with how to see them.

    `stream` is the one of the source, whose declared fields can be chosen.
    """
    names = list(dict.fromkeys(name for record in records for name in record))
    shown: list[str] = []
    widest = width
    for most in _WIDEST:
        if len(shown) < len(names):
            widest = min(most, width)
            shown = list(_fitting(names, records, widest, width))
    rows = [[_cut(record.get(name, ""), widest) for name in shown] for record in records]
    print_table([_cut(one_line(name), widest) for name in shown], rows)
    if hidden := [one_line(name) for name in names if name not in shown]:
        declared = stream.json_schema.get("properties") or {} if stream else {}
        field = next((name for name in names if name not in shown and name in declared), None)
        ways = "`--json` shows everything"
        if field and stream:
            chosen = f"{escaped(str(stream.key))}.{escaped(field)}"
            ways = f"`tapdock preview {source} {shlex.quote(one_line(chosen))}` shows this field, {ways}"
        text = f"not shown: {', '.join(hidden)} ({ways})"
        for line in textwrap.wrap(text, width, break_on_hyphens=False):
            out(line)


def _fitting(names: Sequence[str], records: Sequence[Mapping[str, str]], widest: int, width: int) -> Iterator[str]:
    """Yield the first fields whose columns fit, at least one, if their values have at most `widest` characters."""
    left = width
    for number, name in enumerate(names):
        needed = min(widest, max(len(one_line(name)), *(len(record.get(name, "")) for record in records)))
        if number and needed > left:
            return
        yield name
        left -= needed + _GAP


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
