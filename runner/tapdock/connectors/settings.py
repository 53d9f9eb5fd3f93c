"""Apply a connector's spec (JSON schema) to its config: convert text to types, and report violations."""

import functools
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from typing import Any

from tapdock.project.builtin import Filled
from tapdock.project.connector_values import Config
from tapdock.project.fields import did_you_mean
from tapdock.project.interpolate import Unset
from tapdock.project.layers import Path, dotted
from tapdock.project.secret import Secret
from tapdock.project.values import number, parse_json
from tapdock.protocol.json_pointer import referred

__all__ = [
    "branches_of",
    "chosen_branch",
    "coerce",
    "converted",
    "problems",
    "property_of",
    "resolved",
    "settings_of",
    "types_of",
    "unknown",
    "violations",
]

INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_LONGEST_MATCHED = 1000
_DEEPEST = 64
Schema = Mapping[str, Any]


def coerce(config: Config, schema: Schema) -> dict[str, Any]:
    """Return the config in plain values. Text with references is converted to the type in the spec.

    Text that cannot be converted stays text, which `violations` reports.
    """
    return {key: _coerced(value, property_of(schema, key, config, schema), schema) for key, value in config.items()}


def _coerced(value: Any, schema: Schema, root: Schema) -> Any:
    if isinstance(value, Secret | Filled):
        return converted(value.reveal() if isinstance(value, Secret) else str(value), types_of(schema, root))
    if isinstance(value, Mapping):
        return {key: _coerced(inner, property_of(schema, key, value, root), root) for key, inner in value.items()}
    if isinstance(value, list):
        items = resolved(schema, root).get("items")
        inner = items if isinstance(items, Mapping) else {}
        return [_coerced(item, inner, root) for item in value]
    return value


def converted(text: str, types: set[str]) -> Any:
    """Return text as a value of one of the types; the text itself if it is none."""
    if "string" in types or not types:
        return text
    if ("integer" in types and INTEGER.fullmatch(text)) or ("number" in types and NUMBER.fullmatch(text)):
        with suppress(ValueError):
            return number(text)
        return text
    if "boolean" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if "null" in types and text == "null":
        return None
    shapes = {"array": list, "object": dict}
    try:
        value = parse_json(text) if types & shapes.keys() else text
    except ValueError:
        return text
    return value if any(isinstance(value, shapes[name]) for name in types & shapes.keys()) else text


def resolved(schema: Schema, root: Schema) -> Schema:
    """Return the schema itself, or the schema that its `$ref` into the same document names."""
    for _ in range(20):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        target = referred(root, reference)
        schema = target if isinstance(target, Mapping) else {}
    return schema


def branches_of(schema: Schema, root: Schema) -> list[Schema]:
    """Return the parts of `oneOf` and `anyOf`."""
    found = [part for word in ("oneOf", "anyOf") for part in schema.get(word) or () if isinstance(part, Mapping)]
    return [resolved(part, root) for part in found]


def types_of(schema: Schema, root: Schema, within: frozenset[int] = frozenset()) -> set[str]:
    """Return the types that a schema accepts, those of its branches included."""
    schema = resolved(schema, root)
    if id(schema) in within:
        return set()  # it refers to itself
    named = schema.get("type")
    types = {named} if isinstance(named, str) else set(named or ())
    for part in [*branches_of(schema, root), *(schema.get("allOf") or ())]:
        types |= types_of(part, root, within | {id(schema)})
    return types


def property_of(schema: Schema, key: str, siblings: Mapping[str, Any], root: Schema, depth: int = 0) -> Schema:
    """Return the schema of one property, also from the branch that its siblings choose; empty if there is none."""
    schema = resolved(schema, root)
    chosen = chosen_branch(schema, siblings, root)
    parts = [schema, *([chosen] if chosen else []), *(schema.get("allOf") or ())]
    for part in parts:
        properties = resolved(part, root).get("properties") or {}
        if isinstance(properties.get(key), Mapping):
            found: Schema = properties[key]
            return found
    if chosen and branches_of(chosen, root) and depth < _DEEPEST:
        return property_of(chosen, key, siblings, root, depth + 1)
    extra = schema.get("additionalProperties")
    return extra if isinstance(extra, Mapping) else {}


def chosen_branch(schema: Schema, value: Mapping[str, Any], root: Schema) -> Schema | None:
    """Return the branch of a `oneOf` whose constants the value has, else the only one with all its keys, else None."""
    branches = branches_of(schema, root)
    for branch in branches:
        constants = dict(_constants(branch))
        given = {key: _plain(value[key]) for key in constants if key in value}
        if given and all(constants[key] == text for key, text in given.items()):
            return branch
    fitting = [branch for branch in branches if value.keys() <= (branch.get("properties") or {}).keys()]
    return fitting[0] if len(fitting) == 1 else None


def _constants(branch: Schema) -> Iterator[tuple[str, str]]:
    for key, schema in (branch.get("properties") or {}).items():
        if not isinstance(schema, Mapping):
            continue
        if "const" in schema:
            yield key, str(schema["const"])
        elif isinstance(schema.get("enum"), list) and len(schema["enum"]) == 1:
            yield key, str(schema["enum"][0])


def _plain(value: Any) -> str:
    return "" if isinstance(value, Unset) else value.reveal() if isinstance(value, Secret) else str(value)


def violations(config: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return the violations of the connector's spec in a plain config, one line each. Values are never shown."""
    return [f"`{dotted(path)}` {problem}" if path else problem for path, problem in problems(config, schema, schema)]


def unknown(config: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return the settings of a config that its spec permits but does not name, one line each, with a near name.

    Only top-level settings are compared: what is nested is often free. Nothing is reported for a spec that names none.
    """
    known = settings_of(schema, schema)
    if not known or schema.get("patternProperties") or isinstance(schema.get("additionalProperties"), Mapping):
        return []
    lines = []
    for name in [name for name in config if name not in known]:
        near = did_you_mean(name, known)
        lines.append(f"`{name}` is not a setting that the connector names" + (f"; {near}" if near else ""))
    return lines


def settings_of(schema: Schema, root: Schema, within: frozenset[int] = frozenset()) -> set[str]:
    """Return the names of the settings that a schema has in any of its branches."""
    schema = resolved(schema, root)
    if id(schema) in within:
        return set()  # it refers to itself
    names = set(schema.get("properties") or ())
    for part in [*branches_of(schema, root), *(schema.get("allOf") or ())]:
        names |= settings_of(part, root, within | {id(schema)})
    return names


def problems(value: Any, schema: Schema, root: Schema) -> Iterator[tuple[Path, str]]:
    """Yield the path and the description of each violation of a plain value. Values are never shown."""
    from jsonschema.exceptions import UnknownType
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    empty: Registry[Any] = Registry()  # a `$ref` is never fetched
    validator = _tolerant()({**schema, "definitions": root.get("definitions", {})}, registry=empty)
    try:
        for error in sorted(validator.iter_errors(value), key=lambda error: [str(part) for part in error.path]):
            yield from _told(error, root)
    except (Unresolvable, UnknownType, RecursionError, TypeError, AttributeError, ValueError, ArithmeticError):
        return  # the spec itself is broken; the connector's own check decides


@functools.cache
def _tolerant() -> Any:
    from jsonschema import Draft7Validator, validators

    extend: Any = validators.extend
    return extend(Draft7Validator, {"pattern": _pattern, "multipleOf": _multiple_of})


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    """Check JSON schema's `pattern`, if Python can read it: many specs are written for Java.

    A pattern with a repeated group may take too long, and is only checked by the connector.
    """
    from jsonschema import ValidationError

    if not isinstance(instance, str) or len(instance) > _LONGEST_MATCHED or _REPEATED_GROUP.search(pattern):
        return
    try:
        wrong = not re.search(pattern, instance)
    except re.error:
        return
    if wrong:
        yield ValidationError("pattern")


def _multiple_of(_validator: Any, factor: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    """Check JSON schema's `multipleOf` by decimal digits: as binary fractions, 19.99 is not a multiple of 0.01."""
    from jsonschema import ValidationError

    numbers = [value for value in (factor, instance) if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == 2 and factor > 0 and Fraction(str(instance)) % Fraction(str(factor)):
        yield ValidationError("multipleOf")


def _told(error: Any, root: Schema) -> Iterator[tuple[Path, str]]:
    path: Path = tuple(error.absolute_path)
    wanted, value = error.validator_value, error.instance
    match error.validator:
        case "required":
            known = (error.schema.get("properties") or {}).keys()
            for name in [name for name in wanted if error.message == f"{name!r} is a required property"]:
                near = did_you_mean(name, [key for key in value if key not in known])
                yield (*path, name), "is missing" + (f"; {near[:-1]}, which is not a known setting?" if near else "")
        case "additionalProperties" if wanted is False:
            known = (error.schema.get("properties") or {}).keys()
            for name in [name for name in value if name not in known]:
                near = did_you_mean(name, known)
                yield (*path, name), "is not a setting of the connector" + (f"; {near}" if near else "")
        case "oneOf" | "anyOf":
            yield from _told_branch(error, path, root)
        case _:
            yield path, _phrase(error.validator, wanted, value)


def _told_branch(error: Any, path: Path, root: Schema) -> Iterator[tuple[Path, str]]:
    branches = branches_of(error.schema, root)
    chosen = chosen_branch(error.schema, error.instance, root) if isinstance(error.instance, Mapping) else None
    if chosen:
        inner = [((*path, *deeper), problem) for deeper, problem in problems(error.instance, chosen, root)]
        if inner:
            yield from inner
            return
    choices: dict[str, list[str]] = {}
    for branch in branches:
        for key, constant in _constants(branch):
            choices.setdefault(key, []).append(constant)
    for key, constants in choices.items():
        if len(constants) > 1:
            yield (*path, key), f"must be one of {', '.join(f'`{constant}`' for constant in constants)}"
            return
    types = sorted(types_of({"anyOf": branches}, root))
    yield path, f"matches none of its {len(branches)} forms" + (f" ({' or '.join(types)})" if types else "")


def _phrase(keyword: str, wanted: Any, value: Any) -> str:
    kinds = {
        bool: "a boolean",
        str: "text",
        int: "an integer",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    match keyword:
        case "type":
            names = wanted if isinstance(wanted, str) else " or ".join(wanted)
            return f"is {kinds.get(type(value), 'null')}, not {names}"
        case "enum":
            near = did_you_mean(value, [str(word) for word in wanted]) if isinstance(value, str) else None
            return f"must be one of {', '.join(f'`{word}`' for word in wanted)}" + (f"; {near}" if near else "")
        case "const":
            return f"must be `{wanted}`"
        case "pattern":
            return f"does not match `{wanted}`"
        case "minimum" | "exclusiveMinimum" | "minLength" | "minItems":
            return f"is too small: {keyword} is {wanted}"
        case "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems":
            return f"is too large: {keyword} is {wanted}"
        case _:
            return f"violates `{keyword}`"
