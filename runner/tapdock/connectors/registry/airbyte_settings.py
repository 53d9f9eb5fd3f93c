"""The settings that an Airbyte connector requires, from its spec: also those inside of objects and of choices."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tapdock.connectors.registry.found import UNKNOWN, Setting
from tapdock.connectors.registry.words import plain_text
from tapdock.protocol.json_pointer import referred

__all__ = ["settings"]

Schema = Mapping[str, Any]
_DEEPEST = 6


def settings(spec: Schema) -> tuple[Setting, ...]:
    """Return the settings that must be given, with constants and defaults as their values, and secrets at the top.

    A setting with several forms gets the first one, but not OAuth, which needs an application of one's own.
    """
    required = list(_required(spec, spec, (), depth=0))
    known = {setting.path[0] for setting in required}
    return (*required, *(each for each in _secrets(spec) if each.path[0] not in known))


def _secrets(spec: Schema) -> Iterator[Setting]:
    for name, one in _ordered(_properties(spec, spec)):
        if one.get("airbyte_secret") is True and one.get("airbyte_hidden") is not True:
            yield Setting(path=(name,), about=_about(one), required=False)


def _required(schema: Schema, root: Schema, path: tuple[str, ...], *, depth: int) -> Iterator[Setting]:
    """Yield the required settings of an object; an object in it is yielded before its own settings."""
    if depth > _DEEPEST:
        return
    properties = _properties(schema, root)
    branch, note = _branch(schema, root)
    needed = [*_names(schema, root), *(_names(branch, root) if branch else ())]
    inner = {**properties, **(_properties(branch, root) if branch else {})}
    wanted = {name: inner.get(name, {}) for name in needed}
    wanted |= {name: one for name, one in inner.items() if _constant(one) is not UNKNOWN and "const" in one and path}
    constants_first = sorted(_ordered(wanted), key=lambda item: _constant(item[1]) is UNKNOWN)
    for number, (name, one) in enumerate(constants_first if path else _ordered(wanted)):
        told = f"{note} " if note and not number and not path else ""
        yield from _setting(one, root, (*path, name), told=told, depth=depth)


def _setting(one: Schema, root: Schema, path: tuple[str, ...], *, told: str, depth: int) -> Iterator[Setting]:
    constant = _constant(one)
    is_secret = one.get("airbyte_secret") is True
    if constant is not UNKNOWN:
        yield Setting(path=path, value=constant)
    elif _properties(one, root) or _branches(one, root):
        _, note = _branch(one, root)
        yield Setting(path=path, about=f"{told}{_sentence(_about(one))} {note}".strip(), value={})
        yield from _required(one, root, path, depth=depth + 1)
    elif "default" in one and one["default"] is not None and not is_secret:
        yield Setting(path=path, about=(told + _about(one)).strip(), value=one["default"])
    else:
        about = _about(one) if one else "The spec requires it without a description."
        yield Setting(path=path, about=(told + about).strip())


def _resolved(schema: Any, root: Schema) -> Schema:
    """Return a schema without `$ref`, which only names a place in the same spec here."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            break
        schema = {**(referred(root, schema["$ref"]) or {}), **{k: v for k, v in schema.items() if k != "$ref"}}
    return schema if isinstance(schema, Mapping) else {}


def _parts(schema: Schema, root: Schema) -> list[Schema]:
    """Return the schema and what `allOf` adds to it."""
    more = schema.get("allOf")
    return [schema, *(_resolved(each, root) for each in (more if isinstance(more, list) else ()))]


def _properties(schema: Schema, root: Schema) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for part in _parts(schema, root):
        properties = part.get("properties")
        if isinstance(properties, Mapping):
            found |= {str(name): _resolved(one, root) for name, one in properties.items()}
    return found


def _names(schema: Schema, root: Schema) -> list[str]:
    lists = [part.get("required") for part in _parts(schema, root)]
    return [name for names in lists if isinstance(names, list) for name in names if isinstance(name, str)]


def _branches(schema: Schema, root: Schema) -> list[Schema]:
    """Return the forms of a setting that are objects, or sets of required settings."""
    choices = schema.get("oneOf") or schema.get("anyOf")
    found = [_resolved(each, root) for each in (choices if isinstance(choices, list) else ())]
    return [each for each in found if _properties(each, root) or _names(each, root)]


def _branch(schema: Schema, root: Schema) -> tuple[Schema | None, str]:
    """Return the form that is written, and a sentence about all forms. None and an empty text without forms."""
    branches = _branches(schema, root)
    if not branches:
        return None, ""
    default = schema.get("default")
    fits = [each for each in branches if isinstance(default, Mapping) and _is_chosen(each, default, root)]
    simple = [each for each in branches if "oauth" not in str(each.get("title", "")).lower()]
    chosen = (fits or simple or branches)[0]
    if len(branches) == 1:
        return chosen, ""
    forms = "; ".join(_form(each, root) for each in branches)
    return chosen, f"One of {len(branches)} forms: {plain_text(forms)}."


def _is_chosen(branch: Schema, default: Schema, root: Schema) -> bool:
    constants = {name: _constant(one) for name, one in _properties(branch, root).items()}
    known = {name: value for name, value in constants.items() if value is not UNKNOWN}
    return bool(known) and all(default.get(name) == value for name, value in known.items())


def _form(branch: Schema, root: Schema) -> str:
    properties = _properties(branch, root)
    names = [name for name in _names(branch, root) if _constant(properties.get(name, {})) is UNKNOWN]
    title = str(branch.get("title") or "")
    return f"{title} ({', '.join(names)})" if title and names else title or ", ".join(names)


def _constant(one: Schema) -> Any:
    """Return the only value that a setting can have; UNKNOWN if there are more."""
    if "const" in one:
        return one["const"]
    allowed = one.get("enum")
    return allowed[0] if isinstance(allowed, list) and len(allowed) == 1 else UNKNOWN


def _ordered(properties: Mapping[str, Schema]) -> list[tuple[str, Schema]]:
    def order(item: tuple[str, Schema]) -> float:
        given = item[1].get("order")
        return float(given) if isinstance(given, int | float) else float("inf")

    return sorted(properties.items(), key=order)


def _about(one: Schema) -> str:
    text = plain_text(str(one.get("description") or one.get("title") or ""))
    kind = one.get("type")
    facts = [kind] if isinstance(kind, str) and kind not in ("string", "object") else []
    allowed, examples = one.get("enum"), one.get("examples")
    if isinstance(allowed, Sequence) and not isinstance(allowed, str):
        facts.append(f"one of {_listed(allowed)}")
    elif isinstance(examples, list) and examples:
        facts.append(f"for example {_listed(examples[:1])}")
    return f"{text} ({', '.join(facts)})".strip() if facts else text


def _sentence(text: str) -> str:
    return f"{text}." if text and text[-1] not in ".!?:)" else text


def _listed(values: Sequence[Any]) -> str:
    return plain_text(", ".join(json.dumps(value, ensure_ascii=False) for value in values))
