"""Run a connector as a child process in the same container: its input files, its signals and its end."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tapdock.engines.stderr import lines_of

__all__ = ["ask_to_end", "started"]

_MEMORY = ("/dev/shm", None)  # noqa: S108 - a tmpfs; without it, the folder of temporary files
_BUNDLE = ("_MEIPASS2", "_PYI_", "STATICX_", "PYINSTALLER_")
_GRACE = 10.0


@contextlib.contextmanager
def started(
    command: list[str], verb: str, files: Mapping[str, bytes], *, hear: Callable[[str], None]
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Start the connector and yield it with the folder of its input files, which is in memory.

    It runs in a process group of its own, which is ended afterwards. `hear` gets all lines of its stderr in a thread.
    """
    with _folder() as folder:
        argv = [*command, verb]
        for name, content in files.items():
            (folder / f"{name}.json").touch(mode=0o600)
            (folder / f"{name}.json").write_bytes(content)
            argv += [f"--{name}", str(folder / f"{name}.json")]
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_own_environment(),
            start_new_session=True,
        )
        reader = threading.Thread(target=_listen, args=(child, hear), daemon=True)
        reader.start()
        try:
            yield child, folder
        finally:
            _end(child)
            reader.join(_GRACE)  # processes that it left running may keep the pipe open


def _listen(child: "subprocess.Popen[bytes]", hear: Callable[[str], None]) -> None:
    stderr = child.stderr
    assert stderr is not None, "piped"
    for line in lines_of(iter(lambda: os.read(stderr.fileno(), 1 << 16), b"")):
        hear(line)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    home = next(home for home in _MEMORY if home is None or os.access(home, os.W_OK))
    folder = Path(tempfile.mkdtemp(prefix="tapdock-", dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _own_environment() -> dict[str, str]:
    """Return the image's own environment, without the variables that the bundle of this program has set."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_BUNDLE)}
    before = environ.pop("LD_LIBRARY_PATH_ORIG", None)
    environ.pop("LD_LIBRARY_PATH", None)
    return environ if before is None else environ | {"LD_LIBRARY_PATH": before}


def _end(child: "subprocess.Popen[bytes]") -> None:
    for number, seconds in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
        ask_to_end(child, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
            return


def ask_to_end(child: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Send a signal to the connector and all processes that it started."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
