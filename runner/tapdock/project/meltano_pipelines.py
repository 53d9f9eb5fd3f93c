"""Find the pipelines and the jobs of a Meltano project: in its jobs and in its schedules."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tapdock.project.cron import BadCron, require_cron
from tapdock.project.meltano_entry import annotations
from tapdock.project.meltano_files import Files, Notes
from tapdock.project.meltano_places import values
from tapdock.project.state_keys import valid_id

__all__ = ["Runs", "runs"]


_SCHEDULE = ("name", "interval", "job", "extractor", "loader", "transform", "env")


class Runs(NamedTuple):
    """The pipelines, the jobs and the schedules of a project, as they are written into `tapdock.yaml`."""

    pipelines: dict[str, dict[str, Any]]
    jobs: dict[str, dict[str, Any]]
    schedules: dict[str, dict[str, Any]]


def runs(files: Files, folder: Path, names: Mapping[str, Collection[str]], notes: Notes) -> Runs:
    """Return pipelines, of jobs and of schedules with an extractor and a loader; jobs of several steps; and schedules.

    `folder` is that of the new project file. `names` are those of `sources`, `mappers`, `mappings`, `targets`, `tasks`
    and `commands` of tasks. The state of such a schedule has the schedule's name.
    """
    meltano, sources, targets = files.tree, names["sources"], names["targets"]
    taken = {name for each in names.values() for name in each}
    found: dict[str, dict[str, Any]] = {}
    jobs: dict[str, dict[str, Any]] = {}
    names_of_jobs: dict[str, str] = {}
    for place, job in enumerate(meltano.get("jobs") or []):
        made = _job(job, found, {*taken, *jobs}, names, notes, "jobs", place)
        if made is None:
            continue
        if isinstance(made, str):
            names_of_jobs[job["name"]] = made
            continue
        name = names_of_jobs[job["name"]] = _name(
            job["name"], {*taken, *found, *jobs}, notes, "jobs", place, what="job"
        )
        jobs[name] = made
    schedules: dict[str, dict[str, Any]] = {}
    for place, schedule in enumerate(meltano.get("schedules") or []):
        own = _pipeline(schedule, found, {*taken, *jobs}, sources, targets, notes, "schedules", place)
        runs = own or names_of_jobs.get(str(schedule.get("job")))
        if one := _schedule(schedule, [runs] if runs else [], notes, "schedules", place):
            if env := one.get("env"):
                one["env"] = values(env, files, folder, notes, "schedules", place)
            schedules[_name(schedule["name"], schedules, notes, "schedules", place, what="schedule")] = one
    return Runs(found, jobs, schedules)


def _job(
    job: Mapping[str, Any],
    found: dict[str, dict[str, Any]],
    taken: Collection[str],
    names: Mapping[str, Collection[str]],
    notes: Notes,
    *path: str | int,
) -> dict[str, Any] | str | None:
    """Add the pipelines of a job. Return the job, or the name of its only pipeline; None if nothing was converted."""
    for key in job:
        if key not in ("name", "tasks", "annotations"):
            notes.add(f"`{key}` of the job `{job['name']}`", *path, key)
    parts = list(_parts(job, names, notes, *path))
    labels = {"annotations": each} if (each := annotations(job.get("annotations"))) else {}
    steps = []
    number = 0
    for part in parts:
        if isinstance(part, str):
            steps.append(part)
            continue
        number += 1
        source, mapping, target = part
        wanted = job["name"] if len(parts) == 1 else f"{job['name']}-{number}"
        name = _name(wanted, {*taken, *found}, notes, *path)
        found[name] = {"source": source, **({"mappers": [mapping]} if mapping else {}), "target": target, **labels}
        steps.append(name)
    if not steps:
        return None
    is_pipeline = len(parts) == 1 and not isinstance(parts[0], str)
    return steps[0] if is_pipeline else {"steps": steps, **labels}


def _schedule(schedule: Mapping[str, Any], words: list[str], notes: Notes, *path: str | int) -> dict[str, Any] | None:
    """Return a schedule that runs pipelines; None, with a line, if there is nothing to run, or at no known time."""
    for key in schedule:
        if key not in _SCHEDULE:
            notes.add(f"`{key}` of the schedule `{schedule['name']}`", *path, key)
    name, what = schedule["name"], f" of the job `{schedule['job']}`" if schedule.get("job") else ""
    line = f"the schedule `{name}`{what} ({schedule.get('interval')})"
    cron = " ".join(str(schedule.get("interval") or "@manual").split())
    try:
        require_cron(cron)
    except BadCron as bad:
        notes.add(f"{line}: its interval {bad.problem}", *path, "interval")
        return None
    if not words:
        notes.add(f"{line}: nothing that it runs was converted", *path)
        return None
    made: dict[str, Any] = {"run": " ".join(words), "cron": cron}
    if schedule.get("env"):
        made["env"] = {key: str(value) for key, value in schedule["env"].items() if value is not None}
    return made


def _pipeline(
    schedule: Mapping[str, Any],
    found: dict[str, dict[str, Any]],
    taken: Collection[str],
    sources: Collection[str],
    targets: Collection[str],
    notes: Notes,
    *path: str | int,
) -> str | None:
    """Add the pipeline of a schedule with an extractor and a loader, and return its name."""
    name, source, target = schedule["name"], schedule.get("extractor"), schedule.get("loader")
    if not (source and target):
        return None
    if schedule.get("transform") in ("run", "only"):
        notes.add(f"`transform: {schedule['transform']}` of the schedule `{name}`", *path, "transform")
    if source not in sources or target not in targets or schedule.get("transform") == "only":
        notes.add(f"`{source}` to `{target}` of the schedule `{name}`", *path)
        return None
    own = _name(name, {*taken, *found}, notes, *path)
    found[own] = {"source": source, "target": target, "state_id": valid_id(name)}
    if valid_id(name) != name:
        notes.add(f"the name of the state `{name}`: it is `{found[own]['state_id']}` now", *path)
    return own


def _name(wanted: str, taken: Collection[str], notes: Notes, *path: str | int, what: str = "pipeline") -> str:
    """Return a name for a pipeline or a schedule that is valid and not taken."""
    valid = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).lstrip("._-") or what
    numbered = (f"{valid}-{number}" for number in range(2, len(taken) + 3))
    name = valid if valid not in taken else next(each for each in numbered if each not in taken)
    if name != wanted:
        notes.add(f"the name `{wanted}`, which is taken or not valid: the {what} is `{name}` now", *path)
    return name


def _parts(
    job: Mapping[str, Any], names: Mapping[str, Collection[str]], notes: Notes, *path: str | int
) -> Iterator[tuple[str, str | None, str] | str]:
    """Yield the steps of a job in order: commands of tasks, and sources with their mappings and targets.

    The mapping is None if there is none between source and target.
    """
    tasks = job.get("tasks") or []
    words = [word for task in ([tasks] if isinstance(tasks, str) else tasks) for word in _words(task)]
    used: set[int] = set()
    for number, word in enumerate(words):
        before, mapping = ["", "", *words][number : number + 2]
        if word in names["targets"] and mapping in names["sources"]:
            yield mapping, None, word
        elif word in names["targets"] and mapping in names["mappings"] and before in names["sources"]:
            used.add(number - 1)
            yield before, mapping, word
        elif word in names["targets"]:
            why = "because it does not directly follow a source, or one mapping after a source"
            notes.add(f"`{word}` of the job `{job['name']}`, {why}", *path, "tasks")
        elif word in names["commands"]:
            used.add(number)
            yield word
    for number, word in enumerate(words):
        known = word in names["sources"] or word in names["targets"]
        if not known and number not in used:
            notes.add(f"`{word}` of the job `{job['name']}`", *path, "tasks")


def _words(task: Any) -> list[str]:
    return [word for part in task for word in _words(part)] if isinstance(task, list) else str(task).split()
