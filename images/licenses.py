#!/usr/bin/env python3
"""Prints the licenses of Python and of installed packages: of those that are named, else of all.

    python licenses.py [NAME]...

Runs while an image is built, with the interpreter of the environment that the image gets.
"""

import os
import sys
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

_FILES = ("licen", "copying", "notice", "authors")


def main(names: list[str]) -> None:
    found = [distribution(name) for name in names] if names else list(distributions())
    print(f"Python {sys.version.partition(' ')[0]}: PSF-2.0\n\n{sys.copyright}\n")
    text = Path(os.__file__).with_name("LICENSE.txt")
    if text.is_file():
        print(text.read_text("utf-8", "replace"))
    for each in sorted(found, key=lambda each: each.name.lower()):
        print(f"{'=' * 78}\n{each.name} {each.version}: {_license(each)}\n")
        for file in each.files or []:
            path = file.locate()
            if file.name.lower().startswith(_FILES) and ".dist-info" in str(file) and path.is_file():
                print(f"--- {file.name}\n{path.read_text('utf-8', 'replace')}\n")


def _license(package: Distribution) -> str:
    """As the package says it: an expression, classifiers, or the first line of a text."""
    says = package.metadata
    classifiers = [line for line in says.get_all("Classifier") or [] if line.startswith("License ::")]
    names = ", ".join(line.rpartition(" :: ")[2] for line in classifiers)
    first = (says["License"] or "").strip().partition("\n")[0]
    return str(says["License-Expression"] or names or first or "see its files")


main(sys.argv[1:])
