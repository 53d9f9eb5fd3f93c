"""Write lines for an Airbyte destination that are not records (protocol.md 1.1, 1.6)."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tapdock.protocol.catalog import StreamKey

__all__ = ["SEQ", "complete_line", "empty_state_line", "global_line", "stream_line"]

SEQ = "singer_seq"
"""The member of tapdock's own states with the number of a Singer state."""
_ENCODE = msgspec.json.Encoder().encode


def complete_line(key: StreamKey, now: float) -> bytes:
    """Return the status that a stream is complete, so that old rows can be replaced. `now` is in epoch seconds."""
    status = {"stream_descriptor": _descriptor(key), "status": "COMPLETE"}
    trace = {"type": "STREAM_STATUS", "emitted_at": float(int(now * 1000)), "stream_status": status}
    return _ENCODE({"type": "TRACE", "trace": trace}) + b"\n"


def empty_state_line(key: StreamKey, *, records: int) -> bytes:
    """Return the state of a full refresh whose source sent none, as the Airbyte platform does it."""
    return _state({"type": "STREAM", "stream": {"stream_descriptor": _descriptor(key), "stream_state": {}}}, records)


def stream_line(key: StreamKey, seq: int, *, records: int) -> bytes:
    """Return a number as the state of one stream."""
    stream = {"stream_descriptor": _descriptor(key), "stream_state": {SEQ: seq}}
    return _state({"type": "STREAM", "stream": stream}, records)


def global_line(keys: Iterable[StreamKey], seq: int, *, records: int) -> bytes:
    """Return a number as the state of all streams together (protocol.md 3.7)."""
    states = [{"stream_descriptor": _descriptor(key), "stream_state": {SEQ: seq}} for key in keys]
    return _state({"type": "GLOBAL", "global": {"shared_state": {SEQ: seq}, "stream_states": states}}, records)


def _state(state: dict[str, Any], records: int) -> bytes:
    return _ENCODE({"type": "STATE", "state": {**state, "sourceStats": {"recordCount": float(records)}}}) + b"\n"


def _descriptor(key: StreamKey) -> dict[str, str]:
    return {"name": key.name, **({"namespace": key.namespace} if key.namespace else {})}
