"""`tapdock list`: what the project has, and what is known about it without an engine."""

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from tapdock.cache import Cache
from tapdock.cli.session import Session, shared
from tapdock.connectors import known_streams
from tapdock.connectors.known_specs import remembered_kind
from tapdock.connectors.known_streams import KnownStreams
from tapdock.connectors.lockfile import read_if_present
from tapdock.errors import UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.model import Connector, Hooks, Job, Pipeline, Project
from tapdock.project.row import row_name, split_name
from tapdock.project.rows import named_pipeline, state_facts
from tapdock.project.steps import Schedule, Step, in_words
from tapdock.text.output import out, print_json, print_table

if TYPE_CHECKING:
    from tapdock.text.redaction import Redactor

__all__ = ["FORMAT", "list_project"]

_Owner = Project | Pipeline | Job | Connector
FORMAT = 1
"""The version of the JSON object. A change that can break a program that reads it raises the version."""
_UNKNOWN = "not known yet"
_DIGEST = 19  # characters: `sha256:` and the beginning that Docker shows as well


def list_project(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Only this pipeline, job, schedule or connector, with its streams.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List pipelines, jobs, schedules, connectors and the streams that were seen last

    No engine is needed: the streams of a source are those of its last discovery or run, the streams of a pipeline are
    those of its last whole run. The digests are those of tapdock.lock.

    Example: tapdock list

    Example: tapdock list demo --json
    """
    session = shared(ctx)
    project = session.project
    if name is not None:
        _require_known(project, name)
    facts = listed(session, name)
    if as_json:
        print_json(facts)
        return
    if facts["pipelines"]:
        rows = [(each["name"], each["source"], each["target"], _state_of(each)) for each in facts["pipelines"]]
        print_table(("PIPELINE", "SOURCE", "TARGET", "STATE"), rows)
    if facts["jobs"]:
        if facts["pipelines"]:
            out("")
        print_table(
            ("JOB", "STEPS"), [(each["name"], in_words(project.jobs[each["name"]].steps)) for each in facts["jobs"]]
        )
    if facts["schedules"]:
        if facts["pipelines"] or facts["jobs"]:
            out("")
        print_table(("SCHEDULE", "RUNS", "WHEN", "TIME ZONE"), [_when(each) for each in facts["schedules"]])
    if facts["connectors"]:
        if facts["pipelines"] or facts["jobs"] or facts["schedules"]:
            out("")
        print_table(("CONNECTOR", "ROLE", "KIND", "IMAGE", "LOCKED"), [_row(each) for each in facts["connectors"]])
    _print_streams([*facts["pipelines"], *facts["connectors"]], every=name is not None)


def _when(schedule: Mapping[str, Any]) -> tuple[str, ...]:
    words = " ".join((*schedule["run"], *schedule["options"]))
    return schedule["name"], words, schedule["cron"] if schedule["enabled"] else "disabled", schedule["timezone"]


def _require_known(project: Project, name: str) -> None:
    names = [*project.pipelines, *project.jobs, *project.schedules, *(each.name for each in project.connectors)]
    if split_name(name)[1] is not None and named_pipeline(project, name):
        return
    if name not in names:
        hint = did_you_mean(name, names) or f"known: {', '.join(names) or 'nothing yet'}"
        raise UsageError(f"there is no pipeline, job, schedule or connector `{name}` in {project.file.name}", hint=hint)


def listed(session: Session, name: str | None) -> dict[str, Any]:
    """Return what `--json` prints: everything, or only what is called `name`."""
    project = session.project
    cache = Cache(session.private / "cache")
    digests = read_if_present(project.folder)
    connectors = project.connectors
    jobs = project.jobs.values()
    owners: tuple[_Owner, ...] = (project, *project.pipelines.values(), *jobs, *connectors)
    has_texts = any(each.labels or each.annotations for each in owners)
    redactor = _redactor(project) if has_texts else None
    return {
        "format": FORMAT,
        "project": str(project.file),
        "environment": project.environment,
        **_texts(project, redactor),
        "pipelines": [
            {
                "name": each.name,
                "source": each.source,
                "target": each.target,
                "mappers": list(each.mappers),
                **state_facts(project, each),
                **_hooks(each),
                **_texts(each, redactor),
                **_streams(known_streams.known_read(cache, each, project.environment)),
            }
            for each in _pipelines(project, name)
        ],
        "jobs": [
            {"name": each.name, "steps": _steps(each.steps), **_hooks(each), **_texts(each, redactor)}
            for each in jobs
            if name in (None, each.name)
        ],
        "schedules": [_schedule(each) for each in project.schedules.values() if name in (None, each.name)],
        "connectors": [
            _connector(project, cache, digests, redactor, each) for each in connectors if name in (None, each.name)
        ],
    }


def _schedule(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule without its variables, which may be secrets."""
    return {
        "name": schedule.name,
        "run": list(schedule.run),
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "environment": schedule.environment,
        "options": list(schedule.options),
        "enabled": schedule.enabled,
    }


def _pipelines(project: Project, name: str | None) -> list[Pipeline]:
    if name is not None and split_name(name)[1] is not None:
        row = named_pipeline(project, name)
        return [row] if row else []
    return [each for each in project.pipelines.values() if name in (None, each.name)]


def _steps(steps: Iterable[Step]) -> list[Any]:
    """Return steps as the project file has them: texts, and a list of lists for each group."""
    return [
        step if isinstance(step, str) else {"parallel": [_steps(member) for member in step.members]} for step in steps
    ]


def _hooks(owner: Hooks) -> dict[str, Any]:
    """Return the commands of tasks that run before and after, if there are any."""
    if not owner.tasks:
        return {}
    after = {when: list(getattr(owner.after, when)) for when in ("always", "success", "failure")}
    return {"before": list(owner.before), "after": after}


def _connector(
    project: Project, cache: Cache, digests: Mapping[str, str], redactor: "Redactor | None", connector: Connector
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": connector.name,
        "role": connector.role,
        "kind": connector.kind or _built_kind(connector) or remembered_kind(cache, connector),
        "image": connector.image,
        "digest": digests.get(connector.image),
        "package": connector.build.package if connector.build else None,
        **_texts(connector, redactor),
    }
    if connector.role == "task":
        facts |= {"kind": None, "engine": connector.engine, "commands": sorted(connector.commands)}
    if connector.role == "source":
        facts |= _streams(known_streams.known_offered(cache, connector, project.environment))
    return facts


def _redactor(project: Project) -> "Redactor":
    """Import what most projects do not need: labels and annotations are rare."""
    from tapdock.connectors.masking import redactor_of

    return redactor_of(project)


def _texts(owner: _Owner, redactor: "Redactor | None") -> dict[str, dict[str, str]]:
    """Return the labels and the annotations, without secrets of connectors, as run records have them."""
    found = {"labels": owner.labels, "annotations": owner.annotations}
    return {
        name: {key: redactor(text) if redactor else text for key, text in texts.items()}
        for name, texts in found.items()
    }


def _built_kind(connector: Connector) -> str | None:
    if connector.build is None:
        return None
    return "singer" if connector.build.family == "singer" else "airbyte"


def _streams(known: KnownStreams | None) -> dict[str, Any]:
    if known is None:
        return {"streams_seen_at": None, "streams": None}
    return {"streams_seen_at": known.seen_at, "streams": [msgspec.to_builtins(each) for each in known.streams]}


def _state_of(pipeline: Mapping[str, Any]) -> str:
    """Return the name of the state for people, or that of the states of rows."""
    if "matrix" not in pipeline:
        return str(pipeline["state_id"])
    rows, command = pipeline["matrix"]["rows"], pipeline["matrix"]["command"]
    return f"one for each of {len(rows)} rows" if rows is not None else f"one for each row of `{command}`"


def _row(connector: Mapping[str, Any]) -> tuple[str, ...]:
    digest = connector["digest"]
    return (
        connector["name"],
        connector["role"],
        "" if connector["role"] == "task" else connector["kind"] or _UNKNOWN,
        connector["image"] or "(the host)",
        f"{digest[:_DIGEST]}…" if digest else "no",
    )


def _print_streams(owners: Iterable[Mapping[str, Any]], *, every: bool) -> None:
    """Print the streams of each owner that has some, or a line that says that they are not known."""
    for owner in (each for each in owners if "streams" in each):
        streams = owner["streams"]
        if streams is None:
            if every:
                known = "those of its rows" if "matrix" in owner else _UNKNOWN
                does = "shows them" if "matrix" in owner else "finds them"
                out(f"\nstreams of {owner['name']}: {known}; `tapdock {_asks(owner)}` {does}")
            continue
        out(f"\nstreams of {owner['name']}, seen at {owner['streams_seen_at']}:")
        rows = [
            (
                f"{each['namespace']}.{each['stream']}" if each["namespace"] else each["stream"],
                each["target_name"] or "",
                ", ".join(".".join(path) for path in each["key"]),
                ".".join(each["cursor"]),
            )
            for each in streams
        ]
        print_table(("STREAM", "IN THE TARGET", "KEY", "CURSOR"), rows)


def _asks(owner: Mapping[str, Any]) -> str:
    if "matrix" in owner:
        return f"list {shlex.quote(row_name(owner['name'], 'ROW'))}"
    return f"discover {owner['name']}" if "role" in owner else f"run {shlex.quote(owner['name'])}"
