"""One side of a run in the relay: its pipes, the threads that wait on them, and its progress."""

from collections.abc import Iterator

from tapdock.errors import ERROR_OF, TapdockError
from tapdock.events import Hello
from tapdock.relay.messages import ConfigRewritten, Inbox, LauncherGone, LauncherSaid, SideName, background
from tapdock.relay.pipes import SidePipes

__all__ = ["SideState"]

_MOST_CONFIG = 4 << 20


class SideState:
    """A connector behind pipes. `code` is its exit code once it has certainly ended."""

    def __init__(self, name: SideName, ends: SidePipes, inbox: Inbox) -> None:
        self.name: SideName = name
        self.ends = ends
        self.greeted = False
        self.gone = False
        self.killed = False
        self.stopping = False
        self.code: int | None = None
        self.engine_code: int | None = None
        self._inbox = inbox
        words = ends.words()  # called in this thread: from now on, the new thread owns these pipes
        background(f"{name} words", lambda: self._listen(words), inbox)

    def _listen(self, said: Iterator[list[str]]) -> None:
        for words in said:
            if words[:1] == ["config"] and int(words[1]) <= _MOST_CONFIG:
                self._take_config(int(words[1]))
            else:
                self._inbox.put(LauncherSaid(self.name, words))
        self._inbox.put(LauncherGone(self.name))

    def _take_config(self, size: int) -> None:
        """Read the config in this thread, so that it is handled before the connector's exit, which follows."""
        text = self.ends.read_config(size)
        if text is not None:
            self._inbox.put(ConfigRewritten(self.name, text))

    def greet(self) -> Hello | None:
        """Handle the launcher's hello: enlarge the pipes and write the input files. Return None if it has exited."""
        if not self.ends.begin():
            return None
        self.greeted = True
        background(f"{self.name} files", self.ends.feed_files, self._inbox)
        return Hello(self.name)

    def stop(self) -> None:
        """Ask the connector to stop (SIGTERM)."""
        self.stopping = True
        self.ends.order("stop")

    def kill(self) -> None:
        """Close the lifeline. The launcher then kills the connector."""
        self.stopping = self.killed = True
        self.ends.kill()

    def error(self, message: str, *, hint: str | None = None, retryable: bool = False) -> TapdockError:
        """Return an error of this side, such as a SourceError."""
        return ERROR_OF[self.name](message, hint=hint, retryable=retryable)
