"""The rows in which `tapdock spec` shows the settings of a connector."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["COLUMNS", "spec_rows"]

COLUMNS = ("setting", "type", "required", "default", "description")
_DEEPEST = 8  # settings that are nested deeper are not shown: a spec may refer to itself


def spec_rows(schema: object, *, at: str = "") -> list[list[str]]:
    """Return a row for each setting of a spec, which may be malformed: nested settings, and each choice of a `oneOf`.

    >>> spec_rows({"required": ["port"], "properties": {"port": {"type": "integer", "default": 5432, "title": "Port"}}})
    [['port', 'integer', 'yes', '5432', 'Port']]
    """
    return list(_rows(schema, at, depth=0))


def _rows(schema: object, at: str, *, depth: int) -> Iterator[list[str]]:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return
    required = schema.get("required")
    required = required if isinstance(required, list) else []
    properties = schema.get("properties")
    for name, setting in properties.items() if isinstance(properties, Mapping) else ():
        path = f"{at}{name}"
        one = setting if isinstance(setting, Mapping) else {}
        default = json.dumps(one["default"], ensure_ascii=False) if "default" in one else ""
        yield [path, _type(one), "yes" if name in required else "", default, _description(one)]
        yield from _rows(one, f"{path}.", depth=depth + 1)
        yield from _rows(one.get("items"), f"{path}[].", depth=depth + 1)
        yield from _choices(one, path, depth=depth)


def _choices(setting: Mapping[str, Any], path: str, *, depth: int) -> Iterator[list[str]]:
    choices = setting.get("oneOf") or setting.get("anyOf")
    for number, choice in enumerate(choices if isinstance(choices, list) else (), start=1):
        if isinstance(choice, Mapping) and choice.get("properties"):
            yield [path, "choice", "", "", str(choice.get("title") or f"choice {number}")]
            yield from _rows(choice, f"{path}.", depth=depth + 1)


def _type(setting: Mapping[str, Any]) -> str:
    kind = setting.get("type", "object" if "oneOf" in setting else "")
    named = " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
    secret = setting.get("airbyte_secret") is True or setting.get("secret") is True or setting.get("writeOnly") is True
    return f"{named}, secret" if secret else named


def _description(setting: Mapping[str, Any]) -> str:
    text = " ".join(str(setting.get("description") or setting.get("title") or "").split())
    allowed = setting.get("enum")
    if isinstance(allowed, list):
        values = ", ".join(json.dumps(each, ensure_ascii=False) for each in allowed)
        text = f"{text} One of: {values}".strip()
    if "const" in setting:
        text = f"{text} Always {json.dumps(setting['const'], ensure_ascii=False)}".strip()
    return text
