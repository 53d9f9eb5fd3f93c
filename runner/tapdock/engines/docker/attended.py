"""A container that a user runs by hand, or of a task: on the terminal or the pipes of this process."""

import contextlib
import os
import signal
import termios
import threading
import tty
from typing import Any

from tapdock.engines.attended import Stdio
from tapdock.engines.docker.attach import STDOUT, Attached
from tapdock.engines.docker.errors import CONNECTION, answering
from tapdock.errors import EngineError
from tapdock.launch import InputFile, Launch

__all__ = ["DockerAttended"]

_CHUNK = 64 << 10
_WATCH = (
    """until [ -e "$1/.ended" ]; do sleep 0.1 2>/dev/null || sleep 1; done; cat "$1/config.json" && : >"$1/.kept\""""
)


class DockerAttended:
    """Input has a connection of its own: where it is closed, the connector sees the end of its input."""

    def __init__(
        self,
        api: Any,
        name: str,
        launch: Launch,
        stdio: Stdio,
        output: Attached,
        keyboard: Attached | None,
        *,
        memory: str,
    ) -> None:
        self.config: str | None = None
        self.oom_killed = False
        self._api = api
        self._name = name
        self._launch = launch
        self._stdio = stdio
        self._output = output
        self._keyboard = keyboard
        self._memory = memory
        self._before: Any = None
        self._handler: Any = None
        self._rotated = b""
        self._threads: list[threading.Thread] = []

    def begin(self) -> None:
        """Put the input files into memory, connect the descriptors, and let the connector start. Raises EngineError."""
        for file in self._launch.files:
            self._place(file)
        if any(file.name == "config.json" for file in self._launch.files):
            self._thread(self._watch)
        self._thread(self._pass_output)
        if self._stdio.terminal:
            self._before = termios.tcgetattr(self._stdio.stdout)
            tty.setraw(self._stdio.stdout, termios.TCSADRAIN)  # what was typed before is kept
            self._handler = signal.signal(signal.SIGWINCH, lambda *_: self._resize())
            self._resize()
        self._place(InputFile(".ready", b""))
        if self._keyboard:
            threading.Thread(target=self._pass_input, args=(self._keyboard,), daemon=True).start()

    def _thread(self, work: Any) -> None:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _place(self, file: InputFile) -> None:
        """Write a file through the input of a command in the container: nothing records its content."""
        size = len(file.content)
        read = f"head -c {size}" if size else ":"
        script = f'umask 077; {read} >"$1/.new" && mv "$1/.new" "$1/{file.name}"'
        with answering(f"`{file.name}` could not be given to the connector"):
            made = self._api.exec_create(
                self._name, ["/bin/sh", "-c", script, "tapdock", self._memory], stdin=True, stdout=True, stderr=True
            )
            attached = Attached(self._api.exec_start(made["Id"], socket=True))
            with contextlib.suppress(OSError):  # reported below
                attached.send(file.content)
            said = b"".join(data for _, data in attached.frames())
            code = self._api.exec_inspect(made["Id"])["ExitCode"]
        if code:
            why = said.decode("utf-8", "replace").strip() or f"exit code {code}"
            raise EngineError(
                f"`{file.name}` could not be given to `{self._launch.called}`: {why}",
                hint="the image needs `sh`, `cat`, `head`, `mv` and `sleep`",
            )

    def _watch(self) -> None:
        """Read the config if the connector has changed it. This ends with the container."""
        with contextlib.suppress(*CONNECTION, OSError):
            made = self._api.exec_create(self._name, ["/bin/sh", "-c", _WATCH, "tapdock", self._memory], stderr=False)
            attached = Attached(self._api.exec_start(made["Id"], socket=True))
            self._rotated = b"".join(data for stream, data in attached.frames() if stream == STDOUT)

    def _pass_output(self) -> None:
        with contextlib.suppress(OSError):  # the engine is gone, or our reader
            if self._stdio.terminal:
                for data in self._output.chunks():
                    _write(self._stdio.stdout, data)
            else:
                for stream, data in self._output.frames():
                    _write(self._stdio.stdout if stream == STDOUT else self._stdio.stderr, data)

    def _pass_input(self, keyboard: Attached) -> None:
        assert self._stdio.stdin is not None, "there is an input to pass"
        with contextlib.suppress(OSError):  # the connector has ended
            while data := os.read(self._stdio.stdin, _CHUNK):
                keyboard.send(data)
        keyboard.close()

    def _resize(self) -> None:
        with contextlib.suppress(*CONNECTION, OSError):  # it has ended
            size = os.get_terminal_size(self._stdio.stdout)
            self._api.resize(self._name, height=size.lines, width=size.columns)

    def wait(self) -> int:
        with answering(f"the engine did not report how the {self._launch.role} ended"):
            code = int(self._api.wait(self._name, timeout=None)["StatusCode"])
            self.oom_killed = bool(self._api.inspect_container(self._name)["State"]["OOMKilled"])
        for thread in self._threads:
            thread.join()
        self.config = self._rotated.decode("utf-8", "replace") or None
        return code

    def signal(self, number: int) -> None:
        with contextlib.suppress(*CONNECTION):
            self._api.kill(self._name, signal=number)

    def close(self) -> None:
        """Restore the terminal."""
        if self._before is not None:
            termios.tcsetattr(self._stdio.stdout, termios.TCSADRAIN, self._before)
            signal.signal(signal.SIGWINCH, self._handler or signal.SIG_DFL)
            self._before = None


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
