"""What the relay's supervisor takes from its inbox: orders, and what launchers and threads report."""

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

SideName = Literal["source", "target"]


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """End in order: the source is asked to stop, the target drains. `code` is what the run then exits with."""

    code: int


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """End at once. `code` is what the run then exits with, unless it had failed before."""

    code: int


class Exited(msgspec.Struct, frozen=True, tag="exited"):
    """The engine saw a side's container end."""

    side: SideName
    code: int


class Abort(msgspec.Struct, frozen=True, tag="abort", kw_only=True):
    """The runner cannot go on (the state cannot be saved): end in order and fail."""

    exit_code: int
    message: str
    hint: str | None = None


Order = Stop | Kill | Exited | Abort


class LauncherSaid(NamedTuple):
    """What a launcher said on its control pipe."""

    side: SideName
    words: list[str]


class LauncherGone(NamedTuple):
    """A launcher's control pipe closed: its container is ending."""

    side: SideName


class ConfigRewritten(NamedTuple):
    """A connector left its config file otherwise than it got it: the whole new one."""

    side: SideName
    config: str


class PumpPaused(NamedTuple):
    """The pump came to a turn: a line it cannot translate, or the end of the source's output."""


class BadAcknowledgement(NamedTuple):
    """The target acknowledged what it was never sent, or printed what cannot be read."""

    error: TargetError


class ThreadEnded(NamedTuple):
    """A thread of the relay has ended, with the exception that ended it (None: in order)."""

    thread: str
    error: BaseException | None


Message = Order | LauncherSaid | LauncherGone | ConfigRewritten | PumpPaused | BadAcknowledgement | ThreadEnded
Inbox = queue.SimpleQueue[Message]


def background(name: str, work: Callable[[], None], inbox: Inbox) -> threading.Thread:
    """Run `work` in a thread that tells the inbox how it ended."""

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
