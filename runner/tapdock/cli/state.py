"""`tapdock state`: what a next run begins from."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tapdock.cli.session import Session, shared, state_id
from tapdock.errors import StateError, UsageError
from tapdock.state import edit, store, versions
from tapdock.state.backends.base import Holder
from tapdock.state.envelope import Dialect, Envelope
from tapdock.text.clean import one_line
from tapdock.text.output import err, failed, out, out_json, print_json, print_table

__all__ = [
    "Json",
    "Key",
    "Yes",
    "asked",
    "clear",
    "described",
    "get",
    "kept",
    "list_states",
    "print_exactly",
    "set_state",
    "show",
    "text_of",
    "under_hold",
]

Key = Annotated[str, typer.Argument(help="A pipeline, or a state's name as `state list` shows it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def list_states(ctx: typer.Context, *, as_json: Json = False) -> None:
    """List the states that are kept

    Example: tapdock state list --json
    """
    backend = shared(ctx).backend
    found: list[Envelope] = []
    facts: list[dict[str, Any]] = []
    for name in store.keys(backend):
        try:
            envelope = store.read(backend, name)
            facts += [_facts(envelope)] if envelope else []
        except StateError as error:
            failed(error.message, error.hint)
            continue
        found += [envelope] if envelope else []
    if as_json:
        print_json(facts)
        return
    rows = [(each.key, each.dialect, each.saved_at, each.run_id) for each in found]
    print_table(("STATE", "DIALECT", "SAVED", "BY RUN"), rows)


def show(ctx: typer.Context, key: Key, *, as_json: Json = False) -> None:
    """Show one state with who saved it and when, and who has it now

    Example: tapdock state show demo
    """
    session = shared(ctx)
    name = state_id(session, key)
    holder = session.backend.holder(name)
    envelope = store.read(session.backend, name)
    if envelope is None and holder is None:
        raise _nothing(name)
    facts: dict[str, Any] = _facts(envelope) if envelope else {"key": name}
    facts["versions"] = versions.numbers(session.backend, name)
    facts["held_by"] = msgspec.to_builtins(holder) if holder else None
    if as_json:
        print_exactly({**facts, "state": msgspec.Raw(_text(envelope).encode())})
        return
    facts["streams"] = ", ".join(facts.get("streams", ()))
    facts["versions"] = f"{len(facts['versions'])} previous ones"
    facts["held_by"] = holder and described(holder)
    print_table(("STATE", name), [(fact, value) for fact, value in facts.items() if fact != "key"])
    out("")
    out_json(_text(envelope))


def print_exactly(value: dict[str, Any]) -> None:
    """Print one JSON document, raw parts of it with every digit as it was written."""
    indent = 2 if sys.stdout.isatty() else 0
    out_json(msgspec.json.format(msgspec.json.encode(value), indent=indent).decode())


def described(holder: Holder) -> str:
    return f"run {holder.run_id} (process {holder.pid} on {holder.host}, since {holder.since})"


def get(ctx: typer.Context, key: Key) -> None:
    """Print a state as the connector gave it

    Example: tapdock state get demo > state.json
    """
    out_json(str(kept(shared(ctx), key).state))


def set_state(
    ctx: typer.Context,
    key: Key,
    file: Annotated[str, typer.Argument(help="A file of JSON; `-` is stdin.")] = "-",
    *,
    dialect: Annotated[Dialect | None, typer.Option(help="Whose state it is, where its shape does not tell.")] = None,
) -> None:
    """Replace a state by that of a file or of stdin

    A list is an Airbyte state, an object a Singer state. Refused while a run uses the state. What was there is kept as
    a previous version, also where it is damaged.

    Example: tapdock state set demo state.json
    """
    session = shared(ctx)
    text = text_of(file)
    found = edit.dialect_of(text, wanted=dialect)
    name = state_id(session, key)
    with store.replacing(session.backend, name, run_id="state-set", clock=time.time) as held:
        before = store.readable(session.backend, name)
        held.save(
            text,
            dialect=found,
            generations=before.generations if before else None,
            names=before.names if before else None,
        )
    err(f"state {name} is set ({found})")


def clear(
    ctx: typer.Context,
    key: Key,
    *,
    stream: Annotated[
        list[str] | None,
        typer.Option(help="Forget only this stream (`name` or `namespace.name`); repeatable."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Forget a state, or single streams of it

    The next run reads from the beginning. Refused while a run uses the state.

    Example: tapdock state clear demo --stream users --yes
    """
    session = shared(ctx)
    name = state_id(session, key)
    asked(f"Forget {', '.join(stream) if stream else 'all'} of state {name}?", yes=yes)
    if stream:
        _clear_streams(session, name, stream)
    else:
        _clear_all(session, name)
    err(f"state {name} is cleared{' of ' + ', '.join(stream) if stream else ''}")


def _clear_all(session: Session, name: str) -> None:
    """What is left is an empty state: the previous ones are kept behind it."""
    if store.is_empty(session.backend, name):
        raise _nothing(name)
    with store.replacing(session.backend, name, run_id="state-clear", clock=time.time) as held:
        held.clear()


def _clear_streams(session: Session, name: str, streams: list[str]) -> None:
    current = kept(session, name)
    text, dialect = current.state or "", current.dialect or "airbyte"
    for stream in streams:
        edit.without_stream(text, dialect, stream)  # says so before anything is touched
    with store.lease(session.backend, name, run_id="state-clear", clock=time.time) as held:
        text = under_hold(held, name).state or ""
        for stream in streams:
            text = edit.without_stream(text, dialect, stream)
        held.save(text, dialect=dialect)


def asked(question: str, *, yes: bool) -> None:
    """Ends the command unless the answer is yes. Raises UsageError where nobody can be asked."""
    if yes:
        return
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError("there is no terminal to ask on", hint="add `--yes`")
    typer.confirm(one_line(question), abort=True, err=True)


def text_of(file: str) -> str:
    """A file's text, or stdin's for `-`."""
    if file == "-" and not sys.stdin:
        raise UsageError("stdin is closed", hint="name a file, or send the text: `tapdock … - < FILE`")
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        text.encode()  # in some locales, bytes that are not Unicode come as halves of surrogate pairs
    except (OSError, UnicodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
    return text


def kept(session: Session, key: str) -> Envelope:
    """What is saved under a key. Raises StateError where nothing is."""
    name = state_id(session, key)
    envelope = store.read(session.backend, name)
    if envelope is None or envelope.state is None:
        raise _nothing(name)
    return envelope


def under_hold(held: store.StateSession, name: str) -> Envelope:
    """What is there under our own hold: it may have gone since it was looked at."""
    if held.envelope is None:
        raise _nothing(name)
    return held.envelope


def _nothing(name: str) -> StateError:
    return StateError(f"there is no state `{name}`", hint="see `tapdock state list`")


def _text(envelope: Envelope | None) -> str:
    """A state indented for people, and with every digit as it was written."""
    if envelope is None or envelope.state is None:
        return "null"
    try:
        return msgspec.json.format(envelope.state, indent=2)
    except (ValueError, RecursionError) as error:
        raise StateError(f"the saved state `{envelope.key}` is not JSON: {error}", hint=edit.UNREADABLE) from error


def _facts(envelope: Envelope) -> dict[str, Any]:
    """Raises StateError for a state that cannot be read."""
    try:
        streams = edit.streams(envelope.state, envelope.dialect) if envelope.state and envelope.dialect else []
    except StateError as error:
        raise StateError(f"state `{envelope.key}`: {error.message}", hint=error.hint) from error
    return {
        "key": envelope.key,
        "dialect": envelope.dialect,
        "saved_at": envelope.saved_at,
        "run_id": envelope.run_id,
        "streams": streams,
        "generations": envelope.generations,
    }
