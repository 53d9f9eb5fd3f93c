"""Find out where a Meltano project keeps its states."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tapdock.project.meltano_files import Files
from tapdock.project.meltano_references import expanded, referred

__all__ = ["PLACES", "place_of_states"]

PLACES = ("MELTANO_STATE_BACKEND_URI", "MELTANO_DATABASE_URI")
"""The variables of Meltano that say where states are."""
_DATABASE = ".meltano/meltano.db"


def place_of_states(files: Files, folder: Path, environ: Mapping[str, str]) -> str:
    """Return what `tapdock state import` takes in `folder`: a file, a folder, or a URI of a bucket or a database.

    `environ` are the variables that Meltano gets. Like Meltano, they go before `meltano.yml`. A variable that is not
    set stays as it is written.
    """
    tree = files.tree
    root = str(files.folder.absolute())
    own = {"MELTANO_PROJECT_ROOT": root, "MELTANO_SYS_DIR_ROOT": f"{root}/.meltano"}
    known = {**{name: str(value) for name, value in (tree.get("env") or {}).items()}, **environ, **own}
    uri = _setting(PLACES[0], (tree.get("state_backend") or {}).get("uri"), known)
    if not uri or uri == "systemdb":
        uri = _setting(PLACES[1], tree.get("database_uri"), known) or _DATABASE
    if urlsplit(uri).scheme == "sqlite":
        uri = unquote(urlsplit(uri).path).removeprefix("/")  # `sqlite:////absolute` has one slash more
    uri = uri.removeprefix("file://")
    if "://" in uri or Path(uri).is_absolute() or folder.absolute() == files.folder.absolute():
        return uri
    return os.path.relpath((files.folder / uri).absolute(), folder.absolute())


def _setting(variable: str, given: Any, known: Mapping[str, str]) -> str:
    text = str(known.get(variable) or given or "")
    return expanded(text, {**{name: f"${name}" for name in referred(text)}, **known})
