"""Make the launcher's command line, which starts a connector inside its container (decision 0004)."""

from functools import cache
from importlib.resources import files

from tapdock.launch import Launch

__all__ = ["command", "script"]


@cache
def script(name: str) -> str:
    """Return a script beside this module without its comments, so that `ps` shows a shorter command."""
    lines = (files("tapdock.engines") / name).read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def command(launch: Launch, *, pipes: str, memory: str) -> list[str]:
    """Return the whole command. Pipes are in the folder `pipes`; input files are written into the folder `memory`.

    It contains only names and sizes of files, never their content.
    """
    sizes = [text for file in launch.files for text in (file.name, "-" if file.late else str(len(file.content)))]
    args = launch.placed_args(memory)
    stdin = "stdin" if launch.stdin else "none"
    return [
        "/bin/sh",
        "-c",
        script("launcher.sh"),
        "tapdock",
        pipes,
        memory,
        stdin,
        *sizes,
        "--",
        *launch.entrypoint,
        *args,
    ]
