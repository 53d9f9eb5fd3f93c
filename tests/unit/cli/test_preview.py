"""Tests of `tapdock preview`: what is shown, how the source ends, and that nothing is saved."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from support.pages import page_steps

pytestmark = pytest.mark.long
SECRET = "s3cret-0123456789"

SOURCE = """#!%s
import json, os, signal, sys
streams = %r
schema = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
def say(kind, **more):
    print(json.dumps({"type": kind, **more}), flush=True)
if sys.argv[1] == "spec":
    say("SPEC", spec={"connectionSpecification": {"properties": {}}})
elif sys.argv[1] == "discover":
    each = {"json_schema": schema, "supported_sync_modes": ["full_refresh"]}
    say("CATALOG", catalog={"streams": [{"name": name, **each} for name in streams]})
else:
    catalog = json.load(open(sys.argv[sys.argv.index("--catalog") + 1]))
    def stop(*_):
        open(os.path.join(%r, "stopped"), "w").close()
        sys.exit(1)
    signal.signal(signal.SIGTERM, %s)
    for name in (one["stream"]["name"] for one in catalog["streams"]):
        def status(word):
            about = {"stream_descriptor": {"name": name}, "status": word}
            say("TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.0, "stream_status": about})
        count, ending = streams[name]
        status("STARTED")
        for number in range(1, count + 1):
            say("RECORD", record={"stream": name, "emitted_at": 1, "data": {"id": number, "name": "x" * 5, %s}})
        if ending:
            status(ending)
    sys.exit(%r)
"""
FOREVER = 10**9


@pytest.fixture
def made(tmp_path, tapdock):
    """made(streams, …) -> a function that previews a source with these numbers of records and last statuses."""

    def project(streams, *, code=0, fields="", on_term="stop", **keys):
        program = tmp_path / "program"
        program.write_text(SOURCE % (sys.executable, streams, str(tmp_path), on_term, fields, code))
        program.chmod(0o755)
        source = {"image": str(program), "kind": "airbyte", "stop_grace": "5s", "config": {"token": "${TOKEN}"}, **keys}
        (tmp_path / "tapdock.yaml").write_text(json.dumps({"version": 1, "sources": {"shop": source}}))

        def previewed(*words):
            command = ("--project", str(tmp_path), "preview", "shop", *words)
            return tapdock(*command, TAPDOCK_ENGINE="local", TOKEN=SECRET)

        return previewed

    return project


def streams_of(ended):
    return {one["stream"]: [each["id"] for each in one["records"]] for one in json.loads(ended.stdout)["streams"]}


def test_the_source_is_stopped_once_each_stream_has_its_records_or_is_complete(made, tmp_path):
    preview = made({"few": (2, "COMPLETE"), "none": (0, "COMPLETE"), "endless": (FOREVER, None)})
    ended = preview("--limit", "3", "--json")
    assert ended.returncode == 0, ended.stderr
    assert "error" not in ended.stderr
    assert streams_of(ended) == {"few": [1, 2], "none": [], "endless": [1, 2, 3]}
    assert (tmp_path / "stopped").exists(), "it is asked to stop, and its exit code 1 is not a failure"
    assert not list(tmp_path.glob(".tapdock/state/*"))
    assert not list(tmp_path.glob(".tapdock/runs/*"))


def test_a_large_stream_does_not_delay_the_others(made):
    preview = made({"first": (FOREVER, None), "second": (FOREVER, None), "last": (2, "COMPLETE")})
    ended = preview("--limit", "1", "--json")
    assert ended.returncode == 0, ended.stderr
    assert streams_of(ended) == {"first": [1], "second": [1], "last": [1]}
    assert "shop: reading second, last\n" in ended.stderr
    assert "shop: reading last\n" in ended.stderr


def test_a_source_that_is_started_again_shows_no_record_twice(tmp_path, tapdock):
    steps = ["schema orders", "schema users", "until orders 3", "until users 15000", "until orders 50", "state"]
    config = {"token": "t", "streams": ["orders", "users"], "steps": steps}
    tap = Path(__file__).parents[2] / "connectors" / "tap.py"
    source = {"image": str(tap), "kind": "singer", "stop_grace": "5s", "config": config}
    (tmp_path / "tapdock.yaml").write_text(json.dumps({"version": 1, "sources": {"shop": source}}))
    ended = tapdock("--project", str(tmp_path), "preview", "shop", "--limit", "5", "--json", TAPDOCK_ENGINE="local")
    assert ended.returncode == 0, ended.stderr
    assert "shop: reading orders\n" in ended.stderr
    assert streams_of(ended) == {"orders": [1, 2, 3, 4, 5], "users": [1, 2, 3, 4, 5]}


def test_a_source_that_does_not_stop_is_killed_and_the_preview_is_good(made):
    preview = made({"endless": (FOREVER, None)}, on_term="signal.SIG_IGN", stop_grace="0.2s")
    ended = preview("--json")
    assert ended.returncode == 0, ended.stderr
    assert "error" not in ended.stderr
    assert streams_of(ended) == {"endless": list(range(1, 11))}


def test_a_failure_before_the_last_record_is_one_and_what_came_before_is_shown(made):
    ended = made({"few": (2, "COMPLETE"), "more": (1, None)}, code=3)("--limit", "3")
    assert ended.returncode == 3
    assert "few: 2 records\nid" in ended.stdout
    assert "source `shop`: the source exited with 3" in ended.stderr
    ended = made({"few": (2, "INCOMPLETE")})("--limit", "3", "--json")
    assert (ended.returncode, streams_of(ended)) == (3, {"few": [1, 2]})
    assert "could not finish few" in ended.stderr


def test_a_failure_behind_the_last_record_is_none(made):
    ended = made({"few": (3, None)}, code=3)("--limit", "3", "--json")
    assert (ended.returncode, streams_of(ended)) == (0, {"few": [1, 2, 3]})


def test_only_what_is_asked_for_and_never_what_is_excluded(made):
    preview = made({"few": (2, "COMPLETE"), "endless": (FOREVER, None)}, select=["*", "!*.name"])
    ended = preview("few", "--json")
    (one,) = json.loads(ended.stdout)["streams"]
    assert one == {"stream": "few", "namespace": None, "records": [{"id": 1}, {"id": 2}]}
    for words, message in (
        (("fewer",), "there is no stream `fewer`"),
        (("few.name",), "name"),
    ):
        ended = preview(*words)
        assert (ended.returncode, ended.stdout) == (2, ""), words
        assert message in ended.stderr


def test_the_table_fits_eighty_columns_and_secrets_are_masked(made):
    long = "{f'a_rather_long_field_{n}': 'v' * 50 for n in range(9)}"
    given = f'"n": None, "o": {{"deep": [1.50]}}, "t": "a\\x1b[31m\\nb", "secret": number > 1 and "{SECRET}"'
    fields = f'{given}, "big": 12345678901234567890, **{long}'
    preview = made({"few": (2, "COMPLETE"), "none": (0, "COMPLETE")}, fields=fields)
    ended = preview()
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "few: 2 records"
    assert lines[1].split()[:5] == ["id", "name", "n", "o", "t"]
    assert lines[2].startswith('1   xxxxx  null  {"deep":[1.5]}  a / b  ')
    assert lines[-2:] == ["", "none: 0 records"]
    assert "not shown: a_rather_long_field_" in ended.stdout
    assert "a_rather_long_field_8" in ended.stdout
    told = " ".join(ended.stdout[ended.stdout.index("not shown") :].split())
    assert "(`--json` shows everything)" in told, "the source does not declare these fields, so they cannot be chosen"
    whole = preview("--json")
    record, masked = json.loads(whole.stdout)["streams"][0]["records"]
    assert (record["t"], record["a_rather_long_field_8"]) == ("a\x1b[31m\nb", "v" * 50)
    assert masked["big"] == 12345678901234567890
    assert SECRET not in ended.stdout + whole.stdout


def test_a_target_has_no_records(made, tmp_path):
    preview = made({"few": (1, None)})
    file = tmp_path / "tapdock.yaml"
    whole = json.loads(file.read_text())
    file.write_text(json.dumps({"version": 1, "targets": whole["sources"]}))
    ended = preview()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "`shop` is a target; only sources have records to read" in ended.stderr


def test_the_commands_of_the_page(tmp_path, made, tapdock):
    made({"users": (FOREVER, None)})
    file = tmp_path / "tapdock.yaml"
    file.write_text(file.read_text().replace('"shop"', '"faker"'))
    for step in page_steps("inspecting.md", "The first records of a source"):
        ended = tapdock(*shlex.split(step.command)[1:], TAPDOCK_ENGINE="local", TOKEN=SECRET)
        assert ended.returncode == 0, ended.stderr
        assert "xxxxx" in ended.stdout


def test_a_preview_shows_records_after_the_maps_of_the_source(made):
    maps = {"people": {"__source__": "endless", "__filter__": "id % 2 == 0", "name": "mask(name, keep=1)"}, "few": None}
    preview = made({"few": (2, "COMPLETE"), "endless": (FOREVER, None)}, maps={**maps, "endless": None})
    ended = preview("--limit", "3", "--json")
    assert ended.returncode == 0, ended.stderr
    assert streams_of(ended) == {"people": [2, 4, 6]}
    assert "****x" in ended.stdout
    assert "xxxxx" not in ended.stdout


def test_each_copy_of_a_stream_has_its_records(made):
    maps = {"endless": {"__filter__": "id > 9000"}, "all": {"__source__": "endless"}}
    ended = made({"endless": (FOREVER, None)}, maps=maps)("--limit", "2", "--json")
    assert ended.returncode == 0, ended.stderr
    assert streams_of(ended) == {"endless": [9001, 9002], "all": [1, 2]}


def test_a_field_that_is_left_out_can_be_seen(made, tmp_path):
    """The hint has the name of the stream in the source, not the one after its map."""
    maps = {"few": {"__alias__": "some", **{f"wide_{n}": "name" for n in range(9)}, "id": "id"}}
    preview = made({"few": (2, "COMPLETE")}, fields='"none": "v" * 90, "more": "v" * 90, "last": "v" * 90', maps=maps)
    ended = preview()
    assert ended.returncode == 0, ended.stderr
    assert "some: 2 records" in ended.stdout
    assert "not shown: " in ended.stdout
    assert "shows everything)" in " ".join(ended.stdout.split())
