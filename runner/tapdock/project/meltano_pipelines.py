"""Find the pipelines and the jobs of a Meltano project: in its jobs and in its schedules."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tapdock.project.meltano_entry import annotations
from tapdock.project.meltano_files import Notes
from tapdock.project.state_keys import valid_id

__all__ = ["pipelines"]


def pipelines(
    meltano: Mapping[str, Any],
    sources: Collection[str],
    targets: Collection[str],
    commands: Collection[str],
    notes: Notes,
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return pipelines: from jobs, and from schedules of an extractor and a loader; and jobs of more than one step.

    The state of such a schedule has the schedule's name. `commands` are those of tasks.
    """
    found: dict[str, dict[str, Any]] = {}
    jobs: dict[str, Any] = {}
    for place, job in enumerate(meltano.get("jobs") or []):
        parts = list(_parts(job, sources, targets, commands, notes, "jobs", place))
        labels = annotations(job.get("annotations"))
        steps = []
        number = 0
        for part in parts:
            if isinstance(part, str):
                steps.append(part)
                continue
            number += 1
            wanted = job["name"] if len(parts) == 1 else f"{job['name']}-{number}"
            name = _name(wanted, {*sources, *targets, *found, *jobs}, notes, "jobs", place)
            found[name] = {"source": part[0], "target": part[1]} | ({"annotations": labels} if labels else {})
            steps.append(name)
        if len(parts) > 1 or any(isinstance(part, str) for part in parts):
            name = _name(job["name"], {*sources, *targets, *found, *jobs}, notes, "jobs", place)
            jobs[name] = {"steps": steps, "annotations": labels} if labels else {"steps": steps}
    for place, schedule in enumerate(meltano.get("schedules") or []):
        _schedule(schedule, found, {*sources, *jobs}, sources, targets, notes, "schedules", place)
    return found, jobs


def _schedule(
    schedule: Mapping[str, Any],
    found: dict[str, dict[str, Any]],
    taken: Collection[str],
    sources: Collection[str],
    targets: Collection[str],
    notes: Notes,
    *path: str | int,
) -> None:
    name, source, target = schedule["name"], schedule.get("extractor"), schedule.get("loader")
    what = f" of the job `{schedule['job']}`" if schedule.get("job") else ""
    notes.add(
        f"the schedule `{name}`{what} ({schedule.get('interval')}): run it from cron, a timer or a workflow", *path
    )
    if schedule.get("env"):
        notes.add(f"`env` of the schedule `{name}`: set these variables where you run it", *path, "env")
    if not (source and target):
        return
    if schedule.get("transform") in ("run", "only"):
        notes.add(f"`transform: {schedule['transform']}` of the schedule `{name}`", *path, "transform")
    if source in sources and target in targets and schedule.get("transform") != "only":
        own = _name(name, {*taken, *targets, *found}, notes, *path)
        found[own] = {"source": source, "target": target, "state_id": valid_id(name)}
        if valid_id(name) != name:
            notes.add(f"the name of the state `{name}`: it is `{found[own]['state_id']}` now", *path)
    else:
        notes.add(f"`{source}` to `{target}` of the schedule `{name}`", *path)


def _name(wanted: str, taken: Collection[str], notes: Notes, *path: str | int) -> str:
    """Return a name for a pipeline that is valid and not taken."""
    valid = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).lstrip("._-") or "pipeline"
    numbered = (f"{valid}-{number}" for number in range(2, len(taken) + 3))
    name = valid if valid not in taken else next(each for each in numbered if each not in taken)
    if name != wanted:
        notes.add(f"the name `{wanted}`, which is taken or not valid: the pipeline is `{name}` now", *path)
    return name


def _parts(
    job: Mapping[str, Any],
    sources: Collection[str],
    targets: Collection[str],
    commands: Collection[str],
    notes: Notes,
    *path: str | int,
) -> Iterator[tuple[str, str] | str]:
    """Yield the steps of a job in order: sources with their targets, and commands of tasks."""
    tasks = job.get("tasks") or []
    words = [word for task in ([tasks] if isinstance(tasks, str) else tasks) for word in _words(task)]
    for number, word in enumerate(words):
        if word in targets and number and words[number - 1] in sources:
            yield words[number - 1], word
        elif word in commands:
            yield word
        elif word not in sources and word not in targets:
            notes.add(f"`{word}` of the job `{job['name']}`", *path, "tasks")
        elif word in targets:
            notes.add(
                f"`{word}` of the job `{job['name']}`, because it does not directly follow a source", *path, "tasks"
            )


def _words(task: Any) -> list[str]:
    return [word for part in task for word in _words(part)] if isinstance(task, list) else str(task).split()
