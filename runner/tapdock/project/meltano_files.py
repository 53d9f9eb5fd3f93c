"""Read a Meltano project: `meltano.yml`, the files that it includes, its lock files of plugins, and its `.env`."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from tapdock.errors import UsageError
from tapdock.project import document
from tapdock.project.dotenv import parse_dotenv
from tapdock.project.files import text_of
from tapdock.project.layers import Layer
from tapdock.project.layers import Path as Keys
from tapdock.project.meltano_shape import Lock, Whole, require
from tapdock.project.values import parse_json

__all__ = ["Files", "LockName", "Notes", "included", "read_files"]


class LockName(NamedTuple):
    """What a lock file is for: `kind` is `extractors` or `loaders`, `variant` is empty for a plugin without one."""

    kind: str
    name: str
    variant: str


class Files(msgspec.Struct, frozen=True):
    """The content of all files of a Meltano project.

    `tree` is `meltano.yml` with the files that it includes, `origins` says where each value was written. `variables`
    are those in `.env`, `folder` is the folder of `meltano.yml`. `stored` are names of plugins with the names of their
    settings in Meltano's system database.
    """

    tree: Mapping[str, Any]
    origins: Mapping[Keys, str] = msgspec.field(default_factory=dict)
    locks: Mapping[LockName, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    variables: Mapping[str, str] = msgspec.field(default_factory=dict)
    folder: Path = Path()
    stored: tuple[tuple[str, str], ...] = ()


class Notes:
    """Lines about what is not carried over, each with its file and line."""

    def __init__(self, origins: Mapping[Keys, str]) -> None:
        self._origins = origins
        self._found: dict[str, str] = {}

    @property
    def lines(self) -> list[str]:
        return list(self._found.values())

    def add(self, text: str, *path: str | int) -> None:
        """Add a line; `path` leads to the value in `meltano.yml`, or to the nearest value around it.

        A text that is there already, for example because an environment inherits the value, is not repeated.
        """
        while path and path not in self._origins:
            path = path[:-1]
        self._found.setdefault(text, f"{self._origins[path]}: {text}" if path else text)


def read_files(file: Path) -> Files:
    """Return the content of all files of the project of a `meltano.yml`. Raises UsageError."""
    layer = document.read(file)
    for path in included(file):
        layer = _merged(layer, document.parse(text_of(path), _short(path, file.parent)))
    require(layer.tree, Whole, label=file.name)
    dotenv = file.parent / ".env"
    variables = parse_dotenv(text_of(dotenv), dotenv.name) if dotenv.is_file() else {}
    locks = dict(_locks(file.parent))
    return Files(layer.tree, layer.origins, locks, variables, file.parent, _stored(file.parent))


def included(file: Path) -> list[Path]:
    """Return the files that a `meltano.yml` includes. Raises UsageError."""
    patterns = document.read(file).tree.get("include_paths") or []
    require({"include_paths": patterns}, Whole, label=file.name)
    try:
        found = (path for pattern in patterns for path in sorted(file.parent.glob(pattern)) if path != file)
        return list(dict.fromkeys(found))
    except (OSError, ValueError, NotImplementedError, IndexError) as error:
        raise UsageError(f"{file.name}: `include_paths` cannot be used: {error}") from error


def _short(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name


def _merged(one: Layer, other: Layer) -> Layer:
    """Return both layers as Meltano merges them: mappings by key, lists one after the other."""
    origins = dict(one.origins)
    for path, origin in other.origins.items():
        origins[_moved(path, one.tree)] = origin
    return Layer(_both(one.tree, other.tree), origins)


def _moved(path: Keys, tree: Any) -> Keys:
    """Return where a value of a later file is after its list was put behind the list of `tree`."""
    for place, part in enumerate(path):
        if isinstance(tree, list) and isinstance(part, int):
            return (*path[:place], part + len(tree), *path[place + 1 :])
        tree = tree.get(part) if isinstance(tree, dict) else None
    return path


def _both(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{key: _both(one.get(key), value) for key, value in other.items()}}
    return one + other if isinstance(one, list) and isinstance(other, list) else other


def _stored(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return the settings that `meltano config set --store=db` keeps; none if the database is not a local file."""
    file = folder / ".meltano" / "meltano.db"
    if not file.is_file():
        return ()
    query = "SELECT namespace, name FROM plugin_settings WHERE enabled ORDER BY namespace, name"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True)) as database:
            rows = database.execute(query).fetchall()
    except sqlite3.Error:
        return ()
    return tuple((str(namespace).removesuffix(".default").partition(".")[2], str(name)) for namespace, name in rows)


def _locks(folder: Path) -> Iterator[tuple[LockName, dict[str, Any]]]:
    for path in sorted((folder / "plugins").glob("*/*.lock")):
        try:
            lock = parse_json(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
        require(lock, Lock, label=str(path))
        name, _, variant = path.stem.partition("--")
        yield LockName(path.parent.name, str(lock.get("name") or name), str(lock.get("variant") or variant)), lock
