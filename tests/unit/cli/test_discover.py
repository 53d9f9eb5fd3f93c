"""Tests `tapdock discover` if the project's own selection does not match the streams of the source."""

import json
import sys

import pytest

pytestmark = pytest.mark.long

SOURCE = """#!%s
import json, sys
streams = [
    {"name": name, "json_schema": {"properties": {"id": {}}}, "supported_sync_modes": ["full_refresh"]}
    for name in ("users", "orders")
]
answers = {
    "spec": {"type": "SPEC", "spec": {"connectionSpecification": {}}},
    "discover": {"type": "CATALOG", "catalog": {"streams": streams}},
}
numbers = '"far": 1e400, "ratio": 0.1234567890123456789, '
print(json.dumps(answers[sys.argv[1]]).replace('"supported', numbers + '"supported'))
"""


@pytest.fixture
def discover(tapdock, folder):
    """discover(*words, **options) -> the result of the command for a source with these options."""
    program = folder / "source"
    program.write_text(SOURCE % sys.executable)
    program.chmod(0o755)

    def ended(*words, **options):
        source = {"image": str(program), "kind": "airbyte", **options}
        (folder / "tapdock.yaml").write_text(json.dumps({"version": 1, "sources": {"s": source}}))
        return tapdock("discover", "s", *words, TAPDOCK_ENGINE="local")

    return ended


def test_a_key_of_taps_at_an_airbyte_source(discover):
    ended = discover(discovery=False)
    assert ended.returncode == 2
    assert "tapdock.yaml:1: `sources.s.discovery: false` only applies to Singer connectors" in ended.stderr


@pytest.mark.parametrize(
    ("options", "warning", "hint"),
    [
        ({"select": ["userz"]}, "there is no stream `userz`", "did you mean `users`? streams: users, orders"),
        ({"select": ["users", "!orders.x"]}, "stream `orders` has no field `x`", "fields: id"),
        ({"select": ["!*"]}, "no stream is selected", "streams: users, orders"),
        ({"streams": {"userz": {"sync_mode": "full_refresh"}}}, "there is no stream `userz`", "did you mean `users`?"),
        ({"streams": {"users": {"sync_mode": "incremental"}}}, "stream `users` does not support", "it supports"),
    ],
)
def test_streams_are_shown_with_a_warning(discover, options, warning, hint):
    ended = discover(**options)
    assert ended.returncode == 0
    assert [line.split()[:2] for line in ended.stdout.splitlines()[1:]] == [
        ["users", "full_refresh"],
        ["orders", "full_refresh"],
    ]
    assert f"warning: tapdock.yaml: sources.s: {warning}" in ended.stderr
    assert f"hint: {hint}" in ended.stderr
    ended = discover("--json", **options)
    assert [stream["name"] for stream in json.loads(ended.stdout)["streams"]] == ["users", "orders"]
    assert warning in ended.stderr


def test_what_is_not_selected_is_shown_as_such(discover):
    ended = discover(select=["orders"])
    assert "users   not selected" in ended.stdout
    assert "warning" not in ended.stderr


def test_every_digit_of_a_catalog_is_shown(discover):
    assert '"far": 1e400, "ratio": 0.1234567890123456789,' in discover("--json").stdout


def test_metadata_of_an_airbyte_source_is_refused_by_a_run_and_not_by_discovery(discover, tapdock, folder):
    assert discover(streams={"users": {"metadata": {"x": 1}}}).returncode == 0
    project = json.loads((folder / "tapdock.yaml").read_text())
    project["targets"] = {"t": {"image": str(folder / "source"), "kind": "airbyte"}}
    (folder / "tapdock.yaml").write_text(json.dumps(project))
    ended = tapdock("run", "s", "t", "--dry-run", TAPDOCK_ENGINE="local")
    assert ended.returncode == 2
    assert "`sources.s.streams.users.metadata` only applies to Singer taps" in ended.stderr
