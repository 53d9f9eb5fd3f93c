"""What an orchestrator that started this process gets of its runs. It never changes how a run ends."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from tapdock.events import Level, StreamReport
from tapdock.protocol.catalog import ConfiguredStream

__all__ = ["EndedRun", "Observer", "SeenStream", "tell"]


class SeenStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream of a run: its counts, and how the target gets it. `targets` is empty if that is not known."""

    report: StreamReport
    targets: tuple[ConfiguredStream, ...] = ()


class EndedRun(msgspec.Struct, frozen=True, kw_only=True):
    """The last attempt of a run. `error` is its message with the hint; None if it has none."""

    pipeline: str
    run_id: str
    succeeded: bool
    error: str | None
    streams: Sequence[SeenStream]


class Observer(Protocol):
    """Gets the entries of the log, the end of each run, and the end of all."""

    def logged(self, level: Level, entry: Mapping[str, Any], /) -> None: ...

    def ended(self, run: EndedRun, /) -> None: ...

    def finished(self, *, succeeded: bool) -> None:
        """Take the end of the whole call, after all of its runs."""


def tell(action: Callable[[], None], say: Callable[[str], None]) -> None:
    """Tell an observer something. Its failure is reported, and the run goes on."""
    try:
        action()
    except Exception as error:
        say(f"warning: this run is not reported to the orchestrator: {type(error).__name__}: {error}")
