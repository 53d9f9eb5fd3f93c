"""Copy all states of a backend into another one, or into one file. A newer state is never replaced by accident.

Catalogs, rotated configs and the progress of backfills are objects of their own: they are there also without a state.
"""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from tapdock.errors import LeaseHeld, StateError, TapdockError, UsageError
from tapdock.project.state_keys import is_state
from tapdock.state import backfills, store
from tapdock.state.backends.base import Backend, Stored
from tapdock.state.catalogs import PREFIX as CATALOGS
from tapdock.state.catalogs import saved_at
from tapdock.state.envelope import VERSION, Envelope, decode

__all__ = ["Collected", "Plan", "carry_out", "collected", "from_json", "planned", "to_json"]

_ROTATED = "overlay/"


@dataclass(frozen=True, kw_only=True)
class Collected:
    """The states of a backend, and the rotated configs beside them as they are stored: encrypted ones stay so.

    `catalogs` are those that the next run of a state compares with, by the key of the state. `backfills` are what
    backfills have read, by pipeline. `damaged` are the errors of states that cannot be read.
    """

    states: tuple[Envelope, ...] = ()
    rotated: dict[str, bytes] = field(default_factory=dict, repr=False)
    catalogs: dict[str, bytes] = field(default_factory=dict, repr=False)
    backfills: dict[str, bytes] = field(default_factory=dict, repr=False)
    damaged: tuple[StateError, ...] = ()

    @property
    def others(self) -> dict[str, bytes]:
        """Everything but the states, by the name of its object."""
        catalogs = {f"{CATALOGS}{key}": body for key, body in self.catalogs.items()}
        return {
            **self.rotated,
            **catalogs,
            **{f"{backfills.PREFIX}{key}": each for key, each in self.backfills.items()},
        }


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form in a file."""

    tapdock_states: int
    states: list[Envelope]
    rotated: dict[str, str] = {}
    catalogs: dict[str, str] = {}
    backfills: dict[str, str] = {}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a transfer does with each object. `newer` are those that may be newer at their destination.

    `versions` are those of the objects at the destination that were compared, None where there was none.
    """

    new: tuple[str, ...]
    replaced: tuple[str, ...]
    newer: tuple[str, ...]
    unchanged: tuple[str, ...]
    versions: dict[str, str | None]


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
    return Collected(
        states=tuple(states),
        rotated={f"{_ROTATED}{key}": body for key, body in _bodies(backend, _ROTATED).items()},
        catalogs=_bodies(backend, CATALOGS),
        backfills=_bodies(backend, backfills.PREFIX),
        damaged=tuple(damaged),
    )


def _bodies(backend: Backend, prefix: str) -> dict[str, bytes]:
    """Return the objects of one kind by their names without the prefix."""
    return {name.removeprefix(prefix): it.body for name in backend.names(prefix) if (it := backend.get(name))}


def to_json(found: Collected) -> bytes:
    """Return all states as one JSON document. Raises StateError for a damaged rotated config."""
    try:
        rotated = {name: body.decode() for name, body in found.rotated.items()}
        catalogs = {key: body.decode() for key, body in found.catalogs.items()}
        progress = {key: body.decode() for key, body in found.backfills.items()}
    except UnicodeDecodeError as error:
        raise StateError(
            f"a rotated config, a catalog or a backfill is damaged: {error}", hint="copy the states to a folder instead"
        ) from error
    document = _Document(
        tapdock_states=VERSION, states=list(found.states), rotated=rotated, catalogs=catalogs, backfills=progress
    )
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
    for name in (*document.rotated, *document.catalogs, *document.backfills, *(each.key for each in document.states)):
        _require_name(name, place, is_rotated=name in document.rotated)
    rotated = {name: text.encode() for name, text in document.rotated.items()}
    catalogs = {key: text.encode() for key, text in document.catalogs.items()}
    progress = {key: text.encode() for key, text in document.backfills.items()}
    return Collected(states=tuple(document.states), rotated=rotated, catalogs=catalogs, backfills=progress)


def _require_name(name: str, place: str, *, is_rotated: bool) -> None:
    """Raise UsageError for a name in a file that no state can have: it would become another kind of object."""
    if name.startswith(_ROTATED) if is_rotated else is_state(name):
        return
    raise UsageError(f"{place} has an object `{name[:200]}`, which is not the name of a state")


def planned(found: Collected, into: Backend) -> Plan:
    """Compare all objects with those of another backend. Raises StateError if that cannot be read."""
    sorted_out: dict[str, list[str]] = {"new": [], "replaced": [], "newer": [], "unchanged": []}
    versions: dict[str, str | None] = {}
    for envelope in found.states:
        stored = into.get(envelope.key)
        versions[envelope.key] = stored.version if stored else None
        sorted_out[_state_is(envelope, stored, into)].append(envelope.key)
    for name, body in found.others.items():
        stored = into.get(name)
        versions[name] = stored.version if stored else None
        sorted_out[_other_is(name, body, stored)].append(name)
    return Plan(**{which: tuple(names) for which, names in sorted_out.items()}, versions=versions)


_Which = Literal["new", "replaced", "newer", "unchanged"]


def _state_is(envelope: Envelope, stored: Stored | None, into: Backend) -> _Which:
    if stored is None:
        return "new"
    try:
        there = decode(stored.body, place=into.uri, key=envelope.key)
    except StateError:
        return "newer"
    if there.state is None and not there.generations:
        return "new"
    if _content(there) == _content(envelope):
        return "unchanged"
    return "replaced" if there.saved_at < envelope.saved_at else "newer"


def _other_is(name: str, body: bytes, stored: Stored | None) -> _Which:
    """Return what is done with an object beside the states. A rotated config does not say when it was saved."""
    if stored is None:
        return "new"
    if stored.body == body:
        return "unchanged"
    if name.startswith(_ROTATED):
        return "newer"
    saved = backfills.saved_at if name.startswith(backfills.PREFIX) else saved_at
    here, there = saved(body), saved(stored.body)
    return "replaced" if here and there and there < here else "newer"


def _content(envelope: Envelope) -> tuple[object, ...]:
    return envelope.state, envelope.dialect, envelope.generations, envelope.names, envelope.places


def carry_out(
    found: Collected, plan: Plan, names: frozenset[str], into: Backend, *, run_id: str, now: float
) -> list[tuple[str, TapdockError]]:
    """Copy the named objects. Each state that is replaced becomes a previous version. Return the failures by name.

    An object that was changed, or made, since it was compared is not replaced. A catalog fails with its state.
    """
    failures: list[tuple[str, TapdockError]] = []
    for envelope in (each for each in found.states if each.key in names):
        try:
            with store.replacing(into, envelope.key, run_id=run_id, clock=lambda: now) as held:
                held.require_version(plan.versions[envelope.key])
                held.become(envelope)
        except (StateError, LeaseHeld) as error:
            failures.append((envelope.key, error))
    failures += [(f"{CATALOGS}{key}", error) for key, error in failures if f"{CATALOGS}{key}" in names]
    for name in found.others.keys() & names - {name for name, _ in failures}:
        try:
            into.put(name, found.others[name], expected=plan.versions[name])
        except StateError as error:
            failures.append((name, error))
    return failures
