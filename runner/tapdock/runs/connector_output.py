"""What the connectors of a run print and report: their lines, each with its level, and the reason of a failure."""

from collections import defaultdict
from collections.abc import Callable

from tapdock.errors import Side
from tapdock.events import Failed, Logged
from tapdock.log import Log
from tapdock.runs.target_metrics import Metrics
from tapdock.text.last_words import LastWords
from tapdock.text.own_lines import OwnLevels

__all__ = ["ConnectorOutput"]


class ConnectorOutput:
    """Logs what connectors print and report. `redacted` removes secrets.

    `words` are what each side printed about its failure, `metrics` the counts that a target logs.
    """

    def __init__(self, log: Log, redacted: Callable[[str], str]) -> None:
        self.words = {"source": LastWords(), "mapper": LastWords(), "target": LastWords()}
        self.metrics = Metrics()
        self._log = log
        self._redacted = redacted
        self._printed = defaultdict[Side, OwnLevels](OwnLevels)

    def stderr(self, role: str) -> Callable[[str], None]:
        """Return a function that takes the lines that a role prints on stderr."""
        side: Side = role if role in ("source", "mapper", "target") else "runner"  # type: ignore[assignment]
        levels = OwnLevels()

        def hear(line: str) -> None:
            text = self._redacted(line)
            if side == "target":
                self.metrics.hear(line)
            if side != "runner":
                self.words[side].stderr(text)
            self._log.line(side, levels.of(text), text)

        return hear

    def logged(self, event: Logged) -> None:
        """Log a line. One that was printed beside messages has the level that it states itself."""
        text, level = self._redacted(event.message), event.level
        if event.side != "runner" and event.printed:
            self.words[event.side].stdout(text)
            level = self._printed[event.side].of(text)
        elif event.side != "runner" and event.level == "error":
            self.words[event.side].error(text)
        self._log.line(event.side, level, text)

    def failed(self, event: Failed) -> None:
        """Log an error that a connector reported."""
        message = self._redacted(event.message)
        if event.side != "runner":
            self.words[event.side].reported(message)
        reason = event.reason and self._redacted(event.reason)
        self._log.error(
            "connector reported an error", side=event.side, stream=event.stream, error=message, reason=reason
        )
        if event.internal:
            self._log.debug("connector's own details", side=event.side, details=self._redacted(event.internal))
