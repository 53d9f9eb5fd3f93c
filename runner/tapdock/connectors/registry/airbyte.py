"""Airbyte's connector registry: one document with all connectors, and the newest version of each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tapdock.connectors.registry.airbyte_settings import settings
from tapdock.connectors.registry.found import Found, Role, plain_name
from tapdock.text.clean import one_line

__all__ = ["Entry", "entries", "entry_of", "found", "is_named"]

LISTS: Mapping[Role, str] = {"source": "sources", "target": "destinations"}
_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9._-]*(:\d{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SHORTEST_SILENCE = 600
"""Some entries say that a source is never silent for longer than 1 s or 60 s, which would end good runs."""
_LONGEST_SILENCE = 30 * 86400
_FREE = ("mit", "apache", "bsd", "isc", "mpl", "gpl", "lgpl", "agpl", "0bsd", "unlicense", "cc0")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One connector. `silence` is `maxSecondsBetweenMessages`; fields that the registry does not have are empty."""

    role: Role
    title: str
    repository: str
    tag: str
    license: str = ""
    support: str = ""
    silence: int = 0
    streams: tuple[str, ...] = ()
    spec: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def image(self) -> str:
        return f"{self.repository}:{self.tag}"


def entries(content: Any) -> list[Entry]:
    """Return the connectors of a registry. Those that are withdrawn, or have no image, are left out.

    Raises ValueError if the content is not a registry.
    """
    lists = content if isinstance(content, dict) else {}
    if not all(isinstance(lists.get(name), list) for name in LISTS.values()):
        raise ValueError("it has no lists `sources` and `destinations`")
    given = [(role, each) for role, name in LISTS.items() for each in lists[name]]
    read = [entry for role, each in given if (entry := entry_of(each, role))]
    if given and not read:
        raise ValueError("none of its connectors has a `name`, a `dockerRepository` and a `dockerImageTag`")
    return list({(entry.role, entry.image): entry for entry in reversed(read)}.values())[::-1]


def entry_of(each: Any, role: Role) -> Entry | None:
    """Return an entry; None if it is withdrawn, has no image, or is one of the other role."""
    if not isinstance(each, dict) or each.get("tombstone") is True:
        return None
    other = "destinationDefinitionId" if role == "source" else "sourceDefinitionId"
    repository, tag = _text(each, "dockerRepository").removeprefix("docker.io/"), _text(each, "dockerImageTag")
    if not (_REPOSITORY.fullmatch(repository) and _TAG.fullmatch(tag)) or other in each:
        return None
    silence = each.get("maxSecondsBetweenMessages")
    suggested = each.get("suggestedStreams")
    streams = suggested.get("streams") if isinstance(suggested, dict) else None
    spec = each.get("spec")
    schema = spec.get("connectionSpecification") if isinstance(spec, dict) else None
    return Entry(
        role=role,
        title=one_line(_text(each, "name")) or repository,
        repository=repository,
        tag=tag,
        license=one_line(_text(each, "license")),
        support=one_line(_text(each, "supportLevel")),
        silence=silence if isinstance(silence, int) and 0 < silence <= _LONGEST_SILENCE else 0,
        streams=tuple(each for each in streams if isinstance(each, str)) if isinstance(streams, list) else (),
        spec=schema if isinstance(schema, dict) else {},
    )


def is_named(entry: Entry, word: str) -> bool:
    """Return True if a word names the entry: its repository, the last part of it, or its title."""
    word = word.lower()
    last = entry.repository.rpartition("/")[2]
    known = {entry.repository, last, plain_name(last), entry.title.lower(), plain_name(entry.title)}
    return word.removeprefix("docker.io/") in known


def found(entry: Entry) -> Found:
    """Return what is written for an entry."""
    written: dict[str, Any] = {"image": entry.image}
    above = [f"Airbyte's {entry.title}" + (f" ({entry.support})" if entry.support else "")]
    if not entry.license.lower().startswith(_FREE):
        above.append(_license(entry.license))
    if entry.silence >= _SHORTEST_SILENCE and entry.role == "source":
        written["idle_timeout"] = _duration(entry.silence)
    return Found(
        kind="airbyte",
        name=plain_name(entry.repository),
        what=entry.image,
        same=entry.repository,
        entry=written,
        settings=settings(entry.spec),
        streams=entry.streams if entry.role == "source" else (),
        notes={"image": tuple(above)},
    )


def _license(name: str) -> str:
    if name.lower() == "elv2":
        return "license: Elastic License 2.0 (ELv2): free to use, but not to offer to others as a service"
    return f"license: {name}, which may not be a free one" if name else "license: the registry names none"


def _duration(seconds: int) -> str:
    """Return seconds as the project file has them.

    >>> [_duration(each) for each in (86400, 5400, 3601)]
    ['24h', '90m', '3601s']
    """
    return next(f"{seconds // size}{unit}" for unit, size in (("h", 3600), ("m", 60), ("s", 1)) if seconds % size == 0)


def _text(each: Mapping[str, Any], key: str) -> str:
    value = each.get(key)
    return value if isinstance(value, str) else ""
