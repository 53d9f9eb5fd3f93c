"""Convert names of states to keys of buckets and back, and parse the URI of a bucket."""

from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tapdock.errors import UsageError

__all__ = ["MELTANO", "OURS", "Codec", "Place", "beginning", "key_of", "name_of", "place"]

_SUFFIX = ".json"
_MELTANO = "/state.json"


class Place(NamedTuple):
    """The parts of a bucket's URI. `prefix` ends with a slash or is empty, `options` are from the URI's query."""

    bucket: str
    prefix: str
    options: dict[str, str]


def place(uri: str, *, known: Iterable[str]) -> Place:
    """Return the parts of `scheme://bucket/prefix?option=value`.

    Raises UsageError for a URI without a bucket, with credentials, or with an option that is not in `known`.
    """
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query))
    if not parts.netloc:
        raise UsageError(f"`{uri}` does not name a bucket", hint=f"write `{parts.scheme}://bucket/prefix`")
    if "@" in parts.netloc:  # the message does not repeat it: it may be a password
        hint = "remove them: tapdock uses the same credentials as the cloud's own tools"
        raise UsageError(f"the `{parts.scheme}://` URI contains credentials", hint=hint)
    for name in options:
        if name not in known:
            hint = f"known options: {', '.join(f'`{one}=…`' for one in known)}"
            raise UsageError(f"`{parts.scheme}://` has no option `{name}`", hint=hint)
    prefix = parts.path.strip("/")
    return Place(parts.netloc, f"{prefix}/" if prefix else "", options)


def key_of(prefix: str, name: str) -> str:
    """Return the key of a name. The conversion is reversible, and slashes become folders.

    >>> key_of("team/", "prod:a-to-b"), key_of("", "history/prod:a-to-b/.."), key_of("", "ä")
    ('team/prod:a-to-b.json', 'history/prod:a-to-b/%2E%2E.json', '%C3%A4.json')
    """
    parts = [part.replace(".", "%2E") if set(part) == {"."} else part for part in quote(name, safe="/:").split("/")]
    return prefix + "/".join(parts) + _SUFFIX


def beginning(prefix: str, name: str) -> str:
    """Return the common prefix of the keys of all names that start with `name`."""
    return prefix + quote(name, safe="/:")


def name_of(prefix: str, key: str) -> str | None:
    """Return the name of a key, or None for a key that tapdock does not write, such as `a%3Ab.json` for `a:b`."""
    name = unquote(key[len(prefix) : -len(_SUFFIX)])
    return name if key_of(prefix, name) == key else None


class Codec(NamedTuple):
    """A conversion between names and keys. Both functions take the prefix first."""

    key_of: Callable[[str, str], str]
    name_of: Callable[[str, str], str | None]


def _meltano_key(prefix: str, name: str) -> str:
    return f"{prefix}{name}{_MELTANO}"


def _meltano_name(prefix: str, key: str) -> str | None:
    return key[len(prefix) : -len(_MELTANO)] if key.startswith(prefix) and key.endswith(_MELTANO) else None


OURS = Codec(key_of, name_of)
MELTANO = Codec(_meltano_key, _meltano_name)
"""The keys of Meltano's states in a bucket (protocol.md 2.3)."""
