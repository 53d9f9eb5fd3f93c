"""Find the pipelines of a Meltano project: in its jobs and in its schedules."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from tapdock.project.cron import BadCron, require_cron
from tapdock.project.meltano_entry import annotations
from tapdock.project.meltano_files import Notes
from tapdock.project.state_keys import valid_id

__all__ = ["Runs", "runs"]


class Runs(NamedTuple):
    """The pipelines and the schedules of a project, as they are written into `tapdock.yaml`."""

    pipelines: dict[str, dict[str, Any]]
    schedules: dict[str, dict[str, Any]]


def runs(meltano: Mapping[str, Any], sources: Collection[str], targets: Collection[str], notes: Notes) -> Runs:
    """Return pipelines, from jobs and from schedules of an extractor and a loader, and schedules.

    The state of such a schedule has the schedule's name.
    """
    found: dict[str, dict[str, Any]] = {}
    jobs: dict[str, list[str]] = {}
    for place, job in enumerate(meltano.get("jobs") or []):
        pairs = list(_pairs(job, sources, targets, notes, "jobs", place))
        for number, (source, target) in enumerate(pairs, 1):
            wanted = job["name"] if len(pairs) == 1 else f"{job['name']}-{number}"
            name = _name(wanted, {*sources, *targets, *found}, notes, "jobs", place)
            found[name] = {"source": source, "target": target}
            jobs.setdefault(job["name"], []).append(name)
            if labels := annotations(job.get("annotations")):
                found[name]["annotations"] = labels
    schedules: dict[str, dict[str, Any]] = {}
    for place, schedule in enumerate(meltano.get("schedules") or []):
        own = _pipeline(schedule, found, sources, targets, notes, "schedules", place)
        words = [own] if own else jobs.get(str(schedule.get("job")), [])
        if made := _schedule(schedule, words, notes, "schedules", place):
            schedules[_name(schedule["name"], schedules, notes, "schedules", place, what="schedule")] = made
    return Runs(found, schedules)


def _schedule(schedule: Mapping[str, Any], words: list[str], notes: Notes, *path: str | int) -> dict[str, Any] | None:
    """Return a schedule that runs pipelines; None, with a line, if there is nothing to run, or at no known time."""
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
    own = _name(name, {*sources, *targets, *found}, notes, *path)
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


def _pairs(
    job: Mapping[str, Any], sources: Collection[str], targets: Collection[str], notes: Notes, *path: str | int
) -> Iterator[tuple[str, str]]:
    tasks = job.get("tasks") or []
    words = [word for task in ([tasks] if isinstance(tasks, str) else tasks) for word in _words(task)]
    for number, word in enumerate(words):
        if word in targets and number and words[number - 1] in sources:
            yield words[number - 1], word
        elif word not in sources and word not in targets:
            notes.add(f"`{word}` of the job `{job['name']}`", *path, "tasks")
        elif word in targets:
            notes.add(
                f"`{word}` of the job `{job['name']}`, because it does not directly follow a source", *path, "tasks"
            )


def _words(task: Any) -> list[str]:
    return [word for part in task for word in _words(part)] if isinstance(task, list) else str(task).split()
