"""Read all states of Meltano from where it keeps them: a folder, a bucket, or the SQLite file of its database."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from tapdock.errors import StateError, UsageError
from tapdock.state.backends.base import open_backend
from tapdock.state.backends.keys import MELTANO

__all__ = ["holds_several", "states_of_meltano"]

_FILE = "state.json"
_SQLITE = b"SQLite format 3\0"
_HINT = "`meltano state list` lists the states"


def holds_several(place: str) -> bool:
    """Return True for a folder, a URI, or a database; False for the file of one state."""
    return "://" in place or Path(place).is_dir() or _is_database(Path(place))


def _is_database(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def states_of_meltano(place: str, folder: Path) -> dict[str, str]:
    """Return the text of each state by its name, in the form of Meltano's files. `folder` is that of the project.

    Meltano's ids `<environment>:<extractor>-to-<loader>` are valid names in tapdock. Raises UsageError if there is no
    state, and StateError if it cannot be read.
    """
    if urlsplit(place).scheme == "sqlite":
        place = unquote(urlsplit(place).path).removeprefix("/")  # `sqlite:////absolute` has one slash more
    place = place.removeprefix("file://")
    if "://" in place:
        return _of_bucket(place, folder)
    found = dict(_of_database(Path(place)) if _is_database(Path(place)) else _of_folder(Path(place)))
    if not found:
        what = "a state" if _is_database(Path(place)) else f"a */{_FILE}"
        raise UsageError(f"there is not {what} in {place}", hint=_HINT)
    return found


def _of_folder(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob(_FILE)):  # the name of a state may contain slashes
        if path.parent == folder:
            continue
        try:
            yield path.parent.relative_to(folder).as_posix(), path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StateError(f"{path} cannot be read: {error}") from error


def _of_database(file: Path) -> Iterator[tuple[str, str]]:
    """Yield states that are not empty: Meltano keeps a row for a state that was cleared."""
    query = "SELECT state_id, completed_state, partial_state FROM state ORDER BY state_id"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True)) as database:
            rows = database.execute(query).fetchall()
    except sqlite3.Error as error:
        raise StateError(f"{file} is not a system database of Meltano: {error}", hint=_HINT) from error
    for name, completed, partial in rows:
        parts = {"completed": completed, "partial": partial}
        kept = [f'"{part}":{text}' for part, text in parts.items() if text and text.strip() not in ("{}", "null")]
        if kept:
            yield name, f"{{{','.join(kept)}}}"


def _of_bucket(uri: str, folder: Path) -> dict[str, str]:
    bucket = open_backend(uri, folder, codec=MELTANO)
    stored = {name: bucket.get(name) for name in bucket.names()}
    if not stored:
        raise UsageError(f"there is no */{_FILE} in {bucket.uri}", hint=_HINT)
    return {name: one.body.decode("utf-8", "replace") for name, one in stored.items() if one}
