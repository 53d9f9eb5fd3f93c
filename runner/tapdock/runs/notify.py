"""Notify people of the end of a run: by an address that takes JSON, or by a command. The run keeps its verdict."""

import json
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from tapdock.connectors.context import Context
from tapdock.errors import TapdockError, UsageError
from tapdock.project.model import Pipeline
from tapdock.project.steps import Event, Notify
from tapdock.runs import records
from tapdock.runs.archive import Archive
from tapdock.runs.records import RunRecord

__all__ = ["events_of", "message", "notify", "previous", "require_notifiable", "send"]

SECONDS = 10.0
"""The longest that a notification may take."""
_OTHER_RUN = 7  # another run has the state: this one was skipped, which is not a failure
_LOOKED_AT = 20  # runs of this pipeline in the archive: each is one request


def require_notifiable(wanted: Sequence[Notify]) -> None:
    """Raise UsageError if an address is not known or cannot be one, so that no failure is silent later."""
    for each in wanted:
        _address(each)


def notify(context: Context, pipeline: Pipeline, record: RunRecord, *, attempts: Collection[str]) -> None:
    """Send what the pipeline's `notify` asks for. `attempts` are the ids of all attempts of this run.

    A failure to send is reported in one line, and nothing is sent again.
    """
    if not pipeline.notify:
        return
    wanted = {event for each in pipeline.notify for event in each.events}
    before = previous(context, record, attempts=attempts) if "recovery" in wanted else None
    events = events_of(record, before)
    send(context, pipeline.notify, {event: message(record, event, context.project.environment) for event in events})


def send(context: Context, wanted: Sequence[Notify], messages: Mapping[Event, Mapping[str, Any]]) -> None:
    """Send the message about each event to those who want it. A failure to send is reported in one line."""
    for each in wanted:
        for event, content in messages.items():
            if event in each.events:
                _tell(context, each, content)


def events_of(record: RunRecord, before: RunRecord | None) -> tuple[Event, ...]:
    """Return what a run means to people. `before` is the finished run before it."""
    if record.status == "failed" and record.exit_code != _OTHER_RUN:
        return ("failure",)
    if record.status != "succeeded":
        return ()
    recovered: tuple[Event, ...] = ("recovery",) if before and before.status in ("failed", "killed") else ()
    is_empty = not any(stream.records for stream in record.streams)
    return (*recovered, *(("empty",) if is_empty else ()))


def previous(context: Context, record: RunRecord, *, attempts: Collection[str]) -> RunRecord | None:
    """Return the newest finished run of the same pipeline and state before this one, on this or on any machine."""
    for found in _known(context, record):
        same = found.pipeline == record.pipeline and found.state_id == record.state_id
        counts = found.status in ("succeeded", "failed", "killed") and found.exit_code != _OTHER_RUN
        if same and counts and found.run_id not in attempts and found.started_at < record.started_at:
            return found
    return None


def _known(context: Context, record: RunRecord) -> Iterator[RunRecord]:
    """Yield the records of other runs, the newest first. Those of other machines are beside the states."""
    private = context.project.private
    own = records.ids(private)
    archive = Archive.beside(context.backend, private)
    elsewhere: list[str] = []
    if archive:
        try:
            elsewhere = archive.ids()
        except TapdockError as error:
            context.progress(
                f"the runs of other machines are not known, so a recovery may not be noticed: {error.message}"
            )
    looked_at = 0
    for run_id in sorted({*own, *elsewhere} - {record.run_id}, reverse=True):
        found = records.record(private, run_id)
        if found is None and archive and run_id in elsewhere and looked_at < _LOOKED_AT:
            looked_at += 1
            try:
                found = archive.read(run_id)
            except TapdockError:
                return
        if found:
            yield found


def message(record: RunRecord, event: Event, environment: str | None) -> dict[str, Any]:
    """Return what is sent. `text` is what Slack and compatible services show. Records contain no secrets."""
    count = sum(stream.records for stream in record.streams)
    place = f" ({environment})" if environment else ""
    texts = {
        "failure": f"failed with exit code {record.exit_code}",
        "recovery": f"works again: {count} records",
        "empty": "succeeded, but read no records",
    }
    reason = f": {record.error.message}" if event == "failure" and record.error else ""
    return {
        "text": f"tapdock: {record.pipeline}{place} {texts[event]}{reason} (run {record.run_id})",
        "event": event,
        "pipeline": record.pipeline,
        "environment": environment,
        "run_id": record.run_id,
        "status": record.status,
        "exit_code": record.exit_code,
        "error": record.error
        and {"side": record.error.side, "message": record.error.message, "hint": record.error.hint},
        "records": count,
        "started_at": record.started_at,
        "seconds": record.seconds.total,
        "schedule": record.schedule,
        "sent_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _tell(context: Context, each: Notify, content: Mapping[str, Any]) -> None:
    body = json.dumps(content).encode()
    try:
        address = _address(each)
        problem = _in_time(address, body) if address else _started(each.command, body) if each.command else None
    except TapdockError as error:
        problem = error.message
    if problem:
        what = f"`{each.command[0]}`" if each.command else "the address of `notify`"
        context.progress(context.message(f"warning: no message about the {content['event']}: {what} {problem}"))


def _address(each: Notify) -> str | None:
    """Return the address; None if it is empty. Raises UsageError, which does not contain it."""
    text = each.url.reveal().strip() if each.url else ""
    if not text:
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not text.isascii()
        or not text.isprintable()
        or " " in text
    ):
        names = ", ".join(f"${{{name}}}" for name in each.url.variables) if each.url else ""
        raise UsageError(
            f"`notify.url`{f' from {names}' if names else ''} is not an address",
            hint="it begins with `https://` or `http://`",
        )
    return text


def _in_time(address: str, body: bytes) -> str | None:
    """Send in a thread, so that a slow name server or a slow answer cannot keep the run. Return what went wrong."""
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(_sent(address, body)), name="notify", daemon=True)
    thread.start()
    thread.join(SECONDS)
    return found[0] if found else f"did not answer within {SECONDS:g} s"


def _sent(address: str, body: bytes) -> str | None:
    """Return None after a success. Texts of errors may contain the address, so only their reasons are used."""
    import http.client
    import urllib.error
    import urllib.request

    class NoRedirects(urllib.request.HTTPRedirectHandler):
        """A redirected POST would become a GET of another address, and look like a success."""

        def redirect_request(self, *_: Any) -> None:
            return None

    headers = {"Content-Type": "application/json", "User-Agent": "tapdock"}
    request = urllib.request.Request(address, data=body, headers=headers, method="POST")  # noqa: S310 - checked by _address
    try:
        with urllib.request.build_opener(NoRedirects).open(request, timeout=SECONDS):
            return None
    except urllib.error.HTTPError as error:
        return f"answered with HTTP status {error.code}"
    except urllib.error.URLError as error:
        reason = error.reason
        return f"cannot be reached: {reason.strerror or reason}" if isinstance(reason, OSError) else "cannot be reached"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"cannot be reached: {type(error).__name__}"


def _started(command: tuple[str, ...], body: bytes) -> str | None:
    import subprocess

    try:
        done = subprocess.run(
            command, input=body, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {SECONDS:g} s, and was killed"
    except OSError as error:
        return f"cannot be started: {error.strerror}"
    return f"exited with {done.returncode}" if done.returncode else None
