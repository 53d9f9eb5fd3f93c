"""Build images with the classic builder of Docker Engine, which every engine has."""

import fcntl
import os
import shlex
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tapdock.engines.base import Logs, Swept
from tapdock.engines.docker import build_leftovers, sweep
from tapdock.engines.docker.build_text import exit_of, network_hint, shortened, step_of
from tapdock.engines.docker.errors import CONNECTION, hint_of, reason_of
from tapdock.errors import EngineError
from tapdock.log import clean

__all__ = ["LOCK", "alone", "build", "carried", "swept"]

LOCK = "build.lock"

_CARRIER = "FTP_PROXY"
"""A build argument that builders keep out of every image's history, because it may contain a password.

https://docs.docker.com/build/building/variables/#pre-defined-build-arguments. It carries package indexes, which each
recipe of tapdock reads from it. No recipe uses FTP.
"""
_SAID_EVERY = 5.0
_LAST_LINES = 40
_LONGEST = 80
"""The most lines that are printed of the reason of a failed build."""


@contextmanager
def alone(lock: Path, progress: Logs) -> Iterator[None]:
    """Hold the lock for builds of this user: parallel builds would only do the same work twice."""
    fd = _opened(lock)
    try:
        _wait_for(fd, progress)
        yield
    finally:
        os.close(fd)


def _opened(lock: Path) -> int:
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def swept(api: Any, lock: Path) -> Swept:
    """Remove leftovers of killed builds. While a build runs, all are kept, because some may belong to that build."""
    fd = _opened(lock)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return build_leftovers.kept(api)
    else:
        return _swept(api)
    finally:
        os.close(fd)


def _swept(api: Any) -> Swept:
    """Remove leftovers; the caller has the lock. A build of another user or machine is found by its container."""
    if build_leftovers.is_building(api):
        return build_leftovers.kept(api)
    return sweep.removed(build_leftovers.found(api))


def carried(indexes: Mapping[str, str]) -> dict[str, str]:
    """Return package indexes as a build argument that no image keeps."""
    words = " ".join(f"{name}={shlex.quote(address)}" for name, address in sorted(indexes.items()))
    return {_CARRIER: f"export {words}"} if words else {}


def _wait_for(fd: int, progress: Logs) -> None:
    said = False
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not said:
                progress("waiting for another build")
            said = True
            time.sleep(0.2)


def build(
    api: Any,
    context: Path,
    *,
    tag: str,
    args: Mapping[str, str],
    indexes: Mapping[str, str],
    labels: Mapping[str, str],
    progress: Logs,
) -> None:
    """Build an image from a folder with a Dockerfile. Raises EngineError with the recipe's own message.

    The output of a step is shown only if it fails. The caller has the lock. Leftovers of killed builds are removed.
    """
    steps = _Steps(tag, args, progress)
    with steps:
        try:
            _swept(api)
            steps.follow(
                api.build(
                    path=str(context),
                    tag=tag,
                    buildargs={**args, **carried(indexes)},
                    labels=dict(labels),
                    rm=True,
                    forcerm=True,
                    decode=True,
                )
            )
        except CONNECTION as error:  # also when the engine dies while it builds
            raise EngineError(f"`{tag}` could not be built: {reason_of(error)}", hint=hint_of(error)) from error
        finally:
            if indexes:  # other builders than Docker's may keep them in the history
                with suppress(*CONNECTION):
                    _swept(api)


class _Steps:
    """Reports the current step every few seconds, in a thread; a context manager."""

    def __init__(self, tag: str, args: Mapping[str, str], progress: Logs) -> None:
        self._tag = tag
        self._args = args
        self._progress = progress
        self._step = ""
        self._lines: list[str] = []
        self._over = threading.Event()
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> "_Steps":
        self._progress(f"building {self._tag}")
        self._began = time.monotonic()
        self._teller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._teller.join()

    def _tell(self) -> None:
        while not self._over.wait(_SAID_EVERY):
            self._progress(f"building {self._tag}: {time.monotonic() - self._began:.0f} s, {self._step}")

    def follow(self, answers: Iterable[Mapping[str, Any]]) -> None:
        for answer in answers:
            for line in clean(str(answer.get("stream") or "")).splitlines():
                self._hear(line.rstrip())
            if "error" in answer:
                raise self._failed(clean(str(answer["error"])))

    def _hear(self, line: str) -> None:
        if line.startswith("Step "):
            self._step = step_of(line)
            self._lines = []
        elif line.strip():
            self._lines.append(line)

    def _failed(self, error: str) -> EngineError:
        """Return the recipe's `error:` and `hint:` lines as an error, if it has both; else report its last lines."""
        own = _last_block(self._lines)
        network = network_hint(self._lines)
        hints = [line.removeprefix("hint: ") for line in self._lines if line.startswith("hint: ")]
        if own and hints:
            words = shortened(own)
            for line in _without_middle(own) if len(words) < len(own) else ():
                self._progress(line)
            return EngineError(f"`{self._tag}` could not be built: {chr(10).join(words)}", hint=network or hints[-1])
        for line in self._lines[-_LAST_LINES:]:
            self._progress(line)
        hint = network or "see the output of the build above; the package is in `build` of the project file"
        if self._step.endswith(": preparing the base image"):
            version = self._args.get("PYTHON", "3.10 to 3.12")
            hint = f"set TAPDOCK_BASE_IMAGE to another base image with Python {version}"
        return EngineError(f"`{self._tag}` could not be built at {self._step}: {exit_of(error)}", hint=hint)


def _last_block(lines: list[str]) -> list[str]:
    """Return the last `error:` lines that follow one another, without that word."""
    block: list[str] = []
    for line in reversed(lines):
        if line.startswith("error: "):
            block.append(line.removeprefix("error: "))
        elif block:
            break
    return block[::-1]


def _without_middle(lines: list[str]) -> list[str]:
    """Return lines without the middle of a long compiler's output."""
    left_out = len(lines) - _LONGEST
    if left_out <= 0:
        return lines
    return [*lines[: _LONGEST // 4], f"… ({left_out} lines)", *lines[left_out + _LONGEST // 4 :]]
