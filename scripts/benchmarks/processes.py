"""Run and measure child processes, or kill them with their whole group."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PROGRAMS", "BenchError", "Cost", "measure"]

PROGRAMS = Path(__file__).with_name("programs")
_GRACE_SECONDS = 30


class BenchError(Exception):
    """The reason why a row cannot be measured; the message may have a `hint:` line."""


@dataclass(frozen=True)
class Cost:
    """The costs of a process: wall time, CPU time, and the highest memory of it or one of its children."""

    seconds: float
    cpu_seconds: float
    megabytes: float
    output: bytes


def measure(
    argv: Sequence[str | Path],
    *,
    stdin: Path | None = None,
    keep_output: bool = False,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Cost:
    """Run a command to its end, with stdout in /dev/null unless it is kept. Raises BenchError if it fails."""
    command = [str(word) for word in argv]
    with contextlib.ExitStack() as stack:
        report = stack.enter_context(tempfile.NamedTemporaryFile("r"))
        errors = stack.enter_context(tempfile.TemporaryFile())
        output = stack.enter_context(tempfile.TemporaryFile()) if keep_output else None
        given = stack.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", PROGRAMS / "measured.py", report.name, *command],
            stdin=given,
            stdout=output or subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        try:
            child.wait()
        finally:
            _end(child)
        taken = json.loads(report.read() or '{"code": null}')
        if taken.pop("code") != 0:
            raise BenchError(f"`{' '.join(command)[:300]}` failed: {_last_words(errors, output)}")
        return Cost(**taken, output=_whole(output))


def _end(child: "subprocess.Popen[bytes]") -> None:
    """If the process still runs, end it and its children with SIGTERM, then with SIGKILL."""
    if child.poll() is not None:
        return
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _whole(file: object) -> bytes:
    if file is None:
        return b""
    file.seek(0)  # type: ignore[attr-defined] # tempfile has no types for it
    return bytes(file.read())  # type: ignore[attr-defined]


def _last_words(*files: object) -> str:
    text = b"\n".join(_whole(file) for file in files).decode(errors="replace").strip()
    return "\n".join(text.splitlines()[-5:]) or "it printed nothing"
