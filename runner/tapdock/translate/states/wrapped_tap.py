"""Airbyte states as a Singer runner keeps those of a wrapped tap."""

import json
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.protocol.catalog import StreamKey
from tapdock.translate.states.airbyte import Kind, SourceState, one_kind, stream_states

__all__ = ["EmbeddedStates"]


class EmbeddedStates:
    """In place of a `TokenLedger` where nobody gives numbers back to us: the states themselves, under `airbyte_state`.

    That is what a Singer runner stores of a wrapped tap, and hands to its next run. It trusts the target to leave a
    state as it is, which `tapdock run` does not need to.
    """

    settled = True

    def __init__(self, saved: str | None) -> None:
        self._saved: dict[StreamKey | None, str] = dict(stream_states(saved))
        if saved and not self._saved and not saved.lstrip().startswith("["):
            self._saved[None] = saved
        self._kind: Kind | None = None
        self._waiting: dict[StreamKey | None, str | None] = {}

    @property
    def waiting(self) -> bool:
        """Whether a state was noted that was not sent yet."""
        return bool(self._waiting)

    def note(self, state: SourceState) -> None:
        """Take a state of the source, to go with the next line; raises ValueError when kinds are mixed."""
        if self._kind is None and state.kind != "STREAM":
            self._saved = {}
        self._kind = one_kind(self._kind, state)
        self._waiting[state.key] = state.text

    def issue(self) -> dict[str, Any]:
        """All states up to now, as a Singer state's value."""
        for key, text in self._waiting.items():
            if text is None:
                self._saved.pop(key, None)
            else:
                self._saved[key] = text if self._kind == "LEGACY" else _without_counts(text)
        self._waiting = {}
        legacy = self._kind == "LEGACY" or (self._kind is None and None in self._saved)
        texts = self._saved.values()
        return {"airbyte_state": _carried("".join(texts) if legacy else f"[{','.join(texts)}]")}

    def acked(self, value: Raw) -> bool:
        """Nobody answers."""
        return False

    def acked_all(self) -> bool:
        """Nobody answers."""
        return False

    def committed(self) -> str | None:
        """Whoever reads the lines saves them."""
        return None


def _without_counts(text: str) -> str:
    """A typed state without the source's own counts, which nobody reads again: floats (protocol.md 1.1)."""
    state = msgspec.json.decode(text, type=dict[str, Raw])
    if state.pop("sourceStats", None) is None:
        return text
    return msgspec.json.encode(state).decode()


def _carried(text: str) -> Any:
    """The states as they are; as text where they hold a number with a point, which would end many targets.

    Those made with Meltano's SDK up to 0.54.9 cannot write one back (protocol.md 2.4), and others round it.
    """
    try:
        as_text = _has_float(json.loads(text))
    except (ValueError, RecursionError):
        as_text = True  # of what Python cannot read, no target written in Python makes the same again
    return text if as_text else Raw(text.encode())


def _has_float(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_float, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float)
