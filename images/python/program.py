#!/usr/bin/env python3
"""Lists the programs of installed packages in /opt/connector/programs, and writes the name of the one that starts by
default into /opt/connector/default, if there is one.

    PACKAGE=dbt-duckdb==1.9.6 EXECUTABLE= python program.py

Runs while an image is built, with the interpreter of the environment that the image gets.
"""

import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

CONNECTOR = Path("/opt/connector")


class Refused(Exception):
    """The build cannot go on: a message, and a hint."""


def chosen(package: str, given: str, own: "Sequence[str]", programs: "Collection[str]") -> "str | None":
    """Return the program that starts by default. `own` are those of the package itself, `programs` those of all.

    It is the program that the user gave, else the only one of the package, else the one with the name of the package or
    with the longest beginning of it: `dbt` for `dbt-duckdb`. Without such a program, each command has to name one.
    """
    if given or len(own) == 1:
        return given or own[0]
    parts = package.split("-")
    beginnings = ["-".join(parts[:end]) for end in range(len(parts), 0, -1)]
    found = [name for start in beginnings for name in (start, start.replace("-", "_")) if name in programs]
    return found[0] if found else None


def scripts(found: "Distribution") -> "set[str]":
    names = {each.name for each in found.entry_points if each.group == "console_scripts"}
    if not names:  # a package of an old kind has files instead
        names = {Path(str(file)).name for file in found.files or () if Path(str(file)).parent.name == "bin"}
    return names


def installed(package: str) -> "Distribution | None":
    """Return what is installed of a package; None if PACKAGE begins with an address and not with a name."""
    try:
        return distribution(package) if package else None
    except (PackageNotFoundError, ValueError):
        return None


def main(environ: "Mapping[str, str]", connector: Path) -> None:
    requirement, given = environ["PACKAGE"], environ.get("EXECUTABLE", "")
    package = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
    present = {file.name for file in (connector / "bin").iterdir() if os.access(file, os.X_OK)}
    programs = sorted({name for found in distributions() for name in scripts(found)} & present)
    found = installed(package)
    name = chosen(package, given, sorted(scripts(found) & present) if found else [], programs)
    if given and given not in present:
        has = " ".join(programs) or "none"
        raise Refused(f"{requirement} has no program `{given}`; programs of its packages: {has}", "correct `executable`")
    (connector / "programs").write_text("".join(f"{each}\n" for each in programs))
    if name:
        (connector / "default").write_text(f"{name}\n")
        run = connector / "run"
        run.write_text(f'#!/bin/sh\nexec {connector}/bin/{name} "$@"\n')  # for the test whether it starts
        run.chmod(0o755)


if __name__ == "__main__":
    try:
        main(os.environ, CONNECTOR)
    except Refused as refused:
        sys.exit(f"error: {refused.args[0]}\nhint: {refused.args[1]}")
