"""The end of a run, as people and an orchestrator get it."""

import queue
from collections.abc import Callable, Sequence

from tapdock.connectors.context import Context
from tapdock.connectors.observer import EndedRun, SeenStream, tell
from tapdock.project.model import Pipeline
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.runs.notify import notify
from tapdock.runs.prepare import PreparedRun
from tapdock.runs.records import RunRecord

__all__ = ["Tell", "ended_run", "telling"]

Tell = Callable[[RunRecord], None]
"""A function that tells people and the observer how a run ended, by its last record."""


def ended_run(record: RunRecord, prepared: PreparedRun | None) -> EndedRun:
    """Return what an observer gets. `prepared` is None if the run failed before it was prepared."""
    targets: dict[StreamKey, list[ConfiguredStream]] = {}
    for each in prepared.landed if prepared and record.streams else ():
        targets.setdefault(each.source.stream.key, []).append(each.target)
    keys = [StreamKey.of(report.namespace, report.stream) for report in record.streams]
    error = record.error
    return EndedRun(
        pipeline=record.pipeline,
        run_id=record.run_id,
        succeeded=record.status == "succeeded",
        error="; ".join(part for part in (error.message, error.hint) if part) if error else None,
        streams=[
            SeenStream(report=report, targets=tuple(targets.get(key, ())))
            for report, key in zip(record.streams, keys, strict=True)
        ],
    )


def telling(context: Context, wanted: Pipeline, run_ids: Sequence[str], prepared: PreparedRun | None) -> Tell:
    """Return the function that tells people and the observer of the end of a run with these attempts."""

    def end(record: RunRecord) -> None:
        with context.signals.orders(queue.SimpleQueue(), doing="sending notifications"):  # a signal stops nothing here
            notify(context, wanted, record, attempts=run_ids)
        if observer := context.observer:
            tell(lambda: observer.ended(ended_run(record, prepared)), context.progress)

    return end
