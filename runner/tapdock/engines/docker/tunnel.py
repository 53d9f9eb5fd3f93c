"""Forward the socket of an engine on another machine to this one, by ssh."""

import atexit
import contextlib
import subprocess
from urllib.parse import urlsplit

from tapdock.engines import folders
from tapdock.errors import EngineError

__all__ = ["command", "opened"]

_SOCKET = "/var/run/docker.sock"
_UP = b"up\n"


def command(url: str, socket: str) -> list[str]:
    """Return the ssh command that forwards `socket` to the engine of `ssh://[user@]host[:port][/its/socket]`.

    The remote `cat` ends when its input closes, in any ending of this process. Then the tunnel ends as well.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise EngineError(f"DOCKER_HOST is `{url}`, which has no host", hint="write `ssh://user@host`")
    host = f"{parts.username}@{parts.hostname}" if parts.username else parts.hostname
    port = ["-p", str(parts.port)] if parts.port else []
    remote = parts.path if len(parts.path) > 1 else _SOCKET
    options = ["-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=15"]
    return ["ssh", "-T", *options, *port, "-L", f"{socket}:{remote}", "--", host, "cat"]


def opened(url: str) -> str:
    """Open a tunnel until this process ends, and return its address `unix://…`. Raises EngineError."""
    stack = contextlib.ExitStack()
    folder = stack.enter_context(folders.temporary())
    socket = folder / "engine.sock"
    try:
        # In a group of its own, because after Ctrl-C, the run still needs the engine to stop.
        ssh = subprocess.Popen(
            command(url, str(socket)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        stack.close()
        raise EngineError(f"{url} needs the program `ssh`", hint="install an OpenSSH client") from error
    stack.callback(_end, ssh)
    atexit.register(stack.close)
    assert ssh.stdin is not None, "piped"
    assert ssh.stdout is not None, "piped"
    assert ssh.stderr is not None, "piped"
    with contextlib.suppress(BrokenPipeError):
        ssh.stdin.write(_UP)
        ssh.stdin.flush()
    if ssh.stdout.read(len(_UP)) != _UP:  # forwarding is set up before the command starts
        said = ssh.stderr.read().decode("utf-8", "replace").strip().splitlines()
        stack.close()
        why = said[-1] if said else f"ssh ended with {ssh.returncode}"
        raise EngineError(f"{url} cannot be reached: {why}", hint=f"try `{' '.join(['ssh', *_words(url)])}`")
    return f"unix://{socket}"


def _words(url: str) -> list[str]:
    words = command(url, "")
    return [*(words[words.index("-p") :][:2] if "-p" in words else []), words[-2], "docker version"]


def _end(ssh: "subprocess.Popen[bytes]") -> None:
    for pipe in (ssh.stdin, ssh.stdout, ssh.stderr):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()
    ssh.terminate()
    ssh.wait()
