"""Make the launcher's command line, which starts a connector inside its container (decision 0004)."""

from functools import cache
from importlib.resources import files

from tapdock.launch import FileArg, Launch

__all__ = ["command"]


@cache
def _script() -> str:
    """Return the launcher without its comments, so that `ps` shows a shorter command."""
    lines = (files("tapdock.engines") / "launcher.sh").read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def command(launch: Launch, *, pipes: str, memory: str) -> list[str]:
    """Return the whole command. Pipes are in the folder `pipes`; input files are written into the folder `memory`.

    It contains only names and sizes of files, never their content.
    """
    sizes = [text for file in launch.files for text in (file.name, "-" if file.late else str(len(file.content)))]
    args = [f"{memory}/{arg.name}" if isinstance(arg, FileArg) else arg for arg in launch.args]
    stdin = "stdin" if launch.stdin else "none"
    return ["/bin/sh", "-c", _script(), "tapdock", pipes, memory, stdin, *sizes, "--", *launch.entrypoint, *args]
