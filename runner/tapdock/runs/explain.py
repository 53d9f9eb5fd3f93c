"""A verdict with what only the engine and stderr know: memory, and what a side said last."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tapdock.events import Verdict
from tapdock.launch import Exit, Launch
from tapdock.relay.host import Outcome

__all__ = ["Words", "explained"]


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


def explained(outcome: Outcome, words: Mapping[str, Words], launches: dict[str, Launch]) -> Verdict:
    """`words` are each side's."""
    verdict = outcome.verdict
    side = verdict.side
    if side not in launches or not verdict.exit_code:
        return verdict
    exit_ = outcome.exits.get(side)
    if exit_ and exit_.oom_killed:
        changes = _out_of_memory(side, launches[side], exit_)
        return msgspec.structs.replace(verdict, **changes)
    failed = verdict.source_code if side == "source" else verdict.target_code
    said = words[side].last if failed else ""
    message = verdict.message or f"the {side} failed"
    if said and said not in message:
        message = f"{message}: {said}"
    return msgspec.structs.replace(verdict, message=message)


def _out_of_memory(side: str, launch: Launch, exit_: Exit) -> dict[str, Any]:
    limit = f"{launch.memory / (1 << 20):.0f} MiB" if launch.memory else "no limit of its own"
    peak = f", peak {exit_.peak_memory_bytes / (1 << 20):.0f} MiB" if exit_.peak_memory_bytes else ""
    return {
        "message": f"the {side} ran out of memory (limit {limit}{peak})",
        "hint": f"raise `memory` of the {side} in the project file",
        "retryable": False,
    }
