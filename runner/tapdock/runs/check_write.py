"""Check a target by really writing to it: a small stream of its own name, by the same path as the rows of a run."""

import secrets
from typing import Any

import msgspec

from tapdock.connectors.about import about
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.resolved import Resolved
from tapdock.errors import Interrupted
from tapdock.log import Log
from tapdock.project.model import Connector, DestinationMode, Pipeline
from tapdock.protocol.catalog import parse_catalog
from tapdock.runs import execute
from tapdock.runs.begin import names_of
from tapdock.runs.options import Options
from tapdock.runs.prepare import combined
from tapdock.runs.recorder import Recorder
from tapdock.runs.records import new_run_id, run_token
from tapdock.runs.target_modes import target_mode
from tapdock.translate.base import Quirks

__all__ = ["ROWS", "Written", "write"]

_SOURCE = "tapdock-check"
_LINES = "`tapdock check {} --write --verbose` shows what the target prints"
_FIRST = {"id": 1, "name": "before the update", "amount": 0.5, "at": "2024-02-29T12:34:56.789000Z", "version": 1}
ROWS: tuple[dict[str, Any], ...] = (
    {"id": 1, "name": "Zoë 世界 🚀", "amount": 1234567.891, "at": "2024-02-29T12:34:56.789000Z", "version": 2},
    {"id": 2, "name": None, "amount": None, "at": None, "version": 1},
)
"""The rows that a target has at the end if it merges rows by their key."""
_SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": ["null", "string"]},
        "amount": {"type": ["null", "number"]},
        "at": {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
        "version": {"type": ["null", "integer"]},
    },
}


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """The result. `table` is the stream's name in the target, `mode` what the target does with rows of the same key.

    `message` is the reason of a failure, None if the target has acknowledged all `records`.
    """

    table: str
    records: int
    mode: DestinationMode | None
    message: str | None = None
    hint: str | None = None
    exit_code: int = 0

    @property
    def rows(self) -> int | None:
        """The number of rows to expect in the target; None if that is not known before a look into it."""
        return {"append_dedup": len(ROWS), "append": len(ROWS) + 1}.get(self.mode or "")


def write(context: Context, target: PreparedConnector) -> Written:
    """Write three records, one of which updates another, and wait until the target has acknowledged them.

    Raises a TapdockError if the target cannot be started, Interrupted if the user stops it.
    """
    now = context.now()
    stream = f"tapdock_check_{secrets.token_hex(3)}"
    catalog = msgspec.json.encode({"streams": [_described(stream)]})
    options = Options(save_state=False, strict_counts=True)
    run = combined(
        context,
        Pipeline(name=f"check of {target.connector.name}", source=_SOURCE, target=target.connector.name),
        options,
        source=_source(target),
        offered=parse_catalog(catalog),
        source_config=Resolved(user={}, given={}),
        target=target,
        feed=_messages(stream, at=int(now * 1000)),
    )
    run_id = new_run_id(now, run_token(now))
    log = Log(None, write=lambda text: context.log(text.rstrip("\n")))
    recorder = Recorder(context, run_id=run_id, log=log, show=lambda _: None)
    outcome = execute.execute(context, run, options, run_id=run_id, recorder=recorder)
    verdict = outcome.verdict
    assert verdict is not None, "`execute` decides it in every ending"
    if verdict.exit_code in (130, 143):
        raise Interrupted(f"{target.connector.name}: stopped while writing", exit_code=verdict.exit_code)
    written = sum(report.records for report in verdict.streams)
    message = verdict.message or (f"exit code {verdict.exit_code}" if verdict.exit_code else None)
    if message is None and (written != len(ROWS) + 1 or any(report.status != "complete" for report in verdict.streams)):
        message = f"only {written} of {len(ROWS) + 1} records were written"
    return Written(
        table=names_of(run).get(stream, stream),
        records=written,
        mode=target_mode(run, about(context, target), run.streams[0]),
        message=message,
        hint=_LINES.format(target.connector.name) if verdict.source_code == verdict.target_code == 0 else verdict.hint,
        exit_code=verdict.exit_code or (4 if message else 0),
    )


def _source(target: PreparedConnector) -> PreparedConnector:
    """Return the source of the messages: a program in the image of the target, which is the only one needed."""
    connector = Connector(name=_SOURCE, role="source", image=target.connector.image, platform=target.connector.platform)
    return PreparedConnector(connector=connector, facts=target.facts, kind="airbyte", quirks=Quirks())


def _described(stream: str) -> dict[str, Any]:
    return {
        "name": stream,
        "json_schema": _SCHEMA,
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["version"],
        "source_defined_primary_key": [["id"]],
    }


def _messages(stream: str, *, at: int) -> bytes:
    """Return two batches, each with a state behind it. The second one has a new version of a row of the first one."""
    first, second = [_FIRST, ROWS[1]], [ROWS[0]]
    messages = [
        _status(stream, "STARTED", at),
        *(_record(stream, row, at) for row in first),
        _state(stream, 1),
        *(_record(stream, row, at + 1000) for row in second),
        _state(stream, 2),
        _status(stream, "COMPLETE", at),
    ]
    return b"".join(msgspec.json.encode(message) + b"\n" for message in messages)


def _record(stream: str, row: dict[str, Any], at: int) -> dict[str, Any]:
    return {"type": "RECORD", "record": {"stream": stream, "data": row, "emitted_at": at}}


def _state(stream: str, version: int) -> dict[str, Any]:
    state = {"stream_descriptor": {"name": stream}, "stream_state": {"version": version}}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": state}}


def _status(stream: str, status: str, at: int) -> dict[str, Any]:
    about_it = {"stream_descriptor": {"name": stream}, "status": status}
    return {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": at, "stream_status": about_it}}
