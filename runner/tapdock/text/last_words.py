"""Find the lines in a connector's output that explain its failure."""

from tapdock.text.own_lines import level_in

__all__ = ["LastWords"]

_LONGEST = 500
_MOST_LINES = 4
_TRACEBACK = "Traceback (most recent call last)"
_QUOTES = ("Original Line:", "DETAIL:", "CONTEXT:", "LINE ")
"""The beginnings of lines in which databases quote a row or a statement: these do not explain, and may be long."""


class LastWords:
    """The reason of a failure of one side so far, in `last`.

    That is the error that the side reported, else the exception of its last Python traceback, else its last line with
    the level of an error, else the last line of stderr, or of what it printed on stdout beside messages. A line for
    information or debugging is never a reason. `printed` is the last line on stdout, if the side reported no error.
    """

    def __init__(self) -> None:
        self.last = self.printed = ""
        self._inside = self._found = self._raised = self._told = False
        self._more = 0

    @property
    def explains(self) -> bool:
        """True if `last` is an error that the side reported, an exception or an error line, not only its last line."""
        return self._found

    def reported(self, message: str) -> None:
        """Take an error that the side reported. It has priority over all lines of stderr."""
        self.last, self._inside, self._found, self._told = message, False, True, True
        self.printed = ""

    def stderr(self, line: str) -> None:
        """Take a line of stderr."""
        text = line.strip()
        if self._told:
            return
        if line.startswith(_TRACEBACK):
            self._inside, self._more = True, 0
        elif not text:
            self._more = 0  # what follows an empty line is about the circumstances
        elif line[:1].isspace():
            self._take_plain(text)  # source code in a traceback, or details
        elif self._inside:
            self._inside, self._found, self._raised = False, True, True
            self.last, self._more = text, _MOST_LINES
        else:
            self._take(text)

    def error(self, message: str) -> None:
        """Take a line that the side logged as an error, with the lines that follow it, such as a traceback."""
        first, *rest = message.strip().splitlines() or [""]
        self._take_error(first)
        for line in rest:
            self.stderr(line)

    def stdout(self, text: str) -> None:
        """Take text that is not a message, from stdout."""
        for line in filter(str.strip, () if self._told else text[:_LONGEST].splitlines()):
            if level_in(line) not in ("info", "debug"):
                self.printed = line.strip()
            self.stderr(line)

    def _take(self, text: str) -> None:
        level = level_in(text)
        if self._more and text.startswith("Error "):  # a sentence, and not the level of a line
            self._continue(text)
        elif level == "error":
            self._take_error(text)
        elif level is not None:
            self._more = 0
            if level == "warning":
                self._take_plain(text)
        elif self._more:
            self._continue(text)
        else:
            self._take_plain(text)

    def _take_error(self, text: str) -> None:
        """Take the line of an error. An exception before it says more: programs log a general error at their end."""
        if not self._raised and not self._told:
            self.last, self._found = text, True
            self._more = _MOST_LINES if text.endswith(":") else 0

    def _continue(self, text: str) -> None:
        """Add a line to the reason, whose first line may not say what is wrong, as that of DuckDB about a CSV file."""
        self._more -= 1
        if not text.startswith(_QUOTES) and len(self.last) < _LONGEST:
            self.last = f"{self.last} / {text}"[:_LONGEST]

    def _take_plain(self, text: str) -> None:
        if not self._found and not self._inside:
            self.last = text
