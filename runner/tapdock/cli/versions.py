"""`tapdock state`: who holds a state, what it was before, and what becomes of it as a whole."""

import time
from contextlib import suppress
from typing import Annotated

import typer

from tapdock.cli.session import Session, shared, state_id
from tapdock.cli.state import Json, Key, Yes, asked, described, kept, under_hold
from tapdock.errors import StateError, UsageError
from tapdock.state import store, versions
from tapdock.state.backends.base import Backend
from tapdock.state.envelope import Envelope
from tapdock.text.output import err, print_json, print_table

__all__ = ["copy", "history", "move", "rollback", "unlock"]

Target = Annotated[str, typer.Argument(help="A state's name, such as `prod:faker-to-lake`.")]


def unlock(ctx: typer.Context, key: Key, *, yes: Yes = False) -> None:
    """Take a state from a run that cannot give it back

    Only for a run that is surely over: one that lives stops as soon as it finds out, and what it wrote since its last
    save is written again by the next one. A hold ends by itself a minute after its run.

    Example: tapdock state unlock demo --yes
    """
    session = shared(ctx)
    name = state_id(session, key)
    try:
        holder = session.backend.holder(name)
    except StateError as error:
        who = f"somebody who cannot be told: {error.message}"
    else:
        if holder is None:
            err(f"nobody holds state {name}")
            return
        who = described(holder)
    asked(f"State {name} is held by {who}. Is that run over?", yes=yes)
    session.backend.unlock(name)
    err(f"state {name} is free; it was held by {who}")


def history(ctx: typer.Context, key: Key, *, as_json: Json = False) -> None:
    """List the previous versions of a state

    Each run, and each change by hand, keeps what it found when it began: the last twenty.

    Example: tapdock state history demo
    """
    session = shared(ctx)
    name = state_id(session, key)
    found = [(number, _version(session.backend, name, number)) for number in versions.numbers(session.backend, name)]
    facts = [
        {
            "version": number,
            "saved_at": envelope and envelope.saved_at,
            "run_id": envelope and envelope.run_id,
            "bytes": len(envelope.state or "") if envelope else None,
        }
        for number, envelope in reversed(found)
    ]
    if as_json:
        print_json(facts)
        return
    print_table(("VERSION", "SAVED", "BY RUN", "BYTES"), [tuple(fact.values()) for fact in facts])


def _version(backend: Backend, name: str, number: int) -> Envelope | None:
    try:
        return versions.get(backend, name, number)
    except StateError:
        return None  # it was damaged then already


def rollback(
    ctx: typer.Context,
    key: Key,
    *,
    to: Annotated[
        int | None, typer.Option(min=1, help="A version of `state history`; the newest that can be read.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Go back to a previous version of a state

    What is there now becomes a previous version itself. The next run reads again what came after.

    Example: tapdock state rollback demo --to 3
    """
    session = shared(ctx)
    name = state_id(session, key)
    number = to or versions.newest(session.backend, name)
    if number is None:
        which = " that can be read" if versions.numbers(session.backend, name) else ""
        hint = "`tapdock state list` shows what there is"
        raise UsageError(f"state `{name}` has no previous version{which}", hint=hint)
    envelope = versions.get(session.backend, name, number)
    asked(f"Go back to version {number} of state {name}, saved {envelope.saved_at} by {envelope.run_id}?", yes=yes)
    with store.replacing(session.backend, name, run_id="state-rollback", clock=time.time) as held:
        held.become(envelope)
    err(f"state {name} is what it was in version {number}")


def copy(ctx: typer.Context, source: Key, target: Target, *, yes: Yes = False) -> None:
    """Copy a state to another name

    Example: tapdock state copy demo prod:faker-to-lake
    """
    session = shared(ctx)
    old, name = state_id(session, source), state_id(session, target)
    _require_other(old, name)
    envelope = _renamed_by_hand(session, old, name) or kept(session, source)
    if not store.is_empty(session.backend, name):
        asked(f"Replace state {name}?", yes=yes)
    with store.replacing(session.backend, name, run_id="state-copy", clock=time.time) as held:
        held.become(envelope)
    err(f"state {name} is a copy of {old}")


def _renamed_by_hand(session: Session, old: str, new: str) -> Envelope | None:
    """The state `old` where its object was moved to the name `new`, and nothing to read is saved under its own name."""
    if store.readable(session.backend, old):
        return None
    with suppress(StateError):  # what is there is the state `new`, or damaged
        return store.read(session.backend, old, at=new)
    return None


def move(ctx: typer.Context, source: Key, target: Target, *, yes: Yes = False) -> None:
    """Give a state another name

    Example: tapdock state move old-to-lake new-to-lake
    """
    session = shared(ctx)
    name, old = state_id(session, target), state_id(session, source)
    _require_other(old, name)
    kept(session, source)
    if not store.is_empty(session.backend, name):
        asked(f"Replace state {name}?", yes=yes)
    with store.lease(session.backend, old, run_id="state-move", clock=time.time) as given:
        envelope = under_hold(given, old)
        with store.replacing(session.backend, name, run_id="state-move", clock=time.time) as held:
            held.become(envelope)
        given.clear()
    err(f"state {old} is now {name}")


def _require_other(old: str, new: str) -> None:
    if old == new:
        raise UsageError(f"`{old}` is that state's own name")
