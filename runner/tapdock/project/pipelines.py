"""Read one entry under `pipelines:` as a `Pipeline`."""

from collections.abc import Mapping
from typing import Any, Literal

from tapdock.project.connectors import LATER
from tapdock.project.fields import Field, did_you_mean
from tapdock.project.model import Connector, Namespacing, OnBadRecord, OnSchemaChange, Pipeline

__all__ = ["pipeline"]

_KEYS = ("source", "target", "retries", "state_suffix", "namespace", "namespace_format", "prefix", "on_schema_change",
         "on_bad_record", "meta_changes", "validate_records")  # fmt: skip
_INSTEAD = {
    "maps": LATER,
    "schedule": LATER,
    "destination": "write `target`",
    "streams": "write options of streams under `streams` of the source",
}
_SOURCE_NAMESPACE = "${SOURCE_NAMESPACE}"


def pipeline(field: Field, sources: Mapping[str, Connector], targets: Mapping[str, Connector]) -> Pipeline:
    """Return a pipeline. Raises UsageError if its source or its target does not exist."""
    keys = field.keys(_KEYS, instead=_INSTEAD)
    given: dict[str, Any] = {
        "retries": Field.integer,
        "state_suffix": Field.text,
        "on_schema_change": lambda key: key.choice(OnSchemaChange),
        "on_bad_record": lambda key: key.choice(OnBadRecord),
        "meta_changes": Field.flag,
        "validate_records": Field.flag,
    }
    return Pipeline(
        name=str(field.path[-1]),
        source=_named(field, keys, "source", sources, targets),
        target=_named(field, keys, "target", targets, sources),
        namespacing=_namespacing(keys),
        **{name: read(keys[name]) for name, read in given.items() if name in keys},
    )


def _namespacing(keys: Mapping[str, Field]) -> Namespacing:
    kind = keys["namespace"].choice(Literal["source", "destination", "customformat"]) if "namespace" in keys else None
    text = keys["namespace_format"].text() if "namespace_format" in keys else ""
    if (kind == "customformat") != bool(text):
        at = keys["namespace_format" if text else "namespace"]
        other = "namespace: customformat" if text else "namespace_format"
        hint = f"for example `namespace: customformat` and `namespace_format: raw_${_SOURCE_NAMESPACE}`"
        raise at.error(f"must be used together with `{other}`", hint=hint)
    return Namespacing(kind=kind, format=text, prefix=keys["prefix"].text() if "prefix" in keys else "")


def _named(
    field: Field,
    keys: Mapping[str, Field],
    role: Literal["source", "target"],
    known: Mapping[str, Connector],
    others: Mapping[str, Connector],
) -> str:
    if role not in keys:
        raise field.error(f"has no `{role}`", hint=f"known {role}s: {', '.join(known) or 'none yet'}")
    name = keys[role].text()
    if name in known:
        return name
    if name in others:
        raise keys[role].error(f"names `{name}`, which is a {others[name].role}, not a {role}")
    hint = did_you_mean(name, known) or f"known {role}s: {', '.join(known) or 'none yet'}"
    raise keys[role].error(f"names `{name}`, but there is no such {role}", hint=hint)
