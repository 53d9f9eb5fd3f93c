"""Load a project, run its pipelines, check its connectors, and read its sources."""

import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType

import msgspec

from tapdock.api.arguments import limit_of, require_one, texts_of
from tapdock.api.calls import Callback, error_of, ignored, orders, redacted
from tapdock.api.jobs import JobResult, first_error, performed
from tapdock.api.records import Records
from tapdock.cli.assembly import operations_of
from tapdock.cli.session import Session
from tapdock.cli.state_ids import known_id
from tapdock.connectors import check as checks
from tapdock.connectors import operations
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.known_streams import remember_offered
from tapdock.errors import UsageError
from tapdock.events import Progress
from tapdock.project.blocks import parse_blocks
from tapdock.project.fields import did_you_mean
from tapdock.project.model import Connector, Pipeline
from tapdock.project.named import alone
from tapdock.project.window import Window
from tapdock.protocol.catalog import Stream
from tapdock.relay.signals import Signals
from tapdock.runs import records
from tapdock.runs.options import Options
from tapdock.runs.reading import read_records
from tapdock.runs.records import RunRecord
from tapdock.runs.source_records import SourceRecord
from tapdock.runs.steps import AT_ONCE, tree_of
from tapdock.runs.to_read import to_read
from tapdock.state import store
from tapdock.state.envelope import Envelope

__all__ = ["Project", "Source", "Target", "load"]

OnMessage = Callable[[str], object]


def load(
    path: str | os.PathLike[str] | None = None,
    *,
    environment: str | None = None,
    env_files: Iterable[str | os.PathLike[str]] = (),
    environ: Mapping[str, str] | None = None,
) -> "Project":
    """Return the project in a folder, or the nearest one upward from the current folder. Raises UsageError.

    Without an `environment`, that of TAPDOCK_ENVIRONMENT or of `default_environment` applies. `env_files` are files of
    variables, as with `--env-file`. `environ` replaces the environment variables of this process.
    """
    session = Session(
        folder=None if path is None else Path(path),
        chosen_environment=environment,
        env_files=tuple(Path(file) for file in env_files),
        environ=dict(os.environ if environ is None else environ),
    )
    with redacted(session):
        _ = session.project
    return Project(session)


class Project:
    """A project as it was when it was loaded. `pipelines`, `sources` and `targets` are by name."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._contexts: dict[bool, Context] = {}
        found = session.project
        self.file = found.file
        self.environment = found.environment
        self.pipelines: Mapping[str, Pipeline] = MappingProxyType(dict(found.pipelines))
        self.sources: Mapping[str, Source] = MappingProxyType(
            {name: Source(self, each) for name, each in found.sources.items()}
        )
        self.targets: Mapping[str, Target] = MappingProxyType(
            {name: Target(self, each) for name, each in found.targets.items()}
        )

    def __repr__(self) -> str:
        return f"<tapdock.Project {self.file} environment={self.environment!r}>"

    def run(
        self,
        *blocks: str,
        full_refresh: bool = False,
        select: str | Iterable[str] = (),
        exclude: str | Iterable[str] = (),
        save_state: bool = True,
        refresh_catalog: bool = False,
        accept_schema_changes: bool = False,
        strict_counts: bool = False,
        limit: int | None = None,
        window: tuple[str | date, str | date] | None = None,
        locked: bool = False,
        check: bool = True,
        on_message: OnMessage | None = None,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> RunRecord:
        """Run a pipeline, or a source into a target, and return the record of the last attempt.

        If the run failed, its error is raised, whose `run_id` names the record (see `record`); with `check=False`, the
        record is returned instead. `limit` is the most records of each stream that are written. `window` is the start
        and the end of the range of time that is read, as with `tapdock run --from --to`. Ctrl-C in the main
        thread stops the run in order, and raises KeyboardInterrupt then.
        `on_message` gets lines for people, `on_progress` the counts, about once a second and at the end. Both are
        called in other threads; an error that one of them raises is raised at the end of the run.
        """
        left_out = (f"!{pattern.removeprefix('!')}" for pattern in texts_of(exclude))
        options = Options(
            full_refresh=full_refresh,
            save_state=save_state,
            select=(*texts_of(select), *left_out),
            refresh_catalog=refresh_catalog,
            accept_schema_changes=accept_schema_changes,
            strict_counts=strict_counts,
            limit=limit_of(limit),
        )
        if window is not None:
            options = options.of_window(Window.of(*window))
        said, shown = Callback(on_message), Callback(on_progress)
        with redacted(self._session), orders() as signals:
            found = parse_blocks(self._session.project, blocks)
            require_one(found, blocks)
            context = self._context(signals, said, locked=locked)
            ended = performed(context, tree_of(context.project, found), options, limit=1, shown=shown)
        record = ended.records[0]
        counts = (sum(each.records for each in record.streams), sum(each.bytes for each in record.streams))
        shown(Progress(streams=record.streams, records=counts[0], bytes=counts[1]))
        said.raise_error()
        shown.raise_error()
        if check and record.exit_code:
            raise error_of(record)
        return record

    def run_job(
        self,
        name: str,
        *,
        concurrency: int | None = None,
        full_refresh: bool = False,
        save_state: bool = True,
        limit: int | None = None,
        locked: bool = False,
        check: bool = True,
        on_message: OnMessage | None = None,
    ) -> JobResult:
        """Run a job, and return how each of its steps ended.

        If the job failed, the error of its first failure is raised; with `check=False`, the result is returned instead.
        `concurrency` is how many steps run at the same time at most; without it, 4. `on_message` gets lines for people,
        each with the name of the step, in other threads. Ctrl-C is as for `run`.
        """
        if concurrency is not None and concurrency < 1:
            raise UsageError(f"`concurrency` is {concurrency}, but it must be at least 1")
        options = Options(full_refresh=full_refresh, save_state=save_state, limit=limit_of(limit))
        said = Callback(on_message)
        with redacted(self._session), orders() as signals:
            found = self._session.project
            if name not in found.jobs:
                hint = did_you_mean(name, found.jobs) or f"known jobs: {', '.join(found.jobs) or 'none yet'}"
                raise UsageError(f"there is no job `{name}` in {found.file.name}", hint=hint)
            context = self._context(signals, said, locked=locked)
            tree = tree_of(context.project, parse_blocks(found, [name]))
            ended = performed(context, tree, options, limit=concurrency or AT_ONCE, shown=ignored, named=True)
        said.raise_error()
        if check and ended.exit_code:
            raise first_error(ended)
        left = tuple(step.name for step in ended.not_started)
        return JobResult(job=name, exit_code=ended.exit_code, runs=ended.runs, not_started=left, errors=ended.errors)

    def record(self, run_id: str = "latest") -> RunRecord:
        """Return the record of a run of this machine. Raises UsageError if there is none."""
        folder = self._session.private
        found = records.record(folder, records.found_in(records.ids(folder), run_id))
        if found is None:
            raise UsageError(f"run {run_id} has no readable record", hint=f"see `tapdock runs logs {run_id}`")
        return found

    def state(self, name: str) -> Envelope | None:
        """Return the saved state of a pipeline, or the state with an id; None if none is saved. Raises UsageError.

        Its `state` is the JSON text of the source's state.
        """
        with redacted(self._session), self._lock:
            return store.read(self._session.backend, known_id(self._session, name))

    def _context(self, signals: Signals, said: Callable[[str], None], *, locked: bool = False) -> Context:
        """Return what operations need, with the engine that all calls share. Raises EngineError."""
        with self._lock:
            if locked not in self._contexts:
                self._contexts[locked] = operations_of(self._session, signals, locked=locked, progress=ignored)
            shared = self._contexts[locked]
        return msgspec.structs.replace(shared, signals=signals, progress=said, reported=set())


class Source:
    """A source of a project."""

    def __init__(self, project: Project, connector: Connector) -> None:
        self.name = connector.name
        self._project = project
        self._connector = connector

    def __repr__(self) -> str:
        return f"<tapdock.Source {self.name}>"

    def check(self, *, on_message: OnMessage | None = None) -> checks.Checked:
        """Check that the config works. Raises SourceError if it does not."""
        return _checked(self._project, self._connector, on_message)

    def streams(self, *, refresh: bool = False, on_message: OnMessage | None = None) -> tuple[Stream, ...]:
        """Return the streams that the source offers. Its `discovery` says how old they may be; `refresh` asks it."""
        project, said = self._project, Callback(on_message)
        with redacted(project._session), orders() as signals:
            context = project._context(signals, said)
            ready = _prepared(context, self._connector)
            found = operations.discover(context, ready, refresh=refresh)
            remember_offered(context.cache, self._connector, project.environment, found, now=context.now())
        said.raise_error()
        return found

    def read(
        self,
        streams: str | Iterable[str] = (),
        *,
        limit: int | None = None,
        refresh_catalog: bool = False,
        on_message: OnMessage | None = None,
    ) -> "Records":
        """Return an iterator over the records of the selected streams, from their beginning. No state is saved.

        `streams` are patterns that choose among what the project selects, as with `tapdock run --select`. With a
        `limit`, at most so many records of each stream are read, as with `tapdock preview`. The source waits while the
        records are used, so memory stays bounded. If the source fails, the error is raised at the end.
        """
        options = Options(select=texts_of(streams), save_state=False, refresh_catalog=refresh_catalog)
        return Records(self._records(options, Callback(on_message), limit_of(limit)))

    def _records(self, options: Options, said: "Callback", limit: int | None) -> Generator[SourceRecord, None, None]:
        with redacted(self._project._session):
            context = self._project._context(Signals(ignored), said)
            ready = _prepared(context, self._connector)
            yield from read_records(context, ready, to_read(context, ready, options), limit=limit)
        said.raise_error()


class Target:
    """A target of a project."""

    def __init__(self, project: Project, connector: Connector) -> None:
        self.name = connector.name
        self._project = project
        self._connector = connector

    def __repr__(self) -> str:
        return f"<tapdock.Target {self.name}>"

    def check(self, *, on_message: OnMessage | None = None) -> checks.Checked:
        """Check that the config works. Raises TargetError if it does not."""
        return _checked(self._project, self._connector, on_message)


def _prepared(context: Context, connector: Connector) -> PreparedConnector:
    """Return a connector that is asked alone, with the built-in variables of its only pipeline."""
    return operations.prepare(context, alone(context.project, connector, now=context.now()))


def _checked(project: Project, connector: Connector, on_message: OnMessage | None) -> checks.Checked:
    said = Callback(on_message)
    with redacted(project._session), orders() as signals:
        context = project._context(signals, said)
        result = checks.check(context, _prepared(context, connector))
        if not result.succeeded:
            raise checks.failure(connector, result)
    said.raise_error()
    return result
