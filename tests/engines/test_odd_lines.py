"""Tests odd lines of programs on all routes and in all placements. `tests/cases/odd-lines.yaml` has the other lines."""

import json

import pytest

from engines.places import LOCAL, SLOW_BESIDE, SLOW_CONTAINER

pytestmark = [
    pytest.mark.parametrize("place", [LOCAL, SLOW_BESIDE, SLOW_CONTAINER]),
    pytest.mark.parametrize("writes", ["target", "destination"]),
    pytest.mark.parametrize("reads", ["source", "tap"]),
]


def record(reads: str, number: int) -> str:
    if reads == "tap":
        return json.dumps({"type": "RECORD", "stream": "users", "record": {"id": number}})
    return json.dumps({"type": "RECORD", "record": {"stream": "users", "data": {"id": number}, "emitted_at": 1}})


def ids(project, writes: str) -> set[int]:
    return {row["id"] for row in project.table()} if writes == "destination" else project.ids()


def test_a_record_behind_text_arrives_and_a_cut_one_ends_the_run(project, reads, writes):
    project.programs = (reads, writes)
    first = ["schema users"] if reads == "tap" else []
    word = "junk" if reads == "tap" else "line"
    project.steps(*first, "until users 3", f"{word} Fetching page 2...{record(reads, 4)}", "until users 6", "state")
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert ids(project, writes) >= {1, 2, 3, 4, 5, 6}
    assert "Fetching page 2..." in ended.stderr
    saved = project.state()
    project.steps(*first, f"{word} Fetching page 3...{record(reads, 7)[:-3]}", "until users 9", "state")
    ended = project.run()
    assert ended.code == 5, ended.stderr
    assert "a message of stream `users` cannot be read: it is not complete JSON" in ended.message
    assert project.state() == saved
