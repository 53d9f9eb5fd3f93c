"""Run a command of a task: as a container, or as a program of this machine. Its output goes into the log of a run."""

import dataclasses
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

import msgspec

from tapdock.connectors import masking, operations
from tapdock.connectors.context import Context
from tapdock.connectors.kinds import base
from tapdock.engines.attended import Stdio
from tapdock.engines.base import Engine
from tapdock.engines.local import LocalEngine
from tapdock.engines.stderr import lines_of
from tapdock.errors import Interrupted, TapdockError, TaskError, UsageError, unforeseen
from tapdock.launch import Exit, ImageFacts, Launch
from tapdock.log import Log
from tapdock.project.blocks import TaskBlock
from tapdock.project.model import Command, Connector
from tapdock.project.named import task_of_run
from tapdock.project.secret import Secret
from tapdock.runs import by_hand, records
from tapdock.runs.keeping import STATUS, MakeLog, archive, container_record, keep, run_log
from tapdock.runs.records import ErrorRecord, RunRecord, Seconds, StateRecord
from tapdock.runs.scheduled import marked
from tapdock.text.last_words import LastWords
from tapdock.text.own_lines import OwnLevels
from tapdock.text.secret_names import masked_text

__all__ = ["invoke_task", "run_task"]

_LONGEST = 16 << 10
_LAST_LINES_SECONDS = 5.0
"""The time for the last lines of a program that left a process behind, which still has its output."""
_NO_PROGRAM = (126, 127)


def run_task(context: Context, block: TaskBlock, *, make_log: MakeLog) -> RunRecord:
    """Run a command of a task and return its record. Failures are in the record; they are not raised."""
    now = context.now()
    run_id = records.new_run_id(now, records.run_token(now))
    with records.going_on(context.project.private, run_id):
        with run_log(context, run_id) as file:
            run = _TaskRun(context, block, run_id, make_log(run_id, file))
            try:
                record = run.perform()
            except Exception as error:
                keep(context, run.record(unforeseen(error)))
                raise
        with context.signals.orders(queue.SimpleQueue(), doing="writing the record of the run"):
            keep(context, record)
        archive(context, record)
    return record


def invoke_task(context: Context, task: Connector, command: Command | None, words: Sequence[str], stdio: Stdio) -> int:
    """Run a command of a task with more arguments on these descriptors, and return its exit code.

    Without a command, the words are the arguments of the task's own program.
    """
    ready = task_of_run(task, now=context.now(), run_id="invoke")
    command = command or Command()
    started = _started(context, ready, dataclasses.replace(command, args=(*command.args, *words)))
    return by_hand.attend(context, started.engine, started.launch, stdio, name=task.name).code


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Started:
    """What runs, and where. `facts` are those of the image; None on the host."""

    engine: Engine
    launch: Launch
    facts: ImageFacts | None = None


def _started(context: Context, task: Connector, command: Command) -> _Started:
    """Prepare the image of a task if it has one, and return what to run. Raises UsageError, EngineError."""
    if task.is_on_host:
        context.redactor.learn(masking.connector_secrets(task))
        return _Started(engine=LocalEngine(), launch=_on_host(context, task, command))
    ready = operations.prepare(context, task)
    named = ready.connector
    if command.executable:
        # This script of the recipe reports the programs of the image if there is none with this name.
        before = ("/bin/sh", "/opt/connector/program") if task.build else ()
        named = dataclasses.replace(named, entrypoint=(*before, command.executable))
    launch = base.launch(named, ready.facts, role="task", args=command.args)
    place = base.place_of(task, "mounts", context.project.origins)
    launch = dataclasses.replace(launch, working_dir=task.working_dir, place=place)
    return _Started(engine=context.engine, launch=launch, facts=ready.facts)


def _on_host(context: Context, task: Connector, command: Command) -> Launch:
    """Return the launch of a program of this machine. It gets this process's environment and the task's `env`."""
    first = (command.executable,) if command.executable else task.entrypoint or ()
    words = (*first, *command.args)
    if not words:
        raise UsageError(f"task `{task.name}` names no program to run on the host", hint="add `executable: …`")
    env = {name: value.reveal() if isinstance(value, Secret) else value for name, value in task.env.items()}
    folder = context.project.folder / (task.working_dir or "")
    if not folder.is_dir():
        place = base.place_of(task, "working_dir", context.project.origins)
        raise UsageError(f"{place}{folder} is not a folder", hint="correct the path, which is relative to the project")
    return Launch(
        role="task",
        image=words[0],
        entrypoint=words[:1],
        args=words[1:],
        env={**os.environ, **env},
        working_dir=str(folder),
    )


class _Output:
    """Logs the lines that a task prints, without secrets. All of them are for people, so none counts as a detail."""

    def __init__(self, context: Context, log: Log) -> None:
        self._context = context
        self._log = log
        self._words = (LastWords(), LastWords())

    @property
    def reason(self) -> str:
        """The reason of a failure: what explains it on stderr or stdout, else the last line of stderr."""
        stdout, stderr = self._words
        return stdout.last if stdout.explains and not stderr.explains else stderr.last

    def read(self, descriptor: int, words: LastWords) -> None:
        levels = OwnLevels()
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            for line in lines_of(iter(lambda: file.read(1 << 16), b"")):
                text = self._context.redactor(line)
                if len(text) > _LONGEST:
                    text = f"{text[:_LONGEST]} … (the rest of this line is left out)"
                words.stderr(text)
                level = levels.of(text)
                self._log.line("task", "info" if level == "debug" else level, text)

    @contextmanager
    def connected(self) -> Iterator[Stdio]:
        """Return pipes for a program. At the end of the block, everything that it printed is logged."""
        alive, lifeline = os.pipe()
        ours, theirs = zip(*(os.pipe() for _ in self._words), strict=True)
        threads = [
            threading.Thread(target=self.read, args=each, daemon=True) for each in zip(ours, self._words, strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            yield Stdio(stdin=alive, stdout=theirs[0], stderr=theirs[1], terminal=False, lifeline=True)
        finally:
            for descriptor in (lifeline, *theirs):
                os.close(descriptor)
            for thread in threads:
                thread.join(_LAST_LINES_SECONDS)
            os.close(alive)


class _TaskRun:
    """One run of a command. It collects the facts for the run record."""

    def __init__(self, context: Context, block: TaskBlock, run_id: str, log: Log) -> None:
        self._context = msgspec.structs.replace(context, note=log.note)
        self._block = block
        self._task = context.project.tasks[block.task]
        self._run_id = run_id
        self._log = log
        self._started = context.now()
        self._clock = time.monotonic()
        self._facts: ImageFacts | None = None
        self._exit: Exit | None = None

    def perform(self) -> RunRecord:
        error: TapdockError | Interrupted | None = None
        try:
            self._log.info("run started", task=self._block.name)
            began = self.record()
            keep(self._context, began)
            archive(self._context, began)
            error = self._run()
        except (TapdockError, Interrupted) as raised:
            error = raised
        record = self.record(error)
        if record.status == "failed":
            self._log.unfold("task")
        self._log.end("run ended", status=record.status, exit_code=record.exit_code)
        return record

    def _run(self) -> TaskError | Interrupted | None:
        context, name = self._context, self._block.name
        task = task_of_run(self._task, now=self._started, run_id=self._run_id)
        started = _started(context, task, task.commands[self._block.command])
        self._facts = started.facts
        output = _Output(context, self._log)
        with output.connected() as stdio:
            ended = by_hand.attend(
                context,
                started.engine,
                started.launch,
                stdio,
                name=name,
                run_id=self._run_id,
                grace=task.limits.stop_grace,
            )
        self._exit = Exit(code=ended.code, oom_killed=ended.oom_killed)
        if context.signals.code:
            return Interrupted(f"task `{name}` was stopped by a signal", exit_code=context.signals.code)
        return _failure(name, task, started.launch, self._exit, output.reason, run_id=self._run_id)

    def record(self, error: TapdockError | Interrupted | None = None) -> RunRecord:
        """Return the record as known now. The first one, written at the start, remains if the run is killed."""
        code = error.exit_code if error else self._exit.code if self._exit else None
        redacted, ended = self._context.redacted, self._exit
        schedule, due = marked(self._context.scheduled)
        return RunRecord(
            run_id=self._run_id,
            kind="task",
            pipeline=self._block.name,
            state_id="",
            started_at=datetime.fromtimestamp(self._started, UTC).isoformat(timespec="milliseconds"),
            status="running" if code is None else STATUS.get(code, "failed") if not _own(error) else "failed",
            exit_code=code,
            error=_error_record(error, self._context.message) if error else None,
            state=StateRecord(committed=0, backend=masked_text(self._context.backend.uri)),
            containers=(container_record("task", self._facts, ended),) if self._facts else (),
            seconds=Seconds(total=round(time.monotonic() - self._clock, 3)),
            schedule=schedule,
            scheduled_for=due,
            labels={name: redacted(text) for name, text in self._texts("labels").items()},
            annotations={name: redacted(text) for name, text in self._texts("annotations").items()},
        )

    def _texts(self, key: Literal["labels", "annotations"]) -> dict[str, str]:
        """Return the texts of the task over those of the project."""
        return {**getattr(self._context.project, key), **getattr(self._task, key)}


def _own(error: TapdockError | Interrupted | None) -> bool:
    """Return True if the exit code is the task's own: 130 is then not a signal to tapdock."""
    return isinstance(error, TaskError)


def _error_record(error: TapdockError | Interrupted, redacted: Callable[[str], str]) -> ErrorRecord:
    hint = error.hint and redacted(error.hint)
    return ErrorRecord(side=error.side, message=redacted(error.message), hint=hint, retryable=error.retryable)


def _failure(name: str, task: Connector, launch: Launch, ended: Exit, reason: str, *, run_id: str) -> TaskError | None:
    """Return why a command failed, with its own exit code. None if it succeeded."""
    if not ended.code:
        return None
    message, hint = f"task `{name}` failed (exit code {ended.code})", f"`tapdock runs logs {run_id}` shows its output"
    if ended.oom_killed:
        limit = f"its limit is {task.memory / 1024**2:.0f} MB" if task.memory else "it has no limit of its own"
        message = f"task `{name}` ran out of memory: {limit} (exit code {ended.code})"
        hint = f"increase `tasks.{task.name}.memory`"
    elif reason:
        message = f"{message}: {reason}"
    if ended.code in _NO_PROGRAM:
        where = "on this machine" if task.is_on_host else "in the image"
        program = launch.entrypoint[-1] or launch.called
        hint = f"check that `{program}` is {where}, or set `executable` of the command to another program"
    error = TaskError(message, hint=hint)
    error.exit_code = ended.code
    return error
