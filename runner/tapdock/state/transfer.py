"""Copy all states of a backend into another one, or into one file. A newer state is never replaced by accident."""

from dataclasses import dataclass, field

import msgspec

from tapdock.errors import LeaseHeld, StateError, TapdockError, UsageError
from tapdock.project.state_keys import is_state
from tapdock.state import store
from tapdock.state.backends.base import Backend
from tapdock.state.envelope import VERSION, Envelope, decode

__all__ = ["Collected", "Plan", "carry_out", "collected", "from_json", "planned", "to_json"]

_ROTATED = "overlay/"


@dataclass(frozen=True, kw_only=True)
class Collected:
    """The states of a backend, and the rotated configs beside them as they are stored: encrypted ones stay so.

    `damaged` are the errors of states that cannot be read.
    """

    states: tuple[Envelope, ...] = ()
    rotated: dict[str, bytes] = field(default_factory=dict, repr=False)
    damaged: tuple[StateError, ...] = ()


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form in a file."""

    tapdock_states: int
    states: list[Envelope]
    rotated: dict[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a transfer does with each name. `newer` are those that may be newer at their destination."""

    new: tuple[str, ...]
    replaced: tuple[str, ...]
    newer: tuple[str, ...]
    unchanged: tuple[str, ...]


def collected(backend: Backend) -> Collected:
    """Return all states of a backend. Raises StateError if it cannot be read."""
    states: list[Envelope] = []
    damaged: list[StateError] = []
    for name in store.keys(backend):
        try:
            envelope = store.read(backend, name)
        except StateError as error:
            damaged.append(error)
            continue
        states += [envelope] if envelope else []
    rotated = {name: stored.body for name in backend.names(_ROTATED) if (stored := backend.get(name))}
    return Collected(states=tuple(states), rotated=rotated, damaged=tuple(damaged))


def to_json(found: Collected) -> bytes:
    """Return all states as one JSON document. Raises StateError for a damaged rotated config."""
    try:
        rotated = {name: body.decode() for name, body in found.rotated.items()}
    except UnicodeDecodeError as error:
        raise StateError(f"a rotated config is damaged: {error}", hint="copy the states to a folder instead") from error
    document = _Document(tapdock_states=VERSION, states=list(found.states), rotated=rotated)
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def from_json(body: bytes, *, place: str) -> Collected:
    """Return the states in a file. Raises UsageError if it is not a file of `to_json`."""
    try:
        document = msgspec.json.decode(body, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        hint = "`tapdock state export --all FILE.json` writes such a file"
        raise UsageError(f"{place} is not a file with all states: {error}", hint=hint) from error
    newer = [each.version for each in document.states if each.version != VERSION]
    if document.tapdock_states != VERSION or newer:
        raise UsageError(f"{place} has another format version", hint="use the newer tapdock that wrote it")
    for name in (*document.rotated, *(each.key for each in document.states)):
        _require_name(name, place, is_rotated=name in document.rotated)
    rotated = {name: text.encode() for name, text in document.rotated.items()}
    return Collected(states=tuple(document.states), rotated=rotated)


def _require_name(name: str, place: str, *, is_rotated: bool) -> None:
    """Raise UsageError for a name in a file that no state can have: it would become another kind of object."""
    if name.startswith(_ROTATED) if is_rotated else is_state(name):
        return
    raise UsageError(f"{place} has an object `{name[:200]}`, which is not the name of a state")


def planned(found: Collected, into: Backend) -> Plan:
    """Compare all states with those of another backend. Raises StateError if that cannot be read."""
    new: list[str] = []
    replaced: list[str] = []
    newer: list[str] = []
    unchanged: list[str] = []
    for envelope in found.states:
        stored = into.get(envelope.key)
        there = store.readable(into, envelope.key)
        if there is None:
            (newer if stored and _is_damaged(stored.body, envelope.key) else new).append(envelope.key)
        elif _content(there) == _content(envelope):
            unchanged.append(envelope.key)
        else:
            (replaced if there.saved_at < envelope.saved_at else newer).append(envelope.key)
    for name, body in found.rotated.items():
        kept = into.get(name)
        (new if kept is None else unchanged if kept.body == body else newer).append(name)
    return Plan(new=tuple(new), replaced=tuple(replaced), newer=tuple(newer), unchanged=tuple(unchanged))


def _is_damaged(body: bytes, key: str) -> bool:
    try:
        decode(body, place="", key=key)
    except StateError:
        return True
    return False


def _content(envelope: Envelope) -> tuple[object, ...]:
    return envelope.state, envelope.dialect, envelope.generations, envelope.names, envelope.places


def carry_out(
    found: Collected, names: frozenset[str], into: Backend, *, run_id: str, now: float
) -> list[tuple[str, TapdockError]]:
    """Copy the named states. Each state that is replaced becomes a previous version. Return the failures by name."""
    failures: list[tuple[str, TapdockError]] = []
    for envelope in (each for each in found.states if each.key in names):
        try:
            with store.replacing(into, envelope.key, run_id=run_id, clock=lambda: now) as held:
                held.become(envelope)
        except (StateError, LeaseHeld) as error:
            failures.append((envelope.key, error))
    for name in found.rotated.keys() & names:
        try:
            kept = into.get(name)
            into.put(name, found.rotated[name], expected=kept.version if kept else None)
        except StateError as error:
            failures.append((name, error))
    return failures
