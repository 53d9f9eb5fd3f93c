#!/usr/bin/env python3
"""Finds the program of an installed connector, and writes /opt/connector/run, which starts it.

    PACKAGE=tap-x==1.0 PROGRAMS='tap-* target-*' EXECUTABLE= VERSION= python program.py

Runs while an image is built, with the interpreter of the environment that the image gets.
"""

import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

CONNECTOR = Path("/opt/connector")


class Refused(Exception):
    """The build cannot go on: a message, and a hint."""


def chosen(package: str, given: str, own: "Sequence[str]", others: "Sequence[str]", present: "Collection[str]") -> str:
    """Return the program to start. `own` are those of the package itself, `others` those of all packages.

    It is the program that the user gave, else the only one of the package, else the one with the package's name, else
    the only one of another package. `present` are all programs, with any name.
    """
    named = (package.removeprefix("airbyte-"), package)
    if given:
        return given
    if len(own) == 1:
        return own[0]
    found = [name for name in named if name in present] or (others if len(others) == 1 else named)
    return found[0]


def installed(package: str) -> "Distribution | None":
    """Return what is installed of a package; None if PACKAGE begins with an address and not with a name."""
    try:
        return distribution(package) if package else None
    except (PackageNotFoundError, ValueError):
        return None


def scripts(found: "Distribution | None", patterns: "Sequence[str]") -> "list[str]":
    """Return the package's own programs with such a name."""
    names = {each.name for each in found.entry_points if each.group == "console_scripts"} if found else set()
    if found and not names:  # a package of an old kind has files instead
        names = {Path(str(file)).name for file in found.files or () if Path(str(file)).parent.name == "bin"}
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


def main(environ: "Mapping[str, str]", connector: Path) -> None:
    requirement, patterns = environ["PACKAGE"], environ["PROGRAMS"].split()
    package = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
    found = installed(package)
    present = {file.name for file in (connector / "bin").iterdir() if os.access(file, os.X_OK)}
    own = [name for name in scripts(found, patterns) if name in present]
    others = sorted(name for name in present if any(fnmatchcase(name, pattern) for pattern in patterns))
    name = chosen(package, environ.get("EXECUTABLE", ""), own, others, present)
    if re.search(r"[^A-Za-z0-9._-]", name):
        raise Refused(f"`{name}` is not the name of a program", "use letters, digits, `-`, `_` and `.`")
    if name not in present:
        hint = "name one with `executable` under `build`, or --build-arg EXECUTABLE=…"
        has = " ".join(own or others) or "none"
        raise Refused(f"{requirement} has no program `{name}`; {' and '.join(patterns)} that it has: {has}", hint)
    version = environ.get("VERSION")
    if version and found and version != found.version:
        hint = "give the same version in PACKAGE and VERSION"
        raise Refused(f"VERSION={version} was given, but {package} {found.version} was installed", hint)
    run = connector / "run"
    # A script and not a link, so that the program sees its own name.
    run.write_text(f'#!/bin/sh\nexec {connector}/bin/{name} "$@"\n')
    run.chmod(0o755)


if __name__ == "__main__":
    try:
        main(os.environ, CONNECTOR)
    except Refused as refused:
        sys.exit(f"error: {refused.args[0]}\nhint: {refused.args[1]}")
