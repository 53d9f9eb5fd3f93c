"""Keep values that a connector changed in its own config (rotated tokens) beside the state.

Each value belongs to a JSON pointer. It is valid until the user changes their own value there, of which only a keyed
hash is kept. All values belong to one program (`rotation_rules.program`).
"""

import hashlib
import json
import secrets
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tapdock.connectors.rotation_rules import ABSENT, Rules, allowed, at, laid_over, secrets_of
from tapdock.errors import Conflict, StateError
from tapdock.log import clean
from tapdock.project.values import parse_json
from tapdock.protocol.json_pointer import parts
from tapdock.state.backends.base import Backend, Stored

__all__ = ["PREFIX", "Kept", "Laid", "Recorded", "kept", "laid", "merge", "overlay_key", "record", "reset"]

PREFIX = "overlay/"
MOST_CHANGES = 1000
"""The most values that a connector may change: no connector renews so many, and each costs time."""
PATIENCE = 5.0  # seconds to retry while other runs write as well
LARGEST = 1 << 20


class Kept(NamedTuple):
    """The kept values, valid or not. `program` is None in what an earlier version of tapdock wrote."""

    program: str | None
    pointers: tuple[str, ...]


class Laid(NamedTuple):
    """Values by pointer that replace the user's own.

    `refused` are pointers whose kept values the current rules do not allow. `foreign` is another program that the kept
    values belong to; these are not used.
    """

    values: dict[str, Any]
    refused: tuple[str, ...] = ()
    foreign: str | None = None


class Recorded(NamedTuple):
    """The pointers whose kept values changed, and those whose new values are not kept."""

    changed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class _Entry(msgspec.Struct, frozen=True):
    """`value` is JSON text, `user` the hash of the user's value that it replaces."""

    value: str
    user: str


class _Overlay(msgspec.Struct, frozen=True, kw_only=True):
    """The stored form. `key` and `program` are None in what an earlier version of tapdock wrote."""

    version: int = 1
    key: str | None = None
    program: str | None = None
    salt: str
    entries: dict[str, _Entry]

    def is_of(self, rules: Rules) -> bool:
        return self.program in (None, rules.program)


def overlay_key(source: str, environment: str | None, *, row: str | None = None) -> str:
    """Return `<environment>:<source>`, and the row of a matrix on which the config depends: `prod:crm:shop[acme]`."""
    return f"{environment or 'default'}:{source}" + (f":{row}" if row else "")


def laid(backend: Backend, key: str, user_config: Mapping[str, Any], rules: Rules) -> Laid:
    """Return the valid kept values, as far as the rules allow them. Raises StateError if they cannot be read."""
    overlay = _read(backend, key, backend.get(PREFIX + key))
    if overlay is None:
        return Laid({})
    if not overlay.is_of(rules):
        return Laid({}, foreign=overlay.program)
    values = _values(_valid(overlay, user_config, rules))
    usable = allowed(values, user_config, rules)
    return Laid(
        {pointer: value for pointer, value in values.items() if pointer in usable},
        refused=tuple(pointer for pointer in values if pointer not in usable),
    )


def merge(backend: Backend, key: str, user_config: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Return the user's config with the valid rotated values in it. Raises StateError."""
    return laid_over(user_config, laid(backend, key, user_config, rules).values)


def record(
    backend: Backend,
    key: str,
    user_config: Mapping[str, Any],
    rotated: Mapping[str, Any],
    rules: Rules,
    *,
    given: Mapping[str, Any] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Recorded:
    """Keep the values in which `rotated` differs from the config that the connector got, as far as the rules allow it.

    `given` is that config; by default it is the user's own. Values that another run has rotated meanwhile are kept.
    Raises StateError, and Conflict if other runs write for longer than 5 s.
    """
    changes = dict(_placed(_changes(user_config if given is None else given, rotated), user_config, rotated))
    if len(changes) > MOST_CHANGES:
        return Recorded(refused=tuple(changes))
    retrying = Retrying(
        stop=stop_after_delay(PATIENCE),
        wait=wait_fixed(0.05),
        retry=retry_if_exception_type(Conflict),
        sleep=sleep,
        reraise=True,
    )
    return retrying(_record, backend, key, user_config, changes, rules)


def kept(backend: Backend, key: str) -> Kept | None:
    """Return the pointers of kept values, valid or not; None if there are none. Raises StateError."""
    overlay = _read(backend, key, backend.get(PREFIX + key))
    return Kept(overlay.program, tuple(overlay.entries)) if overlay and overlay.entries else None


def reset(backend: Backend, key: str) -> bool:
    """Delete the kept values. Return True if there were any."""
    if PREFIX + key not in backend.names(PREFIX):
        return False
    backend.delete(PREFIX + key)
    return True


def _record(backend: Backend, key: str, user: Mapping[str, Any], changes: Mapping[str, Any], rules: Rules) -> Recorded:
    """Write by compare-and-swap: a lease of a killed run would block the write, and a new token would be lost."""
    if rules.rotate == "none":
        return Recorded(refused=tuple(changes))
    stored = backend.get(PREFIX + key)
    overlay = _read(backend, key, stored)
    old = overlay if overlay and overlay.is_of(rules) else None
    salt = old.salt if old else secrets.token_hex(16)
    before = dict(_valid(old, user, rules)) if old else {}
    values = _values(before)
    for pointer, value in changes.items():
        values = {each: kept for each, kept in values.items() if not f"{each}/".startswith(f"{pointer}/")}
        if not _is_same(at(user, parts(pointer)), value):
            values[pointer] = value
    usable = allowed(values, user, rules)
    new = {
        pointer: _Entry(_canonical(value), _hash(salt, at(user, parts(pointer))))
        for pointer, value in values.items()
        if pointer in usable
    }
    refused = tuple(pointer for pointer in changes if pointer in values and pointer not in new)
    changed = tuple(pointer for pointer in {**before, **new} if before.get(pointer) != new.get(pointer))
    if changed:
        body = msgspec.json.encode(_Overlay(key=key, program=rules.program, salt=salt, entries=new)) + b"\n"
        if len(body) > LARGEST:
            return Recorded(refused=tuple(changes))
        backend.put(PREFIX + key, body, expected=stored.version if stored else None)
    return Recorded(changed, refused)


def _read(backend: Backend, key: str, stored: Stored | None) -> _Overlay | None:
    if stored is None:
        return None
    environment, _, name = key.partition(":")
    command = shlex.join(["tapdock", "config", "forget-rotated", name, "--environment", environment])
    forget = f"remove it with `{command.removesuffix(' --environment default')}`, then log the connector in again"
    try:
        overlay = msgspec.json.decode(stored.body, type=_Overlay)
        _require_readable(overlay)
    except (ValueError, RecursionError) as error:
        raise StateError(f"the rotated config of `{key}` in {backend.uri} is damaged: {error}", hint=forget) from error
    if overlay.version != 1:
        raise StateError(
            f"the rotated config of `{key}` in {backend.uri} has version {overlay.version}",
            hint="use the newer version of tapdock that wrote it",
        )
    if overlay.key not in (None, key):
        found = clean(overlay.key).replace("\n", " ")[:200]
        raise StateError(f"the rotated config of `{key}` in {backend.uri} belongs to `{found}`", hint=forget)
    return overlay


def _require_readable(overlay: _Overlay) -> None:
    """Raise ValueError for a pointer, a value or a salt that is not valid."""
    bytes.fromhex(overlay.salt)
    _values(overlay.entries)
    if not all(pointer.startswith("/") for pointer in overlay.entries):
        raise ValueError("a pointer does not begin with a slash")


def _values(entries: Mapping[str, _Entry]) -> dict[str, Any]:
    return {pointer: parse_json(entry.value) for pointer, entry in entries.items()}


def _valid(overlay: _Overlay, user_config: Mapping[str, Any], rules: Rules) -> dict[str, _Entry]:
    """Return the entries whose values in the user's config are unchanged.

    If the user has changed a secret, its siblings are invalid as well: they may be tokens of the old account.
    """
    placed = {
        pointer: entry
        for pointer, entry in overlay.entries.items()
        if isinstance(at(user_config, parts(pointer)[:-1]), Mapping)
    }
    stale = {
        pointer
        for pointer, entry in placed.items()
        if entry.user != _hash(overlay.salt, at(user_config, parts(pointer)))
    }
    anew = {_group(pointer) for pointer in stale & secrets_of(_values(placed), user_config, rules)}
    return {pointer: entry for pointer, entry in placed.items() if pointer not in stale and _group(pointer) not in anew}


def _group(pointer: str) -> str:
    return pointer.rpartition("/")[0]


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield pointers into objects, with new values. Lists are compared as a whole; keys missing in `new` are kept."""
    for key, value in new.items():
        pointer = f"{above}/{_escaped(key)}"
        was = old.get(key, ABSENT)
        if isinstance(was, Mapping) and isinstance(value, Mapping):
            yield from _changes(was, value, pointer)
        elif not _is_same(was, value):
            yield pointer, value


def _placed(
    changes: Iterator[tuple[str, Any]], user: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield the changes with whole objects where the user has none, because an entry replaces one value of the user."""
    for pointer, _ in changes:
        path = parts(pointer)
        lacks = (end for end in range(1, len(path)) if not isinstance(at(user, path[:end]), Mapping))
        path = path[: next(lacks, len(path))]
        yield "".join(f"/{_escaped(part)}" for part in path), at(new, path)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _is_same(one: Any, other: Any) -> bool:
    return one is not ABSENT and _canonical(one) == _canonical(other)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _hash(salt: str, value: Any) -> str:
    text = "" if value is ABSENT else _canonical(value)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), key=bytes.fromhex(salt), digest_size=16).hexdigest()
