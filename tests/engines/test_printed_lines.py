"""Tests which lines of connectors a run prints, and that its log has all of them."""

import json
import os
import re

import pytest

from engines.places import local_only
from engines.project import Ended, Project

RUN = ("run", "source", "target")
LINES = (
    "log INFO one",
    "log WARN two",
    "log DEBUG three",
    "note INFO four",
    "note 2026-01-01 10:00:00,123 | WARNING | tap | five",
    "line 2026-01-01 10:00:00 [main] ERROR a.b.C(d):1 - six",
    "note seven",
    "until users 20",
    "state",
)
INFO, WARNINGS = {"one", "four", "seven"}, {"two", "five", "six"}


def printed(ended: Ended) -> set[str]:
    """Return the last words of the lines of the source that were printed."""
    return set(re.findall(r"source \| .*?(\w+)$", ended.stderr, re.MULTILINE))


def in_the_log(project: Project, run: str = "latest") -> dict[str, str]:
    """Return the levels of the source's lines in the log, by their last words."""
    lines = [json.loads(line) for line in project.run("runs", "logs", run, "--json").stdout.splitlines()]
    return {
        line["message"].split()[-1]: line["level"]
        for line in lines
        if (line["event"], line.get("side")) == ("line", "source")
    }


@local_only
@pytest.mark.parametrize(
    ("options", "shown", "counted"),
    [
        ((), WARNINGS, "4 lines of source are in the log"),
        (("--json",), WARNINGS, "4 lines of source are in the log"),
        (("--verbose",), INFO | WARNINGS, "1 line of source is in the log"),
        (("--quiet",), WARNINGS, None),
        (("--log-format", "json"), set(), None),
    ],
)
def test_lines_below_a_warning_are_only_in_the_log(project, options, shown, counted):
    project.steps(*LINES)
    ended = project.run(*RUN, *options)
    assert ended.code == 0
    assert printed(ended) == shown
    found = re.search(r"\d+ lines? of .* in the log(?=: `tapdock runs logs (\S+)`$)", ended.stderr, re.MULTILINE)
    assert (found and found[0]) == counted
    assert in_the_log(project) == {
        **dict.fromkeys(INFO, "info"),
        **dict.fromkeys(("two", "five"), "warning"),
        "six": "error",
        "three": "debug",
    }


@local_only
def test_machines_get_info_lines_as_before(project):
    project.steps(*LINES)
    for options, expected in (((), INFO | WARNINGS), (("--quiet",), WARNINGS)):
        ended = project.run(*RUN, "--log-format", "json", *options)
        lines = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
        assert {line["message"].split()[-1] for line in lines if line["event"] == "line"} == expected
        assert all(
            set(line) == {"time", "level", "event", "run_id", "side", "message"}
            for line in lines
            if line["event"] == "line"
        )


@local_only
def test_quiet_prints_only_warnings_and_the_result(project):
    project.steps(*LINES)
    ended = project.run(*RUN, "--quiet")
    assert {line.split()[1] for line in ended.stderr.splitlines()} == {"warning", "error"}
    assert ended.stdout.splitlines()[-1].startswith("source-to-target succeeded in ")


@local_only
def test_a_line_has_one_time(project):
    project.steps(*LINES)
    for text in (project.run(*RUN, "--verbose").stderr, project.run("runs", "logs").stdout):
        (line,) = [line for line in text.splitlines() if "five" in line]
        assert len(re.findall(r"\d\d:\d\d:\d\d", line)) == 1
        assert line.endswith("source | WARNING | tap | five")
    assert "2026-01-01 10:00:00,123 | WARNING" in project.run("runs", "logs", "--json").stdout


@local_only
@pytest.mark.parametrize("options", [(), ("--quiet",), ("--json",)])
def test_the_last_lines_of_the_side_that_failed_are_printed(project, options):
    """Nothing in these lines shows that they are the reason."""
    notes = [f"note step {number}" for number in range(20)]
    project.steps(*notes, "note cannot reach the shop:", "note is it open?", "exit 1")
    ended = project.run(*RUN, *options)
    assert ended.code == 3
    lines = ended.stderr.splitlines()
    assert [line.partition("source | ")[2] for line in lines if "source | " in line] == [
        *(f"step {number}" for number in range(12, 20)),
        "cannot reach the shop:",
        "is it open?",
    ]
    assert lines[-1].startswith("error: the source exited with 1")


@local_only
def test_a_traceback_is_printed_whole(project):
    notes = ["Traceback (most recent call last):", '\\_ File "x.py", line 1', "\\_\\_info = 1", "KeyError: 'a'", "more"]
    project.steps("note INFO hello", *(f"note {note}" for note in notes), "until users 5", "state")
    ended = project.run(*RUN)
    assert ended.code == 0
    shown = [line.partition("source | ")[2] for line in ended.stderr.splitlines() if "source | " in line]
    assert shown == [note.replace("\\_", " ") for note in notes]


@local_only
def test_a_run_without_a_log_file_prints_all_lines(project):
    project.steps("note INFO hello", "until users 5", "state")
    project.write()
    project.private.mkdir(exist_ok=True)
    (project.private / "runs").write_text("a file in place of the folder")
    ended = project.run(*RUN)
    assert "source | INFO hello" in ended.stderr
    assert "in the log:" not in ended.stderr


@local_only
def test_with_several_runs_each_line_has_the_name_of_its_pipeline(project):
    project.steps("log WARN careful", "note INFO hello", "until users 5", "state")
    project.keys = {"pipelines": {name: {"source": "source", "target": "target"} for name in ("north", "south")}}
    project.keys["pipelines"]["south"]["state_suffix"] = "south"
    ended = project.run("run", "north", "south", "--concurrency", "2")
    assert ended.code == 0, ended.stderr
    for name in ("north", "south"):
        assert re.search(rf"^\S+ warning {name}: source \| careful$", ended.stderr, re.MULTILINE)
        assert re.search(rf"^{name}: \d+ lines? of source", ended.stderr, re.MULTILINE)
    assert not [line for line in ended.stderr.splitlines() if "north" not in line and "south" not in line]


@local_only
def test_verbose_and_quiet_exclude_each_other(project):
    ended = project.run(*RUN, "--verbose", "--quiet")
    assert (ended.code, ended.stderr) == (2, "error: `--verbose` and `--quiet` exclude each other\n")


@local_only
@pytest.mark.parametrize("path", ["./bin/source.py", "source.py"])
def test_programs_are_not_asked_to_be_pinned(project, path):
    project.images["source"] = path
    project.environ = {"PATH": f"{project.folder / 'bin'}:{os.environ['PATH']}"}
    assert "not pinned" not in project.run(*RUN).stderr
