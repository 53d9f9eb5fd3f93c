"""What a registry says about a connector, in types that do not depend on the registry."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

__all__ = ["UNKNOWN", "Choice", "Found", "Role", "Setting", "plain_name"]

Role = Literal["source", "target"]
UNKNOWN: Any = object()
"""The value of a setting that only the user knows."""
_PREFIXES = ("source-", "destination-", "tap-", "target-")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting of a connector. `value` is the one to write: a constant, the default, or UNKNOWN.

    A setting that is not `required` is only suggested. `variable` is the value if it is one of tapdock's own variables.
    """

    path: tuple[str, ...]
    about: str = ""
    value: Any = UNKNOWN
    required: bool = True
    variable: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
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
    notes: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    remarks: tuple[str, ...] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
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
