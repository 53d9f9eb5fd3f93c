"""Find the secrets in a config: by the connector's spec, by their origin, by their name, by their text."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tapdock.project.composed import Composed
from tapdock.project.interpolate import Unset
from tapdock.project.layers import walk
from tapdock.project.maps import MapKeys
from tapdock.project.model import Connector, Project
from tapdock.project.secret import Secret
from tapdock.protocol.json_pointer import referred
from tapdock.text.redaction import Redactor
from tapdock.text.secret_names import MASK, is_group_name, is_secret_name, masked_text, secrets_in

__all__ = ["connector_secrets", "map_secrets", "masked", "new_texts", "project_secrets", "redactor_of", "secret_texts"]

_CHOICE = re.compile(r"[A-Za-z][a-z_-]{0,19}")
_PRIVATE_KEY = "PRIVATE KEY-----"
Schema = Mapping[str, Any]


def masked(config: Mapping[str, Any], schema: Schema | None) -> dict[str, Any]:
    """Return the config for people: with `[secret]` in place of every secret."""
    return _Mask(schema or {}).mapping(config, [schema or {}], hidden=False)


def secret_texts(config: Mapping[str, Any], schema: Schema | None) -> tuple[str, ...]:
    """Return every value that `masked` hides, and every password in a longer text, for a `Redactor`."""
    mask = _Mask(schema or {})
    mask.mapping(config, [schema or {}], hidden=False)
    return tuple(dict.fromkeys(mask.found))


def connector_secrets(connector: Connector) -> tuple[str, ...]:
    """Return the secrets of a connector in the project file, including tokens in addresses of its packages."""
    package = secrets_in(connector.build.package) if connector.build else ()
    configs = (connector.config, *connector.mappings.values(), connector.env)
    return (*(text for config in configs for text in secret_texts(config, None)), *package, *map_secrets(connector))


def map_secrets(keys: MapKeys) -> tuple[str, ...]:
    """Return the secrets with which a source or a pipeline maps its streams."""
    in_maps = [leaf for _, leaf in walk(keys.maps) if isinstance(leaf, Secret)]
    given = {"maps": in_maps, "stream_map_config": keys.stream_map_config, "hash_key": keys.hash_key}
    return secret_texts({name: value for name, value in given.items() if value}, None)


def project_secrets(project: Project) -> Iterator[str]:
    """Yield the secrets of all connectors, pipelines and schedules, and those in the address of the state backend."""
    yield from secrets_in(project.state_uri)
    for connector in project.connectors:
        yield from connector_secrets(connector)
    for pipeline in project.pipelines.values():
        yield from map_secrets(pipeline)
        for row in (pipeline.matrix and pipeline.matrix.rows) or ():
            yield from secret_texts({name: each for name, each in row.values.items() if isinstance(each, Secret)}, None)
    owners = (*(each.notify for each in project.pipelines.values()), *(each.notify for each in project.jobs.values()))
    for notify in owners:
        yield from secret_texts({str(number): each.url for number, each in enumerate(notify) if each.url}, None)
    for schedule in project.schedules.values():
        yield from secret_texts(schedule.env, None)


def redactor_of(project: Project) -> Redactor:
    """Return what hides the secrets of a project, also those that its references have read, in texts such as labels."""
    made = Redactor(project_secrets(project))
    if project.references:
        project.references.listen(made)
    return made


def new_texts(config: Mapping[str, Any], user: Mapping[str, Any]) -> set[str]:
    """Return the texts in a config that a connector changed and that are not in the user's: they may be tokens."""
    return set(_texts(config)) - set(_texts(user))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


class _Mask:
    """Walks through a value with all schemas that may apply to it; `found` are the secrets so far.

    A schema may depend on other values. If that is uncertain, the schema is assumed to apply.
    """

    def __init__(self, root: Schema) -> None:
        self.found: list[str] = []
        self._root = root

    def mapping(self, value: Mapping[str, Any], schemas: Sequence[Schema], *, hidden: bool) -> dict[str, Any]:
        shown = {}
        applying = self._applying(schemas)
        for key, inner in value.items():
            wanted = self._applying([part for schema in applying for part in _of_key(schema, str(key))])
            secret = hidden or any(map(_is_secret, wanted)) or _is_secret_by_name(str(key), inner, wanted)
            shown[key] = self._shown(inner, wanted, hidden=secret)
        return shown

    def _shown(self, value: Any, schemas: Sequence[Schema], *, hidden: bool) -> Any:
        if isinstance(value, Mapping):
            return self.mapping(value, schemas, hidden=hidden)
        if isinstance(value, list | tuple):
            return self._items(value, self._applying(schemas), hidden=hidden)
        if isinstance(value, Unset):
            return str(value)
        if isinstance(value, Composed) and not value.is_known:
            self.found += value.parts
            value = MASK if value.is_secret else value.written  # it is revealed later, if a command needs it
        if isinstance(value, Secret):
            text = value.reveal()
            self.found += [text, *value.parts, *secrets_in(text)]
            return MASK
        if isinstance(value, str):
            self.found += secrets_in(value)
            hidden = hidden or _is_secret_text(value)
        if hidden and isinstance(value, str | int | float) and not isinstance(value, bool):
            self.found.append(str(value))
            return MASK
        return masked_text(value) if isinstance(value, str) else value

    def _items(self, value: Sequence[Any], applying: Sequence[Schema], *, hidden: bool) -> list[Any]:
        shown = []
        for place, item in enumerate(value):
            wanted = self._applying([part for schema in applying for part in _of_item(schema, place)])
            shown.append(self._shown(item, wanted, hidden=hidden or any(map(_is_secret, wanted))))
        return shown

    def _applying(self, schemas: Sequence[Schema]) -> list[Schema]:
        """Return these schemas with all schemas that they refer to or choose from."""
        found: dict[int, Schema] = {}
        left = list(schemas)
        while left:
            schema = left.pop()
            if id(schema) in found:
                continue
            found[id(schema)] = schema
            left += [*_parts(schema), *self._target(schema.get("$ref")), *self._target(schema.get("$dynamicRef"))]
        return list(found.values())

    def _target(self, reference: Any) -> Iterator[Schema]:
        """Yield the schemas that a `$ref` into the same document names: by path, or by `$id` and `$anchor`."""
        if not isinstance(reference, str):
            return
        path = reference.partition("#")[2]
        if path and not path.startswith("/"):
            yield from _named(self._root, path)
            return
        target = referred(self._root, f"#{path}")
        if isinstance(target, Mapping):
            yield target


def _named(value: Any, anchor: str) -> Iterator[Schema]:
    if isinstance(value, Mapping):
        if anchor in (value.get("$anchor"), value.get("$dynamicAnchor")) or value.get("$id") == f"#{anchor}":
            yield value
        for inner in value.values():
            yield from _named(inner, anchor)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, anchor)


def _schemas(*values: Any) -> Iterator[Schema]:
    """Yield the schemas among the values, and in those values that are lists."""
    for value in values:
        if isinstance(value, Mapping):
            yield value
        elif isinstance(value, list):
            yield from (item for item in value if isinstance(item, Mapping))


def _parts(schema: Schema) -> Iterator[Schema]:
    """Yield the parts of a schema that apply to the same value."""
    yield from _schemas(*(schema.get(word) for word in ("allOf", "anyOf", "oneOf", "if", "then", "else")))
    for word in ("dependentSchemas", "dependencies"):
        dependent = schema.get(word)
        if isinstance(dependent, Mapping):
            yield from _schemas(*(part for part in dependent.values() if isinstance(part, Mapping)))


def _of_key(schema: Schema, key: str) -> Iterator[Schema]:
    """Yield the schemas of one member of an object."""
    properties, patterns = schema.get("properties"), schema.get("patternProperties")
    found = list(_schemas(properties.get(key))) if isinstance(properties, Mapping) else []
    for pattern, inner in patterns.items() if isinstance(patterns, Mapping) else ():
        found += _schemas(inner) if _matches(str(pattern), key) else ()
    yield from found or _schemas(schema.get("additionalProperties"))
    yield from _schemas(schema.get("unevaluatedProperties"))


def _matches(pattern: str, key: str) -> bool:
    """Return True if the key matches, or if Python cannot read the pattern: many are written for Java."""
    try:
        return re.search(pattern, key) is not None
    except re.error:
        return True


def _of_item(schema: Schema, place: int) -> Iterator[Schema]:
    """Yield the schemas of one item of a list, or of a tuple, in which each place has a schema of its own."""
    items, prefix = schema.get("items"), schema.get("prefixItems")
    for places, rest in ((items, schema.get("additionalItems")), (prefix, items)):
        if isinstance(places, list):
            yield from _schemas(places[place]) if place < len(places) else _schemas(rest)
    if isinstance(items, Mapping) and not isinstance(prefix, list):
        yield items
    yield from _schemas(schema.get("contains"), schema.get("unevaluatedItems"))


def _is_secret(schema: Schema) -> bool:
    """Return True if a schema has a mark for secrets of Airbyte, JSON schema, OpenAPI or Meltano's SDK."""
    marks = (schema.get("airbyte_secret"), schema.get("writeOnly"), schema.get("secret"), schema.get("sensitive"))
    return any(mark is True or mark == "true" for mark in marks) or schema.get("format") == "password"


def _is_secret_by_name(name: str, value: Any, schemas: Sequence[Schema]) -> bool:
    """Return True for the name of a secret, unless the spec lists the possible values, or it is a group or a choice."""
    if not is_secret_name(name) or any("const" in schema or "enum" in schema for schema in schemas):
        return False
    if is_group_name(name):
        return not isinstance(value, Mapping) and not (isinstance(value, str) and _CHOICE.fullmatch(value))
    return True


def _is_secret_text(text: str) -> bool:
    """Return True for a private key, and for JSON that contains a secret."""
    if _PRIVATE_KEY in text:
        return True
    if not text.lstrip().startswith("{"):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    mask = _Mask({})
    return isinstance(value, dict) and bool(mask.mapping(value, [], hidden=False)) and bool(mask.found)
