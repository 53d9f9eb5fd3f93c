"""Keys and values of a connector's config as people type them: `credentials.client_secret`, `["a"]`, `007`."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tapdock.connectors import masking, settings
from tapdock.errors import UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.layers import Path, dotted
from tapdock.project.values import parse_json
from tapdock.text.secret_names import MASK

__all__ = [
    "ABSENT",
    "at",
    "complaints",
    "key_of",
    "place_of",
    "refusals",
    "schema_of",
    "secret_leaves",
    "value_of",
    "with_value",
]

ABSENT: Any = object()
Schema = Mapping[str, Any]


def key_of(text: str) -> tuple[str, ...]:
    """Return the parts of a key. A dot separates parts, and `\\.` is a dot in one. Raises UsageError for an empty part.

    >>> key_of(r"streams.public\\.users.0")
    ('streams', 'public.users', '0')
    """
    found = [
        re.sub(r"\\([.\\])", r"\1", part) for part in re.findall(r"(?:^|(?<=\.))((?:\\.|[^.\\]|\\$)*)(?:\.|$)", text)
    ]
    if not text or not all(found):
        raise UsageError(
            f"`{text}` is not a key of a setting", hint="write `credentials.client_id`, or `a\\.b` for `a.b`"
        )
    return tuple(found)


def place_of(parts: tuple[str, ...], config: Any, schema: Schema) -> Path:
    """Return the path of a key: a number is an index if it leads into a list.

    `config` has the values so far. Raises UsageError if a part of the key leads into text or a number.
    """
    path: Path = ()
    for part in parts:
        here = at(config, path)
        types = settings.types_of(schema_of(path, config, schema), schema)
        if isinstance(here, list) or (here in (ABSENT, None) and "array" in types and "object" not in types):
            path = (*path, _index(part, here if isinstance(here, list) else [], path))
        elif here in (ABSENT, None) or isinstance(here, Mapping):
            path = (*path, part)
        else:
            raise UsageError(f"`{dotted(path)}` is not an object or a list: it has no `{part}`")
    return path


def _index(part: str, items: list[Any], path: Path) -> int:
    if not part.isdecimal() or int(part) > len(items):
        known = f"0 to {len(items) - 1}, and {len(items)} for a new item" if items else "0 for the first item"
        raise UsageError(f"`{part}` is not an index of the list `{dotted(path)}`", hint=f"write {known}")
    return int(part)


def at(value: Any, path: Path) -> Any:
    """Return the value at a path; ABSENT if there is none."""
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part, ABSENT)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return ABSENT
    return value


def with_value(value: Any, path: Path, new: Any) -> Any:
    """Return a copy of a value in which the value at the path is new."""
    if not path:
        return new
    if isinstance(path[0], int):
        items = list(value) if isinstance(value, list) else []
        inner = items[path[0]] if path[0] < len(items) else None
        return [*items[: path[0]], with_value(inner, path[1:], new), *items[path[0] + 1 :]]
    entries = dict(value) if isinstance(value, dict) else {}
    return {**entries, path[0]: with_value(entries.get(path[0]), path[1:], new)}


def schema_of(path: Path, config: Any, root: Schema) -> Schema:
    """Return the schema of the setting at a path, in the branch that its siblings choose; empty if there is none.

    If it is not certain which branch applies, it is the only one that names the setting.
    """
    schema = root
    for end, part in enumerate(path):
        if isinstance(part, int):
            items = settings.resolved(schema, root).get("items")
            schema = items if isinstance(items, Mapping) else {}
            continue
        siblings = at(config, path[:end])
        siblings = siblings if isinstance(siblings, Mapping) else {}
        schema = settings.property_of(schema, part, siblings, root) or _of_any_branch(schema, part, root)
    return settings.resolved(schema, root)


def _of_any_branch(schema: Schema, part: str, root: Schema) -> Schema:
    schema = settings.resolved(schema, root)
    found = [settings.property_of(branch, part, {}, root) for branch in settings.branches_of(schema, root)]
    found = [each for each in found if each]
    return found[0] if len(found) == 1 else {"anyOf": found} if found else {}


def value_of(text: str, schema: Schema, root: Schema) -> Any:
    """Return typed text as a value of the type in the spec. Without a type, JSON is read; all else is text.

    >>> [value_of("007", {"type": "string"}, {}), value_of("7", {"type": "integer"}, {}), value_of('["a"]', {}, {})]
    ['007', 7, ['a']]
    """
    types = settings.types_of(schema, root)
    if "enum" in schema and text not in schema["enum"]:
        return next((value for value in schema["enum"] if _is_written(value, text)), text)
    if types & {"array", "object"} and text.lstrip()[:1] in ("[", "{"):
        types -= {"string"}
    if types:
        return settings.converted(text, types)
    try:
        return parse_json(text)
    except ValueError:
        return text


def _is_written(value: Any, text: str) -> bool:
    return isinstance(value, str) is False and json.dumps(value) == text


def secret_leaves(path: Path, value: Any, schema: Schema | None) -> set[Path]:
    """Return the paths of the secrets in a value: by the spec, by their names, and addresses with a password."""
    nested = value
    for part in reversed(path):
        nested = [*[None] * part, nested] if isinstance(part, int) else {part: nested}
    shown = at(masking.masked(nested, schema), path)
    return {(*path, *inner) for inner in _masked(value, shown)}


def _masked(value: Any, shown: Any) -> Iterator[Path]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from ((key, *deeper) for deeper in _masked(inner, shown[key]))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ((index, *deeper) for deeper in _masked(inner, shown[index]))
    elif shown == MASK or shown != value:
        yield ()


def complaints(config: Mapping[str, Any], schema: Schema, unknown: Collection[Path] = ()) -> dict[Path, str]:
    """Return what the spec refuses in a plain config, by place, except where the value is not known."""
    return {place: problem for place, problem in settings.problems(config, schema, schema) if place not in unknown}


def refusals(
    path: Path, config: Mapping[str, Any], schema: Schema, unknown: Collection[Path] = ()
) -> tuple[list[str], list[str]]:
    """Return what the spec refuses in the value at a path, and what the rest of the config still lacks.

    `config` is the whole config in plain values with the new one, `unknown` are the paths of values that are not known
    before a run. Values are never shown.
    """
    for end, part in enumerate(path):
        if isinstance(part, str) and (reason := _unknown(path[:end], part, config, schema)):
            return [f"`{dotted(path[: end + 1])}` {reason}"], []
    own = schema_of(path, config, schema)
    value = at(config, path)
    found = {}
    if value is not ABSENT:  # the variable of a reference may not be set here
        found = {(*path, *deeper): problem for deeper, problem in settings.problems(value, own, schema)}
    found |= complaints(config, schema, unknown)
    refused: list[str] = []
    lacking: list[str] = []
    for place, problem in found.items():
        is_refused = place[: len(path)] == path and not problem.startswith("is missing")
        ending = _descriptor(own) if place == path and "match" in problem else ""
        (refused if is_refused else lacking).append(f"`{dotted(place)}` {problem}{ending}")
    return refused, lacking


def _descriptor(schema: Schema) -> str:
    """Return the words in which a spec explains its pattern."""
    words = schema.get("pattern_descriptor")
    return f" ({words})" if isinstance(words, str) else ""


def _unknown(above: Path, name: str, config: Any, root: Schema) -> str | None:
    """Return why a name is not one of a setting; None if the spec names it or permits any name."""
    schema = schema_of(above, config, root)
    known = settings.settings_of(schema, root)
    free = schema.get("patternProperties") or isinstance(schema.get("additionalProperties"), Mapping)
    if not known or free or name in known:
        return None
    hint = did_you_mean(name, known)
    return "is not a setting of the connector" + (f"; {hint}" if hint else f"; known: {', '.join(sorted(known))}")
