"""Try with a container whether an engine has a folder of this process. Answers are cached, a "no" for an hour only.

The address does not show it: a socket may lead to another machine, and a daemon may have another file system.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import docker.errors
import msgspec
import requests.exceptions
from docker.types import Mount

from tapdock.cache import Cache
from tapdock.engines.docker.run import LABEL_OWNER, LABEL_RUN

__all__ = ["NO_SECONDS", "Answers", "has_folder", "has_pipes"]

NO_SECONDS = 3600.0
"""After this time, a folder that an engine did not have is tried again: a busy engine may have answered too late."""

_SECONDS = 5.0
_NOT_THERE = 3
_FAILURES = (docker.errors.APIError, requests.exceptions.RequestException)


def has_pipes(api: Any, image: str, folder: Path, *, source: str, owner: str) -> bool | None:
    """Return True if a container of `image` writes into a pipe in `folder` within five seconds.

    `source` is the engine's path of `folder`. Return None if the image cannot run, because then nothing is known about
    the engine.
    """
    try:
        os.mkfifo(folder / "probe")
    except OSError:
        return False  # the file system does not support pipes
    (folder / "probe").chmod(0o666)
    reader = os.open(folder / "probe", os.O_RDONLY | os.O_NONBLOCK)
    script = f"[ -p /tapdock/probe/probe ] || exit {_NOT_THERE}; echo yes >/tapdock/probe/probe"
    try:
        code = _code(api, image, script, source, owner, read_only=True)  # as connectors have it
        answered = os.read(reader, 8) == b"yes\n"
    finally:
        os.close(reader)
    return True if answered else _judged(code)


def has_folder(api: Any, image: str, folder: Path, *, owner: str) -> bool | None:
    """Return True if the engine has this same folder under the same path; None if that could not be tried."""
    mark = folder / f".tapdock-{secrets.token_hex(8)}"
    try:
        mark.touch()
    except OSError:
        return None
    try:
        code = _code(api, image, f"[ -e /tapdock/probe/{mark.name} ] || exit {_NOT_THERE}", str(folder), owner)
    finally:
        mark.unlink()
    return True if code == 0 else _judged(code)


def _judged(code: int | None) -> bool | None:
    """Return False if the script exited with "not there", or was killed while it waited for the pipe; else None."""
    return False if code in (_NOT_THERE, 137) else None


def _code(api: Any, image: str, script: str, source: str, owner: str, *, read_only: bool = False) -> int | None:
    """Return the exit code of a script in a container that mounts `source`; None if there was none."""
    try:
        container = api.create_container(
            image,
            entrypoint=["/bin/sh", "-c", script],
            command=[],
            name=f"tapdock-probe-{secrets.token_hex(6)}",
            user="0:0",  # maybe only its owner can open the folder
            labels={LABEL_RUN: "probe", LABEL_OWNER: owner},
            # In this form, the engine refuses a folder that it does not have; in the other one, it would create it.
            host_config=api.create_host_config(
                mounts=[Mount("/tapdock/probe", source, type="bind", read_only=read_only)], network_mode="none"
            ),
        )
    except docker.errors.APIError as error:
        said = str(error).lower()  # Podman reports only the error of the system call
        return _NOT_THERE if "mount" in said or "no such file" in said else None
    killer = threading.Timer(_SECONDS, _quietly(lambda: api.kill(container)))
    try:
        api.start(container)
        killer.start()
        return int(api.wait(container)["StatusCode"])
    except _FAILURES:
        return None
    finally:
        killer.cancel()
        _quietly(lambda: api.remove_container(container, force=True))()


def _quietly(work: Callable[[], Any]) -> Callable[[], None]:
    def body() -> None:
        try:
            work()
        except _FAILURES:
            pass  # it has already ended, or the engine is gone

    return body


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """Cached answers about one engine, in files of `cache`: `yes`, or `no` and a line that names the folder."""

    cache: Cache
    engine: tuple[object, ...]
    now: Callable[[], float] = time.time

    def of(self, what: str, ask: Callable[[], bool | None]) -> bool | None:
        """Return the cached answer, else that of `ask`; None, for unknown, is not cached."""
        name = f"{self._prefix}{_hash(what)}"
        known = self._known(name)
        if known is not None:
            return not known
        answer = ask()
        if answer is not None:
            text = "yes" if answer else f"no\n{what}"
            with suppress(OSError):  # then it is tried again the next time
                self.cache.write(name, text.encode("utf-8", "surrogateescape"))
        return answer

    def forget(self) -> tuple[str, ...]:
        """Forget the folders that this engine does not have, and return their names."""
        found = []
        for file in self.cache.folder.glob(f"{self._prefix}*"):
            if missing := self._known(file.name):
                found.append(missing)
                file.unlink(missing_ok=True)
        return tuple(sorted(found))

    def _known(self, name: str) -> str | None:
        """Return an empty text for a `yes`, the folder for a `no` of the last hour, None for anything else."""
        if self._read(name) == "yes":
            return ""
        now = self.now()
        answer, _, what = self._read(name, written=(now - NO_SECONDS, now)).partition("\n")
        return what if answer == "no" and what else None

    def _read(self, name: str, *, written: tuple[float, float] | None = None) -> str:
        try:
            return (self.cache.read(name, written=written) or b"").decode("utf-8", "surrogateescape")
        except OSError:
            return ""

    @property
    def _prefix(self) -> str:
        return f"shares-{_hash(self.engine)}-"


def _hash(value: object) -> str:
    return sha256(repr(value).encode()).hexdigest()[:16]
