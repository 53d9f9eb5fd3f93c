"""Read mounts of the project file: `./data:/data:ro` as in Compose files, or `{source, target, read_only}`."""

import re
from pathlib import Path

from tapdock.project.connector_values import Mount
from tapdock.project.fields import Field
from tapdock.project.keys import MOUNT, names

__all__ = ["mounts"]

VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
OPTIONS = ("ro", "rw", "z", "Z", "shared", "rshared", "slave", "rslave", "private", "rprivate", "nocopy",
           "cached", "delegated", "consistent")  # fmt: skip
WINDOWS = re.compile(r"[A-Za-z]:[\\/]")
LONG = "write a path with a colon as {source: './a:b', target: /data}"
SHORT = "write `./data:/data`, `./data:/data:ro`, or `volume-name:/data`"


def mounts(field: Field, folder: Path) -> tuple[Mount, ...]:
    """Return every mount of a list; relative sources are relative to the project's `folder`. Raises UsageError."""
    found: dict[str, Mount] = {}
    for item in field.items():
        mount = _long(item, folder) if isinstance(item.value, dict) else _short(item, folder)
        if mount.target in found:
            raise item.error(f"mounts `{mount.target}` a second time")
        found[mount.target] = mount
    return tuple(found.values())


def _short(field: Field, folder: Path) -> Mount:
    text = field.text()
    parts = text.split(":")
    if WINDOWS.match(text):
        raise field.error("mounts a path of Windows", hint="in WSL, drive C is `/mnt/c`: `/mnt/c/data:/data`")
    if len(parts) > 3 or (len(parts) == 3 and "/" in parts[2]):
        raise field.error("has too many colons for a mount", hint=LONG)
    if len(parts) == 1:
        raise field.wrong("a mount", hint=SHORT)
    options = tuple(parts[2].split(",")) if len(parts) == 3 else ()
    for option in options:
        if option not in OPTIONS:
            raise field.error(f"has the unknown mount option `{option}`", hint=f"known: {', '.join(OPTIONS)}")
    return Mount(
        _source(field, parts[0], folder),
        _target(field, parts[1]),
        read_only="ro" in options,
        options=tuple(option for option in options if option not in ("ro", "rw")),
    )


def _long(field: Field, folder: Path) -> Mount:
    keys = field.keys(names(MOUNT))
    for needed in ("source", "target"):
        if needed not in keys:
            raise field.error(f"needs `{needed}`", hint="for example {source: ./data, target: /data}")
    return Mount(
        _source(keys["source"], keys["source"].text(), folder),
        _target(keys["target"], keys["target"].text()),
        read_only="read_only" in keys and keys["read_only"].flag(),
    )


def _source(field: Field, text: str, folder: Path) -> str:
    if WINDOWS.match(text):
        raise field.error("is a path of Windows", hint="in WSL, drive C is `/mnt/c`: `/mnt/c/data`")
    if text in (".", "..") or text.startswith(("/", "~", "./", "../")):
        path = Path(text).expanduser() if text.startswith("~") else folder / text
        return str(_normal(path))
    if not VOLUME.fullmatch(text):
        raise field.error(
            f"mounts `{text}`, which is neither a path nor a volume's name",
            hint=f"start a path of this project with `./`: `./{text}`" if text else SHORT,
        )
    return text


def _normal(path: Path) -> Path:
    """Return the path without `.` and `..`. Links are not followed: the engine gets the path that the user wrote."""
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return Path("/", *parts)


def _target(field: Field, text: str) -> str:
    if not text.startswith("/") or text.rstrip("/") == "":
        raise field.error(f"mounts onto `{text}`, which is not an absolute path in the container", hint=SHORT)
    return text.rstrip("/")
