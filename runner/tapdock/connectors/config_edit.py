"""Changes of one connector's config, which are written together into the project file and `.env`, or not at all."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from tapdock.connectors.config_keys import ABSENT, at, with_value
from tapdock.errors import UsageError
from tapdock.files import write_whole
from tapdock.project import document, edit
from tapdock.project.airbyte_wrapper import translated
from tapdock.project.builtin import NAMES
from tapdock.project.dotenv import parse_dotenv, require_private, variable_name, with_values
from tapdock.project.files import text_of
from tapdock.project.home import DOTENV
from tapdock.project.include import read_included
from tapdock.project.interpolate import REFERENCE
from tapdock.project.layers import Path, dotted, walk
from tapdock.project.load import load, written
from tapdock.project.model import Connector, Project
from tapdock.project.rewrite import rewrite

__all__ = ["ConfigEdit"]


@dataclass
class ConfigEdit:
    """The texts of the project file and of `.env` with the changes so far. `write` saves both.

    With an `environment`, changes go into its block. `project` is the project before the changes.
    """

    project: Project
    connector: Connector
    environment: str | None
    environ: Mapping[str, str]
    file: FilePath = field(init=False)
    text: str = field(init=False, repr=False)
    secrets: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _dotenv: str = field(init=False, repr=False)
    _before: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        own = self._file_of_entry()
        self.file = self.project.file if self.environment else own
        self.text = self._before = text_of(self.file)
        self._dotenv = self._read_dotenv()
        layer, name = document.read(own, label=self._label(own)), self.connector.name
        entry = at(layer.tree, self._entry)
        if not isinstance(entry, dict):
            raise UsageError(f"`{name}` is not written in {self._label(own)}", hint="edit its file by hand")
        if at(translated(layer).tree, self._entry) != entry:
            place = layer.origins.get(self._entry, self._label(own))
            raise UsageError(
                f"{place}: `{name}` is written with keys of the Airbyte wrapper, which tapdock does not edit",
                hint="write `image` and `config` in their place, or edit the file by hand",
            )

    def _file_of_entry(self) -> FilePath:
        """Return the file that has the connector: the project file, or one that it includes."""
        origin = self.project.origins.get(dotted(self._entry), "")
        if origin.startswith("environment "):  # of the block that is merged over it
            origin = written(self.project.file, environment=None).origins.get(self._entry, "")
        label = origin.rpartition(":")[0]
        return self.project.folder / label if label else self.project.file

    def _label(self, file: FilePath) -> str:
        return os.path.relpath(file, self.project.folder)

    @property
    def label(self) -> str:
        """The name of the file that is changed, for people."""
        return self._label(self.file)

    @property
    def dotenv(self) -> FilePath:
        return self.project.folder / DOTENV

    def _read_dotenv(self) -> str:
        return text_of(self.dotenv) if self.dotenv.is_file() else ""

    @property
    def _entry(self) -> Path:
        return f"{self.connector.role}s", self.connector.name

    @property
    def place(self) -> Path:
        """The path of the config that is changed."""
        block = ("environments", self.environment) if self.environment else ()
        return (*block, *self._entry, "config")

    @property
    def raw(self) -> dict[str, Any]:
        """The config as it is written, with its references.

        It has the values of the connector that it extends, and those of the chosen environment.
        """
        layer = written(self.project.file, environment=self.environment, texts={self.file.resolve(): self.text})
        found = at(layer.tree, (*self._entry, "config"))
        return found if isinstance(found, dict) else {}

    @property
    def _tree(self) -> dict[str, Any]:
        return document.parse(self.text, self.label).tree

    def set_plain(self, path: Path, value: Any, *, secret: Callable[[Path, Any], set[Path]]) -> None:
        """Write a plain value. Its secrets go into `.env`, with references in their place. `$` is escaped."""
        self._require_same_everywhere(path)
        self.set_written(path, self._written(value, path, secret(path, value)))

    def _require_same_everywhere(self, path: Path) -> None:
        """Raise UsageError if an environment has its own value here, by its `vars`: all would get the new one."""
        old = () if self.environment else walk(at(self.raw, path))
        matches = (match for _, text in old if isinstance(text, str) for match in REFERENCE.finditer(text))
        names = {match["name"] for match in matches} & self._own_variables(of_environments=True)
        if names:
            name, place = min(names), dotted((*self.place, *path))
            raise UsageError(
                f"{self.label}: `{place}` refers to `{name}`, which an environment has in its `vars`",
                hint=f"change `{name}` in `vars`, or add `--environment NAME` to change one environment",
            )

    def set_written(self, path: Path, written: Any) -> None:
        """Write a value in the form of the project file, in which `${NAME}` is a reference."""
        if isinstance(written, str) and at(self._tree, (*self.place, *path)) == written:
            return  # with the quotes that it has
        path, written = self._whole_list(path, written)
        label = self.label
        try:
            self.text = edit.set_value(self._opened(), (*self.place, *path), written, label=label)
        except (TypeError, IndexError, KeyError) as error:
            raise UsageError(
                f"{label}: `{dotted((*self.place, *path))}` cannot be set", hint="edit it by hand"
            ) from error

    def _opened(self) -> str:
        """Return the text without an empty `config: {}`, so that settings get lines of their own."""
        if at(self._tree, self.place) == {} and len(at(self._tree, self.place[:-1])) > 1:
            with suppress(UsageError):  # it has a comment
                return edit.remove(self.text, self.place, label=self.label)
        return self.text

    def remove(self, path: Path) -> None:
        """Remove a setting. Raises UsageError if it is not written at this place."""
        if at(self._tree, (*self.place, *path)) is ABSENT:
            raise UsageError(f"`{dotted((*self.place, *path))}` is not set in {self.label}")
        self.text = edit.remove(self.text, (*self.place, *path), label=self.label)

    def _whole_list(self, path: Path, written: Any) -> tuple[Path, Any]:
        """Return the whole list if a path leads into a list that an environment does not have yet.

        The list of an environment replaces that of the file: a list with only the new item would lose the others.
        """
        for end, part in enumerate(path):
            if isinstance(part, int) and at(self._tree, (*self.place, *path[:end])) is ABSENT:
                whole = at(self.raw, path[:end])
                return path[:end], with_value(whole if isinstance(whole, list) else [], path[end:], written)
        return path, written

    def _written(self, value: Any, path: Path, secrets: set[Path]) -> Any:
        if path in secrets:
            name = self._name(path)
            self.secrets[name] = value if isinstance(value, str) else str(value)
            return f"${{{name}}}"
        if isinstance(value, Mapping):
            return {key: self._written(inner, (*path, key), secrets) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._written(inner, (*path, index), secrets) for index, inner in enumerate(value)]
        return value.replace("$", "$$") if isinstance(value, str) else value

    def _name(self, path: Path) -> str:
        """Return the variable of a secret: the one that is written there, if only this setting refers to it."""
        before = at(self._tree, (*self.place, *path))
        known = parse_dotenv(self._dotenv, DOTENV)
        fixed = {*self.environ, *self._own_variables()}  # these have priority over `.env`, or yield to it
        fixed |= {each for file in self.project.env_files for each in parse_dotenv(text_of(file), str(file))}
        match = REFERENCE.fullmatch(before) if isinstance(before, str) else None
        if match and match["name"] and match["default"] is None:
            name = match["name"]
            if self._uses(name) <= 1 and name not in fixed and name not in NAMES:
                return name
        scope = (self.environment,) if self.environment else ()
        first = name = variable_name((self.connector.name, *path, *scope))
        number = 2
        taken = {*known, *self.secrets, *fixed}
        while name in taken or self._uses(name):
            name, number = f"{first}_{number}", number + 1
        return name

    def _own_variables(self, *, of_environments: bool = False) -> set[str]:
        """Return the names in all `vars`, or only those of environments. `.env` has priority over all of them."""
        tree = read_included(self.project.file, trusted=None, texts={self.file.resolve(): self.text}).tree
        environments = tree.get("environments")
        blocks = [*environments.values()] if isinstance(environments, dict) else []
        blocks += [] if of_environments else [tree]
        found = [block.get("vars") for block in blocks if isinstance(block, dict)]
        return {name for names in found if isinstance(names, dict) for name in names}

    def _uses(self, name: str) -> int:
        """Return how many values of all files of the project refer to a variable."""
        layer = read_included(self.project.file, trusted=None, texts={self.file.resolve(): self.text})
        words = (f"${{{name}}}", f"${{{name}:")
        return sum(isinstance(value, str) and any(word in value for word in words) for _, value in walk(layer.tree))

    def after(self) -> Project:
        """Return the project as it will be. Raises UsageError if it cannot be loaded."""
        environ = {**self.secrets, **self.environ}
        chosen = self.project.environment or ""
        texts, files = {self.file.resolve(): self.text}, self.project.env_files
        return load(self.project.file, environment=chosen, environ=environ, texts=texts, env_files=files)

    def require_private(self) -> None:
        """Raise UsageError if git would publish `.env`."""
        require_private(self.dotenv.resolve())

    def write(self) -> bool:
        """Write both files. Return False if nothing has changed. Raises UsageError; both files are then as before."""
        if self.secrets:
            self.require_private()
        current = self._read_dotenv()  # another program may have changed it, while a dialog was open
        then, now = parse_dotenv(self._dotenv, DOTENV), parse_dotenv(current, DOTENV)
        if any(then.get(name) != now.get(name) for name in self.secrets):
            raise UsageError(f"{self.dotenv} has just been changed by another program", hint="run the command again")
        lines = with_values(current, self.secrets, label=DOTENV)
        if self.text == self._before and lines == current:
            return False
        with _undisturbed():
            undo = self._save_secrets(lines) if self.secrets else lambda: None
            try:
                rewrite(self.file, self.text, before=self._before)
            except UsageError:
                undo()
                raise
        return True

    def _save_secrets(self, lines: str) -> Callable[[], None]:
        """Write `.env`, and return the function that restores it."""
        file = self.dotenv.resolve()
        old = file.read_bytes() if file.exists() else None
        owner = (file if old is not None else file.parent).stat()
        try:
            write_whole(file, lines.encode())
        except OSError as error:
            raise _unwritable(file, error) from error
        if owner.st_uid != os.geteuid():  # with `sudo`, the owner of the project still has to read it
            with suppress(OSError):
                os.chown(file, owner.st_uid, owner.st_gid)

        def undo() -> None:
            with suppress(OSError):
                file.unlink() if old is None else write_whole(file, old)

        return undo


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait, so that not only one of two files is written."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def _unwritable(file: FilePath, error: OSError) -> UsageError:
    return UsageError(f"{file} cannot be written: {error.strerror}", hint="check the permissions of its folder")
