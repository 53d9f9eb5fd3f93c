"""Give connectors the built-in variables of a pipeline, or of a connector that is asked alone."""

import dataclasses
import re

from tapdock.project.composed import completed
from tapdock.project.connector_values import Config
from tapdock.project.mapping import mapper_of
from tapdock.project.model import Connector, Pipeline, Project

__all__ = ["NO_RUN", "alone", "is_namespaced", "load_schema", "mapper", "sides", "task_of_run"]

NO_RUN = "no-run"
"""The value of `${RUN_ID}` where no run is: for `check`, `discover` and `--dry-run`."""


def sides(
    project: Project, pipeline: Pipeline, *, now: float, run_id: str | None = None
) -> tuple[Connector, Connector]:
    """Return the source and the target of a pipeline with all built-in variables. `now` is when its run began."""
    names = _names(project, pipeline, run_id)
    source, target = project.sources[pipeline.source], project.targets[pipeline.target]
    return _named(source, names, now), _named(target, names, now)


def mapper(project: Project, pipeline: Pipeline, *, now: float, run_id: str | None = None) -> Connector | None:
    """Return the mapper of a pipeline with all built-in variables; None if it has none."""
    if not pipeline.mappers:
        return None
    return _named(mapper_of(pipeline.mappers[0], project.mappers), _names(project, pipeline, run_id), now)


def task_of_run(task: Connector, *, now: float, run_id: str) -> Connector:
    """Return a task with the built-in variables of a run of one of its commands."""
    return _named(task, {"RUN_ID": run_id}, now)


def _names(project: Project, pipeline: Pipeline, run_id: str | None) -> dict[str, str]:
    return {
        "SOURCE": pipeline.source,
        "TARGET": pipeline.target,
        "PIPELINE": pipeline.name,
        "LOAD_SCHEMA": load_schema(project.sources[pipeline.source]),
        "RUN_ID": run_id or NO_RUN,
    }


def alone(project: Project, connector: Connector, *, now: float, pipeline: Pipeline | None = None) -> Connector:
    """Return a connector with the built-in variables of `pipeline`, by default those of its only one.

    Without a pipeline, it gets what is known of it. What is missing is an error when it is needed. A connector that
    already has the names of a run keeps them.
    """
    if connector.role == "mapper":
        return _named(connector, {"RUN_ID": NO_RUN}, now)
    users = [each for each in project.pipelines.values() if connector.name in (each.source, each.target)]
    users = [each for each in users if not each.is_template]
    if pipeline is None and len(users) == 1:
        pipeline = users[0]
    if pipeline is not None:
        return _named(connector, _names(project, pipeline, None), now)
    if connector.role == "task":
        return _named(connector, {"RUN_ID": NO_RUN}, now)
    names = {"RUN_ID": NO_RUN, connector.role.upper(): connector.name}
    if connector.role == "source":
        names["LOAD_SCHEMA"] = load_schema(connector)
    return _named(connector, names, now)


def is_namespaced(project: Project, source: str) -> bool:
    """Return True if a pipeline uses the schemas of the source's streams as their namespaces."""
    kinds = {pipeline.namespacing.kind for pipeline in project.pipelines.values() if pipeline.source == source}
    return bool(kinds & {"source", "customformat"})


def load_schema(source: Connector) -> str:
    """Return the value of `${LOAD_SCHEMA}` for the targets of a source."""
    return source.load_schema or re.sub(r"[^A-Za-z0-9_]", "_", source.name)


def _named(connector: Connector, names: dict[str, str], now: float) -> Connector:
    config = Config(completed(connector.config, names, now))
    return dataclasses.replace(connector, config=config, env=completed(connector.env, names, now))
