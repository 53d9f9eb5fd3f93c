"""Models of real targets: how each target writes, and when it acknowledges (protocol.md 1.6, 2.3, 2.4)."""

import copy
import json
from collections import Counter
from typing import Any


class Singer:
    """A target that writes all records before it prints a state.

    `written` counts the committed records of each stream.
    """

    coalesces = False
    commits_on_exit = False

    def __init__(self) -> None:
        self.written: Counter[str] = Counter()
        self.pending: Counter[str] = Counter()
        self.state: Any = None

    def take(self, line: bytes) -> list[Any]:
        """Return the lines that the target prints after it has read a line."""
        match json.loads(line):
            case {"type": "RECORD", "stream": stream}:
                self.pending[stream] += 1
            case {"type": "STATE", "value": value}:
                return self.told(value)
        return []

    def told(self, value: Any) -> list[Any]:
        self.state = value
        return self.flush(None)

    def write(self, stream: str | None) -> None:
        for one in [stream] if stream else list(self.pending):
            self.written[one] += self.pending.pop(one, 0)

    def flush(self, stream: str | None) -> list[Any]:
        """Write the records of one stream, or of all streams."""
        self.write(stream)
        return [self.state] if self.state and stream is None else []

    def end(self) -> list[Any]:
        return self.flush(None)


class Sdk(Singer):
    """Prints the latest state after all sinks were drained. A full sink is drained without a state."""

    coalesces = True

    def told(self, value: Any) -> list[Any]:
        self.state = value
        return []


class PipelineWise(Singer):
    """Treats its first state as flushed, and in a flush updates only the bookmark of the flushed stream."""

    coalesces = True
    commits_on_exit = True

    def __init__(self) -> None:
        super().__init__()
        self.flushed: Any = None

    def told(self, value: Any) -> list[Any]:
        self.state = value
        self.flushed = self.flushed or copy.deepcopy(value)
        return []

    def flush(self, stream: str | None) -> list[Any]:
        self.write(stream)
        if stream is None:
            self.flushed = copy.deepcopy(self.state)
        elif self.state and stream in self.state.get("bookmarks", {}):
            self.flushed.setdefault("bookmarks", {})[stream] = copy.deepcopy(self.state["bookmarks"][stream])
        return [copy.deepcopy(self.flushed)] if self.flushed else []

    def end(self) -> list[Any]:
        return self.flush(None) if self.pending.total() else [self.flushed] * bool(self.flushed)


class Destination(Singer):
    """An Airbyte destination.

    It returns each state, serialized again, after it has written all records before that state.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[Any, Counter[str]]] = []

    def take(self, line: bytes) -> list[Any]:
        match json.loads(line):
            case {"type": "RECORD", "record": {"stream": stream}}:
                self.pending[stream] += 1
            case {"type": "STATE"} as message:
                self.waiting.append((message, self.written + self.pending))
                return self.acknowledged()
        return []

    def flush(self, stream: str | None) -> list[Any]:
        self.write(stream)
        return self.acknowledged()

    def acknowledged(self) -> list[Any]:
        done = [one for one in self.waiting if self.is_written(*one)]
        self.waiting = [one for one in self.waiting if one not in done]
        return [self.anew(message) for message, _ in done]

    def is_written(self, message: Any, needs: Counter[str]) -> bool:
        named = message["state"].get("stream", {}).get("stream_descriptor", {}).get("name")
        return all(self.written[stream] >= count for stream, count in needs.items() if named in (None, stream))

    def anew(self, message: Any) -> Any:
        """Return the state with another order of keys, whole numbers as floats, and destinationStats."""
        text = json.dumps(message["state"], sort_keys=True)
        state = json.loads(text, parse_int=float) if type(self) is Destination else json.loads(text)
        return {"state": {**state, "id": 7, "destinationStats": {"committedBytesCount": 1.0}}, "type": "STATE"}


class Coalescing(Destination):
    """Returns only the newest state of each stream."""

    coalesces = True

    def acknowledged(self) -> list[Any]:
        newest = {
            json.dumps(one["state"].get("stream", {}).get("stream_descriptor")): one for one in super().acknowledged()
        }
        return list(newest.values())
