"""Read a source into a spool. The next reading of the same spool resumes behind the last one."""

from datetime import UTC, datetime
from pathlib import Path

from tapdock import __version__
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.errors import TranslationError, UsageError
from tapdock.protocol.catalog import StreamKey
from tapdock.relay.pump import whole_lines
from tapdock.runs.options import Options
from tapdock.runs.plain_text import require_nothing_protected
from tapdock.runs.reading import Reading, translator_of
from tapdock.runs.source_read import launch_of
from tapdock.runs.spool_files import FORMAT, MAPPED, Batch, BatchWriter, Manifest, read_spool
from tapdock.runs.spool_maps import difference, digest_of, mapped_streams
from tapdock.runs.to_read import to_read
from tapdock.translate.states.airbyte import state_to_pass
from tapdock.translate.states.singer import singer_state_on_a_line, singer_state_to_pass

__all__ = ["spool"]


def spool(context: Context, ready: PreparedConnector, options: Options, folder: Path) -> Manifest:
    """Read the selected streams into a new batch, from the state at the end of the last one, and return its manifest.

    Excluded fields are removed, and the maps of the source are applied, before anything is written. Raises
    TapdockError; then nothing of the batch is left.
    """
    batches = read_spool(folder) if folder.exists() else ()
    _require_same(ready, batches, folder)
    saved = batches[-1].manifest.end if batches else None
    what = to_read(context, ready, options)
    if batches and (other := difference(what.streams, batches[-1].manifest.streams)):
        # its state covers only its streams, and one project cannot run both batches
        raise UsageError(f"{batches[-1].folder}: {other}", hint="name another folder, or select the same as before")
    require_nothing_protected(context.project.pipelines.values(), ready.connector, what.streams)
    _say_mappers(context, ready)
    maps = digest_of(ready.connector)
    if batches and maps != batches[-1].manifest.maps:
        hint = "name another folder, or restore the maps"
        raise UsageError(f"{batches[-1].folder}: source `{ready.connector.name}` had other maps", hint=hint)
    if ready.kind == "airbyte":
        passed = state_to_pass(saved, what.streams)
    else:
        saved = singer_state_on_a_line(saved)
        full = [one.stream for one in what.streams if one.sync_mode == "full_refresh"]
        passed = singer_state_to_pass(saved, full)
    reading = Reading(context, ready, what.config, launch_of(ready, what, state=passed))
    translator = translator_of(ready, what, reading, saved=saved)
    read_at = datetime.fromtimestamp(context.now(), UTC).isoformat(timespec="seconds")
    with BatchWriter(folder, len(batches) + 1) as writer, reading:
        translator.spill = writer.write
        writer.write(translator.opening())
        for lines in whole_lines(reading.chunks(), ready.connector.max_line):
            try:
                writer.write(translator.feed(lines))
            except TranslationError as error:
                if lines.endswith(b"\n"):
                    raise
                reading.cause.torn(error)
            translator.states.acked_all()  # what is written here is as good as acknowledged
        writer.write(reading.require_good(translator))
        translator.states.acked_all()
        return writer.finish(
            Manifest(
                format=MAPPED if maps else FORMAT,
                tapdock=__version__,
                source=ready.connector.name,
                kind=ready.kind,
                read_at=read_at,
                offered=what.offered,
                streams=what.streams,
                records={str(StreamKey(r.namespace, r.stream)): r.records for r in translator.counts.reports()},
                parts=(),
                start=saved,
                end=translator.states.committed() or saved,
                maps=maps,
                mapped=mapped_streams(what.streams, what.maps) if maps and what.maps else (),
            )
        )


def _say_mappers(context: Context, ready: PreparedConnector) -> None:
    """Warn about pipelines of this source with a mapper."""
    for each in context.project.pipelines.values():
        if each.mappers and each.source == ready.connector.name:
            context.once(
                f"warning: pipeline `{each.name}` has a mapper, which the files do not pass: they have what it"
                " protects, and cannot be run into its target by `--from`"
            )


def _require_same(ready: PreparedConnector, batches: tuple[Batch, ...], folder: Path) -> None:
    """Raise UsageError for a spool of another source: its state would be passed to this one."""
    if not batches:
        return
    known = batches[-1].manifest
    if (known.source, known.kind) != (ready.connector.name, ready.kind):
        raise UsageError(
            f"the spool {folder} is of source `{known.source}`, not of `{ready.connector.name}`",
            hint="name another folder",
        )
