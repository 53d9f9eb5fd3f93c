"""Embed Airbyte states in Singer states, for the Singer runner of a wrapped tap."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.protocol.catalog import StreamKey
from tapdock.translate.states.airbyte import Kind, SourceState, one_kind, saved_parts

__all__ = ["EmbeddedStates"]


class EmbeddedStates:
    """The ledger, instead of a `TokenLedger`, for a wrapped tap: it emits the states themselves, in `airbyte_state`.

    A Singer runner stores them and passes them to the tap's next run. This requires a target that does not change
    states, which `tapdock run` does not require.
    """

    settled = True

    def __init__(self, saved: str | None, keys: Iterable[StreamKey] = ()) -> None:
        self._saved_kind, self._saved = saved_parts(saved, keys)
        self._kind: Kind | None = None
        self._waiting: dict[StreamKey | None, str | None] = {}

    @property
    def waiting(self) -> bool:
        """True if a noted state was not sent yet."""
        return bool(self._waiting)

    def note(self, state: SourceState) -> None:
        """Note a state of the source for the next line. Raises ValueError if kinds are mixed."""
        kind = one_kind(self._kind, state)
        if self._kind is None and not kind == self._saved_kind == "STREAM":
            self._saved = {}  # a state for all streams, or of another kind, replaces the whole saved state
        self._kind = self._saved_kind = kind
        self._waiting[state.key] = state.text

    def issue(self) -> dict[str, Any]:
        """Return all states so far as the value of a Singer state."""
        for key, text in self._waiting.items():
            if text is None:
                self._saved.pop(key, None)
            else:
                self._saved[key] = text if self._kind == "LEGACY" else _without_counts(text)
        self._waiting = {}
        texts = self._saved.values()
        whole = "".join(texts) if self._saved_kind == "LEGACY" else f"[{','.join(texts)}]"
        return {"airbyte_state": _carried(whole)}

    def acked(self, value: Raw) -> bool:
        """Return False: a wrapped tap gets no acknowledgements."""
        return False

    def acked_all(self) -> bool:
        """Return False: a wrapped tap gets no acknowledgements."""
        return False

    def committed(self) -> str | None:
        """Return None: the Singer runner saves the states."""
        return None


def _without_counts(text: str) -> str:
    """Return a typed state without the source's own counts, which are floats and not needed (protocol.md 1.1)."""
    state = msgspec.json.decode(text, type=dict[str, Raw])
    if state.pop("sourceStats", None) is None:
        return text
    return msgspec.json.encode(state).decode()


def _carried(text: str) -> Any:
    """Return the states unchanged, or as text if they contain a number with a decimal point.

    Targets made with Meltano's SDK up to 0.54.9 fail when they print such a number (protocol.md 2.4); others round it.
    """
    try:
        as_text = _has_float(json.loads(text))
    except (ValueError, RecursionError):
        as_text = True  # what Python cannot parse, targets written in Python cannot print unchanged
    return text if as_text else Raw(text.encode())


def _has_float(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_float, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float)
