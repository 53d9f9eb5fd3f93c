"""Records and logs of runs beside the states: to be read from any machine, also where a run's container is gone."""

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
_LOG_BYTES = 1 << 20  # of a long log, the end
_REMOVED = 20  # runs at once: the rest is removed after the next run
_LONGEST_SECONDS = 7 * 24 * 3600.0


class Archive:
    """The last hundred runs; every failure is a StateError.

    `seconds` is the deadline of a whole `write` or `close`: a run that has ended does not wait for its archive. They do
    their work in a thread that keeps no process alive, so a signal's exception ends the wait at once.
    """

    def __init__(self, backend: Backend, *, seconds: float = SECONDS) -> None:
        self._backend = backend
        self._seconds = seconds

    @classmethod
    def beside(cls, backend: Backend, private: Path) -> "Archive | None":
        """None for a backend inside of the project's private folder, where records are kept anyway."""
        return None if Path(backend.uri).is_relative_to(private) else cls(backend)

    def write(self, record: RunRecord) -> None:
        """A record over an earlier one of the same run."""
        self._in_time(lambda: self._write(record))

    def close(self, record: RunRecord, log: Path) -> None:
        """Keep the last record, and the log as it is now. Forget what is older than the last hundred runs.

        Runs that may be going on are not forgotten: those that began in the last seven days or have their state's
        lease, and whose record does not say that they have ended.
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
        """Whether a run may be forgotten, at the time when the run `ended` has just ended."""
        found = self.read(run_id)
        if found and found.status == "running" and self._may_go_on(found, ended):
            return False
        return rotation.is_old(run_id, found.seconds.total if found else 0.0, known)

    def _may_go_on(self, found: RunRecord, ended: RunRecord) -> bool:
        """A run that was killed has the same record: only its age, and the lease of its state, tell the two apart."""
        now = (rotation.began(ended.run_id) or 0.0) + ended.seconds.total
        if now - (rotation.began(found.run_id) or 0.0) < _LONGEST_SECONDS:
            return True
        try:
            holder = self._backend.holder(found.state_id)
        except StateError:
            return True  # the lease cannot be read: that is no reason to remove anything
        return holder is not None and holder.run_id == found.run_id

    def ids(self, names: list[str] | None = None) -> list[str]:
        """Newest first."""
        known = self._backend.names(_PREFIX) if names is None else names
        found = {name.removeprefix(_PREFIX).removesuffix(_LOG) for name in known}
        return sorted((run_id for run_id in found if RUN_ID.fullmatch(run_id)), reverse=True)

    def read(self, run_id: str) -> RunRecord | None:
        """None for one that cannot be read."""
        stored = self._backend.get(_PREFIX + run_id)
        return of_run(run_id, stored.body) if stored else None

    def log_lines(self, run_id: str) -> Iterator[str]:
        """Raises UsageError where there is none, StateError for one that is damaged."""
        stored = self._backend.get(_PREFIX + run_id + _LOG)
        if stored is None:
            raise UsageError(f"run {run_id} left no log")
        try:
            text = gzip.GzipFile(fileobj=io.BytesIO(stored.body)).read(
                _LOG_BYTES
            )  # as much as was written, and no more
        except (OSError, EOFError, zlib.error) as error:
            raise StateError(f"the log of run {run_id} in {self._backend.uri} is damaged: {error}") from error
        yield from text.decode("utf-8", "replace").splitlines()


def _end_of(log: Path) -> bytes:
    """Whole lines."""
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LOG_BYTES))
        text = file.read()
    return text if size <= _LOG_BYTES else text.partition(b"\n")[2]
