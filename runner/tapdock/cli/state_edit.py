"""`tapdock state edit` and `merge`: change a state by hand, or by the streams of another one."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import msgspec
import typer

from tapdock.cli.session import Session, shared
from tapdock.cli.state import Key, Yes, asked, indented, kept, save_text, valid_dialect
from tapdock.cli.state_ids import known_id, require_dialect
from tapdock.errors import Interrupted, TapdockError, UsageError
from tapdock.runs.records import made_private
from tapdock.state import edit as texts
from tapdock.state import store
from tapdock.state.envelope import Dialect, Envelope, a_kind
from tapdock.text.output import err, failed

__all__ = ["edit", "merge"]


def edit(ctx: typer.Context, key: Key) -> None:
    """Change a state in an editor

    The editor is the program in VISUAL or EDITOR, or `vi`. The new text is checked as `state set` checks it. A text
    that is not saved is kept in a file. If the state has changed since the editor was opened, nothing is saved.

    Example: tapdock state edit demo
    """
    session = shared(ctx)
    name = known_id(session, key)
    envelope = kept(session, name)
    command = _editor(session)
    text = indented(envelope) + "\n"
    file = made_private(session.private, "edit") / f"{token_hex(4)}.json"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as writing:
        writing.write(text)
    try:
        with _sigterm_raises():
            found = _edited(session, name, command, file, text)
        if found is not None:
            _save(session, name, envelope, *found)
    except BaseException as error:
        if not _is_changed(file, text):
            file.unlink(missing_ok=True)
            raise
        again = f"your text is kept: `tapdock state set {shlex.quote(name)} {shlex.quote(str(file))}` saves it"
        if isinstance(error, TapdockError):
            error.hint = f"{error.hint}; {again}" if error.hint else again
        else:
            err(again)
        raise
    file.unlink(missing_ok=True)
    err(f"state {name} is {'unchanged' if found is None else f'set ({found[1]})'}")


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Raise Interrupted at a SIGTERM, which would otherwise end the command before it says where the text is."""

    def end(number: int, _: object) -> None:
        raise Interrupted("stopped by signal", exit_code=128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _editor(session: Session) -> list[str]:
    """Return the command of the editor. Raises UsageError if there is none, and no terminal for the default one."""
    chosen = session.environ.get("VISUAL") or session.environ.get("EDITOR")
    if not chosen and not _in_terminal():
        raise UsageError(
            "there is neither an editor in VISUAL or EDITOR nor a terminal", hint="use `tapdock state set`"
        )
    try:
        words = shlex.split(chosen or "vi")
    except ValueError as error:
        raise UsageError(f"VISUAL or EDITOR is `{chosen}`: {error}", hint="set EDITOR to a program") from error
    return words


def _in_terminal() -> bool:
    return bool(sys.stdin and sys.stdin.isatty())


def _edited(session: Session, name: str, command: list[str], file: Path, before: str) -> tuple[str, Dialect] | None:
    """Let the user edit the file until its text is valid. Return the text and its protocol; None if it is unchanged."""
    while True:
        try:
            code = subprocess.run([*command, str(file)], check=False).returncode
        except OSError as error:
            raise UsageError(f"the editor `{command[0]}` cannot be started: {error.strerror}") from error
        if code:
            raise UsageError(f"the editor `{command[0]}` ended with exit code {code}, so nothing is saved")
        try:
            text = file.read_text(encoding="utf-8")
            if text == before:
                return None
            dialect = valid_dialect(session, name, text, wanted=None)
            text = msgspec.json.format(text, indent=-1)
            return None if text == msgspec.json.format(before, indent=-1) else (text, dialect)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} cannot be read: {error}") from error
        except UsageError as error:
            if not _in_terminal():
                raise
            failed(error.message, error.hint)
            if not typer.confirm("Edit it again?", default=True, err=True):
                raise


def _is_changed(file: Path, before: str) -> bool:
    try:
        return file.read_bytes() != before.encode()
    except OSError:
        return False


def _save(session: Session, name: str, before: Envelope, text: str, dialect: Dialect) -> None:
    with store.replacing(session.backend, name, run_id="state-edit", clock=time.time, expected=before) as held:
        save_text(held, store.readable(session.backend, name), text, dialect=dialect)


def merge(ctx: typer.Context, source: Key, into: Key, *, yes: Yes = False) -> None:
    """Put the streams of one state into another

    A stream that is in both gets its position from the first state. The first state stays as it is.

    Example: tapdock state merge old-to-lake demo
    """
    session = shared(ctx)
    old, name = known_id(session, source), known_id(session, into)
    if old == name:
        raise UsageError(f"both names are `{old}`")
    other, target = kept(session, old), kept(session, name)
    dialect = other.dialect or "airbyte"
    if target.dialect not in (None, dialect):
        raise UsageError(
            f"`{old}` is {a_kind(dialect)} state, but `{name}` is {a_kind(target.dialect)} state",
            hint="only states of one protocol can be merged",
        )
    require_dialect(session, name, dialect)
    text = texts.merged(target.state or "", other.state or "", dialect)
    streams = texts.streams(other.state or "", dialect)
    replaced = sorted({*streams} & {*texts.streams(target.state or "", dialect)})
    if replaced:
        asked(f"Replace {', '.join(replaced)} in state {name}?", yes=yes)
    with store.replacing(session.backend, name, run_id="state-merge", clock=time.time, expected=target) as held:
        now = store.readable(session.backend, name) or target
        held.save(
            text,
            dialect=dialect,
            generations=_later(now.generations, other.generations),
            names={**other.names, **now.names},
            places=now.places,
        )
    err(f"merged {len(streams)} streams of state {old} into {name}, {len(replaced)} of them replaced")


def _later(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {stream: max(one.get(stream, 0), other.get(stream, 0)) for stream in {**one, **other}}
