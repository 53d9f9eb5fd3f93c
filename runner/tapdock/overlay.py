"""Configs that a connector changed by itself (rotated tokens): kept beside the state.

Each value belongs to a JSON pointer and is valid only while the user's own value there is what it was; of
that value only a keyed hash is kept.
"""

import copy
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tapdock.errors import Conflict, StateError
from tapdock.state.base import Backend, Stored

__all__ = ["PREFIX", "merge", "overlay_key", "pointers", "record", "reset"]

PREFIX = "overlay/"
PATIENCE = 5.0  # seconds, for as long as other runs write it too
ABSENT = object()


class _Entry(msgspec.Struct, frozen=True):
    """`value` is JSON text, `user` the hash of the value that it stands over."""

    value: str
    user: str


class _Overlay(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    salt: str
    entries: dict[str, _Entry]


def overlay_key(source: str, environment: str | None) -> str:
    """`<environment>:<source>`."""
    return f"{environment or 'default'}:{source}"


def merge(backend: Backend, key: str, user_config: Mapping[str, Any]) -> dict[str, Any]:
    """The user's config with what was rotated since laid over it."""
    merged: dict[str, Any] = copy.deepcopy(dict(user_config))
    overlay = _read(backend, key, backend.get(PREFIX + key))
    for pointer, entry in _valid(overlay, user_config).items() if overlay else ():
        _set(merged, _parts(pointer), json.loads(entry.value))
    return merged


def record(
    backend: Backend,
    key: str,
    user_config: Mapping[str, Any],
    rotated: Mapping[str, Any],
    *,
    given: Mapping[str, Any] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, ...]:
    """Keep what `rotated` has otherwise than the config that the connector was given; the pointers that changed.

    `given` is the user's own where nothing else is said. What another run rotated meanwhile stays.
    """
    retrying = Retrying(
        stop=stop_after_delay(PATIENCE),
        wait=wait_fixed(0.05),
        retry=retry_if_exception_type(Conflict),
        sleep=sleep,
        reraise=True,
    )
    return retrying(_record, backend, key, user_config, rotated, user_config if given is None else given)


def pointers(backend: Backend, key: str) -> tuple[str, ...]:
    """Where a value is kept, whether it is still valid or not."""
    overlay = _read(backend, key, backend.get(PREFIX + key))
    return tuple(overlay.entries) if overlay else ()


def reset(backend: Backend, key: str) -> bool:
    """Forget what was rotated; whether there was anything."""
    if PREFIX + key not in backend.names(PREFIX):
        return False
    backend.delete(PREFIX + key)
    return True


def _record(
    backend: Backend, key: str, user: Mapping[str, Any], rotated: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[str, ...]:
    """By compare-and-swap: no hold that a killed run would leave, and a token that works once would be lost for."""
    stored = backend.get(PREFIX + key)
    old = _read(backend, key, stored)
    salt = old.salt if old else secrets.token_hex(16)
    kept = dict(_valid(old, user)) if old else {}
    new = dict(kept)
    for pointer, value in _changes(given, rotated):
        theirs = _get(user, _parts(pointer))
        new.pop(pointer, None)
        if theirs is ABSENT or _canonical(theirs) != _canonical(value):
            new[pointer] = _Entry(_canonical(value), _hash(salt, theirs))
    changed = tuple(pointer for pointer in {**kept, **new} if kept.get(pointer) != new.get(pointer))
    if changed:
        body = msgspec.json.encode(_Overlay(salt=salt, entries=new)) + b"\n"
        backend.put(PREFIX + key, body, expected=stored.version if stored else None)
    return changed


def _read(backend: Backend, key: str, stored: Stored | None) -> _Overlay | None:
    if stored is None:
        return None
    try:
        overlay = msgspec.json.decode(stored.body, type=_Overlay)
    except msgspec.DecodeError as error:
        raise StateError(
            f"the rotated config of `{key}` in {backend.uri} is damaged: {error}",
            hint="`tapdock config reset` forgets it; then log the connector in again",
        ) from error
    if overlay.version != 1:
        raise StateError(
            f"the rotated config of `{key}` in {backend.uri} has version {overlay.version}",
            hint="run the newer tapdock that wrote it",
        )
    return overlay


def _valid(overlay: _Overlay, user_config: Mapping[str, Any]) -> dict[str, _Entry]:
    return {
        pointer: entry
        for pointer, entry in overlay.entries.items()
        if isinstance(_get(user_config, _parts(pointer)[:-1]), Mapping)
        and entry.user == _hash(overlay.salt, _get(user_config, _parts(pointer)))
    }


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Pointers into objects, with new values; lists are compared whole, what `new` lacks stays."""
    for key, value in new.items():
        pointer = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
        was = old.get(key, ABSENT)
        if isinstance(was, Mapping) and isinstance(value, Mapping):
            yield from _changes(was, value, pointer)
        elif was is ABSENT or _canonical(was) != _canonical(value):
            yield pointer, value


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _get(config: Any, parts: list[str]) -> Any:
    for part in parts:
        config = config.get(part, ABSENT) if isinstance(config, Mapping) else ABSENT
    return config


def _set(config: dict[str, Any], parts: list[str], value: Any) -> None:
    for part in parts[:-1]:
        config = config[part]
    config[parts[-1]] = value


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _hash(salt: str, value: Any) -> str:
    text = "" if value is ABSENT else _canonical(value)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), key=bytes.fromhex(salt), digest_size=16).hexdigest()
