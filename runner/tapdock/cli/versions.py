"""`tapdock state`: unlock, copy and move states, and list and restore their previous versions."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import msgspec
import typer

from tapdock.cli.session import Session, shared
from tapdock.cli.state import Json, Key, Yes, asked, described, kept, under_hold
from tapdock.cli.state_ids import AnyName, known_id, require_dialect, state_id
from tapdock.errors import StateError, UsageError
from tapdock.runs.records import RUN_ID
from tapdock.state import catalogs, store, versions
from tapdock.state.backends.base import Backend
from tapdock.state.differences import Change, changes
from tapdock.state.differences import described as described_change
from tapdock.state.envelope import Envelope
from tapdock.text.output import err, print_json, print_table

__all__ = ["copy", "history", "move", "rollback", "unlock"]

_SHOWN = 5
Target = Annotated[str, typer.Argument(help="The name of a state, such as `prod:faker-to-lake`.")]


def unlock(ctx: typer.Context, key: Key, *, yes: Yes = False) -> None:
    """Release a state that a dead run still holds

    Use this only if you are sure that the run is over. A live run stops when it detects the loss of its lease, and the
    next run writes the records since the last saved state again. The lease of a dead run expires after a minute.

    Example: tapdock state unlock demo --yes
    """
    session = shared(ctx)
    name = known_id(session, key)
    try:
        holder = session.backend.holder(name)
    except StateError as error:
        who = f"an unknown run ({error.message})"
    else:
        if holder is None:
            err(f"no run holds state {name}")
            return
        who = described(holder)
    asked(f"State {name} is held by {who}. Release it?", yes=yes)
    session.backend.unlock(name)
    err(f"released state {name}, which was held by {who}")


def history(ctx: typer.Context, key: Key, *, as_json: Json = False) -> None:
    """List the previous versions of a state

    Each run, and each change by hand, keeps the state that it found as a previous version. tapdock keeps the last 20.
    The newest is first, below the current state. Each row shows who saved the version, and what differs from the one
    before it.

    Example: tapdock state history demo

    Example: tapdock state history demo --json
    """
    session = shared(ctx)
    name = known_id(session, key)
    numbers = versions.numbers(session.backend, name)
    found: list[tuple[int | None, Envelope | None]] = [
        (number, _version(session.backend, name, number)) for number in numbers
    ]
    found += _current(session.backend, name)
    facts = [_facts(*each, before=before) for before, each in zip([None, *found], found, strict=False)]
    facts.reverse()
    if as_json:
        print_json(facts)
        return
    columns = ("VERSION", "SAVED", "BY", "BYTES", "CHANGES")
    print_table(columns, [_row(fact) for fact in facts])


def _facts(
    number: int | None, envelope: Envelope | None, *, before: tuple[int | None, Envelope | None] | None
) -> dict[str, Any]:
    """Return a version for JSON. `version` is None for the current state, `changes` for what cannot be compared."""
    known = changes(before[1] if before else None, envelope) if envelope and (before is None or before[1]) else None
    return {
        "version": number,
        "saved_at": envelope and envelope.saved_at,
        "run_id": envelope and envelope.run_id,
        "saved_by": envelope and _author(envelope.run_id),
        "bytes": len(envelope.state or "") if envelope else None,
        "changes": msgspec.to_builtins(known) if before else None,
    }


def _author(run_id: str) -> str:
    """Return who saved a state: a run, or a command such as `state set`."""
    return f"run {run_id}" if RUN_ID.fullmatch(run_id) else run_id.replace("-", " ")


def _row(fact: dict[str, Any]) -> tuple[Any, ...]:
    number = "current" if fact["version"] is None else fact["version"]
    if fact["run_id"] is None:
        return number, "", "", "", "damaged"
    found = fact["changes"]
    words = [described_change(Change(**each)) for each in (found or ())[:_SHOWN]]
    if len(found or ()) > _SHOWN:
        words.append(f"and {len(found) - _SHOWN} more")
    said = "; ".join(words) if words else "" if found is None else "none"
    return number, fact["saved_at"], fact["saved_by"], fact["bytes"], said


def _current(backend: Backend, name: str) -> list[tuple[None, Envelope | None]]:
    """Return the current state, as a row; none if there is no state, and one without an envelope if it is damaged."""
    try:
        envelope = store.read(backend, name)
    except StateError:
        return [(None, None)]
    return [(None, envelope)] if envelope else []


def _version(backend: Backend, name: str, number: int) -> Envelope | None:
    try:
        return versions.get(backend, name, number)
    except StateError:
        return None  # the state was already damaged when it became a version


def rollback(
    ctx: typer.Context,
    key: Key,
    *,
    to: Annotated[
        int | None, typer.Option(min=1, help="A version of `state history`. Default: the newest readable one.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Restore a previous version of a state

    The current state becomes a previous version. The next run resumes from the restored version.

    Example: tapdock state rollback demo --to 3
    """
    session = shared(ctx)
    name = known_id(session, key)
    number = to or versions.newest(session.backend, name)
    if number is None:
        which = "readable previous version" if versions.numbers(session.backend, name) else "previous version"
        raise UsageError(f"state `{name}` has no {which}", hint="`tapdock state list` lists the saved states")
    envelope = versions.get(session.backend, name, number)
    require_dialect(session, name, envelope.dialect)
    asked(f"Restore version {number} of state {name}, saved {envelope.saved_at} by {envelope.run_id}?", yes=yes)
    with store.replacing(session.backend, name, run_id="state-rollback", clock=time.time) as held:
        held.become(envelope)
    err(f"restored version {number} of state {name}")


def copy(ctx: typer.Context, source: Key, target: Target, *, any_name: AnyName = False, yes: Yes = False) -> None:
    """Copy a state to another name

    Example: tapdock state copy demo prod:faker-to-lake
    """
    session = shared(ctx)
    old, name = state_id(session, source), known_id(session, target, any_name=any_name)
    _require_other(old, name)
    envelope = _renamed_by_hand(session, old, name) or kept(session, known_id(session, source))
    require_dialect(session, name, envelope.dialect)
    catalogs.require_replaceable(session.backend, name)
    if not store.is_empty(session.backend, name):
        asked(f"Replace state {name}?", yes=yes)
    with store.replacing(session.backend, name, run_id="state-copy", clock=time.time) as held:
        held.become(envelope)
    _with_catalog(catalogs.copy, session, old, name)
    err(f"copied state {old} to {name}")


def _renamed_by_hand(session: Session, old: str, new: str) -> Envelope | None:
    """Return the state `old` if its object was moved by hand to the name `new` and no readable state is at `old`."""
    if store.readable(session.backend, old):
        return None
    with suppress(StateError):  # the object at `new` is the state `new`, or damaged
        return store.read(session.backend, old, at=new)
    return None


def move(ctx: typer.Context, source: Key, target: Target, *, any_name: AnyName = False, yes: Yes = False) -> None:
    """Rename a state

    Example: tapdock state move old-to-lake new-to-lake
    """
    session = shared(ctx)
    old, name = known_id(session, source), known_id(session, target, any_name=any_name)
    _require_other(old, name)
    require_dialect(session, name, kept(session, old).dialect)
    catalogs.require_replaceable(session.backend, name)
    if not store.is_empty(session.backend, name):
        asked(f"Replace state {name}?", yes=yes)
    with store.lease(session.backend, old, run_id="state-move", clock=time.time) as given:
        envelope = under_hold(given, old)
        with store.replacing(session.backend, name, run_id="state-move", clock=time.time) as held:
            held.become(envelope)
        given.clear()
    _with_catalog(catalogs.move, session, old, name)
    err(f"renamed state {old} to {name}")


def _with_catalog(follow: Callable[[Backend, str, str], object], session: Session, old: str, new: str) -> None:
    """Copy or move the catalog with which the next run compares. A failure is only reported."""
    try:
        follow(session.backend, old, new)
    except StateError as error:
        err(f"warning: the next run of {new} compares the source's streams with nothing: {error.message}")


def _require_other(old: str, new: str) -> None:
    if old == new:
        raise UsageError(f"both names are `{old}`")
