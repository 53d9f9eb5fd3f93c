"""What each side of a run would be given: its files, and the messages for the target. Secrets are masked."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from tapdock.connectors import masking, operations
from tapdock.connectors.about import spec
from tapdock.connectors.ask import ask
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.mistaken import kind_hint
from tapdock.errors import TranslationError, UsageError
from tapdock.events import Event, Failed, Logged, SetAside
from tapdock.launch import Launch
from tapdock.project.values import parse_json
from tapdock.protocol.lines import split
from tapdock.runs.begin import StartedRun, begun, launches
from tapdock.runs.options import Options
from tapdock.runs.own_files import with_own_state
from tapdock.runs.prepare import PreparedRun
from tapdock.state.store import read
from tapdock.translate import ROUTES
from tapdock.translate.base import Translator

__all__ = ["MOST_RECORDS", "FilePart", "Part", "files_given", "masked_json", "messages_given", "shown_file", "started"]

MOST_RECORDS = 100
FilePart = Literal["config", "catalog", "state"]
Part = Literal["config", "catalog", "state", "messages"]


def files_given(context: Context, prepared: PreparedRun, options: Options, part: FilePart) -> Mapping[str, Any]:
    """Return the file of each side as JSON; None for a side that gets no such file."""
    both = launches(prepared, started(context, prepared, options))
    readies = [ready for ready, _ in prepared.sides]
    return {launch.role: shown_file(context, ready, launch, part) for ready, launch in zip(readies, both, strict=True)}


def started(context: Context, prepared: PreparedRun, options: Options) -> StartedRun:
    """Return what the run would start from, with the state as it is saved now.

    Raises UsageError and StateError for a run that would not begin with it.
    """
    saved = read(context.backend, prepared.state_id)
    key, window = prepared.state_id, options.window is not None
    envelope = with_own_state(saved, prepared.source, options.state, key=key, window=window)
    return begun(prepared, envelope, options, now=context.now())


def shown_file(context: Context, ready: PreparedConnector, launch: Launch, part: FilePart) -> msgspec.Raw | None:
    """Return a file of a launch with its secrets masked; None if there is none, or only later in a run."""
    content = next((file.content for file in launch.files if file.name == f"{part}.json" and not file.late), None)
    if content is None:
        return None
    if part == "config":
        content = msgspec.json.encode(masking.masked(parse_json(content), spec(context, ready)))
    return msgspec.Raw(masked_json(context, content))


def masked_json(context: Context, content: bytes) -> bytes:
    """Return JSON text without the known secrets. Text without any of them stays as it is, with every digit."""
    text = content.decode()
    if context.redactor(text) == text:
        return content
    return msgspec.json.encode(_without_secrets(context, parse_json(text)))


def _without_secrets(context: Context, value: Any) -> Any:
    if isinstance(value, str):
        return context.redactor(value)
    if isinstance(value, dict):
        return {_without_secrets(context, key): _without_secrets(context, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets(context, inner) for inner in value]
    return value


def messages_given(
    context: Context, prepared: PreparedRun, options: Options, *, say: Callable[[str], None]
) -> Iterator[str]:
    """Yield the messages that the target would get for the first records of the source, without starting the target.

    Raises SourceError if the source fails before it has printed as many records as wanted.
    """
    if prepared.scratch:
        raise UsageError(
            "the messages of a source with `batch_config` name files that only a run has",
            hint="remove `batch_config`, or use another part: config, catalog or state",
        )
    if prepared.mapper:
        raise UsageError(
            f"the messages for the target depend on the mapper `{prepared.mapper.name}`, which only a run starts",
            hint="leave out the mapper to see what it would get, or use another part: config, catalog or state",
        )
    job = started(context, prepared, options)
    source = launches(prepared, job)[0]
    ready = prepared.source
    keep = operations.keeper(context, ready.connector, prepared.source_config)
    asked = ask(context, ready, source, keep=keep, records=MOST_RECORDS)
    told: list[str] = []
    translator = ROUTES[prepared.route](
        streams=job.streams,
        saved=job.saved,
        emit=lambda event: told.extend(_told(event)),
        clock=lambda: 0.0,
        translation=job.translation,
    )
    failed = bool(asked.code or asked.answer.error)
    sent, error = _translated(translator, asked.text.encode(), spool=job.translation.spool, failed=failed)
    for line in split(sent):
        if line.strip():
            yield masked_json(context, bytes(line).rstrip(b"\n")).decode()
    for each in told:
        say(context.redacted(each))
    if error:
        raise error
    records = _records(translator)
    if records < MOST_RECORDS and failed:
        raise asked.failure("reading failed for", f"after {records} records", hint=kind_hint(ready, asked))
    if records >= MOST_RECORDS:
        say(f"these are the messages for the first {MOST_RECORDS} records")


def _records(translator: Translator) -> int:
    return sum(report.records for report in translator.counts.reports())


def _translated(
    translator: Translator, lines: bytes, *, spool: bool, failed: bool
) -> tuple[bytes, TranslationError | None]:
    """Return the whole input of the target. A line that cannot be translated ends it, as it ends a run."""
    found = b""
    try:
        if spool:
            translator.scan(lines)
            translator.catalog()
        found = translator.opening()
        found += translator.feed(lines)
    except TranslationError as error:
        return found + translator.partial, error
    return found + translator.closing(complete=not failed and _records(translator) < MOST_RECORDS), None


def _told(event: Event) -> Iterator[str]:
    match event:
        case Logged(level="warning" | "error"):
            yield f"{event.level}: {event.message}"
        case Failed():
            yield f"error: {event.message}"
        case SetAside():
            yield f"warning: a record of stream `{event.stream}` would be set aside: {event.reason}"
