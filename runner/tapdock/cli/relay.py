"""`tapdock relay`: the relay in a container of its own; people do not call it."""

import os
import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tapdock.events import Event
from tapdock.relay.host import serve
from tapdock.relay.plan import decode_plan
from tapdock.relay.side import Kill, Order

__all__ = ["relay"]


def relay(
    folder: Annotated[Path, typer.Argument(help="Where the pipes of both sides are made.")],
    plan: Annotated[Path | None, typer.Option(help="A file with the plan; then nobody gives orders.")] = None,
) -> None:
    """Serve one run inside its pod; `run` starts it where it is needed

    The plan is the first line on stdin, orders follow, events go to stdout as JSON lines.

    Example: tapdock relay /tapdock/pipes < plan.json
    """
    orders = _lines(sys.stdin.fileno())
    work = decode_plan(plan.read_bytes() if plan else next(orders))
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    lock = threading.Lock()
    out = sys.stdout.buffer

    def emit(event: Event) -> None:
        with lock:
            out.write(msgspec.json.encode(event) + b"\n")
            out.flush()

    def listen() -> None:
        decode = msgspec.json.Decoder(Order).decode
        for line in orders:
            inbox.put(decode(line))
        inbox.put(Kill(code=143))  # whoever gave the plan is gone: nobody could save what is acknowledged

    if plan is None:
        threading.Thread(target=listen, daemon=True).start()
    verdict = serve(work, folder, inbox=inbox, emit=emit)
    raise typer.Exit(verdict.exit_code)


def _lines(fd: int) -> Iterator[bytes]:
    """Lines without a buffered reader: a thread that waits in one keeps the interpreter from ending."""
    parts: list[bytes] = []
    while data := os.read(fd, 1 << 16):
        *lines, rest = data.split(b"\n")
        for line in lines:
            yield b"".join([*parts, line])
            parts = []
        parts.append(rest)
