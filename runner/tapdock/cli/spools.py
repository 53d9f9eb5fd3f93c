"""`tapdock run SOURCE --to DIR` and `tapdock run --from DIR TARGET`: spools."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from tapdock.cli.assembly import operations_of, said
from tapdock.cli.session import Session
from tapdock.connectors import operations
from tapdock.connectors.context import Context as Operations
from tapdock.errors import UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.model import Pipeline, Project
from tapdock.project.named import alone
from tapdock.project.state_keys import key_of
from tapdock.relay.signals import Signals
from tapdock.runs.options import Options
from tapdock.runs.replay import due
from tapdock.runs.spool_files import Batch, read_spool
from tapdock.runs.spooling import spool
from tapdock.runs.steps import InOrder, Step
from tapdock.state.store import read
from tapdock.text.output import out, print_json, said_at_once

__all__ = ["blocks_of", "options_of_batches", "read_batches", "read_into", "without_hooks"]


def read_into(
    session: Session, blocks: Sequence[str], options: Options, folder: Path, *, as_json: bool, locked: bool
) -> int:
    """Read a source into a new batch of a spool, print its counts, and return the exit code 0."""
    project = session.project
    if len(blocks) != 1 or blocks[0] not in project.sources:
        name = blocks[0] if blocks else ""
        hint = did_you_mean(name, project.sources) or f"known sources: {', '.join(project.sources) or 'none'}"
        raise UsageError("`--to` needs the name of one source", hint=hint)
    with Signals(said_at_once) as signals:
        needed = operations_of(session, signals, locked=locked)
        ready = operations.prepare(needed, alone(project, project.sources[blocks[0]], now=needed.now()))
        done = spool(needed, ready, options, folder)
    total, size = sum(done.records.values()), sum(part.size for part in done.parts)
    if as_json:
        facts = {"folder": str(folder), "source": done.source, "records": done.records, "bytes": size}
        print_json({**facts, "state": done.end is not None, "parts": msgspec.to_builtins(done.parts)})
        return 0
    start = "from the state of the batch before it" if done.start else "from the beginning"
    out(f"{done.source}: {total:,} records in {folder}, read {start}; {size:,} bytes compressed")
    return 0


def read_batches(folder: Path) -> tuple[Batch, ...]:
    """Return the batches of a spool that has some. Raises UsageError."""
    batches = read_spool(folder)
    if not batches:
        raise UsageError(f"the spool {folder} is empty", hint=f"`tapdock run SOURCE --to {folder}` fills it")
    return batches


def blocks_of(project: Project, batches: Sequence[Batch], blocks: Sequence[str]) -> list[str]:
    """Return what is run: the source of the spool and a target, or a pipeline of this source. Raises UsageError."""
    source, name = batches[0].manifest.source, blocks[0] if len(blocks) == 1 else ""
    if name in project.targets and source in project.sources:
        return [source, name]
    pipeline = project.pipelines.get(name)
    if pipeline and pipeline.is_template:
        hint = "run its rows without `--from`"
        raise UsageError(f"pipeline `{name}` has a matrix, and a spool is not of one of its rows", hint=hint)
    if pipeline and pipeline.source == source:
        return [name]
    fitting = [*project.targets, *(each.name for each in project.pipelines.values() if each.source == source)]
    if name in (*project.targets, *project.pipelines):
        raise UsageError(
            f"the spool is of source `{source}`, which `{name}` does not run",
            hint="a spool is run by a project that has its source",
        )
    hint = did_you_mean(name, fitting) or f"known: {', '.join(fitting) or 'none'}"
    raise UsageError(f"`--from` needs the name of one target, or of one pipeline of source `{source}`", hint=hint)


def options_of_batches(
    operations: Operations, wanted: Pipeline, batches: Sequence[Batch], options: Options
) -> list[Options]:
    """Return the options of one run for each batch that the target does not have, by its saved state."""
    state_id = key_of(wanted, operations.project.environment)
    found = due(batches, read(operations.backend, state_id), options, state_id=state_id)
    again = "" if found else "; `--full-refresh` runs all of it again"
    said(f"{len(found)} of {len(batches)} batches of the spool are run into `{wanted.target}`{again}")
    anew = [options.full_refresh and (batch is found[0] or batch.manifest.start is None) for batch in found]
    return [replace(options, spool=batch, full_refresh=each) for batch, each in zip(found, anew, strict=True)]


def without_hooks(pipeline: Pipeline, batches: int) -> InOrder:
    """Return the runs of a pipeline for batches of a spool. Hooks run with the pipeline's own source only."""
    return InOrder(tuple(Step(block=pipeline, place=str(number)) for number in range(1, batches + 1)))
