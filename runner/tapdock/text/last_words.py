"""Find the line in a connector's output that explains its failure."""

__all__ = ["LastWords"]

_LONGEST = 500


class LastWords:
    """The most useful line of one side so far, in `last`.

    That is the error that the side reported, else the exception of its last Python traceback, else the last line of
    stderr, or of what it printed on stdout beside messages. `printed` is the last such line on stdout, if the side
    reported no error.
    """

    def __init__(self) -> None:
        self.last = self.printed = ""
        self._inside = self._found = self._told = False

    @property
    def explains(self) -> bool:
        """True if `last` is an error that the side reported, or an exception, and not only its last line."""
        return self._found

    def reported(self, message: str) -> None:
        """Take an error that the side reported. It has priority over all lines of stderr."""
        self.last, self._inside, self._found, self._told = message, False, True, True
        self.printed = ""

    def stderr(self, line: str) -> None:
        """Take a line of stderr."""
        text = line.strip()
        if line.startswith("Traceback (most recent call last)") and not self._told:
            self._inside, self._found = True, False
        elif self._inside:
            if text and not line[:1].isspace():
                self.last, self._inside, self._found = text, False, True
        elif text and not self._found:
            self.last = text

    def stdout(self, text: str) -> None:
        """Take text that is not a message, from stdout."""
        for line in filter(str.strip, () if self._told else text[:_LONGEST].splitlines()):
            self.printed = line.strip()
            self.stderr(line)
