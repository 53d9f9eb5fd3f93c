"""Convert the values of fields whose type a user overrides with `schema:`, where that is exact."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tapdock.protocol.patterns import Path
from tapdock.protocol.schema_edits import Fragment
from tapdock.translate.schemas.to_singer import field_schema
from tapdock.translate.write.fit import Fit
from tapdock.translate.write.rules import Rule
from tapdock.translate.write.times import FORMATS
from tapdock.translate.write.undeclared import EXTRA_FRAGMENT

__all__ = ["conversion", "of_times"]


def conversion(schema: Mapping[str, Any], fragments: Sequence[Fragment], say: Callable[[str], None]) -> Rule | None:
    """Return the rule that fits the values of overridden fields to a `schema` that has the fragments; None if none.

    Other fields are not looked at, and neither are fields of several types, because each of them is allowed. The rule
    raises Unwritable for a value that has no exact form. `say` gets a note for each kind of conversion of a body.
    """
    given = [one for one in fragments if one != EXTRA_FRAGMENT]
    timed = {".".join(path): one.get("airbyte_type") for path, one in given if one.get("format") in FORMATS}
    paths = {path for path, one in given if one.get("type") is not None or one.get("format") in FORMATS}
    fields = {}
    for name in {path[0] for path in paths} & schema.get("properties", {}).keys():
        translated = field_schema(schema, name)
        within = {path[1:] for path in paths if path[0] == name}
        field = None if translated.rule else _only(translated.schema, within)
        if field:
            fields[name] = field
    if not fields:
        return None
    fit = Fit({"type": "object", "properties": fields}, timed)

    def convert(body: bytes) -> bytes:
        if not timed and not fit.is_odd(body):  # the type of a date is that of any text
            return body
        new, notes = fit.fitted(body)
        for note in notes:
            say(note)
        return new

    return convert


def of_times(fragments: Sequence[Fragment]) -> tuple[Fragment, ...]:
    """Return the fragments whose values have the form of a `format`."""
    return tuple(one for one in fragments if one[1].get("format") in FORMATS)


def _only(schema: Mapping[str, Any], paths: set[Path]) -> dict[str, Any] | None:
    """Return the part of a schema with the fields at these paths; None if it does not have them."""
    if () in paths:
        return dict(schema)
    if isinstance(items := schema.get("items"), Mapping):
        inner = _only(items, paths)
        return {**schema, "items": inner} if inner else None
    known = schema.get("properties", {})
    parts = {name: _only(known[name], {path[1:] for path in paths if path[0] == name}) for name in known}
    found = {name: part for name, part in parts.items() if part}
    return {**schema, "properties": found} if found else None
