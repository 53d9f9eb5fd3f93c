"""Tests schedules with real runs: one by hand, and the scheduler with a kill in between and a run that overlaps."""

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from engines.places import BESIDE, LOCAL, local_only
from engines.project import Running, wait_for
from support.schedules import events_of, minutes_of


def scheduled(project, schedules: dict[str, object], **sources: list[str]) -> None:
    """Give the project a source, a target and a pipeline for each name, with the steps of the source."""
    project.write()
    known = json.loads((project.folder / "tapdock.yaml").read_text())
    source, target = known["sources"]["source"], known["targets"]["target"]
    project.keys = {"sources": {}, "targets": {}, "pipelines": {}, "schedules": schedules}
    for name, steps in sources.items():
        path = Path(target["config"]["path"]).with_name(f"{name}.jsonl")
        project.keys["sources"][f"from-{name}"] = {**source, "config": {**source["config"], "steps": steps}}
        project.keys["targets"][f"into-{name}"] = {**target, "config": {**target["config"], "path": str(path)}}
        project.keys["pipelines"][name] = {"source": f"from-{name}", "target": f"into-{name}"}


@local_only
def test_a_schedule_by_hand(project):
    """It runs as the scheduler would: with its options and variables. A second one beside it does not start."""
    schedule = {"run": "quick", "cron": "@daily", "options": ["--limit", "2"], "env": {"TAPDOCK_LOG_LEVEL": "debug"}}
    both = {"nightly": schedule, "endless": {"run": "slow", "cron": "@daily", "enabled": False}}
    scheduled(project, both, quick=["until users 9", "state"], slow=["forever users"])
    ended = project.start("schedule", "run", "nightly").ended()
    assert ended.code == 0, ended.stderr
    assert "debug" in ended.stderr
    assert len((project.data / "quick.jsonl").read_text().splitlines()) == 3  # two records, and the end of the input
    (listed, _) = json.loads(project.run("schedule", "list", "--json").stdout)
    assert (listed["name"], listed["last_run"]["status"], len(listed["next"])) == ("nightly", "succeeded", 3)
    run = project.start("schedule", "run", "endless")
    wait_for((project.data / "slow.jsonl").exists, "the first rows")
    second = project.start("schedule", "run", "endless").ended()
    assert (second.code, "a run of the schedule `endless` goes on" in second.stderr) == (7, True)
    run.signal(signal.SIGTERM)  # the process is the run itself
    assert run.ended().code == 143
    assert project.start("schedule", "run", "nothing").ended().code == 2


class Said:
    """What a scheduler prints, as JSON lines in a file."""

    def __init__(self, project, name: str) -> None:
        self.path = project.folder / name
        with self.path.open("wb") as file:
            descriptor = file.fileno()
            self.running: Running = project.start(
                "schedule", "start", "--log-format", "json", stdout=descriptor, stderr=descriptor
            )

    def lines(self) -> Iterator[dict[str, object]]:
        for line in self.path.read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def events(self, schedule: str, words: str) -> list[dict[str, object]]:
        return events_of(self.path.read_text(), schedule, words)


@pytest.mark.slow
@pytest.mark.parametrize("place", [LOCAL, BESIDE], indirect=True)
def test_two_schedules_a_kill_and_a_run_that_overlaps(project):
    """Each minute is run, skipped or reported as missed, and none of them twice. The killed scheduler's run goes on."""
    every_minute = {name: {"run": name, "cron": "* * * * *"} for name in ("quick", "slow")}
    scheduled(project, every_minute, quick=["until users 9", "state"], slow=["until users 9", "state", "forever users"])
    first = Said(project, "first")
    wait_for(lambda: first.events("quick", "succeeded"), "the first run", seconds=120)
    (started,) = first.events("slow", "started")
    wait_for(lambda: first.events("slow", "skipped: the run before it goes on"), "a run that is skipped", seconds=120)
    wait_for(lambda: len(first.events("quick", "succeeded")) == 2, "the second run", seconds=120)
    first.running.signal(signal.SIGKILL)
    first.running.process.wait()
    os.kill(int(str(started["pid"])), 0)  # its run goes on
    time.sleep(125)  # two times are missed
    second = Said(project, "second")
    wait_for(lambda: second.events("slow", "a run of an earlier scheduler goes on"), "the run that is left")
    wait_for(lambda: second.events("quick", "succeeded"), "a run after the restart", seconds=150)
    wait_for(lambda: second.events("slow", "skipped"), "a run that is skipped", seconds=120)
    os.kill(int(str(started["pid"])), signal.SIGTERM)
    wait_for(lambda: second.events("slow", "ended while no scheduler ran: stopped"), "the end of that run", seconds=120)
    wait_for(lambda: second.events("slow", "started"), "the next run of its schedule", seconds=120)
    second.running.signal(signal.SIGTERM)
    assert second.running.process.wait(60) == 0
    assert second.events("slow", "stopped")
    records = [(each["schedule"], each["scheduled_for"]) for each in project.listed()]
    assert len(records) == len(set(records))
    for name in ("quick", "slow"):
        decided = [*first.events(name, "started|skipped|runs were"), *second.events(name, "started|skipped|runs were")]
        found = minutes_of(decided)
        times = [datetime.fromisoformat(text) for text in found]
        assert times == [times[0] + timedelta(minutes=number) for number in range(len(times))], found
    assert second.events("quick", "runs were missed")
    assert {name for name, _ in records} == {"quick", "slow"}
    statuses = {each["status"] for each in project.listed() if each["schedule"] == "quick"}
    assert statuses <= {"succeeded", "stopped"}  # the last one may go on when the scheduler is stopped


@pytest.mark.slow
@local_only
def test_a_project_file_that_changes(project):
    """A broken file is reported and does not end the scheduler. The next run uses the file as it is then."""
    scheduled(project, {"s": {"run": "quick", "cron": "* * * * *"}}, quick=["until users 2", "state"])
    said = Said(project, "said")
    wait_for(lambda: said.events("s", "succeeded"), "the first run", seconds=120)
    file = project.folder / "tapdock.yaml"
    whole = file.read_text()
    file.write_text(whole.replace('"run": "quick"', '"run": "quik"'))
    wait_for(
        lambda: any("cannot be read" in str(line.get("event")) for line in said.lines()), "the report", seconds=120
    )
    wait_for(lambda: said.events("s", "failed"), "a run with the broken file", seconds=120)
    file.write_text(whole.replace("until users 2", "until users 7"))
    count = len(said.events("s", "succeeded"))
    wait_for(lambda: len(said.events("s", "succeeded")) > count, "a run with the new file", seconds=150)
    said.running.signal(signal.SIGTERM)
    assert said.running.process.wait(60) == 0
    assert '"id":7' in (project.data / "quick.jsonl").read_text().replace(" ", "")
