"""Records and logs of runs beside the states, so that any machine can read them after a run's container is gone."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tapdock.errors import Conflict, StateError, UsageError
from tapdock.runs import rotation
from tapdock.runs.records import RUN_ID, RunRecord, of_run, to_json
from tapdock.state.backends.base import Backend
from tapdock.state.backends.limits import within

__all__ = ["Archive"]

SECONDS = 30.0

_PREFIX = "runs/"
_LOG = "/log"
_LOG_BYTES = 1 << 20  # of a long log, only the end is kept
_REMOVED = 20  # runs at a time: the rest is removed after the next run
_LONGEST_SECONDS = 7 * 24 * 3600.0


class Archive:
    """The last hundred runs in a state backend. Every failure is a StateError.

    `seconds` is the deadline of a whole `write` or `close`, so that a finished run does not wait for a slow server.
    Both work in a daemon thread, so the exception of a signal ends the wait at once.
    """

    def __init__(self, backend: Backend, *, seconds: float = SECONDS) -> None:
        self._backend = backend
        self._seconds = seconds

    @classmethod
    def beside(cls, backend: Backend, private: Path) -> "Archive | None":
        """Return the archive of a backend, or None if the backend is in the private folder, which has the records."""
        return None if Path(backend.uri).is_relative_to(private) else cls(backend)

    def write(self, record: RunRecord) -> None:
        """Write a record, and replace an earlier one of the same run."""
        self._in_time(lambda: self._write(record))

    def close(self, record: RunRecord, log: Path) -> None:
        """Write the last record and the log, and remove runs older than the last hundred.

        Runs that may still be live are not removed: their record has the status `running`, and they started in the
        last seven days or hold the lease of their state.
        """
        self._in_time(lambda: self._close(record, log))

    def _in_time(self, work: Callable[[], None]) -> None:
        try:
            within(self._seconds, work)
        except TimeoutError as error:
            raise StateError(f"{self._backend.uri} took longer than {self._seconds:g} s", retryable=True) from error

    def _write(self, record: RunRecord) -> None:
        name = _PREFIX + record.run_id
        stored = self._backend.get(name)
        try:
            self._backend.put(name, to_json(record), expected=stored.version if stored else None)
        except Conflict as error:
            raise StateError(f"two runs have the id {record.run_id}") from error

    def _close(self, record: RunRecord, log: Path) -> None:
        self._write(record)
        if log.exists():
            self._backend.put(_PREFIX + record.run_id + _LOG, gzip.compress(_end_of(log), mtime=0), expected=None)
        names = self._backend.names(_PREFIX)
        known = self.ids(names)
        oldest = [run_id for run_id in known[rotation.KEPT :] if run_id != record.run_id][-_REMOVED:]
        old = {run_id for run_id in oldest if self._is_old(run_id, known, ended=record)}
        for name in names:
            if name.removeprefix(_PREFIX).removesuffix(_LOG) in old:
                self._backend.delete(name)

    def _is_old(self, run_id: str, known: list[str], *, ended: RunRecord) -> bool:
        """Return True if a run may be removed, at the end of the run `ended`."""
        found = self.read(run_id)
        if found and found.status == "running" and self._may_go_on(found, ended):
            return False
        return rotation.is_old(run_id, found.seconds.total if found else 0.0, known)

    def _may_go_on(self, found: RunRecord, ended: RunRecord) -> bool:
        """Return True if a run may still be live.

        A killed run has the same record: only the age of the run and the lease of its state show the difference.
        """
        now = (rotation.began(ended.run_id) or 0.0) + ended.seconds.total
        if now - (rotation.began(found.run_id) or 0.0) < _LONGEST_SECONDS:
            return True
        if found.kind == "task":
            return False  # it has no state, so no lease
        try:
            holder = self._backend.holder(found.state_id)
        except StateError:
            return True  # if the lease cannot be read, remove nothing
        return holder is not None and holder.run_id == found.run_id

    def ids(self, names: list[str] | None = None) -> list[str]:
        """Return the run ids, newest first."""
        known = self._backend.names(_PREFIX) if names is None else names
        found = {name.removeprefix(_PREFIX).removesuffix(_LOG) for name in known}
        return sorted((run_id for run_id in found if RUN_ID.fullmatch(run_id)), reverse=True)

    def read(self, run_id: str) -> RunRecord | None:
        """Return a run's record, or None if it is missing or damaged."""
        stored = self._backend.get(_PREFIX + run_id)
        return of_run(run_id, stored.body) if stored else None

    def log_lines(self, run_id: str) -> Iterator[str]:
        """Yield the lines of a run's log. Raises UsageError if there is no log, StateError if it is damaged."""
        stored = self._backend.get(_PREFIX + run_id + _LOG)
        if stored is None:
            raise UsageError(f"run {run_id} has no log")
        try:
            text = gzip.GzipFile(fileobj=io.BytesIO(stored.body)).read(_LOG_BYTES)  # not more than tapdock writes
        except (OSError, EOFError, zlib.error) as error:
            raise StateError(f"the log of run {run_id} in {self._backend.uri} is damaged: {error}") from error
        yield from text.decode("utf-8", "replace").splitlines()


def _end_of(log: Path) -> bytes:
    """Return the last whole lines of a log, up to `_LOG_BYTES`."""
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LOG_BYTES))
        text = file.read()
    return text if size <= _LOG_BYTES else text.partition(b"\n")[2]
