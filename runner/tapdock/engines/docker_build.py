"""Building images with a Docker Engine's classic builder, which every engine has."""

import fcntl
import os
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker.errors
import requests.exceptions

from tapdock.engines.base import Logs
from tapdock.errors import EngineError
from tapdock.log import clean

__all__ = ["alone", "build"]

_SAID_EVERY = 5.0
_LAST_LINES = 40


@contextmanager
def alone(lock: Path, progress: Logs) -> Iterator[None]:
    """One build of this user at a time: the builder would do the same work twice, on the same processors."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait_for(fd, progress)
        yield
    finally:
        os.close(fd)


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
    """Build an image from a folder with a Dockerfile. Raises EngineError with the recipe's own words.

    What a step says is shown only when it fails.
    """
    steps = _Steps(tag, progress)
    with steps:
        try:
            steps.follow(
                api.build(
                    path=str(context),
                    tag=tag,
                    buildargs={**args, **indexes},
                    labels=dict(labels),
                    rm=True,
                    forcerm=True,
                    decode=True,
                )
            )
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            why = getattr(error, "explanation", None) or error
            raise EngineError(f"`{tag}` could not be built: {why}") from error
        finally:
            if indexes:
                _drop_stages(api, indexes.values())


def _drop_stages(api: Any, indexes: Collection[str]) -> None:
    """A build stage's own layers remember their arguments, a private index's password among them.

    Those that remember none stay: the next build of a similar image begins from them.
    """
    for image in api.images(filters={"label": "io.tapdock.stage=build", "dangling": True}, quiet=True):
        try:
            commands = [str(layer["CreatedBy"]) for layer in api.history(image)]
            if any(index in command for index in indexes for command in commands):
                api.remove_image(image)
        except docker.errors.APIError:
            pass  # it is gone, or another user's build is using it, and will drop it


class _Steps:
    """Tells every few seconds which step is under way; context manager of the thread that does so."""

    def __init__(self, tag: str, progress: Logs) -> None:
        self._tag = tag
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
            number, _, what = line.removeprefix("Step ").partition(" : ")
            self._step = f"step {number}: {what.partition(' && ')[0].strip()[:60]}"
            self._lines = []
        elif line.strip():
            self._lines.append(line)

    def _failed(self, error: str) -> EngineError:
        """The recipe's `error:` and `hint:` lines where it has an explanation of its own, else all that it said."""
        own = [line for line in self._lines if line.startswith("error: ")]
        hints = [line.removeprefix("hint: ") for line in self._lines if line.startswith("hint: ")]
        if own and hints:
            return EngineError(f"`{self._tag}` could not be built: {own[-1].removeprefix('error: ')}", hint=hints[-1])
        for line in self._lines[-_LAST_LINES:]:
            self._progress(line)
        hint = "what it said is above; `build` in the project file names the package"
        if ": FROM " in self._step:
            hint = "name another base with TAPDOCK_BASE_IMAGE: an image with Python 3.10 to 3.12"
        return EngineError(f"`{self._tag}` could not be built at {self._step}: {error}", hint=hint)
