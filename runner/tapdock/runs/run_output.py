"""What a scheduled run prints: it is in a file, so that the run can go on if the scheduler is killed."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["RunOutput"]

_PART = 1 << 20


@dataclass
class RunOutput:
    """A file into which a run prints: it can go on printing if the scheduler is killed."""

    path: Path
    offset: int = 0
    rest: bytes = b""

    def lines(self, *, ended: bool = False) -> list[str]:
        """Return the lines since the last call; if the run has `ended`, also the last one without a line end."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                new = file.read(_PART)
        except OSError:
            return []
        self.offset += len(new)
        *whole, self.rest = (self.rest + new).split(b"\n")
        if ended and self.rest and len(new) < _PART:
            whole, self.rest = [*whole, self.rest], b""
        return [line.decode("utf-8", "replace") for line in whole]
