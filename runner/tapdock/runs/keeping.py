"""Keep what remains of a run: its log file, its record in the project, and a copy of both beside the states."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tapdock.connectors.context import Context
from tapdock.errors import Interrupted, TapdockError
from tapdock.events import Verdict
from tapdock.launch import Exit, ImageFacts
from tapdock.log import Log
from tapdock.runs import records
from tapdock.runs.archive import Archive
from tapdock.runs.beside import stored_beside
from tapdock.runs.log_file import LogFile, log_to
from tapdock.runs.records import ContainerRecord, ErrorRecord, RunRecord

__all__ = ["STATUS", "MakeLog", "archive", "archive_again", "container_record", "error_record", "keep", "run_log"]

MakeLog = Callable[[str, LogFile | None], Log]
"""A function that makes the log of a run from the run's id and its log file."""

STATUS: dict[int, records.Status] = {0: "succeeded", 130: "stopped", 143: "stopped"}
"""What an exit code says about a run; every other code is a failure."""
_RECORD = "the record of this run"


def archive(context: Context, record: RunRecord) -> None:
    """Store the record beside the state as well, so that `tapdock runs` shows it on other machines."""
    store = Archive.beside(context.backend, context.project.private)
    if store is None:
        return
    if record.status == "running":
        stored_beside(context, lambda: store.write(record), what=_RECORD)
    else:
        log = records.log_file(context.project.private, record.run_id)
        stored_beside(context, lambda: store.close(record, log), what=_RECORD)


def archive_again(context: Context, record: RunRecord) -> None:
    """Replace the record beside the state. Its log is there already."""
    if store := Archive.beside(context.backend, context.project.private):
        stored_beside(context, lambda: store.write(record), what=_RECORD)


@contextmanager
def run_log(context: Context, run_id: str) -> Iterator[LogFile | None]:
    """Open the run's log file. Yield None if the disk is full or read-only: the run continues without a log file."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(log_to(records.log_file(context.project.private, run_id)))
        except OSError as error:
            context.progress(f"this run has no log file: {error}")
            file = None
        yield file


def keep(context: Context, record: RunRecord) -> None:
    """Write the record. A failure to write is only reported, so that the run keeps its verdict."""
    try:
        records.write(context.project.private, record)
    except OSError as error:
        context.progress(f"the record of this run could not be written: {error}")


def container_record(role: str, facts: ImageFacts, ended: Exit | None) -> ContainerRecord:
    ended = ended or Exit(code=None)
    return ContainerRecord(
        role=role,
        image=facts.image,
        digest=facts.digest,
        exit_code=ended.code,
        oom_killed=ended.oom_killed,
        peak_memory_bytes=ended.peak_memory_bytes,
        cpu_seconds=ended.cpu_seconds,
    )


def error_record(
    error: TapdockError | Interrupted | None, verdict: Verdict | None, *, redacted: Callable[[str], str]
) -> ErrorRecord | None:
    """Return why the run failed, or None. `redacted` removes secrets and control characters from text."""
    if error:
        side, message, hint, retryable = error.side, error.message, error.hint, error.retryable
    elif verdict and verdict.message:
        side, message, hint, retryable = verdict.side or "runner", verdict.message, verdict.hint, verdict.retryable
    else:
        return None
    return ErrorRecord(side=side, message=redacted(message), hint=hint and redacted(hint), retryable=retryable)
