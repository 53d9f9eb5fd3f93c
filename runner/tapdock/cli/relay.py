"""`tapdock relay`: run the relay in a container of its own. `tapdock run` starts it; users do not."""

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tapdock.errors import UsageError
from tapdock.events import Event
from tapdock.relay.host import serve
from tapdock.relay.messages import Kill, Order
from tapdock.relay.plan import Collection, RelayPlan, decode_plan

__all__ = ["relay"]

_HINT = "`tapdock run` starts this command where necessary, and sends the plan"


def relay(
    folder: Annotated[Path, typer.Argument(help="The folder for the pipes of both sides.")],
    plan: Annotated[Path | None, typer.Option(help="A file with the plan. Orders are then not read.")] = None,
) -> None:
    """Serve one run inside its pod; `run` starts it where necessary

    The first line on stdin is the plan, the following lines are orders. Events are written to stdout as JSON lines.

    Example: tapdock relay /tapdock/pipes < plan.json
    """
    orders = _lines(sys.stdin.fileno()) if sys.stdin else iter(())
    work = _plan(plan, orders)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="name a folder in which the pipes can be created")
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    lock = threading.Lock()
    out = sys.stdout.buffer

    def emit(event: Event) -> None:
        with lock:
            out.write(msgspec.json.encode(event) + b"\n")
            out.flush()

    def listen() -> None:
        decode = msgspec.json.Decoder(Order).decode
        with contextlib.suppress(msgspec.MsgspecError):  # a line that is not an order: the runner did not write it
            for line in orders:
                inbox.put(decode(line))
        inbox.put(Kill(code=143))  # the runner is gone, so nobody could save acknowledged states

    if plan is None:
        threading.Thread(target=listen, daemon=True).start()
    verdict = serve(work, folder, inbox=inbox, emit=emit)
    raise typer.Exit(verdict.exit_code)


def _plan(file: Path | None, lines: Iterator[bytes]) -> RelayPlan | Collection:
    """Return the plan, from the file or from the first line on stdin. Raises UsageError if it is missing or invalid."""
    where = str(file) if file else "stdin"
    try:
        line = file.read_bytes() if file else next(lines, b"")
    except OSError as error:
        raise UsageError(f"the plan {where} cannot be read: {error.strerror}", hint=_HINT) from error
    if not line.strip():
        what = "is empty" if file else "does not contain a plan: it ended, or its first line is empty"
        raise UsageError(f"{where} {what}", hint=_HINT)
    try:
        return decode_plan(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"the first line of {where} is not a plan: {error}", hint=_HINT) from error


def _lines(fd: int) -> Iterator[bytes]:
    """Yield lines without a buffered reader: a thread that waits in one keeps the interpreter from exiting."""
    parts: list[bytes] = []
    while data := os.read(fd, 1 << 16):
        *lines, rest = data.split(b"\n")
        for line in lines:
            yield b"".join([*parts, line])
            parts = []
        parts.append(rest)
