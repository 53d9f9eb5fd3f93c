"""The JSON schema of the project file, made of the tables of keys: for editors, and for programs that write files."""

from collections.abc import Iterable, Mapping
from typing import Any

from tapdock.project.builtin import NAMES
from tapdock.project.interpolate import VARIABLE
from tapdock.project.keys import (
    BUILD,
    COMMAND,
    CONNECTOR,
    JOB,
    LISTS,
    MOST,
    MOUNT,
    NOTIFY,
    PATTERNS,
    PIPELINE,
    REGISTRIES,
    ROOT,
    SCHEDULE,
    STATE_BACKEND,
    STREAM,
    Key,
    Pattern,
)
from tapdock.project.model import ConnectorRole
from tapdock.project.renamed import OLD_NAMES, OTHER_NAMES

__all__ = ["json_schema"]

Schema = dict[str, Any]
_VARIABLE: Schema = {"type": "string", "pattern": r"\$\{"}
_TEXT: Schema = {"type": ["string", "integer"]}
_MEASURE: Schema = {"type": "string", "pattern": r"^\s*\d|\$\{"}
_TEXTS: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
_FORMS: dict[str, Schema] = {
    "text": _TEXT,
    "texts": _TEXTS,
    "words": _TEXTS,
    "paths": {"anyOf": [_TEXT, {"type": "array", "items": _TEXTS}]},
    "flag": {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}, _VARIABLE]},
    "config": {"type": "object"},
    "mapping": {"type": "object"},
    "secret": _VARIABLE,
    "public": {"type": "string"},
    "mappings": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"name": _TEXT, "config": {"type": ["object", "null"]}},
            "required": ["name"],
            "additionalProperties": False,
        },
    },
    "env": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    "vars": {
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{VARIABLE}$", "not": {"pattern": f"^(TAPDOCK_|({'|'.join(NAMES)})$)"}},
        "additionalProperties": {"type": ["string", "integer", "boolean"]},
    },
    "discovery": {
        "anyOf": [
            {"enum": ["cached", "always", "committed", "true", "false"]},
            {"type": "boolean"},
            {"type": "number", "exclusiveMinimum": 0, "maximum": MOST["duration"]},
            _MEASURE,
        ]
    },
    "labels": {"type": ["object", "null"], "additionalProperties": {"type": ["string", "integer", "boolean", "null"]}},
    "after": {
        "anyOf": [
            _TEXTS,
            {
                "type": "object",
                "properties": dict.fromkeys(("always", "success", "failure"), _TEXTS),
                "additionalProperties": False,
            },
        ]
    },
    "steps": {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}}]},
    "cron": {"type": "string", "minLength": 1},
    "zone": {"type": "string", "minLength": 1},
    "options": _TEXTS,
    "manifest": {"type": "string"},
    "catalog": {"type": "string"},
}
"""Values that any variable may be part of are text as well: the loader reads them when the variable is known."""


_STEP: Schema = {
    "anyOf": [
        _TEXT,
        {
            "type": "object",
            "properties": {
                "parallel": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "anyOf": [{"$ref": "#/$defs/step"}, {"type": "array", "items": {"$ref": "#/$defs/step"}}]
                    },
                }
            },
            "required": ["parallel"],
            "additionalProperties": False,
        },
    ]
}


def json_schema() -> Schema:
    """Return the schema, of draft 2020-12. It accepts every file that tapdock reads, and refuses unknown keys."""
    blocks = {
        "vars": _FORMS["vars"],
        "labels": _FORMS["labels"],
        "annotations": _FORMS["labels"],
        "state_backend": _object(STATE_BACKEND),
        "registries": _object(REGISTRIES),
        "defaults": _object(key for key in CONNECTOR if key.shared),
        "sources": _entries(_with_names(_connector("source"), OTHER_NAMES["sources"])),
        "mappers": _entries(_connector("mapper")),
        "targets": _entries(_connector("target")),
        "tasks": _entries(_connector("task")),
        "jobs": _entries({"anyOf": [_FORMS["steps"], _object(JOB)]}),
        "schedules": _entries(_object(SCHEDULE)),
        "pipelines": _entries(_with_names(_object(PIPELINE), OTHER_NAMES["pipelines"], old=OLD_NAMES["pipelines"])),
    }
    blocks = {key.name: {**blocks[key.name], "description": key.help} for key in ROOT if key.name in blocks}
    environment = {"type": ["object", "null"], "properties": blocks, "additionalProperties": False}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tapdock.yaml",
        "type": "object",
        "properties": {
            "version": {"const": 1},
            "include": _FORMS["texts"],
            "default_environment": {"type": ["string", "null"]},
            **blocks,
            "environments": _entries(environment),
        },
        "required": ["version"],
        "additionalProperties": False,
        "$defs": {"step": _STEP},
    }


def _entries(schema: Schema) -> Schema:
    return {"type": ["object", "null"], "additionalProperties": schema}


def _connector(role: ConnectorRole) -> Schema:
    return _object(key for key in CONNECTOR if key.of(role))


def _object(keys: Iterable[Key]) -> Schema:
    """An object of keys, each of which may be empty."""
    properties = {key.name: {"anyOf": [_value(key), {"type": "null"}], "description": key.help} for key in keys}
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _with_names(schema: Schema, others: Mapping[str, str], *, old: Mapping[str, str] | None = None) -> Schema:
    """Return the schema of an entry with further names of its keys; editors warn of the old ones."""
    known = schema["properties"]
    more = {other: known[name] for other, name in others.items()}
    more |= {each: {**known[name], "deprecated": True} for each, name in (old or {}).items()}
    return {**schema, "properties": known | more}


def _pattern(pattern: Pattern) -> Schema:
    return {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": f"^({pattern.regex})$"}, _VARIABLE]}


def _limits(key: Key) -> Schema:
    return {"minimum": key.least, "maximum": MOST[key.form]}


def _value(key: Key) -> Schema:
    match key.form:
        case "choice":
            return {"anyOf": [{"enum": list(key.choices)}, _VARIABLE]}
        case "count":
            return {"anyOf": [{"type": "integer", **_limits(key)}, {"type": "string", "pattern": r"^\d+$|\$\{"}]}
        case "number":
            return {"anyOf": [{"type": "number", **_limits(key)}, {"type": "string"}]}
        case "size":
            return {"anyOf": [{"type": "integer", **_limits(key)}, _MEASURE]}
        case "duration":
            return {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": MOST[key.form]}, _MEASURE]}
        case form if form in LISTS:
            one = _pattern(PATTERNS[form])
            return {"anyOf": [one, {"type": "array", "items": one}]}
        case form if form in PATTERNS:
            return _pattern(PATTERNS[form])
        case "commands":
            return _entries({"anyOf": [_TEXTS, _object(COMMAND)]})
        case "build":
            return _object(BUILD)
        case "mounts":
            return {"anyOf": [_TEXT, {"type": "array", "items": {"anyOf": [_TEXT, _object(MOUNT)]}}]}
        case "notify":
            return {"anyOf": [_object(NOTIFY), {"type": "array", "items": _object(NOTIFY)}]}
        case "streams":
            return _entries(_object(STREAM))
        case _:
            return _FORMS[key.form]
