"""Tests streams that no target can support. They are refused after discovery, before anything is read."""

import pytest

REFUSED = {
    "two names that differ in case only": (
        {"streams": ["users", "Users"]},
        "streams `users` and `Users` would both have the name `users` in the target",
    ),
    "a key inside of an object": (
        {"describes": {"source_defined_primary_key": [["id", "number"]]}},
        "stream `users` has the key `id.number`, which is nested",
    ),
}


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["run", "dry-run"])
@pytest.mark.parametrize("why", REFUSED)
def test_stream_that_no_target_could_take(project, why, options):
    config, message = REFUSED[why]
    project.steps("until users 5", "state", **config)
    ended = project.run("run", "source", "target", "--json", *options)
    assert (ended.code, ended.side, ended.message) == (2, "runner", message)
    assert f"error: {message}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.record.get("containers", []) == []
    assert not (project.data / "rows.jsonl").exists()
    assert "source-to-target" not in project.run("state", "list").stdout
