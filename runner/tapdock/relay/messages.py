"""The messages in the inbox of the relay's supervisor: orders, and reports of launchers and threads."""

import queue
import threading
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from tapdock.errors import TargetError

__all__ = [
    "Abort",
    "BadAcknowledgement",
    "ConfigRewritten",
    "Enough",
    "Exited",
    "Inbox",
    "Kill",
    "LauncherGone",
    "LauncherSaid",
    "Message",
    "Order",
    "PumpPaused",
    "SideName",
    "Stop",
    "ThreadEnded",
    "background",
]

SideName = Literal["source", "mapper", "target"]


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Stop the source and let the target drain. `code` is the exit code of the run."""

    code: int


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """Kill both sides. `code` is the exit code of the run, unless it had failed before."""

    code: int


class Enough(msgspec.Struct, frozen=True, tag="enough"):
    """All records that are wanted were read: ask the source to stop. How it then exits is not a failure."""


class Exited(msgspec.Struct, frozen=True, tag="exited"):
    """The engine reported that the container of a side has ended."""

    side: SideName
    code: int


class Abort(msgspec.Struct, frozen=True, tag="abort", kw_only=True):
    """The runner cannot continue, for example because a state cannot be saved: stop the source and fail."""

    exit_code: int
    message: str
    hint: str | None = None


Order = Stop | Kill | Enough | Exited | Abort


class LauncherSaid(NamedTuple):
    """A launcher wrote words to its control pipe."""

    side: SideName
    words: list[str]


class LauncherGone(NamedTuple):
    """A launcher's control pipe closed: its container is ending."""

    side: SideName


class ConfigRewritten(NamedTuple):
    """A connector changed its config file. `config` is the whole new content."""

    side: SideName
    config: str


class PumpPaused(NamedTuple):
    """The pump reached a line that it cannot translate, or the end of the source's output."""


class BadAcknowledgement(NamedTuple):
    """The target acknowledged a state that it never received, or its output cannot be read."""

    error: TargetError


class ThreadEnded(NamedTuple):
    """A thread of the relay has ended. `error` is the exception that ended it, or None."""

    thread: str
    error: BaseException | None


Message = Order | LauncherSaid | LauncherGone | ConfigRewritten | PumpPaused | BadAcknowledgement | ThreadEnded
Inbox = queue.SimpleQueue[Message]


def background(name: str, work: Callable[[], None], inbox: Inbox) -> threading.Thread:
    """Run `work` in a thread, and report its end to the inbox as a ThreadEnded."""

    def body() -> None:
        try:
            work()
        except BaseException as error:
            inbox.put(ThreadEnded(name, error))
        else:
            inbox.put(ThreadEnded(name, None))

    thread = threading.Thread(target=body, name=name, daemon=True)
    thread.start()
    return thread
