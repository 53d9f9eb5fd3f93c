"""`tapdock relay`: the relay in a container of its own; people do not call it."""

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

_HINT = "`tapdock run` starts this command where it is needed, and gives it the plan"


def relay(
    folder: Annotated[Path, typer.Argument(help="Where the pipes of both sides are made.")],
    plan: Annotated[Path | None, typer.Option(help="A file with the plan; then nobody gives orders.")] = None,
) -> None:
    """Serve one run inside its pod; `run` starts it where it is needed

    The plan is the first line on stdin, orders follow, events go to stdout as JSON lines.

    Example: tapdock relay /tapdock/pipes < plan.json
    """
    orders = _lines(sys.stdin.fileno()) if sys.stdin else iter(())
    work = _plan(plan, orders)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="name the folder where the pipes are to be made")
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    lock = threading.Lock()
    out = sys.stdout.buffer

    def emit(event: Event) -> None:
        with lock:
            out.write(msgspec.json.encode(event) + b"\n")
            out.flush()

    def listen() -> None:
        decode = msgspec.json.Decoder(Order).decode
        with contextlib.suppress(msgspec.MsgspecError):  # what is not an order comes from nobody who gave the plan
            for line in orders:
                inbox.put(decode(line))
        inbox.put(Kill(code=143))  # whoever gave the plan is gone: nobody could save what is acknowledged

    if plan is None:
        threading.Thread(target=listen, daemon=True).start()
    verdict = serve(work, folder, inbox=inbox, emit=emit)
    raise typer.Exit(verdict.exit_code)


def _plan(file: Path | None, lines: Iterator[bytes]) -> RelayPlan | Collection:
    """The plan, of a file or of the first line on stdin. Raises UsageError where there is none."""
    where = str(file) if file else "stdin"
    try:
        line = file.read_bytes() if file else next(lines, b"")
    except OSError as error:
        raise UsageError(f"the plan {where} cannot be read: {error.strerror}", hint=_HINT) from error
    if not line.strip():
        what = "is empty" if file else "has no line with a plan: it ended, or its first line is empty"
        raise UsageError(f"{where} {what}", hint=_HINT)
    try:
        return decode_plan(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"the first line of {where} is not a plan: {error}", hint=_HINT) from error


def _lines(fd: int) -> Iterator[bytes]:
    """Lines without a buffered reader: a thread that waits in one keeps the interpreter from ending."""
    parts: list[bytes] = []
    while data := os.read(fd, 1 << 16):
        *lines, rest = data.split(b"\n")
        for line in lines:
            yield b"".join([*parts, line])
            parts = []
        parts.append(rest)
