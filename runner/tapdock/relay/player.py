"""Takes the place of a source's container in a run: prints what a spool has, by the words of the launcher."""

import os
import select
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from tapdock.errors import EngineError
from tapdock.relay.messages import Abort, Exited, Inbox
from tapdock.relay.pipes import write

__all__ = ["play"]

_PIECE = 256 << 10


def play(pieces: Iterable[bytes], folder: Path, inbox: Inbox) -> None:
    """Print the pieces into the pipes in `folder`, in a thread of its own. An order to stop or to kill ends it."""
    threading.Thread(target=_play, args=(pieces, folder, inbox), name="player", daemon=True).start()


def _play(pieces: Iterable[bytes], folder: Path, inbox: Inbox) -> None:
    code = 143
    try:
        with ExitStack() as pipes:

            def opened(name: str, flags: int) -> int:
                fd = os.open(folder / name, flags | os.O_CLOEXEC)
                pipes.callback(os.close, fd)
                return fd

            control = opened("control", os.O_WRONLY)
            orders = opened("orders", os.O_RDONLY)
            out = opened("out", os.O_WRONLY)
            opened("config", os.O_WRONLY)
            os.write(control, b"hello\n")
            if _printed(pieces, out, orders):
                code = 0
            os.write(control, f"exit {code}\n".encode())
    except EngineError as error:
        inbox.put(Abort(exit_code=error.exit_code, message=error.message, hint=error.hint))
    except OSError:
        code = 143  # nobody reads any more: the run is over
    finally:
        inbox.put(Exited("source", code))


def _printed(pieces: Iterable[bytes], out: int, orders: int) -> bool:
    """Write all pieces. Return False if there was an order, or the relay has closed the pipe of orders."""
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), _PIECE):
            if select.select([orders], [], [], 0)[0]:
                return False
            write(out, view[start : start + _PIECE])
    return True
