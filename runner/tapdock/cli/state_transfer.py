"""`tapdock state export --all` and `import --all`: all states, between backends or in one file."""

import shlex
import time
from pathlib import Path
from typing import Literal

import typer

from tapdock.cli.session import Session
from tapdock.cli.state import asked, text_of
from tapdock.cli.state_ids import is_used, require_dialect
from tapdock.errors import StateError, UsageError
from tapdock.files import write_whole
from tapdock.state import backfills, transfer
from tapdock.state.backends.base import Backend, open_backend
from tapdock.state.backends.sealed import as_stored, sealed_like
from tapdock.text.clean import one_line
from tapdock.text.output import err, failed, out_json
from tapdock.text.secret_names import masked_text

__all__ = ["Newer", "export_all", "import_all"]

Newer = Literal["keep", "replace"]


def export_all(session: Session, place: str | None, *, newer: Newer | None, yes: bool) -> None:
    """Copy all states into a file (`-`, or a name that ends with `.json`), or into another backend."""
    backend = as_stored(session.backend)
    found = transfer.collected(backend)
    for error in found.damaged:
        failed(error.message, error.hint)
    for envelope in found.states:
        _warn_if_held(backend, envelope.key)
    for key in found.backfills:
        _warn_if_held(backend, f"{backfills.PREFIX}{key}")
    counts = _counts(found)
    if place is None or place == "-":
        out_json(transfer.to_json(found).decode().rstrip("\n"))
        err(f"exported {counts}")
    elif _is_file(place):
        file = Path(place)
        if file.exists():
            asked(f"Replace {place}?", yes=yes)
        try:
            write_whole(file, transfer.to_json(found))
        except OSError as error:
            raise UsageError(f"cannot write {place}: {error.strerror}") from error
        err(f"exported {counts} to {place}")
    else:
        other = sealed_like(_other(backend, place), session.backend)
        _copy(found, other, run_id="state-export", newer=newer, yes=yes)
    if found.damaged:
        raise typer.Exit(StateError.exit_code)


def import_all(session: Session, place: str, *, newer: Newer | None, yes: bool) -> None:
    """Copy all states of a file or of another backend into the project's own backend."""
    backend = as_stored(session.backend)
    if _is_file(place):
        found = transfer.from_json(text_of(place).encode(), place=place)
    else:
        found = transfer.collected(_other(backend, place))
    for error in found.damaged:
        failed(error.message, error.hint)
    if not (found.states or found.others or found.damaged):
        raise UsageError(f"there is no state in {place}", hint="name the file, the folder or the URI with the states")
    for envelope in found.states:
        require_dialect(session, envelope.key, envelope.dialect)
    _copy(found, backend, run_id="state-import", newer=newer, yes=yes)
    if unused := [each.key for each in found.states if not is_used(session, each.key)]:
        err(one_line(f"warning: no pipeline of this project uses {_states(len(unused))}: {', '.join(unused)}"))
    if found.damaged:
        raise typer.Exit(StateError.exit_code)


def _is_file(place: str) -> bool:
    return place == "-" or ("://" not in place and (place.endswith(".json") or Path(place).is_file()))


def _other(backend: Backend, place: str) -> Backend:
    """Return the other backend. Unlike `state_backend`, a path is relative to the working folder."""
    other = open_backend(place, Path.cwd())
    if other.uri == backend.uri:
        raise UsageError(f"{place} is the project's own state backend", hint="name another folder, URI or file")
    if "://" not in place and not Path(place).is_dir():
        parent = Path(place).absolute().parent
        if not parent.is_dir():
            raise UsageError(f"there is no folder {parent}", hint=f"`mkdir -p {shlex.quote(str(parent))}`")
    return other


def _warn_if_held(backend: Backend, key: str) -> None:
    try:
        holder = backend.holder(key)
    except StateError:
        return
    if holder:
        what = key if key.startswith(backfills.PREFIX) else f"state {key}"
        err(f"warning: run {holder.run_id} holds {what}: it is copied as it was saved last")


def _copy(found: transfer.Collected, into: Backend, *, run_id: str, newer: Newer | None, yes: bool) -> None:
    """Copy, report the counts, and raise the first failure after all others were tried."""
    plan, where = transfer.planned(found, into), masked_text(into.uri)
    if plan.newer and newer is None:
        raise UsageError(
            f"{_states(len(plan.newer))} may be newer in {where}: {', '.join(plan.newer)}, so nothing is copied",
            hint="`--newer keep` keeps these and copies the others; `--newer replace` replaces them",
        )
    replaced = (*plan.replaced, *(plan.newer if newer == "replace" else ()))
    if replaced:
        asked(f"Replace {', '.join(replaced)} in {where}?", yes=yes)
    failures = transfer.carry_out(found, plan, frozenset((*plan.new, *replaced)), into, run_id=run_id, now=time.time())
    for error in dict.fromkeys(error for _, error in failures):
        failed(error.message, error.hint)
    lost = {name for name, _ in failures}
    counts = {
        "new": len(set(plan.new) - lost),
        "replaced": len(set(replaced) - lost),
        "kept because they may be newer": len(plan.newer) if newer == "keep" else 0,
        "unchanged": len(plan.unchanged),
        "failed": len(lost),
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    err(one_line(f"copied {_counts(found)} to {where}: {told or 'nothing'}"))
    if failures:
        raise typer.Exit(failures[0][1].exit_code)


def _counts(found: transfer.Collected) -> str:
    progress = f", and what {len(found.backfills)} backfills have read" if found.backfills else ""
    others = f"{len(found.rotated)} rotated configs and {len(found.catalogs)} catalogs"
    return f"{_states(len(found.states))}, {others}{progress}"


def _states(count: int) -> str:
    return f"{count} state{'s' * (count != 1)}"
