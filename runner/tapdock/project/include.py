"""Read a project file together with the files that its `include:` names."""

import glob
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tapdock.project import document
from tapdock.project.fields import Field
from tapdock.project.keys import INCLUDED, ROOT, names
from tapdock.project.layers import Layer
from tapdock.project.layers import Path as Keys
from tapdock.project.owners import require_owner

__all__ = ["read_included"]

_ENTRIES = ("sources", "mappers", "targets", "pipelines", "tasks", "jobs", "schedules")


def read_included(file: Path, *, trusted: Collection[int] | None, texts: Mapping[Path, str] | None = None) -> Layer:
    """Return the values of a project file and of all files that it includes. Raises UsageError.

    A name that two files define is an error that names both places. Each file and its folder must belong to one of
    the user ids in `trusted`; None trusts all of them. `texts` replace the content of files, which are resolved paths.
    """
    reading = _Reading(file.parent, trusted, texts or {})
    reading.add(file, ())
    return Layer(reading.tree, reading.origins)


@dataclass
class _Reading:
    folder: Path
    trusted: Collection[int] | None
    texts: Mapping[Path, str]
    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Keys, str] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    real: dict[Path, str] = field(default_factory=dict)

    def add(self, file: Path, above: tuple[Path, ...]) -> None:
        """Add a file, and then those that it includes. `above` are the files that lead to it."""
        label = os.path.relpath(file, self.folder)
        given = self.texts.get(file.resolve())
        layer = document.read(file, label=label) if given is None else document.parse(given, label)
        root = Field(layer.tree, (), layer.origins, label)
        if above:
            _require_includable(root)
        included = root.entries().get("include")
        left = ("include", "version") if above else ("include",)
        kept = {key: value for key, value in layer.tree.items() if key not in left}
        self._combine(self.tree, kept, (), layer)
        self.done.add(self._real(file))
        for item in included.items() if included is not None and included.value is not None else ():
            for found in self._found(item, file):
                self._include(found, item, (*above, file))

    def _found(self, item: Field, file: Path) -> list[Path]:
        pattern = item.text()
        words = sorted(glob.glob(pattern, root_dir=file.parent, recursive=True))  # noqa: PTH207 - may be absolute
        found = [path for word in words if (path := Path(os.path.normpath(file.parent / word))).is_file()]
        if not found:
            raise item.error(
                f"names `{pattern}`, and there is no such file", hint=f"a pattern is relative to {file.parent}"
            )
        return found

    def _real(self, file: Path) -> str:
        """Return the path without links."""
        if file not in self.real:
            self.real[file] = os.path.realpath(file)
        return self.real[file]

    def _include(self, file: Path, item: Field, above: tuple[Path, ...]) -> None:
        if self._real(file) in map(self._real, above):
            chain = " -> ".join(os.path.relpath(each, self.folder) for each in (*above, file))
            raise item.error(f"includes a file that includes this one: {chain}", hint="remove it from one of them")
        if self._real(file) in self.done:
            return
        for path in (file.parent, file) if self.trusted is not None else ():
            require_owner(path, self.trusted or (), project=self.folder)
        self.add(file, above)

    def _combine(self, old: dict[str, Any], new: dict[str, Any], path: Keys, layer: Layer) -> None:
        for key, value in new.items():
            here = (*path, key)
            entry = _is_entry(path)
            if key not in old or (old[key] is None and not entry):
                old[key] = value
                self.origins |= {known: origin for known, origin in layer.origins.items() if known[: len(here)] == here}
            elif value is None and not entry:
                continue
            elif isinstance(value, dict) and isinstance(old[key], dict) and not entry:
                self._combine(old[key], value, here, layer)
            else:
                found = Field(value, here, layer.origins, "")
                first = Field(value, here, self.origins, "")
                raise found.error(f"is defined twice, first in {first.origin}", hint="rename or remove one of the two")


def _is_entry(path: Keys) -> bool:
    """Return True for the path of sources, targets or pipelines at the top: each of them is in one file."""
    return len(path) == 1 and path[0] in _ENTRIES


def _require_includable(root: Field) -> None:
    others = {name: "write it in the project file" for name in names(ROOT) if name not in INCLUDED}
    keys = root.keys(INCLUDED, instead=others)
    if "version" in keys and keys["version"].value != 1:
        raise keys["version"].wrong("1", hint="this version of tapdock reads only `version: 1`")
