"""Calls the command line in this process: to start a process of its own for it takes longer than most commands."""

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO
from unittest import mock

import pytest

from tapdock.cli import main


def called(words: Sequence[str], *, folder: Path, environ: Mapping[str, str], patience: float) -> tuple[int, str, str]:
    """Return the exit code, stdout and stderr of a command that has the given folder and variables, and no stdin.

    After `patience` seconds, the test fails with the stack of the main thread. A command that replaces its process by
    another program, as `schedule run` does, fails: it would replace the tests.
    """
    with contextlib.ExitStack() as stack:
        stdin = stack.enter_context(open(os.devnull, "rb"))
        stdout, stderr = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        stack.enter_context(contextlib.chdir(folder))
        stack.enter_context(mock.patch.dict(os.environ, environ, clear=True))
        stack.enter_context(mock.patch.object(tempfile, "tempdir", None))  # it is asked once in each process
        stack.enter_context(mock.patch.object(os, "execve", _refuse))
        for number, (name, file) in enumerate((("stdin", stdin), ("stdout", stdout), ("stderr", stderr))):
            stack.enter_context(_standard(number, name, file))
        stack.enter_context(_limit(patience))
        code = main(list(words))
        return code, _text(stdout), _text(stderr)


@contextlib.contextmanager
def _standard(number: int, name: str, file: BinaryIO) -> Iterator[None]:
    """Let the descriptor and the object in `sys` be this file: programs that the command starts have the descriptor."""
    before = os.dup(number)
    os.dup2(file.fileno(), number)
    text = os.fdopen(os.dup(number), "r" if name == "stdin" else "w", encoding="utf-8", newline="", buffering=1)
    try:
        with text, mock.patch.object(sys, name, text):
            yield
    finally:
        os.dup2(before, number)
        os.close(before)


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Let the test fail after this time. Waiting for a lock or a process ends with it."""

    def fail(*_: object) -> None:
        pytest.fail(f"the command did not end in {seconds:g} s")  # it is a BaseException: no command handles it

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _refuse(*args: object) -> None:
    raise AssertionError("this command needs a process of its own: use `start`")


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode()
