"""The launcher's command line: how a `Launch` is started inside its container (decision 0004)."""

from functools import cache
from importlib.resources import files

from tapdock.launch import FileArg, Launch

__all__ = ["command"]


@cache
def _script() -> str:
    """The launcher without its comments, which nobody reads in `ps`."""
    lines = (files("tapdock.engines") / "launcher.sh").read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def command(launch: Launch, *, pipes: str, memory: str) -> list[str]:
    """The whole command: pipes are found in `pipes`, input files are written into `memory`.

    Only names and sizes of files stand in it, never their content.
    """
    sizes = [text for file in launch.files for text in (file.name, "-" if file.late else str(len(file.content)))]
    args = [f"{memory}/{arg.name}" if isinstance(arg, FileArg) else arg for arg in launch.args]
    stdin = "stdin" if launch.stdin else "none"
    return ["/bin/sh", "-c", _script(), "tapdock", pipes, memory, stdin, *sizes, "--", *launch.entrypoint, *args]
