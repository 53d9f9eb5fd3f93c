"""What all calls of the Python API share: errors without secrets, Ctrl-C, and functions of the user that are called."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from tapdock.cli.session import Session
from tapdock.errors import (
    EngineError,
    Interrupted,
    LeaseHeld,
    MapperError,
    SourceError,
    StateError,
    TapdockError,
    TargetError,
    TaskError,
    TranslationError,
    UsageError,
)
from tapdock.relay.signals import Signals
from tapdock.runs.records import RunRecord

__all__ = ["Callback", "error_of", "ignored", "orders", "redacted", "with_note"]

_KINDS: dict[int, type[TapdockError]] = {
    kind.exit_code: kind
    for kind in (
        UsageError,
        SourceError,
        MapperError,
        TaskError,
        TargetError,
        TranslationError,
        StateError,
        LeaseHeld,
        EngineError,
    )
}


class Callback:
    """A function of the user that threads of a run call. Its first error is kept, and then it is not called again."""

    def __init__(self, function: Callable[[Any], object] | None) -> None:
        self._function = function
        self._error: Exception | None = None

    def __call__(self, value: Any) -> None:
        if self._function and self._error is None:
            try:
                self._function(value)
            except Exception as error:
                self._error = error

    def raise_error(self) -> None:
        if self._error:
            raise self._error


def ignored(_: object) -> None:
    """Do nothing with a line for people."""


def error_of(record: RunRecord) -> TapdockError:
    kind = TaskError if record.kind == "task" else _KINDS.get(record.exit_code or 0, TapdockError)
    told = record.error
    error = kind(
        told.message if told else f"the run ended with exit code {record.exit_code}",
        hint=told.hint if told else None,
        retryable=bool(told and told.retryable),
    )
    error.run_id = record.run_id
    return with_note(error)


def with_note(error: TapdockError) -> TapdockError:
    """Return the error with its hint as a note, which tracebacks show."""
    if error.hint and not getattr(error, "__notes__", ()):
        error.add_note(f"hint: {error.hint}")
    return error


@contextmanager
def redacted(session: Session) -> Iterator[None]:
    """Raise tapdock's errors without secrets, also without the errors that caused them, which may quote a value.

    Each call reads the secrets of files and programs again, as each command does.
    """
    project = session.__dict__.get("project")  # not loaded here: the call may be what loads it
    try:
        with project.references.used() if project and project.references else nullcontext():
            yield
    except TapdockError as error:
        error.message, error.hint = session.redacted(error.message), error.hint and session.redacted(error.hint)
        error.args = (error.message,)
        error.__cause__ = error.__context__ = None
        with_note(error)
        raise


@contextmanager
def orders() -> Iterator[Signals]:
    """Make Ctrl-C stop what runs in order, in the main thread and if Python's own handler is set.

    Other signals, other handlers and other threads are left to the program.
    """
    signals = Signals(ignored, numbers=(signal.SIGINT,))
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield signals
        return
    try:
        with signals:
            yield signals
    except Interrupted:
        raise KeyboardInterrupt from None
    if signals.code:
        raise KeyboardInterrupt
