"""Which values of a config that its connector has changed are kept, and for whom."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from tapdock.connectors import masking
from tapdock.connectors.kinds.airbyte import MANIFEST
from tapdock.log import clean
from tapdock.project.model import Connector, Rotate, Secret
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
"""Top-level settings that only the user's own config has, whatever `rotate` is: tapdock itself acts on them."""
_PLACES = {
    *("host", "hostname", "server", "port", "address", "domain", "name"),
    *("url", "uri", "endpoint", "dsn", "path", "file", "folder", "directory"),
}
"""A setting that ends with one of these words says where to connect or what to read, also where it is a secret."""
_CONNECTIONS = {"conn", "connection"}
_EXPIRY = {"expires", "expiry", "expiration", "expire", "exp"}
_MADE = {"created", "issued", "obtained", "refreshed", "generated"}
_MADE_WHEN = {"at", "on", "date", "time", "timestamp"}
_MARKS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_MOST_DIGITS = 1000


class _Inexact(str):
    """A number that would come back as another one."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class Rules:
    """`program` is whose values they are; `schema` is the spec of its config, empty where it has none."""

    rotate: Rotate = "secrets"
    schema: Mapping[str, Any] = field(default_factory=dict)
    program: str = ""


def program(connector: Connector) -> str:
    """A name for what runs, that another version of it has as well, and no other program.

    It is made of what the user wrote: the labels of an image are the word of whoever made it. A new version of a
    connector starts with the tokens of the old one; another image under the same name gets none of them.
    """
    if connector.build:
        first = re.split(r"[=<>!~;@#\[]", connector.build.package.split(" ")[0])[0]
        found = f"{connector.build.family} {first.lower().replace('_', '-')}"
    else:
        path, slash, name = connector.image.partition("@")[0].removeprefix("docker.io/").rpartition("/")
        found = f"image {path}{slash}{name.partition(':')[0]}"
    return f"{found} with {connector.manifest.file.name}" if connector.manifest else found


def parsed(text: str) -> dict[str, Any]:
    """A config as its connector wrote it. Raises ValueError with the reason for what is not usable as one."""
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
    """Whether it can be kept and comes back as it was."""
    if isinstance(value, Mapping):
        return all(_is_exact(name) and _is_exact(inner) for name, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_exact, value))
    return not isinstance(value, _Inexact) and not (isinstance(value, str) and re.search("[\ud800-\udfff]", value))


def at(config: Any, path: list[str]) -> Any:
    """The value at a path, ABSENT where there is none."""
    for part in path:
        config = config.get(part, ABSENT) if isinstance(config, Mapping) else ABSENT
    return config


def laid_over(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A config with other values at pointers; those stay out whose parents it does not have."""
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
    """Of pointers with the values that a connector wants there, those that may stand over the user's own.

    By default these are secrets, unless they say where to connect, and the times that go with them: a token's expiry
    beside the token. A setting that the user's config lacks must be one of the spec, if there is a spec.
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
    """The pointers whose values are secrets of one word or number, by the spec or by their names."""
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
    """Pointers with their values, for people: no secret, and no text that the spec does not know as anything else.

    `written` is the user's config with its `Secret`s: what stands over one of them is a secret as well.
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
    """A pointer for messages: its text is the connector's."""
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
    """The names of all settings that a spec knows, wherever in it."""
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
