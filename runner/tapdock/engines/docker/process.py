"""A running container: its stderr, its memory and its end; and the connection to a relay's container."""

import contextlib
import threading
from typing import Any

import docker.errors
import requests.exceptions

from tapdock.engines.base import Logs
from tapdock.engines.docker.attach import STDOUT, Attached
from tapdock.engines.docker.errors import CONNECTION, refused
from tapdock.engines.stderr import lines_of
from tapdock.launch import Exit

__all__ = ["DockerConversation", "DockerProcess"]

_INIT_FAILED = "[FATAL tini"  # the engine's init could not start the shell, which the engine does not report


_LAST_LINES_SECONDS = 5.0
"""The time for the last lines of a container that was removed."""


class DockerProcess:
    """A container. A thread reads its stderr, another measures its memory, which is not known after its end."""

    def __init__(self, api: Any, name: str, image: str, stderr: Attached | None, log: Logs) -> None:
        self.name = name
        self._api = api
        self._image = image
        self._refusal: str | None = None
        self._peak = 0
        self._cpu = 0.0
        self._over = False
        self._reader = threading.Thread(target=self._read, args=(stderr, log), daemon=True)
        self._reader.start()

    def _read(self, stderr: Attached | None, log: Logs) -> None:
        with contextlib.suppress(OSError):  # the engine is gone, which `wait` reports
            for line in lines_of(data for _, data in stderr.frames()) if stderr else ():
                if line.startswith(_INIT_FAILED):
                    self._refusal = line
                log(line)

    def watch(self) -> None:
        threading.Thread(target=self._measure, daemon=True).start()

    def _measure(self) -> None:
        with contextlib.suppress(*CONNECTION, OSError, ValueError):  # it ended, or the engine is gone
            for stats in self._api.stats(self.name, stream=True, decode=True):
                memory = stats.get("memory_stats") or {}
                self._peak = max(self._peak, memory.get("max_usage") or 0, memory.get("usage") or 0)
                used = ((stats.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0
                self._cpu = max(self._cpu, used / 1e9)
                if self._over:
                    return

    def wait(self, timeout: float | None = None) -> Exit | None:
        code = 137  # of a removed container: its processes were killed
        try:
            code = self._api.wait(self.name, timeout=timeout)["StatusCode"]
            state = self._api.inspect_container(self.name)["State"]
        except docker.errors.NotFound:
            self._over = True
            self._reader.join(_LAST_LINES_SECONDS)
            return Exit(code=code, error="the container was removed")
        except CONNECTION as error:
            # A read timeout has another class on a unix socket: there it is a connection error.
            timed_out = isinstance(error, requests.exceptions.ReadTimeout) or "Read timed out" in str(error)
            return None if timed_out else Exit(code=None, error=str(error))
        self._over = True
        self._reader.join()
        if self._refusal and state["ExitCode"]:
            raise refused(self._image, RuntimeError(self._refusal))
        return Exit(
            code=state["ExitCode"],
            oom_killed=bool(state["OOMKilled"]),
            peak_memory_bytes=self._peak or None,
            cpu_seconds=round(self._cpu, 3) or None,
            error=state["Error"] or None,
        )

    def kill(self) -> None:
        with contextlib.suppress(*CONNECTION):  # it has already ended, or the engine is gone
            self._api.kill(self.name)


class DockerConversation:
    """A relay's container: its orders on stdin, its events on stdout."""

    def __init__(self, attached: Attached, log: Logs) -> None:
        self._frames = attached.frames()
        self._log = log
        self.send = attached.send

    def receive(self) -> bytes:
        for stream, data in self._frames:
            if stream == STDOUT:
                return data
            self._log(data.decode("utf-8", "replace").rstrip("\n"))
        return b""
