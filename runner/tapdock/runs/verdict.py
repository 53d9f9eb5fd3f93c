"""The verdict of a run: one pure function decides it from all known facts, and nothing changes it afterwards."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tapdock.connectors.paths import Unmounted, path_hint
from tapdock.errors import EngineError, StateError, TapdockError, TargetError
from tapdock.events import Verdict
from tapdock.launch import Exit
from tapdock.text.lock_hints import lock_hint
from tapdock.text.network_hints import network_hint
from tapdock.text.usage import seen

__all__ = ["RunFacts", "Unsaved", "decide_verdict"]

_LAST_OF_ITS_OWN = 127
"""Higher exit codes are those of signals."""
_STOPPED = "stopped by signal"
_NOT_SAVED = "the state could not be saved"


class Unsaved(msgspec.Struct, frozen=True, kw_only=True):
    """A state that the target acknowledged but that could not be saved. `file` contains it, if one could be written."""

    error: TapdockError
    file: Path | None
    state_id: str

    @property
    def failure(self) -> TapdockError:
        """The failure of the run that follows: an EngineError if the engine is the reason, otherwise a StateError."""
        kind = EngineError if isinstance(self.error, EngineError) else StateError
        return kind(self.error.message, retryable=self.error.retryable)

    @property
    def hint(self) -> str:
        """The next step for the user."""
        if self.file is None:
            return "no file could be written either; the next run resumes from the last saved state"
        kept = f"the state is in {self.file}: run `tapdock state set {self.state_id} {self.file}`"
        return f"{self.error.hint}; {kept}" if self.error.hint else kept


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts at the end of a run that started. Fields are None or empty if they do not apply.

    `relay`: the relay's verdict, with the counts of the streams. `lost`: the run lost its lease. `broken`: the engine
    failed, or the relay died. `failed`: something could not be stored (a set-aside record, a rotated config).
    `differing`: counts of the target that differ from ours, if that fails the run. `exits`: each container's exit as
    the engine reports it, by role. `memory`: limits in bytes, by role. `last_words`: each side's last line, by side.
    `printed`: the last line of each side's stdout that is not a message. `unexplained`: the sides whose last line is
    only that, and not an error. `unmounted`: paths in the config of each side that no mount covers.
    `places`: where the project file has each side.
    """

    relay: Verdict | None
    lost: TapdockError | None = None
    broken: TapdockError | None = None
    failed: TapdockError | None = None
    unsaved: Unsaved | None = None
    differing: tuple[str, ...] = ()
    exits: Mapping[str, Exit] = msgspec.field(default_factory=dict)
    memory: Mapping[str, int | None] = msgspec.field(default_factory=dict)
    last_words: Mapping[str, str] = msgspec.field(default_factory=dict)
    printed: Mapping[str, str] = msgspec.field(default_factory=dict)
    unexplained: frozenset[str] = frozenset()
    unmounted: Mapping[str, tuple[Unmounted, ...]] = msgspec.field(default_factory=dict)
    places: Mapping[str, str] = msgspec.field(default_factory=dict)


def decide_verdict(facts: RunFacts) -> Verdict:
    """Return the verdict of the run. The first failure decides. An unsaved state is reported in every case."""
    figures = facts.relay or Verdict(exit_code=1)
    error = facts.lost or facts.broken
    if error is None and figures.exit_code:
        return _with_unsaved(_with_reason(figures, facts), facts.unsaved)
    error = error or facts.failed
    if error is None and facts.unsaved:
        error = facts.unsaved.failure
    if error is None and facts.differing:
        error = TargetError(facts.differing[0], hint="without `--strict-counts`, this is a warning")
    return _with_unsaved(_of(error, figures), facts.unsaved) if error else figures


def _of(error: TapdockError, figures: Verdict) -> Verdict:
    """Return the figures with this error. After an error of the target, no stream counts as stored."""
    streams = figures.streams
    if error.side == "target":
        streams = tuple(
            msgspec.structs.replace(each, status="incomplete") if each.status in ("complete", "limited") else each
            for each in streams
        )
    return msgspec.structs.replace(
        figures,
        streams=streams,
        exit_code=error.exit_code,
        side=error.side,
        message=error.message,
        hint=error.hint,
        retryable=error.retryable,
    )


def _with_reason(verdict: Verdict, facts: RunFacts) -> Verdict:
    """Add to a verdict what only the engine and the output reveal: an out-of-memory kill, and the side's last line.

    If that line is about the network or about a file that is in use, the hint is too.
    """
    side = verdict.side
    if side is None or side not in facts.memory:
        return verdict
    exit_ = facts.exits.get(side)
    if exit_ and exit_.oom_killed:
        return msgspec.structs.replace(verdict, **_out_of_memory(side, facts.memory[side], exit_))
    codes = {"source": verdict.source_code, "mapper": verdict.mapper_code, "target": verdict.target_code}
    failed = codes[side]
    said = (facts.last_words if failed else facts.printed).get(side, "")
    if failed and failed > _LAST_OF_ITS_OWN and side in facts.unexplained:
        said = ""  # a killed program did not choose its last line
    message = verdict.message or f"the {side} failed"
    message = f"{message}: {said}" if said not in message else message
    hint = (
        network_hint(message)
        or lock_hint(message)
        or _mistaken(side, said, facts.places.get(side, ""))
        or path_hint(facts.unmounted.get(side, ()), message)
    )
    hint = hint or verdict.hint
    return msgspec.structs.replace(verdict, message=message, hint=hint)


def _mistaken(side: str, said: str, place: str) -> str | None:
    """Return the next step if the last line of a side is one of a connector of the other role."""
    found = seen(said)
    if found is None or found.role in (None, side):
        return None
    return f"the {side} seems to be a {found.role}: move {place} to `{found.role}s`, or correct its `image`"


def _out_of_memory(side: str, memory: int | None, exit_: Exit) -> dict[str, Any]:
    limit = f"limit {memory / (1 << 20):.0f} MiB" if memory else "no limit configured"
    peak = f", peak {exit_.peak_memory_bytes / (1 << 20):.0f} MiB" if exit_.peak_memory_bytes else ""
    return {
        "message": f"the {side} ran out of memory ({limit}{peak})",
        "hint": f"increase `memory` of the {side} in the project file",
        "retryable": False,
    }


def _with_unsaved(verdict: Verdict, unsaved: Unsaved | None) -> Verdict:
    if unsaved is None:
        return verdict
    message = verdict.message or ""
    if message.startswith(_STOPPED):
        message = _STOPPED
    if unsaved.error.message not in message:
        message = f"{message}; {_NOT_SAVED}: {unsaved.error.message}"
    hint = f"{verdict.hint}; {unsaved.hint}" if verdict.hint else unsaved.hint
    return msgspec.structs.replace(verdict, message=message, hint=hint)
