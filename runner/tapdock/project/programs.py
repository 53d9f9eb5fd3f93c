"""Run a program of the user that prints a secret: without a shell, for a limited time, with limited output."""

import os
import selectors
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["LARGEST", "Printed", "TooLong", "printed"]

LARGEST = 1 << 20
"""The most bytes of a secret."""
_MOST_WORDS = 64 << 10  # of stderr, for a message
_BLOCK = 64 << 10


class TooLong(Exception):
    """The program did not end in time, or printed more than `LARGEST` bytes."""


class Printed(NamedTuple):
    code: int
    out: bytes
    err: bytes


def printed(
    words: Sequence[str], *, folder: Path, environ: Mapping[str, str], seconds: float, largest: int = LARGEST
) -> Printed:
    """Run a program to its end and return what it printed. Raises OSError if it cannot be started, and TooLong.

    TooLong also stands for more than `largest` bytes.

    It has a process group of its own, which is killed in every ending: nothing that the program started is left.
    """
    import subprocess

    child = subprocess.Popen(
        list(words),
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = _read(child, time.monotonic() + seconds, seconds, largest)
        return Printed(child.wait(), out, err)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()


def _read(child: Any, deadline: float, seconds: float, largest: int) -> tuple[bytes, bytes]:
    """Return stdout and the end of stderr, after the program has exited or has closed both."""
    found = {child.stdout: b"", child.stderr: b""}
    with selectors.DefaultSelector() as waiting:
        for pipe in found:
            os.set_blocking(pipe.fileno(), False)
            waiting.register(pipe, selectors.EVENT_READ)
        while waiting.get_map():
            over = child.poll() is not None  # a child of its own may hold the pipes open
            ready = waiting.select(0 if over else 0.05)
            for key, _ in ready:
                block = os.read(key.fd, _BLOCK)
                if not block:
                    waiting.unregister(key.fileobj)
                found[key.fileobj] += block
            found[child.stderr] = found[child.stderr][-_MOST_WORDS:]
            if len(found[child.stdout]) > largest:
                raise TooLong(f"printed more than {largest >> 20} MiB")
            if over and not ready:
                break
            if time.monotonic() > deadline:
                raise TooLong(f"did not end within {seconds:g} s")
    while child.poll() is None:  # it has closed its output, and still runs
        if time.monotonic() > deadline:
            raise TooLong(f"did not end within {seconds:g} s")
        time.sleep(0.01)
    return found[child.stdout], found[child.stderr]
