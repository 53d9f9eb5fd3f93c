"""Calls the command line in this process: to start a process of its own for it takes longer than most commands."""

import contextlib
import faulthandler
import io
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

from tapdock.cli import main


def called(words: Sequence[str], *, folder: Path, environ: Mapping[str, str], patience: float) -> tuple[int, str, str]:
    """Return the exit code, stdout and stderr of a command that has the given folder and variables, and no stdin.

    After `patience` seconds, all threads are printed, and this process ends. A command that replaces its process by
    another program, as `schedule run` does, fails here: it would replace the tests.
    """
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(folder))
        stack.enter_context(mock.patch.dict(os.environ, environ, clear=True))
        stack.enter_context(mock.patch.object(tempfile, "tempdir", None))  # it is asked once in each process
        stack.enter_context(mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(), "utf-8")))
        stack.enter_context(contextlib.redirect_stdout(stdout))
        stack.enter_context(contextlib.redirect_stderr(stderr))
        stack.enter_context(mock.patch.object(os, "execve", _refuse))
        faulthandler.dump_traceback_later(patience, exit=True, file=sys.__stderr__)
        stack.callback(faulthandler.cancel_dump_traceback_later)
        code = main(list(words))
    return code, _text(stdout), _text(stderr)


def _refuse(*args: object) -> None:
    raise AssertionError("this command needs a process of its own: use `start`")


def _text(file: io.TextIOWrapper) -> str:
    file.seek(0)
    return file.read()
