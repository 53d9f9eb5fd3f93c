"""Notify people of the end of a job: after a failure, when it works again, and after one that read nothing."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any

from tapdock.connectors.context import Context
from tapdock.files import write_whole
from tapdock.project.steps import Event
from tapdock.runs.notify import require_notifiable, send
from tapdock.runs.performed import Ended
from tapdock.runs.records import made_private
from tapdock.runs.scheduled import marked
from tapdock.runs.steps import JobStep, Node, jobs_of

__all__ = ["JobNotes", "events_of_job", "require_notifiable_jobs"]

_STOPPED = (128 + SIGINT, 128 + SIGTERM)


def require_notifiable_jobs(node: Node) -> None:
    """Raise UsageError if an address of a job is not known or cannot be one, before anything starts."""
    for job in jobs_of(node):
        require_notifiable(job.notify)


def events_of_job(ended: Ended, *, failed_before: bool) -> tuple[Event, ...]:
    """Return what the end of a job means to people. `failed_before`: its run before this one failed or was killed.

    Exit code 7 is a failure: other steps of the job may have run.
    """
    if ended.exit_code in _STOPPED:
        return ()
    if ended.exit_code:
        return ("failure",)
    pipelines = [each for each in ended.records if each.kind == "pipeline"]
    is_empty = pipelines and not any(stream.records for each in pipelines for stream in each.streams)
    recovered: tuple[Event, ...] = ("recovery",) if failed_before else ()
    return (*recovered, *(("empty",) if is_empty else ()))


class JobNotes:
    """Keeps how the last run of each job ended, in the private folder of the project, and sends messages.

    A job has no run record. A file of a job that is not over says that its run was killed.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._begun: dict[str, tuple[float, float, bool]] = {}

    def begins(self, job: JobStep) -> None:
        """Note the start of a job, and how its run before ended."""
        if not job.notify:
            return
        before = self._kept(job)
        self._begun[job.place] = (self._context.now(), time.monotonic(), before)
        self._keep(job, failed=True)

    def ended(self, job: JobStep, ended: Ended) -> None:
        """Send the messages about the end of a job."""
        if job.place not in self._begun:
            return
        started, clock, failed_before = self._begun.pop(job.place)
        events = events_of_job(ended, failed_before=failed_before)
        self._keep(job, failed=bool(ended.exit_code) if ended.exit_code not in _STOPPED else failed_before)
        seconds = round(time.monotonic() - clock, 3)
        messages = {event: self._message(job, ended, event, started, seconds) for event in events}
        send(self._context, job.notify, messages)

    def _folder(self) -> str:
        return f"jobs/{self._context.project.environment or 'default'}"

    def _file(self, job: JobStep) -> Path:
        return self._context.project.private / self._folder() / f"{job.name}.json"

    def _kept(self, job: JobStep) -> bool:
        with suppress(OSError, ValueError, TypeError, KeyError):
            return bool(json.loads(self._file(job).read_text())["failed"])
        return False

    def _keep(self, job: JobStep, *, failed: bool) -> None:
        file = self._file(job)
        try:
            made_private(self._context.project.private, self._folder())
            write_whole(file, json.dumps({"failed": failed}).encode(), alone=True)
        except OSError as error:
            self._context.progress(f"warning: a recovery of job `{job.name}` may not be noticed: {error}")

    def _message(self, job: JobStep, ended: Ended, event: Event, started: float, seconds: float) -> dict[str, Any]:
        environment = self._context.project.environment
        schedule, _ = marked(self._context.scheduled)
        error = _error(ended)
        count = sum(stream.records for each in ended.records for stream in each.streams)
        texts = {
            "failure": f"failed with exit code {ended.exit_code}{f': {error}' if error else ''}",
            "recovery": f"works again: {count} records",
            "empty": "succeeded, but read no records",
        }
        place = f" ({environment})" if environment else ""
        return {
            "text": f"tapdock: job {job.name}{place} {texts[event]}",
            "event": event,
            "job": job.name,
            "environment": environment,
            "exit_code": ended.exit_code,
            "error": error,
            "records": count,
            "runs": [
                {
                    "place": each.place,
                    "name": each.record.pipeline,
                    "run_id": each.record.run_id,
                    "status": each.record.status,
                    "exit_code": each.record.exit_code,
                }
                for each in ended.runs
            ],
            "not_started": [step.name for step in ended.not_started],
            "started_at": datetime.fromtimestamp(started, UTC).isoformat(timespec="milliseconds"),
            "seconds": seconds,
            "schedule": schedule,
            "sent_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def _error(ended: Ended) -> str | None:
    """Return the first failure of a job in words: that of a step, or that of a hook of the job."""
    failed = next((each.record for each in ended.runs if not each.is_hook and each.record.exit_code), None)
    if failed:
        return f"{failed.pipeline}: {failed.error.message}" if failed.error else failed.pipeline
    return ended.errors[0].message if ended.errors else None
