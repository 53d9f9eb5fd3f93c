"""A connector that a user runs by hand, or a task: its script, and the descriptors that it is connected to."""

from typing import Protocol

import msgspec

from tapdock.engines.launcher import script
from tapdock.launch import Launch

__all__ = ["Attended", "Stdio", "attended_command"]


class Stdio(msgspec.Struct, frozen=True, kw_only=True):
    """Descriptors of this process. `stdin` is None for an empty input. `terminal`: all three are one terminal.

    `lifeline`: stdin is not an input. When its other end closes, because this process has died, the program is killed.
    """

    stdin: int | None
    stdout: int
    stderr: int
    terminal: bool
    lifeline: bool = False


class Attended(Protocol):
    """A started connector that is connected to a `Stdio`. It is removed with its run."""

    def wait(self) -> int:
        """Return its exit code, after all its output was passed on. Raises EngineError."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal to it. If it has already ended, nothing happens."""
        ...

    @property
    def config(self) -> str | None:
        """The config, if the connector has changed it; known after `wait`."""
        ...

    @property
    def oom_killed(self) -> bool:
        """True if a process of it was killed because its memory was used up; known after `wait`."""
        ...


def attended_command(launch: Launch, stdio: Stdio, *, memory: str) -> list[str]:
    """Return the command that waits for the input files in the folder `memory`, and then runs the connector."""
    stdin = "lifeline" if stdio.lifeline else "stdin"
    words = ["/bin/sh", "-c", script("attended.sh"), "tapdock", memory, stdin]
    return [*words, *launch.entrypoint, *launch.placed_args(memory)]
