"""What a registry says about a connector, in types that do not depend on the registry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["UNKNOWN", "Choice", "Found", "Role", "Setting", "plain_name"]

Role = Literal["source", "target"]
UNKNOWN: Any = object()
"""The value of a setting that only the user knows."""
_PREFIXES = ("source-", "destination-", "tap-", "target-")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting of a connector. `value` is the one to write: a constant, the default, or UNKNOWN.

    A setting that is not `required` is only suggested. `variable` is the value if it is one of tapdock's own variables.
    """

    path: tuple[str, ...]
    about: str = ""
    value: Any = UNKNOWN
    required: bool = True
    variable: str = ""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A connector as it can be written into a project. `entry` are its keys there, without `config`.

    `same` is what stays the same in all of its versions: the repository of its image, or the name of its package.
    `notes` are comments above keys of the entry, `remarks` are printed.
    """

    kind: Literal["airbyte", "singer"]
    name: str
    what: str
    same: str
    entry: Mapping[str, Any]
    settings: tuple[Setting, ...] = ()
    streams: tuple[str, ...] = ()
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of the connectors that a name can mean, and the arguments of `tapdock add` that choose it."""

    what: str
    arguments: tuple[str, ...]


def plain_name(name: str) -> str:
    """Return the name that people type for a repository or a plugin.

    >>> plain_name("airbyte/source-mongodb-v2"), plain_name("tap-github"), plain_name("Google Sheets")
    ('mongodb-v2', 'github', 'google-sheets')
    """
    last = name.rpartition("/")[2].strip().lower().replace("_", "-").replace(" ", "-")
    return next((last[len(prefix) :] for prefix in _PREFIXES if last.startswith(prefix) and last != prefix), last)
