"""Change the patterns of a source's `select` in the project file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from tapdock.connectors.config_keys import ABSENT, at
from tapdock.errors import UsageError
from tapdock.project import document, edit
from tapdock.project.fields import did_you_mean
from tapdock.project.files import text_of
from tapdock.project.include import read_included
from tapdock.project.layers import Path, dotted
from tapdock.project.load import load, written
from tapdock.project.model import Connector, Project
from tapdock.project.rewrite import rewrite

__all__ = ["SelectEdit"]


@dataclass
class SelectEdit:
    """The text of the project file with the changes so far, and the `patterns` that will apply. `write` saves it.

    Changes go into the block of the `environment`, if one is named or if the active one has other patterns.
    """

    project: Project
    connector: Connector
    environment: str | None
    environ: Mapping[str, str]
    patterns: list[str] = field(init=False)
    file: FilePath = field(init=False)
    place: Path = field(init=False)
    _text: str = field(init=False, repr=False)
    _before: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.file = self.project.file
        self._text = self._before = text_of(self.file)
        self.patterns = list(self.connector.select)
        entry: Path = ("sources", self.connector.name)
        blocks: list[Path] = [("environments", name) for name in (self.environment, self.project.environment) if name]
        own = [(*block, *entry, "select") for block in blocks]
        self.place = (*entry, "select")
        chosen = self.project.environment
        differs = bool(own) and (self._written(own[0]) is not ABSENT or self._raw(chosen) != self._raw(None))
        if self.environment or differs:
            self.place = own[0]
        elif not isinstance(at(self._tree, entry), dict):
            self._open_included(entry)

    def _open_included(self, entry: Path) -> None:
        """Change the file that the project file includes, if the source is there."""
        origin = self.project.origins.get(dotted(entry), "")
        file = self.project.folder / origin.rpartition(":")[0]
        if file.is_file():
            self.file = file
            self._text = self._before = text_of(file)
        if not isinstance(at(self._tree, entry), dict):
            what = f"{origin or self.label}: `{dotted(entry)}` is not written in {self.label}"
            raise UsageError(what, hint="edit its file by hand")

    @property
    def label(self) -> str:
        return os.path.relpath(self.file, self.project.folder)

    @property
    def _tree(self) -> dict[str, Any]:
        return document.parse(self._text, self.label).tree

    def _written(self, place: Path) -> Any:
        found = at(self._tree, place)
        return ABSENT if found is None else found

    def _raw(self, environment: str | None, text: str | None = None) -> Any:
        """Return the patterns in an environment as they are written, those of the source that it extends included."""
        texts = {self.file.resolve(): self._text if text is None else text}
        layer = written(self.project.file, environment=environment or None, texts=texts)
        return at(layer.tree, ("sources", self.connector.name, "select"))

    def add(self, pattern: str) -> bool:
        """Add a pattern at the end. Return False if it is already there."""
        if pattern in self.patterns:
            return False
        here = self._written(self.place)
        new = pattern.replace("$", "$$")
        if isinstance(here, list) and len(here) == len(self.patterns):
            self._text = edit.set_value(self._text, (*self.place, len(here)), new, label=self.label)
        else:  # one text, or patterns that another place has so far
            raw = self._raw(self.project.environment if self.place[0] == "environments" else None)
            old = [raw] if isinstance(raw, str) else raw if isinstance(raw, list) else []
            self._text = edit.set_value(self._text, self.place, [*old, new], label=self.label)
        self.patterns.append(pattern)
        return True

    def remove(self, pattern: str) -> None:
        """Remove a pattern. Raises UsageError if it is not there."""
        if pattern not in self.patterns:
            known = ", ".join(f"`{each}`" for each in self.patterns)
            hint = did_you_mean(pattern, self.patterns) or (f"patterns: {known}" if known else "it has no patterns")
            raise UsageError(f"`{dotted(self.place)}` has no pattern `{pattern}`", hint=hint)
        index = self.patterns.index(pattern)
        here = self._written(self.place)
        if not isinstance(here, list | str):
            raise self._elsewhere()
        is_last = len(self.patterns) == 1
        if isinstance(here, str) or (is_last and self.place[0] == "sources"):
            self._text = edit.remove(self._text, self.place, label=self.label)
        else:
            self._text = edit.remove(self._text, (*self.place, index), label=self.label)
        del self.patterns[index]

    def clear(self) -> bool:
        """Remove all patterns. Return False if there are none."""
        if self._written(self.place) is ABSENT:
            if self.patterns:
                raise self._elsewhere()
            return False
        self._text = edit.remove(self._text, self.place, label=self.label)
        self.patterns = list(self._after())
        return True

    def write(self) -> None:
        """Save the file. Raises UsageError if the change would have no effect; nothing is written then."""
        if tuple(self._after()) != tuple(self.patterns):
            raise self._elsewhere()
        self._require_others_kept()
        rewrite(self.file, self._text, before=self._before)

    def _require_others_kept(self) -> None:
        """Raise UsageError if the patterns that an environment inherits from another source would be replaced."""
        if self.place[0] == "environments":
            return
        name, base = self.connector.name, self._raw(None, self._before)
        for environment in read_included(self.project.file, trusted=None).tree.get("environments") or ():
            before = self._raw(environment, self._before)
            if before not in (base, self._raw(environment)):
                what = f"{self.label}: `{name}` has other patterns in environment `{environment}`, which would be lost"
                hint = f"change each environment by itself: `tapdock select {name} PATTERN --environment {environment}`"
                raise UsageError(what, hint=hint)

    def _after(self) -> Sequence[str]:
        environment = self.environment or self.project.environment or ""
        texts = {self.file.resolve(): self._text}
        files = self.project.env_files
        after = load(self.project.file, environment=environment, environ=self.environ, texts=texts, env_files=files)
        return after.sources[self.connector.name].select

    def _elsewhere(self) -> UsageError:
        key = dotted(("sources", self.connector.name, "select"))
        origin = self.project.origins.get(key) or "another place"
        return UsageError(f"the patterns of `{key}` are set by {origin}", hint="change them there")
