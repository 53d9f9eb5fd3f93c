"""Read one entry under `pipelines:` as a `Pipeline`."""

import re
from collections.abc import Mapping
from typing import Literal

from tapdock.project.fields import Field, did_you_mean
from tapdock.project.jobs import after
from tapdock.project.keys import MAPS, PIPELINE, misplaced, names
from tapdock.project.layers import dotted
from tapdock.project.mapping import unfit
from tapdock.project.model import Connector, Namespacing, Pipeline
from tapdock.project.notify import notify
from tapdock.project.state_keys import is_state, key_of

__all__ = ["pipeline", "require_own_names", "require_own_states"]

_SAFE = re.compile(r"[^\s.-](?:.*\S)?")  # of a `state_id`, which is an argument of commands and the name of a file
_OWN = ("source", "target", "mappers", "namespace", "namespace_format", "prefix")  # checked together
_GROUPS = ("sources", "mappers", "targets", "pipelines", "tasks", "jobs")
_INSTEAD = {
    "schedule": "write an entry under `schedules:`",
    "destination": "write `target`",
    "streams": "write options of streams under `streams` of the source",
}
_SOURCE_NAMESPACE = "${SOURCE_NAMESPACE}"


def pipeline(
    field: Field,
    sources: Mapping[str, Connector],
    targets: Mapping[str, Connector],
    mappers: Mapping[str, Connector],
) -> Pipeline:
    """Return a pipeline. Raises UsageError if its source, its target or its mapper does not exist."""
    known = names(PIPELINE)
    keys = field.keys(known, instead={**misplaced(known), **_INSTEAD})
    plain = (key for key in PIPELINE if key.name in keys and key.name not in (*_OWN, "after", "notify"))
    given = {key.name: keys[key.name].read(key) for key in plain}
    if "after" in keys:
        given["after"] = after(keys["after"])
    if "notify" in keys:
        given["notify"] = notify(keys["notify"])
    source = _named(field, keys, "source", sources, targets)
    _require_one_place(keys, sources[source])
    return Pipeline(
        name=str(field.path[-1]),
        source=source,
        target=_named(field, keys, "target", targets, sources),
        mappers=_mappers(keys["mappers"], mappers) if "mappers" in keys else (),
        namespacing=_namespacing(keys),
        **given,
    )


def _require_one_place(keys: Mapping[str, Field], source: Connector) -> None:
    """Raise UsageError if a pipeline and its source both map streams: it would not be clear which map comes first."""
    if not source.has_maps:
        return
    for name in names(MAPS):
        if name in keys:
            problem = f"maps streams, and so does the source `{source.name}`"
            raise keys[name].error(problem, hint=f"write all maps in one place: here, or under `sources.{source.name}`")


def _namespacing(keys: Mapping[str, Field]) -> Namespacing:
    given = {key.name: keys[key.name].read(key) for key in PIPELINE if key.name in keys and key.name in _OWN[3:]}
    kind, text = given.get("namespace"), given.get("namespace_format", "")
    if (kind == "customformat") != bool(text):
        at = keys["namespace_format" if text else "namespace"]
        other = "namespace: customformat" if text else "namespace_format"
        hint = f"for example `namespace: customformat` and `namespace_format: raw_${_SOURCE_NAMESPACE}`"
        raise at.error(f"must be used together with `{other}`", hint=hint)
    return Namespacing(kind=kind, format=text, prefix=given.get("prefix", ""))


def _mappers(field: Field, mappers: Mapping[str, Connector]) -> tuple[str, ...]:
    names = field.texts()
    if len(names) > 1:
        raise field.error(
            f"names {len(names)} mappers, but a run has at most one", hint="put the settings of all into one mapping"
        )
    for name in names:
        if problem := unfit(name, mappers):
            raise field.error(f"names `{name}`, {problem[0]}", hint=problem[1])
    return names


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


def require_own_names(keys: Mapping[str, Field], mappers: Mapping[str, Connector]) -> None:
    """Raise UsageError if two connectors, mappings, pipelines, tasks or jobs have the same name."""
    named = [pair for group in _GROUPS if group in keys for pair in keys[group].entries().items()]
    for mapper in mappers.values():
        for place, name in enumerate(mapper.mappings):
            named.append((name, keys["mappers"].child(mapper.name).child("mappings").child(place)))
    seen: dict[str, Field] = {}
    for name, field in named:
        if name in seen:
            raise field.error(
                f"has the same name as `{dotted(seen[name].path)}` ({seen[name].origin})",
                hint="rename one: `tapdock run` accepts names of connectors, mappings, pipelines, tasks and jobs",
            )
        seen[name] = field


def require_own_states(pipelines: Mapping[str, Pipeline], fields: Mapping[str, Field], environment: str | None) -> None:
    """Raise UsageError if two pipelines have one state because of a `state_id`, or if a store cannot have the name."""
    for name, own in pipelines.items():
        if not own.state_id:
            continue
        field = fields[name].entries()["state_id"]
        if not _SAFE.fullmatch(own.state_id) or not own.state_id.isprintable() or ".." in own.state_id.split("/"):
            problem = f"is {own.state_id!r}, which is not the name of a state"
            raise field.error(problem, hint="use a name in one line that does not begin with `-` or `.`")
        if not is_state(own.state_id):
            problem = f"is `{own.state_id}`, which stores use for another object"
            raise field.error(problem, hint="choose another name, without `/`")
        for other, each in pipelines.items():
            if other != name and key_of(each, environment) == own.state_id:
                raise field.error(
                    f"is the name of the state of `pipelines.{other}` ({fields[other].origin}), too",
                    hint="give each of the two pipelines a state of its own, or remove one of them",
                )
