"""Tests of commands of tasks with containers and on the host: output, exit codes, signals, secrets, leftovers."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from connectors.images import base_image
from engines import leftovers
from engines.places import BESIDE, LOCAL, SLOW_BESIDE
from engines.project import Ended, Project, wait_for

pytestmark = pytest.mark.long
CONTAINERS = pytest.mark.parametrize("place", [BESIDE])
HOST = pytest.mark.parametrize("place", [LOCAL])


@pytest.fixture(params=[LOCAL, SLOW_BESIDE])
def place(request) -> str:
    """A task is not connected to a relay, so that the place of the relay does not matter."""
    return request.param


def prepare(project: Project, script: str, **keys: Any) -> None:
    """Set the task `t`, whose command `run` executes a script of a shell: on the host in the place `local`."""
    where = {"engine": "host"} if project.place == "local" else {"image": project.images["source"]}
    command = {"executable": "/bin/sh", "args": ["-c", script]}
    task = {**where, "env": {"KEY": "${TAPDOCK_TEST_SECRET}"}, "commands": {"run": command}, **keys}
    project.keys = {"tasks": {"t": task}}


def run(project: Project, script: str, **keys: Any) -> Ended:
    prepare(project, script, **keys)
    return project.run("run", "t:run", "--json")


def logged(project: Project) -> list[str]:
    """Return the lines of the task in the log of the last run."""
    ended = project.run("runs", "logs", "--json")
    entries = [json.loads(line) for line in ended.stdout.splitlines()]
    return [entry["message"] for entry in entries if entry["event"] == "line"]


def test_output_exit_code_and_record_are_those_of_the_command(project):
    ended = run(project, "echo one; echo DEBUG two; echo broken >&2; printf end; exit 42")
    assert (ended.code, ended.record["exit_code"], ended.record["status"]) == (42, 42, "failed")
    assert (ended.record["kind"], ended.record["pipeline"], ended.record["state_id"]) == ("task", "t:run", "")
    assert (ended.side, ended.message) == ("task", "task `t:run` failed (exit code 42): broken")
    assert sorted(logged(project)) == ["DEBUG two", "broken", "end", "one"]
    assert all(line in ended.stderr for line in ("task | one", "task | DEBUG two", "task | end")), "all lines are shown"
    assert project.listed()[0]["run_id"] == ended.record["run_id"]
    shown = project.run("runs", "show").stdout
    assert "t:run" in shown
    assert "state" not in shown
    assert run(project, "echo done").code == 0


def test_quiet_shows_the_last_lines_of_a_failure(project):
    prepare(project, "echo what it did; exit 3")
    ended = project.run("run", "t:run", "--quiet")
    assert (ended.code, ended.stderr.count("what it did")) == (3, 1)
    assert "error: task `t:run` failed (exit code 3)" in ended.stderr
    assert logged(project) == ["what it did"]


def test_an_exit_code_of_a_signal_to_the_command_alone_is_a_failure(project):
    """The record has the command's own code. That of tapdock would say that a user has stopped the run."""
    ended = run(project, "exit 130")
    assert (ended.code, ended.record["exit_code"], ended.record["status"]) == (11, 130, "failed")


def test_a_long_line_a_binary_and_a_missing_line_end(project):
    ended = run(project, r"""head -c 300000 /dev/zero | tr '\0' x; echo; printf '\377\0\033[31mred'; printf last >&2""")
    assert ended.code == 0, ended.stderr
    *short, long = sorted(logged(project), key=len)
    assert "last" in short
    assert [line for line in short if line.endswith("red")]
    assert "\x1b" not in "".join(short)
    assert long == "x" * 16384 + " … (the rest of this line is left out)"


def test_a_secret_is_in_the_environment_and_nowhere_else(project):
    ended = run(project, 'echo "key $KEY"; printf %s "$KEY" | wc -c; echo "it is $KEY" >&2; exit 1')
    assert [line.strip() for line in sorted(logged(project))] == [
        str(len(project.secret)),
        "it is [secret]",
        "key [secret]",
    ]
    assert project.secret not in ended.stdout + ended.stderr
    assert ended.message.endswith("it is [secret]")


def waiting(project: Project, script: str) -> Any:
    """Start a command, and wait until it says that it waits."""
    prepare(project, script)
    started = project.start("run", "t:run", "--json")
    logs = project.private / "runs"
    wait_for(lambda: any('"waiting"' in file.read_text() for file in logs.glob("*/log.jsonl")), "the command to wait")
    return started


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_passed_on(project, number, code):
    name = number.name.removeprefix("SIG")
    started = waiting(project, f"trap 'echo got {name}; exit 0' {name}; echo waiting; while :; do sleep 0.1; done")
    started.signal(number)
    ended = started.ended()
    assert (ended.code, ended.record["exit_code"], ended.record["status"]) == (code, code, "stopped")
    assert f"got {name}" in logged(project)


def test_the_second_signal_kills(project):
    started = waiting(project, "trap 'echo no' INT TERM; echo waiting; while :; do sleep 0.1; done")
    started.signal(signal.SIGTERM)
    logs = project.private / "runs"
    wait_for(lambda: any('"no"' in file.read_text() for file in logs.glob("*/log.jsonl")), "the first signal")
    started.signal(signal.SIGTERM)
    assert started.ended().code == 143


def test_a_command_that_ignores_the_signal_is_killed_after_its_grace(project):
    prepare(project, "trap '' TERM; echo waiting; while :; do sleep 0.1; done", stop_grace="0.5s")
    started = project.start("run", "t:run", "--json")
    logs = project.private / "runs"
    wait_for(lambda: any('"waiting"' in file.read_text() for file in logs.glob("*/log.jsonl")), "the command to wait")
    started.signal(signal.SIGTERM)
    assert started.ended().code == 143


def test_nothing_outlives_a_tapdock_that_is_killed(project):
    mark = f"{os.getpid()}.{project.secret[-6:]}"
    started = waiting(project, f": mark-{mark}; echo waiting; while :; do sleep 0.1; done")
    assert leftovers.processes(f"mark-{mark}")
    started.process.kill()
    started.process.wait()
    wait_for(lambda: not leftovers.processes(f": mark-{mark}"), "the end of the command")
    assert project.run("gc").code == 0
    assert project.listed()[0]["status"] == "killed"


# --- only containers -------------------------------------------------------------------------------------------------


@CONTAINERS
def test_the_engine_does_not_know_the_secret(project, api):
    started = waiting(project, "echo waiting; while :; do sleep 0.1; done")
    (container,) = leftovers.containers(api, project.pids, role="task")
    facts = api.inspect_container(container["Id"])
    assert project.secret not in json.dumps(facts)
    assert project.secret not in json.dumps(api.top(container["Id"]))
    assert facts["HostConfig"]["LogConfig"]["Type"] == "none"
    started.signal(signal.SIGTERM)
    started.ended()


@pytest.mark.slow
@CONTAINERS
def test_a_command_without_memory_is_reported(project):
    ended = run(project, "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo $x | wc -c", memory="16m")
    assert ended.code == 137, ended.stderr
    assert "ran out of memory: its limit is 16 MB" in ended.message
    assert "`tasks.t.memory`" in ended.hint


@CONTAINERS
def test_what_cannot_start_has_the_code_of_its_reason(project):
    ended = run(project, "true", image="tapdock-test/not-there:1", pull="never")
    assert (ended.code, "is not present" in ended.message) == (8, True)
    ended = run(project, "true", network="tapdock-test-not-there")
    assert (ended.code, "`tasks.t.network`" in ended.message) == (8, True)
    ended = run(project, "true", commands={"run": {"executable": "no-such-program"}})
    assert (ended.code, "`no-such-program` is in the image" in ended.hint) == (127, True)


@CONTAINERS
@pytest.mark.slow  # tests/places/test_pages.py runs nearly the same by the page
def test_the_examples_of_the_seeds_run_in_the_folder_of_the_project(project):
    """A Python script with two commands, and a command of a shell, after a change of key names."""
    project.environ = {"TAPDOCK_BASE_IMAGE": base_image()}
    scripts = project.folder / "scripts"
    scripts.mkdir()
    (scripts / "report.py").write_text(
        "import os, pathlib, sys\n"
        "print(sys.argv[1], os.environ['KEY'] != '', os.getuid())\n"
        "pathlib.Path('written.txt').write_text(sys.argv[1])\n"
    )
    project.keys = {
        "tasks": {
            "report": {
                "env": {"KEY": "${TAPDOCK_TEST_SECRET}"},
                "commands": {
                    "make": {"executable": "python", "args": "scripts/report.py make"},
                    "clean": "scripts/report.py clean",
                },
            },
            "shell": {"commands": {"ls": {"executable": "bash", "args": "-c ls"}}},
        }
    }
    for command in ("make", "clean"):
        ended = project.run("run", f"report:{command}", "--json")
        assert ended.code == 0, ended.stderr
        assert logged(project)[-1] == f"{command} True {os.getuid()}"
        written = project.folder / "written.txt"
        assert (written.read_text(), written.stat().st_uid) == (command, os.getuid())
    assert project.run("run", "shell:ls", "--json").code == 0
    assert {"scripts", "tapdock.yaml", "written.txt"} <= set(logged(project))
    ended = project.run("invoke", "report:make", "--", "more")
    assert (ended.code, ended.stdout) == (0, f"make True {os.getuid()}\n")
    ended = project.run("invoke", "report", "--", "-c", "import os; print(os.getcwd())")
    assert (ended.code, ended.stdout) == (0, "/project\n")


@pytest.mark.slow
@CONTAINERS
def test_blocks_run_in_order_and_a_failed_task_ends_them(project):
    prepare(project, "exit 9")
    project.steps("until users 3", "state")
    ended = project.run("run", "t:run", "source", "target", "--json")
    assert (ended.code, project.rows()) == (9, [])
    assert ended.record["not_started"] == ["source-to-target"]


# --- only the host ---------------------------------------------------------------------------------------------------


@HOST
def test_a_program_of_the_host_starts_in_the_folder_of_the_project(project):
    ended = run(project, "pwd; echo $HOME")
    assert ended.code == 0, ended.stderr
    assert [Path(line).resolve() for line in logged(project)] == [
        project.folder.resolve(),
        (project.folder / "home").resolve(),
    ]
    assert ended.record["containers"] == []
    assert run(project, "true", working_dir="nowhere").message.endswith("nowhere is not a folder")


@HOST
def test_the_host_is_named_before_a_run(project):
    prepare(project, "echo hello")
    said = project.run("run", "t:run", "--dry-run").stdout
    assert "on this machine, without a container and without isolation" in said
    assert "without a container and without isolation" in project.run("doctor").stdout
    assert "(the host)" in project.run("list").stdout
    ended = project.run("invoke", "t:run")
    assert (ended.code, ended.stdout) == (0, "hello\n")


@HOST
@pytest.mark.parametrize(
    "words", [("check", "t"), ("spec", "t:run"), ("discover", "t"), ("test", "t"), ("config", "set", "t", "a", "1")]
)
def test_a_command_for_connectors_refuses_a_task(project, words):
    prepare(project, "true")
    ended = project.run(*words)
    assert (ended.code, "`t` is a task, which has no config, no settings and no streams" in ended.stderr) == (2, True)
    assert "tapdock invoke t" in ended.stderr
