"""The errors with their exit codes, grouped by what the user does next.

TapdockError
├── UsageError        2   the command line or the project file must be corrected
├── SourceError       3   the source failed
├── TargetError       4   the target failed
├── TranslationError  5   a message could not be translated
├── StateError        6   the state could not be read or saved
│   ├── Conflict          somebody else changed it in the meantime
│   └── UnreadableState   its text is not a state
├── LeaseHeld         7   another live run holds the same state
├── EngineError       8   no engine, no image, no permission
│   └── ImageMissing      the image does not exist and cannot be pulled
├── MapperError      10   the mapper failed, or lost a state
└── TaskError        11   a task that runs before or after a pipeline or a job failed

Interrupted           130 or 143   ended by SIGINT or SIGTERM
"""

from typing import ClassVar, Final, Literal

Side = Literal["source", "mapper", "target", "task", "runner"]

__all__ = [
    "ERROR_OF",
    "Conflict",
    "ContainerGone",
    "EngineError",
    "ImageMissing",
    "Interrupted",
    "LeaseHeld",
    "MapperError",
    "Side",
    "SourceError",
    "StateError",
    "TapdockError",
    "TargetError",
    "TaskError",
    "TranslationError",
    "UnreadableState",
    "UsageError",
    "unforeseen",
]


class TapdockError(Exception):
    """A failure with one line for people, an optional next step, and an exit code.

    `run_id` is the id of the run that failed, if the Python API raised the error of a run.
    """

    exit_code: int = 1
    run_id: str | None = None
    side: ClassVar[Side] = "runner"

    def __init__(self, message: str, *, hint: str | None = None, retryable: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retryable = retryable


class UsageError(TapdockError):
    exit_code = 2


class SourceError(TapdockError):
    exit_code = 3
    side = "source"


class TargetError(TapdockError):
    exit_code = 4
    side = "target"


class TranslationError(TapdockError):
    exit_code = 5


class StateError(TapdockError):
    exit_code = 6


class Conflict(StateError):
    """A compare-and-swap that lost against another writer."""


class UnreadableState(StateError):
    """The text of a saved state cannot be read: somebody changed it."""

    def __init__(self, message: str) -> None:
        commands = "`tapdock state get` prints it, `tapdock state set` replaces it, `tapdock state rollback`"
        super().__init__(message, hint=f"{commands} restores an older version")


class LeaseHeld(TapdockError):
    exit_code = 7


class EngineError(TapdockError):
    exit_code = 8


class ContainerGone(EngineError):
    """A container that the engine was asked about does not exist any more."""


class ImageMissing(EngineError):
    pass


class MapperError(TapdockError):
    exit_code = 10
    side = "mapper"


class TaskError(TapdockError):
    exit_code = 11
    side = "task"


ERROR_OF: Final[dict[Side, type[TapdockError]]] = {
    "source": SourceError,
    "mapper": MapperError,
    "target": TargetError,
    "task": TaskError,
    "runner": TapdockError,
}
"""The error for a failure of a side."""


class Interrupted(BaseException):
    """A signal stopped the command.

    Derives from BaseException, like KeyboardInterrupt, so that a library's `except Exception` cannot swallow it.
    """

    side: ClassVar[Side] = "runner"
    hint: ClassVar[str | None] = None
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


def unforeseen(error: Exception) -> TapdockError:
    """Return the error for an exception that tapdock's own code did not expect."""
    return TapdockError(f"tapdock itself failed: {type(error).__name__}: {error}")
