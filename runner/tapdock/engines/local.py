"""An engine without containers: connectors are programs of this machine, with the same launcher and the same pipes.

It isolates nothing. It is for tests, and for trying a connector under development.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tapdock.engines import folders
from tapdock.engines.attended import Stdio, attended_command
from tapdock.engines.base import Conversation, EngineFacts, Logs, Swept
from tapdock.engines.launcher import command
from tapdock.engines.owner import is_alive, mine
from tapdock.engines.stderr import lines_of
from tapdock.errors import EngineError, ImageMissing
from tapdock.launch import Exit, ImageFacts, Launch, Role

__all__ = ["LocalEngine"]

_MEMORY = Path("/dev/shm")  # noqa: S108 - a tmpfs


class LocalEngine:
    """`image` is the path of a program."""

    name = "local"
    owner = property(lambda _: mine())

    def is_over(self, owner: str, run_id: str) -> bool:
        return is_alive(owner) is False  # its programs end with it

    def facts(self) -> EngineFacts:
        return EngineFacts(product="programs without containers,", version=platform.release(), address="this machine")

    def placed(self, launch: Launch) -> Launch:
        return launch

    def inspect(self, image: str) -> ImageFacts | None:
        path = shutil.which(image)
        if path is None:
            return None
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return ImageFacts(image=image, digest=f"sha256:{digest}", entrypoint=(path,))

    def pull(self, image: str, *, platform: str | None, progress: Logs) -> None:
        raise ImageMissing(f"there is no program `{image}`", hint="set `image` to its path, and make it executable")

    def refusal(self, image: str) -> str | None:
        return "it is not a program of this machine"

    def has_network(self, name: str) -> bool:
        return True  # its programs use the network of this machine

    def run(self, run_id: str, *, image: str) -> "LocalRun":
        return LocalRun()

    def changed(self, run_id: str, role: Role, *, wanted: Callable[[str], bool]) -> tuple[str, ...]:
        return ()  # its programs write to this machine, where files remain

    def forget(self) -> tuple[str, ...]:
        return ()

    def leftovers(self) -> tuple[str, ...]:
        return tuple(map(str, (*folders.abandoned(), *folders.abandoned(_MEMORY))))

    def sweep(self) -> Swept:
        return folders.sweep() + folders.sweep(_MEMORY)


class LocalRun:
    """A run of programs. Input files are in memory (/dev/shm), and only their user can read them."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.folder: Path | None = None

    def __enter__(self) -> "LocalRun":
        self.folder = self._stack.enter_context(folders.temporary())
        self._memory = self._stack.enter_context(folders.temporary(_MEMORY))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start(self, launch: Launch, log: Logs) -> "LocalProcess":
        assert self.folder is not None, "entered"
        memory = self._memory / launch.role
        memory.mkdir(mode=0o700)
        argv = command(launch, pipes=str(self.folder / launch.role), memory=str(memory))
        env = {"PATH": os.environ.get("PATH", os.defpath), **launch.env}
        try:
            process = self._stack.enter_context(_spawned(argv, env))
        except OSError as error:
            raise EngineError(f"`{launch.called}` could not be started: {error}") from error
        return LocalProcess(launch.role, process, log)

    def attend(self, launch: Launch, stdio: Stdio) -> "LocalAttended":
        memory = self._memory / launch.role
        memory.mkdir(mode=0o700)
        for file in launch.files:
            (memory / file.name).write_bytes(file.content)
        (memory / ".ready").touch()
        (memory / ".kept").touch()  # the file is still there when the program has ended
        env = {"PATH": os.environ.get("PATH", os.defpath), "TERM": os.environ.get("TERM", "dumb"), **launch.env}
        argv = attended_command(launch, stdio, memory=str(memory))
        try:
            process = self._stack.enter_context(_attended(argv, env, stdio, folder=launch.working_dir))
        except OSError as error:
            raise EngineError(f"`{launch.called}` could not be started: {error}") from error
        return LocalAttended(process, memory / "config.json", launch, terminal=stdio.terminal)

    def start_relay(
        self, image: str, log: Logs, *, roles: Sequence[Role], scratch: bool
    ) -> tuple["LocalProcess", Conversation]:
        raise EngineError("the local engine always shares its folders", hint="unset TAPDOCK_RELAY")


@contextlib.contextmanager
def _spawned(argv: list[str], env: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a process in a group of its own, and kill the whole group at the end. Raises OSError."""
    process = subprocess.Popen(
        argv,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _kill_group(process)
        process.wait()
        assert process.stderr is not None, "piped"
        process.stderr.close()


@contextlib.contextmanager
def _attended(
    argv: list[str], env: dict[str, str], stdio: Stdio, *, folder: str | None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a process on the user's descriptors. In a terminal, it has to be in the group of this process."""
    stdin = subprocess.DEVNULL if stdio.stdin is None else stdio.stdin
    process = subprocess.Popen(
        argv,
        env=env,
        cwd=folder,
        stdin=stdin,
        stdout=stdio.stdout,
        stderr=stdio.stderr,
        start_new_session=not stdio.terminal,
    )
    try:
        yield process
    finally:
        if stdio.terminal:
            process.kill()
        else:
            _kill_group(process)
        process.wait()


class LocalAttended:
    """A program that a user runs by hand."""

    oom_killed = False  # nothing limits its memory

    def __init__(
        self, process: "subprocess.Popen[bytes]", file: Path, launch: Launch, *, terminal: bool = False
    ) -> None:
        self.config: str | None = None
        self._terminal = terminal
        self._process = process
        self._file = file
        self._given = next((each.content for each in launch.files if each.name == file.name), b"")

    def wait(self) -> int:
        code = self._process.wait()
        if not self._terminal:
            _kill_group(self._process)  # as all processes of a container end with it
        with contextlib.suppress(OSError):
            now = self._file.read_bytes()
            self.config = now.decode("utf-8", "replace") if now != self._given else None
        return code if code >= 0 else 128 - code

    def signal(self, number: int) -> None:
        """Send a signal. In a terminal, Ctrl-C has already reached the program, which is in the same group."""
        if not self._terminal:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
        elif number != signal.SIGINT:
            self._process.send_signal(number)


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all of them have already ended


class LocalProcess:
    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Logs) -> None:
        self.name = name
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(log,), daemon=True)
        self._reader.start()

    def _read(self, log: Logs) -> None:
        stderr = self._process.stderr
        assert stderr is not None, "piped"
        for line in lines_of(iter(lambda: os.read(stderr.fileno(), 1 << 16), b"")):
            log(line)

    def wait(self, timeout: float | None = None) -> Exit | None:
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        _kill_group(self._process)  # as all processes of a container end with it
        self._reader.join()
        return Exit(code=code if code >= 0 else 128 - code)

    def kill(self) -> None:
        _kill_group(self._process)
