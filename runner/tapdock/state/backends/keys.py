"""Names of states as keys of buckets, and the parts of a bucket's URI."""

from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tapdock.errors import UsageError

__all__ = ["MELTANO", "OURS", "Codec", "Place", "beginning", "key_of", "name_of", "place"]

_SUFFIX = ".json"
_MELTANO = "/state.json"


class Place(NamedTuple):
    """`prefix` ends with a slash, or is empty; `options` are those of the URI's query."""

    bucket: str
    prefix: str
    options: dict[str, str]


def place(uri: str, *, known: Iterable[str]) -> Place:
    """Of `scheme://bucket/prefix?option=value`. Raises UsageError without a bucket, or for an unknown option."""
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query))
    if not parts.netloc:
        raise UsageError(f"`{uri}` names no bucket", hint=f"write `{parts.scheme}://bucket/prefix`")
    if "@" in parts.netloc:  # it is not said again: it may be a password
        hint = "leave it out: they come from where the owner's own tools have them"
        raise UsageError(f"the `{parts.scheme}://` URI has credentials in it", hint=hint)
    for name in options:
        if name not in known:
            hint = f"it takes {', '.join(f'`{one}=…`' for one in known)}"
            raise UsageError(f"`{parts.scheme}://` has no option `{name}`", hint=hint)
    prefix = parts.path.strip("/")
    return Place(parts.netloc, f"{prefix}/" if prefix else "", options)


def key_of(prefix: str, name: str) -> str:
    """Reversibly, with slashes as folders.

    >>> key_of("team/", "prod:a-to-b"), key_of("", "history/prod:a-to-b/.."), key_of("", "ä")
    ('team/prod:a-to-b.json', 'history/prod:a-to-b/%2E%2E.json', '%C3%A4.json')
    """
    parts = [part.replace(".", "%2E") if set(part) == {"."} else part for part in quote(name, safe="/:").split("/")]
    return prefix + "/".join(parts) + _SUFFIX


def beginning(prefix: str, name: str) -> str:
    """Of the keys of all names that begin so."""
    return prefix + quote(name, safe="/:")


def name_of(prefix: str, key: str) -> str | None:
    """None for what is not ours: such as `a%3Ab.json`, whose name would be read from `a:b.json`."""
    name = unquote(key[len(prefix) : -len(_SUFFIX)])
    return name if key_of(prefix, name) == key else None


class Codec(NamedTuple):
    """How names are keys: both take the prefix first."""

    key_of: Callable[[str, str], str]
    name_of: Callable[[str, str], str | None]


def _meltano_key(prefix: str, name: str) -> str:
    return f"{prefix}{name}{_MELTANO}"


def _meltano_name(prefix: str, key: str) -> str | None:
    return key[len(prefix) : -len(_MELTANO)] if key.startswith(prefix) and key.endswith(_MELTANO) else None


OURS = Codec(key_of, name_of)
MELTANO = Codec(_meltano_key, _meltano_name)
"""Where Meltano keeps its states in a bucket (protocol.md 2.3)."""
