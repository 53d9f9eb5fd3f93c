"""Decide which values that a connector changed in its config are kept, and for which program."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from tapdock.connectors import masking
from tapdock.connectors.kinds.airbyte import MANIFEST
from tapdock.log import clean
from tapdock.project.model import Connector, Rotate
from tapdock.project.secret import Secret
from tapdock.protocol.json_pointer import parts
from tapdock.text.secret_names import MASK

__all__ = [
    "ABSENT",
    "Rules",
    "allowed",
    "at",
    "described",
    "laid_over",
    "name_of",
    "parsed",
    "parts",
    "program",
    "secrets_of",
]

LARGEST = 1 << 20
DEEPEST = 100
_LONGEST = 100
ABSENT = object()
NEVER = ("batch_config", MANIFEST)
"""Top-level settings that a connector may never change, because tapdock itself uses them."""
_PLACES = {
    *("host", "hostname", "server", "port", "address", "domain", "name"),
    *("url", "uri", "endpoint", "dsn", "path", "file", "folder", "directory"),
}
"""A setting that ends with one of these words is an address or a path, also if it is a secret."""
_CONNECTIONS = {"conn", "connection"}
_EXPIRY = {"expires", "expiry", "expiration", "expire", "exp"}
_MADE = {"created", "issued", "obtained", "refreshed", "generated"}
_MADE_WHEN = {"at", "on", "date", "time", "timestamp"}
_MARKS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_MOST_DIGITS = 1000


class _Inexact(str):
    """A number that Python cannot keep exactly."""

    __slots__ = ()


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """`program` is the owner of the values; `schema` is the spec of its config, empty if there is none."""

    rotate: Rotate = "secrets"
    schema: Mapping[str, Any] = msgspec.field(default_factory=dict)
    program: str = ""


def program(connector: Connector) -> str:
    """Return a name of the connector's program, which is the same for all its versions, and for no other program.

    It is made from the project file, because anybody can put labels on an image. So a new version of a connector gets
    the tokens of the old one, and another program under the same name gets none of them.
    """
    if connector.build:
        first = re.split(r"[=<>!~;@#\[]", connector.build.package.split(" ")[0])[0]
        found = f"{connector.build.family} {first.lower().replace('_', '-')}"
    else:
        path, slash, name = connector.image.partition("@")[0].removeprefix("docker.io/").rpartition("/")
        found = f"image {path}{slash}{name.partition(':')[0]}"
    return f"{found} with {connector.manifest.file.name}" if connector.manifest else found


def parsed(text: str) -> dict[str, Any]:
    """Return a config that its connector wrote. Raises ValueError with the reason if it cannot be used."""
    if len(text.encode(errors="surrogatepass")) > LARGEST:
        raise ValueError(f"has more than {LARGEST:,} bytes")
    if _depth(text) > DEEPEST:
        raise ValueError(f"is nested more than {DEEPEST} levels deep")
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_real, parse_constant=_Inexact)
    except ValueError as error:
        raise ValueError("is not JSON") from error
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value


def _depth(text: str) -> int:
    depth = deepest = 0
    for mark in _MARKS.findall(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark, 0)
        deepest = max(deepest, depth)
    return deepest


def _integer(text: str) -> int | _Inexact:
    return int(text) if len(text) <= _MOST_DIGITS else _Inexact(text)


def _real(text: str) -> float | _Inexact:
    value = float(text)
    try:
        return value if Decimal(text) == Decimal(repr(value)) else _Inexact(text)
    except InvalidOperation:
        return _Inexact(text)


def _is_exact(value: Any) -> bool:
    """Return True if the value can be kept without a change."""
    if isinstance(value, Mapping):
        return all(_is_exact(name) and _is_exact(inner) for name, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_exact, value))
    return not isinstance(value, _Inexact) and not (isinstance(value, str) and re.search("[\ud800-\udfff]", value))


def at(config: Any, path: list[str]) -> Any:
    """Return the value at a path; ABSENT if there is none."""
    for part in path:
        config = config.get(part, ABSENT) if isinstance(config, Mapping) else ABSENT
    return config


def laid_over(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with these values at their pointers. Values whose parents are missing are left out."""
    merged: dict[str, Any] = dict(config)
    for pointer, value in values.items():
        *above, name = parts(pointer)
        place = merged
        for part in above:
            if not isinstance(place.get(part), Mapping):
                break
            place[part] = dict(place[part])
            place = place[part]
        else:
            place[name] = value
    return merged


def allowed(values: Mapping[str, Any], user: Mapping[str, Any], rules: Rules) -> set[str]:
    """Return the pointers whose changed values may replace the user's own; `values` are all changes by pointer.

    By default these are secrets, except addresses, and the times beside them, such as a token's expiry. A setting that
    is missing in the user's config must be in the spec, if there is a spec.
    """
    usable = {each for each, value in values.items() if parts(each)[0] not in NEVER and _is_exact([each, value])}
    if rules.rotate == "none":
        return set()
    if rules.rotate == "all":
        return usable
    known = _settings(rules.schema)
    has = {each for each in usable if at(user, parts(each)) is not ABSENT or not known or parts(each)[-1] in known}
    secrets = secrets_of(values, user, rules)
    kept = secrets & has
    groups = {_group(each) for each in kept} - {_group(each) for each in secrets - kept}
    return kept | {each for each in has if _is_time(each, values[each]) and _group(each) in groups}


def secrets_of(values: Mapping[str, Any], user: Mapping[str, Any], rules: Rules) -> set[str]:
    """Return the pointers whose values are secrets, by the spec or by their names, and neither times nor addresses."""
    shown = masking.masked(laid_over(user, values), rules.schema)
    return {
        each
        for each, value in values.items()
        if at(shown, parts(each)) == MASK and not _is_time(each, value) and not _is_place(each, value)
    }


def _is_place(pointer: str, value: Any) -> bool:
    words = _words(pointer)
    named = words[-1] in _PLACES or not _CONNECTIONS.isdisjoint(words)
    return named or (isinstance(value, str) and "://" in value)


def described(
    values: Mapping[str, Any], user: Mapping[str, Any], rules: Rules, *, written: Mapping[str, Any]
) -> list[str]:
    """Return lines of pointers with their values, for people. Secrets, and texts that are not in the spec, are hidden.

    `written` is the user's config with its `Secret`s: a value that replaces one of them is a secret as well.
    """
    shown = masking.masked(laid_over(user, values), rules.schema)
    known = _settings(rules.schema)
    texts = {each: _described(at(shown, parts(each)), parts(each)[-1] in known) for each in values}
    texts |= {each: MASK for each in values if isinstance(at(written, parts(each)), Secret)}
    return [f"{name_of(each)} = {text}" for each, text in texts.items()]


def _described(value: Any, known: bool) -> str:
    match value:
        case str() if value == MASK:
            return MASK
        case str():
            return json.dumps(value)[:_LONGEST] if known else "[text]"
        case list() | dict():
            return "[list]" if isinstance(value, list) else "[object]"
    return json.dumps(value)


def name_of(pointer: str) -> str:
    """Return a pointer for messages, harmless in a terminal, because its text is from the connector."""
    return json.dumps(clean(pointer), ensure_ascii=False)[1:-1].encode(errors="replace").decode()[:_LONGEST]


def _group(pointer: str) -> str:
    return pointer.rpartition("/")[0]


def _is_time(pointer: str, value: Any) -> bool:
    words = _words(pointer)
    made = words[-1] in _MADE_WHEN and words[-2:-1] != [] and words[-2] in _MADE
    return isinstance(value, str | int | float) and (bool(_EXPIRY & set(words)) or made)


def _words(pointer: str) -> list[str]:
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", parts(pointer)[-1]).lower()
    return re.split(r"[^a-z0-9]+", name)


def _settings(schema: Mapping[str, Any]) -> set[str]:
    """Return the names of all settings in a spec, at any depth."""
    return {name for each in _schemas(schema) for name in each}


def _schemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    left = [schema]
    while left:
        each = left.pop()
        if isinstance(each, Mapping):
            properties = each.get("properties")
            if isinstance(properties, Mapping):
                yield properties
            left += each.values()
        elif isinstance(each, list):
            left += each
