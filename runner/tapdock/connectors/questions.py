"""The questions of a dialog about a connector's config, made of its spec. Pure: a generator that takes answers."""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tapdock.connectors import settings
from tapdock.connectors.config_keys import ABSENT, secret_leaves, value_of
from tapdock.project.layers import Path, dotted

__all__ = ["SKIP", "Kept", "Question", "Wrong", "answer", "changes", "questions"]

Schema = Mapping[str, Any]
SKIP: Any = object()
"""The answer that leaves a setting as it is: not set, or as it was."""


@dataclass(frozen=True)
class Kept:
    """A value that stays as it is written in the project file."""

    raw: Any = field(repr=False)


class Wrong(Exception):
    """An answer that the spec refuses. The text names the rule."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question about the setting at `path`. `default` is the answer of an empty line, ABSENT if there is none."""

    path: Path
    kind: Literal["text", "flag", "choice"]
    title: str
    schema: Schema = field(default_factory=dict, repr=False)
    is_secret: bool = False
    is_required: bool = False
    default: Any = ABSENT
    choices: tuple[tuple[str, Any], ...] = ()
    taken: tuple[Any, ...] = ()


Walk = Generator[Question, Any, Any]


def questions(spec: Schema, config: Mapping[str, Any]) -> Walk:
    """Yield each question and take its answer. Return the new config, with `Kept` for what stays.

    `config` is the config as it is written. To go back, start again with all answers but the last.
    """
    return _Dialog(spec).object(spec, (), config)


def answer(question: Question, text: str, root: Schema) -> Any:
    """Return the value of a typed line. Raises Wrong."""
    if not text.strip():
        if question.default is not ABSENT:
            return question.default
        if question.is_required:
            raise Wrong("this setting is required")
        return SKIP
    if question.kind == "flag":
        words = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}
        if text.strip().lower() not in words:
            raise Wrong("answer `y` or `n`")
        return words[text.strip().lower()]
    if question.kind == "choice":
        return _choice(question, text.strip())
    value = value_of(text, question.schema, root)
    for place, problem in settings.problems(value, question.schema, root):
        rule = question.schema.get("pattern_descriptor")
        raise Wrong((f"`{dotted(place)}` " if place else "the value ") + problem + (f" ({rule})" if rule else ""))
    if value in question.taken:
        raise Wrong("this item is in the list already (uniqueItems)")
    return value


def _choice(question: Question, text: str) -> Any:
    if text.isdecimal() and 1 <= int(text) <= len(question.choices):
        return question.choices[int(text) - 1][1]
    for label, value in question.choices:
        if text.lower() == label.lower():
            return value
    raise Wrong(f"answer with a number from 1 to {len(question.choices)}, or with one of the words")


class _Dialog:
    """Walks through a spec. Each method yields questions, and returns a value, or ABSENT."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def object(self, schema: Schema, path: Path, now: Mapping[str, Any]) -> Walk:
        schema = settings.resolved(schema, self._root)
        properties, required, now = yield from self._properties(schema, path, now)
        names = sorted(properties, key=lambda name: _order(properties[name]))
        result: dict[str, Any] = {name: Kept(value) for name, value in now.items() if name not in properties}
        for name in (name for name in names if _is_silent(properties[name])):
            fixed = _fixed(properties[name])
            if name in now and fixed in (ABSENT, now[name]):
                result[name] = Kept(now[name])
            elif fixed is not ABSENT:
                result[name] = fixed
        visible = [name for name in names if not _is_silent(properties[name])]
        asked = [name for name in visible if name in required]
        for name in asked:
            result[name] = yield from self._value(properties[name], (*path, name), now, required=True)
        optional = [name for name in visible if name not in required]
        if asked and optional:
            title = (
                f"Also ask about {len(optional)} optional setting{'s' * (len(optional) != 1)}? {', '.join(optional)}"
            )
            if not (yield Question(path=path, kind="flag", title=title, default=False)):
                return result | {name: Kept(now[name]) for name in optional if name in now}
        for name in optional:
            value = yield from self._value(properties[name], (*path, name), now, required=False)
            if value is not ABSENT:
                result[name] = value
        return result

    def _properties(self, schema: Schema, path: Path, now: Mapping[str, Any]) -> Walk:
        """Return the settings of an object with those of the chosen branch, its required names, and what is kept."""
        parts = [settings.resolved(part, self._root) for part in (schema, *(schema.get("allOf") or ()))]
        properties = {
            name: self._resolved(one) for part in parts for name, one in (part.get("properties") or {}).items()
        }
        required = {name for part in parts for name in part.get("required") or ()}
        for part in parts:
            branches = [each for each in settings.branches_of(part, self._root) if each.get("properties")]
            if not branches:
                continue
            known = settings.chosen_branch(part, now, self._root) if now else None
            old = next((index for index, branch in enumerate(branches) if branch is known), ABSENT)
            chosen = yield from self._branch(part, branches, path, old)
            if chosen != old and len(branches) > 1:
                now = {name: value for name, value in now.items() if name in properties}
            inner, more, now = yield from self._properties(branches[chosen], path, now)
            properties, required = {**properties, **inner}, required | more
        return properties, required, now

    def _branch(self, schema: Schema, branches: list[Schema], path: Path, old: Any) -> Walk:
        if len(branches) == 1:
            return 0
        if old is ABSENT and isinstance(schema.get("default"), Mapping):
            chosen = settings.chosen_branch(schema, schema["default"], self._root)
            old = next((index for index, branch in enumerate(branches) if branch is chosen), ABSENT)
        labels = [
            str(branch.get("title") or _constant(branch) or f"choice {n}") for n, branch in enumerate(branches, 1)
        ]
        return (
            yield Question(
                path=path,
                kind="choice",
                title=_title(schema, path),
                schema=schema,
                is_required=True,
                default=old,
                choices=tuple((label, index) for index, label in enumerate(labels)),
            )
        )

    def _resolved(self, schema: Any) -> Schema:
        """Return a setting's schema, in which what stands beside a `$ref` stays."""
        if not isinstance(schema, Mapping):
            return {}
        return {**settings.resolved(schema, self._root), **{key: schema[key] for key in schema if key != "$ref"}}

    def _value(self, schema: Schema, path: Path, siblings: Mapping[str, Any], *, required: bool) -> Walk:
        now = siblings.get(str(path[-1]), ABSENT)
        types = settings.types_of(schema, self._root)
        branches = [each for each in settings.branches_of(schema, self._root) if each.get("properties")]
        kept = ABSENT if now is ABSENT else Kept(now)
        if branches or (schema.get("properties") and "string" not in types):
            if not required:
                title = f"{'Change' if isinstance(now, Mapping) and now else 'Set'} {_title(schema, path)}?"
                if not (yield Question(path=path, kind="flag", title=title, schema=schema, default=False)):
                    return kept
            if isinstance(now, str) and required:
                title = f"Keep the reference of {_title(schema, path)}?"
                if (yield Question(path=path, kind="flag", title=title, schema=schema, default=True)):
                    return kept
            return (yield from self.object(schema, path, now if isinstance(now, Mapping) else {}))
        if "array" in types and "string" not in types and isinstance(schema.get("items"), Mapping):
            return (yield from self._list(schema, path, now, required=required))
        given = yield self._scalar(schema, path, types, now=now, required=required)
        return kept if given is SKIP else given

    def _scalar(self, schema: Schema, path: Path, types: set[str], *, now: Any, required: bool) -> Question:
        default = Kept(now) if now is not ABSENT else schema.get("default", ABSENT) if required else ABSENT
        choices = _choices(schema, settings.branches_of(schema, self._root))
        return Question(
            path=path,
            kind="choice" if choices else "flag" if types - {"null"} == {"boolean"} else "text",
            title=_title(schema, path),
            schema=schema,
            is_secret=not choices and bool(secret_leaves(path, "x", self._root)),
            is_required=required,
            default=default,
            choices=choices,
        )

    def _list(self, schema: Schema, path: Path, now: Any, *, required: bool) -> Walk:
        if isinstance(now, list) and now:
            title = f"Keep the {len(now)} item{'s' * (len(now) != 1)} of {_title(schema, path)}?"
            if (yield Question(path=path, kind="flag", title=title, schema=schema, default=True)):
                return Kept(now)
        least, most = int(schema.get("minItems", 0)), schema.get("maxItems", float("inf"))
        one = self._resolved(schema["items"])
        items: list[Any] = []
        types = settings.types_of(one, self._root)
        is_object = bool(
            one.get("properties") or any(b.get("properties") for b in settings.branches_of(one, self._root))
        )
        while len(items) < most:
            here, number = (*path, len(items)), len(items) + 1
            needed = len(items) < least and (required or bool(items))
            if is_object:
                title = f"Add item {number} to {_title(schema, path)}?"
                if not needed and not (
                    yield Question(path=here, kind="flag", title=title, schema=schema, default=False)
                ):
                    break
                items.append((yield from self.object(one, here, {})))
                continue
            asked = self._scalar(one, here, types, now=ABSENT, required=needed)
            facts = {"description": schema.get("description"), "examples": schema.get("examples"), **one}
            taken = tuple(items) if schema.get("uniqueItems") else ()
            title = f"{_title(schema, path)}, item {number}" + ("" if needed else " (an empty line ends the list)")
            given = yield Question(
                **{**vars(asked), "title": title, "schema": facts, "taken": taken, "default": ABSENT}
            )
            if given is SKIP:
                break
            items.append(given)
        if items or (required and now is ABSENT and "default" not in schema):
            return items
        return Kept(now) if now is not ABSENT else schema["default"] if required else ABSENT


def changes(wanted: Mapping[str, Any], raw: Mapping[str, Any], path: Path = ()) -> Generator[tuple[Path, Any]]:
    """Yield the path and the new value of each change from the written config; ABSENT for what is to be removed."""
    yield from (((*path, key), ABSENT) for key in raw if key not in wanted)
    for key, value in wanted.items():
        old = raw.get(key, ABSENT)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            yield from changes(value, old, (*path, key))
        elif not isinstance(value, Kept) and not (type(value) is type(old) and value == old and "$" not in str(value)):
            yield (*path, key), value


def _order(schema: Schema) -> float:
    order = schema.get("order")
    return float(order) if isinstance(order, int | float) else float("inf")


def _is_silent(schema: Schema) -> bool:
    return schema.get("airbyte_hidden") is True or _fixed(schema) is not ABSENT


def _fixed(schema: Schema) -> Any:
    """Return the only value that a setting may have, such as the mark of a branch; ABSENT if there are more."""
    if "const" in schema:
        return schema["const"]
    values = schema.get("enum")
    return values[0] if isinstance(values, list) and len(values) == 1 else ABSENT


def _constant(branch: Schema) -> Any:
    found = [_fixed(one) for one in (branch.get("properties") or {}).values() if isinstance(one, Mapping)]
    return next((value for value in found if value is not ABSENT), None)


def _choices(schema: Schema, branches: list[Schema]) -> tuple[tuple[str, Any], ...]:
    """Return labels and values of an `enum`, or of a `oneOf` of constants."""
    values = schema.get("enum")
    if isinstance(values, list):
        return tuple((value if isinstance(value, str) else json.dumps(value), value) for value in values)
    fixed = [(str(branch.get("title") or branch["const"]), branch["const"]) for branch in branches if "const" in branch]
    return tuple(fixed) if len(fixed) == len(branches) else ()


def _title(schema: Schema, path: Path) -> str:
    title = schema.get("title")
    return f"{title} ({dotted(path)})" if isinstance(title, str) and title else dotted(path)
