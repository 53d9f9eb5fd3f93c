"""What a side said last: behind a Python traceback, its reason."""

__all__ = ["Words"]


class Words:
    """What a side said last on stderr, or reported as an error: behind a Python traceback, its reason."""

    def __init__(self) -> None:
        self.last = ""
        self._inside = self._found = self._told = False

    def told(self, message: str) -> None:
        """It said itself what is wrong: nothing on stderr says it better."""
        self.last, self._inside, self._found, self._told = message, False, True, True

    def hear(self, line: str) -> None:
        text = line.strip()
        if line.startswith("Traceback (most recent call last)") and not self._told:
            self._inside, self._found = True, False
        elif self._inside:
            if text and not line[:1].isspace():
                self.last, self._inside, self._found = text, False, True
        elif text and not self._found:
            self.last = text
