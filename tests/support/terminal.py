"""A program in a pseudo-terminal: a test reads until a text is printed, and then types."""

import os
import pty
import re
import select
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

_PROMPT = re.compile(r"(?:\n|^)(?:\[.*\] )?> \Z|\[[yYnN/]+(?:, < goes back)?\] \Z")
RETRY = 5.0  # seconds until a key is pressed again
PATIENCE = 60.0  # seconds without any output, on a slow machine


class Terminal:
    """`python -m tapdock WORDS` in a folder, with a terminal of its own. As a context manager, it ends the program."""

    def __init__(self, folder: Path, *words: str, environ: Mapping[str, str] | None = None) -> None:
        self.shown = ""
        self._read = 0
        self._pid, self._descriptor = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            own = {name: value for name, value in os.environ.items() if not name.startswith("TAPDOCK_")}
            os.execve(
                sys.executable, [sys.executable, "-m", "tapdock", *words], {**own, "TERM": "dumb", **(environ or {})}
            )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid:
            os.kill(self._pid, 9)
            os.waitpid(self._pid, 0)
        os.close(self._descriptor)

    def type(self, line: str) -> None:
        os.write(self._descriptor, f"{line}\n".encode())

    def press(self, key: bytes, *, until: str) -> None:
        """Press a key until a text is printed: Python misses a Ctrl-C between the prompt and the begin of its read."""
        while until not in self.shown[self._read :]:
            os.write(self._descriptor, key)
            while until not in self.shown[self._read :] and self._ready(RETRY):
                assert self._more(), f"`{until}` was not printed after:\n{self.shown[self._read :]}"

    def answer(self, question: str, line: str) -> str:
        """Type a line at the next prompt, which must follow the question. Return what was printed before it."""
        before = self.prompt(question)
        self.type(line)
        return before

    def prompt(self, question: str = "") -> str:
        """Read until the program waits at a prompt that follows the question. Return what was printed."""
        while not (question in self.shown[self._read :] and _PROMPT.search(self.shown[self._read :])):
            assert self._more(), f"`{question}` was not asked after:\n{self.shown[self._read :]}"
        found, self._read = self.shown[self._read :], len(self.shown)
        return found

    @property
    def echoes(self) -> bool:
        """True if the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._descriptor)[3] & termios.ECHO)

    def end(self) -> int:
        """Read all that is left, and return the exit code."""
        while self._more():
            pass
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def _ready(self, seconds: float) -> bool:
        return bool(select.select([self._descriptor], [], [], seconds)[0])

    def _more(self) -> bool:
        """Read some output. Return False at its end."""
        assert self._ready(PATIENCE), f"nothing was printed after:\n{self.shown[self._read :]}"
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # Linux ends a terminal without programs like this
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)
