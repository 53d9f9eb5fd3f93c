"""`tapdock state`: list, show, replace and clear saved states."""

import sys
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tapdock.cli.session import Session, shared
from tapdock.cli.state_ids import AnyName, dialect_of_source, known_id, require_dialect, state_id
from tapdock.errors import StateError, UnreadableState, UsageError
from tapdock.project.row import split_name
from tapdock.project.rows import keys_begin
from tapdock.state import edit, store, versions
from tapdock.state.backends.base import Holder
from tapdock.state.envelope import Dialect, Envelope, a_kind
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
    "indented",
    "kept",
    "list_states",
    "print_exactly",
    "save_text",
    "set_state",
    "show",
    "text_of",
    "under_hold",
    "valid_dialect",
]

Key = Annotated[str, typer.Argument(help="A pipeline, or the name of a state in `state list`.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def list_states(
    ctx: typer.Context,
    pattern: Annotated[
        str | None, typer.Argument(help="Only states whose names match, such as `prod:*` or `faker-to-*`.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """List the saved states

    A pattern has to match a whole name, with or without its environment.

    Example: tapdock state list 'prod:*' --json
    """
    session = shared(ctx)
    backend = session.backend
    found: list[Envelope] = []
    facts: list[dict[str, Any]] = []
    names = [name for name in store.keys(backend) if pattern is None or _matches(session, name, pattern)]
    if pattern is not None and not names:
        err(f"warning: no saved state matches `{pattern}`")
    for name in names:
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


def _matches(session: Session, name: str, pattern: str) -> bool:
    pipeline, row = split_name(pattern)
    found = session.project.pipelines.get(pipeline)
    if found and found.is_template and row is None:
        return name.rpartition(":")[0] == keys_begin(session.project, found)
    if found:
        return name == state_id(session, pattern)
    return any(fnmatchcase(each, pattern) for each in (name, name.partition(":")[2]))


def show(ctx: typer.Context, key: Key, *, as_json: Json = False) -> None:
    """Show one state: who saved it and when, and which run holds it

    Example: tapdock state show demo
    """
    session = shared(ctx)
    name = known_id(session, key)
    holder = session.backend.holder(name)
    envelope = store.read(session.backend, name)
    if envelope is None and holder is None:
        raise _nothing(name)
    facts: dict[str, Any] = _facts(envelope) if envelope else {"key": name}
    facts["versions"] = versions.numbers(session.backend, name)
    facts["held_by"] = msgspec.to_builtins(holder) if holder else None
    if as_json:
        print_exactly({**facts, "state": msgspec.Raw(indented(envelope).encode())})
        return
    facts["streams"] = ", ".join(facts.get("streams", ()))
    facts["versions"] = f"{len(facts['versions'])} previous versions"
    facts["generations"] = ", ".join(f"{stream} {number}" for stream, number in facts.get("generations", {}).items())
    facts["held_by"] = described(holder) if holder else "no run"
    print_table(("STATE", name), [(fact, value) for fact, value in facts.items() if fact != "key" and value])
    out("")
    out_json(indented(envelope))


def print_exactly(value: Any) -> None:
    """Print one JSON document. Numbers in raw parts keep every digit."""
    indent = 2 if sys.stdout.isatty() else 0
    out_json(msgspec.json.format(msgspec.json.encode(value), indent=indent).decode())


def described(holder: Holder) -> str:
    return f"run {holder.run_id} (process {holder.pid} on {holder.host}, since {holder.since})"


def get(ctx: typer.Context, key: Key) -> None:
    """Print a state as the connector emitted it

    Example: tapdock state get demo > state.json
    """
    session = shared(ctx)
    out_json(str(kept(session, known_id(session, key)).state))


def set_state(
    ctx: typer.Context,
    key: Key,
    file: Annotated[str, typer.Argument(help="A JSON file, or `-` for stdin.")] = "-",
    *,
    dialect: Annotated[Dialect | None, typer.Option(help="The state's protocol, if its form is ambiguous.")] = None,
    any_name: AnyName = False,
) -> None:
    """Replace a state with one from a file or from stdin

    A list is an Airbyte state, an object is a Singer state or a LEGACY Airbyte state: this depends on the source, or on
    the state before. The command is refused while a run uses the state. The old state becomes a previous version, even
    if it is damaged.

    Example: tapdock state set demo state.json
    """
    session = shared(ctx)
    text = text_of(file)
    name = known_id(session, key, any_name=any_name)
    found = valid_dialect(session, name, text, wanted=dialect)
    with store.replacing(session.backend, name, run_id="state-set", clock=time.time) as held:
        save_text(held, store.readable(session.backend, name), text, dialect=found)
    err(f"state {name} is set ({found})")


def valid_dialect(session: Session, name: str, text: str, *, wanted: Dialect | None) -> Dialect:
    """Return the protocol of a new text of a state. Raises UsageError for a text that no run could use."""
    kind = dialect_of_source(session, name)
    last = versions.last_dialect(session.backend, name)
    found = edit.dialect_of(text, wanted=wanted, known=kind or last)
    require_dialect(session, name, found, is_guess=found == "singer" and wanted is None)
    if not (kind or wanted) and last not in (None, found):
        message = f"this is {a_kind(found)} state, but the state `{name}` was {a_kind(last)} state until now"
        raise UsageError(message, hint=f"if its source is another connector now, add `--dialect {found}`")
    return found


def save_text(held: store.StateSession, before: Envelope | None, text: str, *, dialect: Dialect) -> None:
    """Save a new text of a state, and keep what is known of its streams in the target."""
    held.save(
        text,
        dialect=dialect,
        generations=before.generations if before else None,
        names=before.names if before else None,
        places=before.places if before else None,
    )


def clear(
    ctx: typer.Context,
    key: Key,
    *,
    stream: Annotated[
        list[str] | None,
        typer.Option(help="Clear only this stream (`name` or `namespace.name`); repeatable."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Clear a state, or single streams of it

    The next run reads these streams from the beginning. The command is refused while a run uses the state.

    Example: tapdock state clear demo --stream users --yes
    """
    session = shared(ctx)
    name = known_id(session, key)
    asked(f"Clear {', '.join(stream) if stream else 'all streams'} of state {name}?", yes=yes)
    if stream:
        _clear_streams(session, name, stream)
    else:
        _clear_all(session, name)
    err(f"cleared {', '.join(stream) + ' of ' if stream else ''}state {name}")


def _clear_all(session: Session, name: str) -> None:
    """Save an empty state. The previous versions are kept."""
    if store.is_empty(session.backend, name):
        raise _nothing(name)
    with store.replacing(session.backend, name, run_id="state-clear", clock=time.time) as held:
        held.clear()


def _clear_streams(session: Session, name: str, streams: list[str]) -> None:
    current = kept(session, name)
    text, dialect = current.state or "", current.dialect or "airbyte"
    for stream in streams:
        edit.without_stream(text, dialect, stream)  # raises before anything is changed
    with store.lease(session.backend, name, run_id="state-clear", clock=time.time) as held:
        text = under_hold(held, name).state or ""
        for stream in streams:
            text = edit.without_stream(text, dialect, stream)
        held.save(text, dialect=dialect)


def asked(question: str, *, yes: bool) -> None:
    """Ask the user, and end the command unless the answer is yes. Raises UsageError without a terminal."""
    if yes:
        return
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError("cannot ask for confirmation without a terminal", hint="add `--yes`")
    typer.confirm(one_line(question), abort=True, err=True)


def text_of(file: str) -> str:
    """Return the text of a file, or of stdin for `-`. Raises UsageError if it cannot be read."""
    if file == "-" and not sys.stdin:
        raise UsageError("stdin is closed", hint="name a file, or redirect one: `tapdock … - < FILE`")
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        text.encode()  # in some locales, bytes that are not Unicode are read as surrogates
    except (OSError, UnicodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
    return text


def kept(session: Session, name: str) -> Envelope:
    """Return the envelope that is saved under a key. Raises StateError if there is none, or no state in it."""
    envelope = store.read(session.backend, name)
    if envelope is None or envelope.state is None:
        raise _nothing(name)
    return envelope


def under_hold(held: store.StateSession, name: str) -> Envelope:
    """Return the envelope under our own lease. Raises StateError if the state was removed in the meantime."""
    if held.envelope is None:
        raise _nothing(name)
    return held.envelope


def _nothing(name: str) -> StateError:
    return StateError(f"there is no state `{name}`", hint="`tapdock state list` lists the saved states")


def indented(envelope: Envelope | None) -> str:
    """Return a state as indented JSON in which numbers keep every digit. Raises StateError if it is not JSON."""
    if envelope is None or envelope.state is None:
        return "null"
    try:
        return msgspec.json.format(envelope.state, indent=2)
    except (ValueError, RecursionError) as error:
        raise UnreadableState(f"the saved state `{envelope.key}` is not JSON: {error}") from error


def _facts(envelope: Envelope) -> dict[str, Any]:
    """Return the facts that `list` and `show` print. Raises StateError for a state that cannot be read."""
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
