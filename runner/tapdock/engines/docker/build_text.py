"""Report the steps of a build and the reason of its failure in words, without the shell code of the recipe."""

import re
from collections.abc import Sequence

__all__ = ["exit_of", "network_hint", "shortened", "step_of"]

_STEPS = (
    ("FROM ", "preparing the base image"),
    ("starts.sh", "starting the program once"),
    ("apt-get", "installing Debian packages"),
    ("install", "installing packages"),
    ("COPY ", "copying files"),
)
_EXIT = re.compile(r"returned a non-zero code: (\d+)")
_NETWORK = re.compile(
    r"name or service not known|temporary failure (?:in name resolution|resolving)|failed to resolve|dns error"
    r"|could not resolve|getaddrinfo|name does not resolve|connection refused|ECONNREFUSED|ENOTFOUND|EAI_AGAIN"
    r"|network is unreachable|no route to host|connection timed out|connect timeout|operation timed out"
    r"|failed to establish a new connection",
    re.IGNORECASE,
)
_DEBIAN = re.compile(r"^E: |Debian packages cannot be installed", re.MULTILINE)
_BACKEND = "build backend returned an error"
_MANY = 8
"""With more lines than that, the message has only those that matter."""
_LONGEST = 600
_REASON = re.compile(r"(?:[\w.]*(?:Error|Exception)\b|error\b|fatal\b|E: )", re.IGNORECASE)


def step_of(line: str) -> str:
    """Return a line such as `Step 9/34 : RUN …` in words.

    >>> step_of("Step 9/34 : RUN sh /opt/install.sh")
    'step 9/34: installing packages'
    """
    number, _, what = line.removeprefix("Step ").partition(" : ")
    words = next((words for mark, words in _STEPS if mark in what), "preparing the image")
    return f"step {number}: {words}"


def exit_of(error: str) -> str:
    """Return the builder's error, without the shell code of a command that failed.

    >>> exit_of("The command '/bin/sh -c pip install x' returned a non-zero code: 1")
    'exit code 1'
    """
    found = _EXIT.search(error)
    return f"exit code {found[1]}" if found else error


def network_hint(lines: Sequence[str]) -> str | None:
    """Return the next step if the output of a build names a server that it could not reach; else None."""
    text = "\n".join(lines)
    if not _NETWORK.search(text):
        return None
    if _BACKEND in text:
        return (
            "this is the network: a package downloads something while it is built. Allow the address, or pin a version,"
            " of it or of the package that needs it, that is complete on the registry (`constraints` under `build`)"
        )
    if _DEBIAN.search(text):
        return "this is the network: the mirror of Debian cannot be reached from the build"
    return "this is the network: the package registry cannot be reached from the build; PIP_INDEX_URL names another one"


def shortened(lines: Sequence[str]) -> list[str]:
    """Return the lines of a failure that matter: its beginning and its last reason. Few short lines stay."""
    if len(lines) <= _MANY and sum(map(len, lines)) <= _LONGEST:
        return list(lines)
    first, *rest = lines
    said = [line.strip() for line in rest if not line.strip().startswith(("hint:", "File ", "^", "["))]
    reasons = [line for line in said if _REASON.match(line)] or said
    found = list(dict.fromkeys((*reasons[:1], *reasons[-1:])))
    return [first, *found] if found else [first]
