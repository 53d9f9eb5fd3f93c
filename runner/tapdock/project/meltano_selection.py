"""Convert what Meltano selects: `select`, `select_filter`, `selected` in `metadata`, and a catalog of one's own."""

from collections.abc import Iterable, Iterator, Mapping, Set
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["EVERYTHING", "NOTHING", "if_there", "selection"]

EVERYTHING = ("*.*",)
NOTHING = ("!*",)
_GLOB = frozenset("*?[")


class _Field(msgspec.Struct):
    breadcrumb: list[str] = []
    metadata: dict[str, Any] = {}


class _Stream(msgspec.Struct):
    tap_stream_id: str | None = None
    stream: str | None = None
    selected: bool | None = None
    metadata: list[_Field] = []


class _Catalog(msgspec.Struct):
    streams: list[_Stream]


def if_there(name: str) -> str:
    """Return a glob that matches only this name. A glob that matches no stream is a warning, and a name is an error.

    >>> if_there("shop-orders"), if_there("*_log")
    ('[s]hop-orders', '*_log')
    """
    return name if _GLOB & set(name) or name[:1] in ("", "\\") else f"[{name[0]}]{name[1:]}"


def selection(
    extras: Mapping[str, Any], folder: Path, *, own: Set[str] | None = None
) -> tuple[tuple[str, ...], list[str]]:
    """Return patterns that select what Meltano selects, never more, and what they leave out of it, for people.

    For Meltano, a list without an inclusion selects nothing. `folder` is that of a catalog. `own` are the streams in
    `metadata` that must exist; without it, all of them.
    """
    left: list[str] = []
    if extras.get("catalog"):
        # Meltano passes a catalog of one's own on as it is: `select` and `metadata` do not change it.
        patterns = _of_catalog(folder / str(extras["catalog"]))
        given = {key.partition(".")[0] for key in extras}
        ignored = (key for key in ("select", "metadata", "schema") if key in given)
        left += [f"`{key}`, which Meltano ignores beside `catalog`" for key in ignored]
    else:
        patterns = tuple(map(str, extras.get("select", EVERYTHING)))
        patterns += tuple(dict.fromkeys(_deselected(extras, own)))
    included = [pattern for pattern in patterns if not pattern.startswith("!")]
    excluded = [pattern for pattern in patterns if pattern.startswith("!")]
    if not included:
        what = "`catalog`" if extras.get("catalog") else "`select` without an inclusion"
        return NOTHING, [*left, f"{what}: it selects nothing, as for Meltano"]
    streams = [_split(str(pattern).removeprefix("!"))[0] for pattern in extras.get("select_filter") or ()]
    negated = [str(pattern).startswith("!") for pattern in extras.get("select_filter") or ()]
    wanted = [stream for stream, no in zip(streams, negated, strict=True) if not no]
    if wanted:
        included = [both for pattern in included for stream in wanted for both in _both(pattern, stream, left)]
    excluded += [f"!{stream}" for stream, no in zip(streams, negated, strict=True) if no]
    return (tuple(dict.fromkeys((*included, *excluded))) if included else NOTHING), left


def _both(pattern: str, stream: str, left: list[str]) -> Iterator[str]:
    """Yield a pattern for what a pattern of `select` and one of `select_filter` both match."""
    own, fields = _split(pattern)
    if own == stream or not _GLOB & set(own):
        if fnmatchcase(own.replace("\\.", "."), stream.replace("\\.", ".")):
            yield pattern
    elif own == "*" or (not _GLOB & set(stream) and fnmatchcase(stream.replace("\\.", "."), own.replace("\\.", "."))):
        yield f"{stream}.{fields or '*'}"
    elif stream == "*":
        yield pattern
    elif _GLOB & set(stream):
        left.append(f"`{pattern}` together with `{stream}` of `select_filter`: name the streams that both match")


def _split(pattern: str) -> tuple[str, str]:
    """Return the stream of a pattern and its fields. An escaped dot belongs to the stream.

    >>> _split("a.b.c"), _split(r"a\\.b.*"), _split("a")
    (('a', 'b.c'), ('a\\\\.b', '*'), ('a', ''))
    """
    place = next((at for at, one in enumerate(pattern) if one == "." and pattern[at - 1 : at] != "\\"), len(pattern))
    return pattern[:place], pattern[place + 1 :]


def _deselected(extras: Mapping[str, Any], own: Set[str] | None) -> Iterator[str]:
    """Yield exclusions for `selected: false` in `metadata`."""
    for key, value in extras.items():
        name, *path = key.split(".")
        if name == "metadata" and path[-1:] == ["selected"] and value is False:
            stream, *fields = path[:-1] or [""]
            stream = stream if own is None or stream in own else if_there(stream)
            yield f"!{'.'.join((stream, *(part for part in fields if part != 'properties')))}"


def _of_catalog(file: Path) -> tuple[str, ...]:
    """Return patterns for what a catalog selects. A file that cannot be read selects nothing: loading reports it."""
    try:
        catalog = msgspec.json.decode(file.read_bytes(), type=_Catalog)
    except (OSError, msgspec.MsgspecError):
        return NOTHING
    return tuple(pattern for stream in catalog.streams for pattern in _of_stream(stream))


def _of_stream(stream: _Stream) -> Iterable[str]:
    name = (stream.tap_stream_id or stream.stream or "").replace(".", "\\.")
    said = next((each.metadata for each in stream.metadata if not each.breadcrumb), {})
    chosen = said.get("selected", stream.selected)
    if chosen is None:
        chosen = said.get("selected-by-default", False) or said.get("inclusion") == "automatic"
    if not chosen:
        return ()
    out = [each.breadcrumb[1::2] for each in stream.metadata if each.breadcrumb and _is_excluded(each.metadata)]
    return (f"{name}.*", *(f"!{name}.{'.'.join(part.replace('.', chr(92) + '.') for part in path)}" for path in out))


def _is_excluded(said: Mapping[str, Any]) -> bool:
    """Return True for a field that its own catalog leaves out: `selected` goes before `selected-by-default`."""
    chosen = said.get("selected")
    chosen = said.get("selected-by-default") if chosen is None else chosen
    return chosen is False and said.get("inclusion") != "automatic"
