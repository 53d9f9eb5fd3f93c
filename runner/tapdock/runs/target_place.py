"""The place where a target writes, as a fingerprint beside the state: another place lacks the rows of earlier runs."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tapdock.connectors.rotation_rules import program
from tapdock.project.composed import steady
from tapdock.project.home import keeps_state, place_of
from tapdock.project.model import Connector, Project
from tapdock.project.secret import Secret
from tapdock.text.secret_names import masked_text

__all__ = ["moved", "places", "renamed"]

_PLACES = re.compile(
    r"(?:.*_)?(?:host|hosts|hostname|server|port|address|addresses|endpoint|account|database|dbname|db|schema|catalog"
    r"|dataset|project|bucket|container|keyspace|index|collection|namespace|workspace|spreadsheet|sheet"
    r"|filepath|filename|file|path|paths|directory|dir|folder|prefix|url|uri|dsn|connection_string)(?:_(?:name|id|path|url))?"
)
"""Names of settings that say where rows are written."""
_NOT_A_PLACE = re.compile(
    r"ssl|tls|ssh|tunnel|ca|certs?|certificate|private|proxy|logs?|logging|te?mp|temporary|cache|staging|auth|credentials?"
    r"|secrets?|keyfile|token"
)
"""Words in the names of settings whose host or path is not where rows are written."""
_KEY_FILE = re.compile(r".*key_(?:file|path|filepath|file_path)(?:_name)?")
_FOLDER = "the project's folder"
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_SECRET = re.compile(
    r"(?:.*_)?(?:host|hosts|hostname|server|port|database|dbname|db|schema|dataset|project|bucket)(?:_(?:name|id))?"
)
"""Names of settings that have no secret as their value, also if it comes from a variable."""


def places(target: Connector, project: Project) -> dict[str, str]:
    """Return a digest for each setting that says where a target writes: of its config, its mounts and its program.

    Secrets are not part of it, nor are users, queries and web paths in addresses. A date or a run id counts as it is
    written: a folder of each day is one place, whose runs continue from one state. A project may be moved together with
    its states and with mounted folders in it. If its states are elsewhere, other projects, or copies of this one, may
    use them, so the place of its own folder counts too.
    """
    folder, is_local = project.folder, False
    found = {f"config.{key}": text for key, text in _settings(target.config, ())}
    for mount in target.mounts:
        source = Path(mount.source)
        if not mount.read_only:
            within = source.is_absolute() and source.is_relative_to(folder)
            is_local = is_local or within
            found[f"mounts {mount.target}"] = str(source.relative_to(folder)) if within else mount.source
    if is_local and not keeps_state(folder, project.private, project.state_uri):
        found[_FOLDER] = place_of(folder)
    if target.network or target.extra_hosts:  # a host of the same name may be another server there
        found["network"] = f"{target.network} {sorted(target.extra_hosts)}"
    found["program"] = program(target)
    return {key: _digest(f"{key}={text}") for key, text in found.items()}


def moved(target: Connector, project: Project, before: Mapping[str, str]) -> str | None:
    """Return why a target looks new, compared with the places that were stored with a state, or None.

    Nothing is known about a state without places: an earlier version of tapdock, or another runner, wrote it. The same
    applies to the place of the project's folder.
    """
    now = places(target, project)
    known = (now.keys() | before.keys()) - ({_FOLDER} - (now.keys() & before.keys()))
    changed = sorted(key for key in known if now.get(key) != before.get(key)) if before else []
    if not changed:
        return None
    if "program" in changed:
        return f"`{target.name}` looks new: another program wrote the rows of this state"
    if changed == [_FOLDER]:
        return f"`{target.name}` looks new: it mounts folders of this project, but a project elsewhere saved the state"
    changed = [key for key in changed if key != _FOLDER]
    named = ", ".join(f"`{key}`" for key in changed)
    has = "has" if len(changed) == 1 else "have"
    return f"`{target.name}` looks new: {named} {has} changed since the state was saved"


def renamed(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Return why the table of a stream looks new, or None. Both map a stream to its name in the target."""
    for stream, name in now.items():
        source, _, copy = stream.rpartition(" as ")
        if copy and source in before and stream not in before:
            return f"stream `{source}` is now also written to `{name}`, which has no rows of earlier runs"
        if stream in before and before[stream] != name:
            return f"stream `{stream}` is now written to `{now[stream]}`, and was written to `{before[stream]}` before"
    return None


def _settings(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the text of each setting that names a place."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _settings(inner, (*path, str(name)))
    elif path and _is_place(path) and (text := _text(value, plain=bool(_NO_SECRET.fullmatch(_words(path[-1]))))):
        yield ".".join(path), masked_text(text)


def _text(value: Any, *, plain: bool) -> str:
    """Return the part of a value that names a place; nothing for what may be a secret, and is not `plain`."""
    value = steady(value)
    if isinstance(value, Secret):
        return _address(value.reveal()) if plain or "://" in value.reveal() else ""
    if isinstance(value, list | tuple):
        return ",".join(_text(one, plain=plain) for one in value)
    return _address(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _address(text: str) -> str:
    """Return an address without its user, its query, and the path of a web address, which may be secrets.

    >>> _address("postgres://user:secret@db:5432/shop?sslpassword=x")
    'postgres://db:5432/shop'
    >>> _address("Server=db;Pwd=secret")
    ''
    """
    if "://" not in text:
        return "" if {"@", "="} & set(text) else text
    try:
        parts = urlsplit(text)
        place = f"{parts.scheme}://{parts.hostname or ''}:{parts.port or ''}".rstrip(":")
    except ValueError:
        return ""
    if {"@", "="} & set(parts.path) or (parts.netloc and not parts.hostname):
        return ""
    return place if parts.scheme in ("http", "https") else f"{place}{parts.path}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def _words(name: str) -> str:
    return _CAMEL.sub("_", name).lower().replace("-", "_")


def _is_place(path: tuple[str, ...]) -> bool:
    names = [_words(part) for part in path]
    words = [word for name in names for word in name.split("_")]
    if not _PLACES.fullmatch(names[-1]) or _KEY_FILE.fullmatch(names[-1]):
        return False
    return not any(_NOT_A_PLACE.fullmatch(word) for word in words)
