"""Tests `tapdock schedule list` and `run` with tasks of the host."""

import json
import os
import subprocess

import pytest

from tapdock.cli.scheduled import THIS
from tapdock.cli.scheduler import _outcome, _waited_for
from tapdock.project.load import load
from tapdock.runs import records
from tapdock.runs.records import RunRecord, Seconds, StateRecord

pytestmark = pytest.mark.long

PROJECT = """\
version: 1
tasks:
  files:
    engine: host
    commands:
      good: {executable: "true"}
      bad: {executable: "false"}
jobs:
  all: {steps: [files:good, files:bad], after: [files:good]}
schedules:
  nightly: {run: all, cron: "@daily"}
  hourly: {run: files:good, cron: "@hourly"}
"""


@pytest.fixture
def listed(folder, tapdock, monkeypatch):
    """listed() -> the status of the last run of each schedule."""
    monkeypatch.setenv("TAPDOCK_ENGINE", "local")
    (folder / "tapdock.yaml").write_text(PROJECT)

    def status() -> dict[str, str | None]:
        found = json.loads(tapdock("schedule", "list", "--json").stdout)
        return {each["name"]: each["last_run"] and each["last_run"]["status"] for each in found}

    return status


def test_a_failure_before_the_last_record_is_shown(tapdock, listed):
    """The last record is that of a hook, which succeeds. Tasks are runs of the schedule too."""
    assert listed() == {"nightly": None, "hourly": None}
    assert tapdock("run", "all", TAPDOCK_SCHEDULED="nightly 2026-11-28T03:00:00+00:00").returncode == 1
    assert tapdock("run", "files:good", TAPDOCK_SCHEDULED="hourly 2026-11-28T03:00:00+00:00").returncode == 0
    assert listed() == {"nightly": "failed", "hourly": "succeeded"}
    assert tapdock("run", "files:good", TAPDOCK_SCHEDULED="nightly 2026-11-29T03:00:00+00:00").returncode == 0
    assert listed()["nightly"] == "succeeded", "the run before it does not count"


def test_a_task_that_failed_names_the_command_that_shows_its_output(tapdock, listed):
    listed()
    ended = tapdock("run", "files:bad", "--quiet")
    run_id = json.loads(tapdock("runs", "list", "--json").stdout)[0]["run_id"]
    assert f"hint: `tapdock runs logs {run_id}` shows its output" in ended.stderr


def test_the_jitter_of_a_schedule_is_listed(tapdock, listed, folder):
    listed()
    file = folder / "tapdock.yaml"
    file.write_text(file.read_text() + "  late: {run: all, cron: '@daily', jitter: 5m}\n")
    assert "@daily (+ up to 5m)" in tapdock("schedule", "list").stdout


def test_the_scheduler_waits_for_schedules_that_are_enabled_and_have_a_time(folder, listed):
    listed()
    file = folder / "tapdock.yaml"
    more = "  off: {run: all, cron: '@daily', enabled: false}\n  byhand: {run: all, cron: '@manual'}\n"
    file.write_text(file.read_text() + more)
    assert _waited_for(load(file, environment=None, environ={})) == ["nightly", "hourly"]


def test_a_file_of_the_project_does_not_take_the_place_of_a_module(folder, listed):
    """Otherwise the run would be that file, and end with 0. systemd and Docker Compose start runs in the project."""
    (folder / "typer.py").write_text("raise SystemExit(0)\n")
    words = [*THIS, "schedule", "run", "hourly"]
    subprocess.run(words, cwd=folder, env={**os.environ, "TAPDOCK_ENGINE": "local"}, check=True, capture_output=True)
    assert listed()["hourly"] == "succeeded"


def test_a_run_that_was_killed_between_its_hooks_is_not_a_success(folder):
    """The scheduler was killed, and finds the records of a run that it had started."""
    hooked = "  nightly: {run: p, cron: '@daily'}\n  plain: {run: q, cron: '@daily'}\n"
    more = "sources: {s: {image: x}}\ntargets: {t: {image: y}}\npipelines:\n"
    more += "  p: {source: s, target: t, before: files:good}\n  q: {source: s, target: t, state_suffix: q}\n"
    (folder / "tapdock.yaml").write_text(PROJECT + hooked.replace("nightly", "hooked") + more)
    project = load(folder / "tapdock.yaml", environment=None, environ={})
    due = "1970-01-01T00:00:00+00:00"
    for number, (name, schedule) in enumerate((("files:good", "hooked"), ("q", "plain"), ("files:good", "hourly"))):
        ended = RunRecord(
            run_id=f"20261129T00000{number}Z-1234567",
            pipeline=name,
            state_id="",
            started_at="",
            status="succeeded",
            exit_code=0,
            state=StateRecord(committed=0, backend=""),
            seconds=Seconds(total=0),
            schedule=schedule,
            scheduled_for=due,
        )
        records.write(project.private, ended)
    found = {name: _outcome(project, project.private, name, 0) for name in ("hooked", "plain", "hourly", "nightly")}
    expected = {"hooked": "files:good succeeded, and the rest is not known", "plain": "succeeded"}
    assert found == {**expected, "hourly": "succeeded", "nightly": None}
