"""Values of what runs beside pipelines: commands of tasks, hooks, jobs, schedules, and notifications."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from tapdock.project.secret import Secret

__all__ = ["After", "Command", "Event", "Hooks", "Job", "Notify", "Parallel", "Schedule", "Step", "in_words"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of a task: arguments, and the program if it is not the entrypoint of the image.

    `unset` is a value that it has only in a row of a matrix: it raises the error.
    """

    args: tuple[str, ...] = ()
    executable: str | None = None
    unset: Secret | None = field(default=None, compare=False)


class After(msgspec.Struct, frozen=True, kw_only=True):
    """Commands of tasks (`TASK:COMMAND`) that run afterwards: in every case, after a success, after a failure."""

    always: tuple[str, ...] = ()
    success: tuple[str, ...] = ()
    failure: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.always or self.success or self.failure)


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What runs around a pipeline or a job. If a command of `before` fails, the pipeline or the job does not start."""

    before: tuple[str, ...] = ()
    after: After = After()

    @property
    def tasks(self) -> tuple[str, ...]:
        """All commands of tasks that the hooks name."""
        return (*self.before, *self.after.always, *self.after.success, *self.after.failure)


class Parallel(msgspec.Struct, frozen=True):
    """Sequences of steps that may run at the same time."""

    members: tuple[tuple["Step", ...], ...]


Step = str | Parallel
"""One step of a job: the words of a block as on the command line (`demo`, `faker lake`, `dbt:build`), or a group."""


@dataclass(frozen=True, kw_only=True)
class Job(Hooks):
    """Steps that run one after the other under one name."""

    name: str
    steps: tuple[Step, ...]
    notify: "tuple[Notify, ...]" = ()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)


def in_words(steps: tuple[Step, ...]) -> str:
    """Return steps as text.

    >>> in_words(("a", Parallel((("b",), ("c", "t:x"))), "d"))
    'a, (b | c, t:x), d'
    """
    return ", ".join(step if isinstance(step, str) else _group_in_words(step) for step in steps)


def _group_in_words(group: Parallel) -> str:
    return f"({' | '.join(in_words(member) for member in group.members)})"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When something runs. `run` and `options` are words of `tapdock run`, `jitter` is in seconds.

    Without an `environment`, it runs in the one in which the project was loaded. `env` are variables of the run.
    """

    name: str
    run: tuple[str, ...]
    cron: str
    timezone: str = "UTC"
    environment: str | None = None
    options: tuple[str, ...] = ()
    env: Mapping[str, str | Secret] = field(default_factory=dict, hash=False)
    jitter: float = 0.0
    catch_up: bool = False
    enabled: bool = True


Event = Literal["failure", "recovery", "empty"]


class Notify(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets a message about the end of a run: an address or a command, and after which events."""

    events: tuple[Event, ...]
    url: Secret | None = None
    command: tuple[str, ...] = ()
