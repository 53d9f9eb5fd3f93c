"""The end of a run, as an orchestrator gets it."""

from tapdock.connectors.observer import EndedRun, SeenStream
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.runs.prepare import PreparedRun
from tapdock.runs.records import RunRecord

__all__ = ["ended_run"]


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
