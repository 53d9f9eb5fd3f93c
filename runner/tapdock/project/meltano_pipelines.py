"""Find the pipelines of a Meltano project: in its jobs and in its schedules."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["pipelines"]


def pipelines(
    meltano: Mapping[str, Any], project: Mapping[str, Any], left: list[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield pipelines: from jobs, and from schedules of an extractor and a loader."""
    for job in meltano.get("jobs") or []:
        pairs = list(_pairs(job, project, left))
        for number, (source, target) in enumerate(pairs, 1):
            yield job["name"] if len(pairs) == 1 else f"{job['name']}-{number}", {"source": source, "target": target}
    for schedule in meltano.get("schedules") or []:
        name = schedule["name"]
        left.append(f"the schedule `{name}` ({schedule.get('interval')}): run it from cron, a timer or a workflow")
        if schedule.get("extractor") and schedule.get("loader"):
            yield name, {"source": schedule["extractor"], "target": schedule["loader"]}


def _pairs(job: Mapping[str, Any], project: Mapping[str, Any], left: list[str]) -> Iterator[tuple[str, str]]:
    tasks = job.get("tasks") or []
    words = [word for task in ([tasks] if isinstance(tasks, str) else tasks) for word in _words(task)]
    sources, targets = project.get("sources", {}), project.get("targets", {})
    for number, word in enumerate(words):
        if word in targets and number and words[number - 1] in sources:
            yield words[number - 1], word
        elif word not in sources and word not in targets:
            left.append(f"`{word}` of the job `{job['name']}`")
        elif word in targets:
            left.append(f"`{word}` of the job `{job['name']}`, because it does not directly follow a source")


def _words(task: Any) -> list[str]:
    return [word for part in task for word in _words(part)] if isinstance(task, list) else str(task).split()
