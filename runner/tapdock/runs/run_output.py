"""What a scheduled run prints: it is in a file, so that the run can go on if the scheduler is killed."""

from collections.abc import Iterator
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

    def lines(self, *, ended: bool = False) -> Iterator[str]:
        """Yield the next lines, of a part of the file; if the run has `ended`, all that are left."""
        try:
            file = self.path.open("rb")
        except OSError:
            return
        with file:
            file.seek(self.offset)
            while new := file.read(_PART):
                self.offset += len(new)
                *whole, self.rest = (self.rest + new).split(b"\n")
                yield from (line.decode("utf-8", "replace") for line in whole)
                if not ended:
                    return
        if ended and self.rest:
            yield self.rest.decode("utf-8", "replace")
            self.rest = b""
