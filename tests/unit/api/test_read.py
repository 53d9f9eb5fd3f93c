"""Tests reading a source in Python: exact values, the end of the data, and what happens if it is not reached."""

import gc
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal

import pytest

import tapdock
from engines.project import wait_for
from tapdock.translate.states.bookmarks import BookmarkLedger
from tapdock.translate.states.forwarded import ForwardedLedger

pytestmark = pytest.mark.long


@pytest.mark.parametrize("kind", ["airbyte", "singer"])
def test_values_are_exact(load, kind, capfd):
    steps = ("schema users", "numbers users") if kind == "singer" else ("numbers users",)
    (record,) = load(*steps, kind=kind).sources["shop"].read()
    assert (record.stream, record.namespace, record.data["id"]) == ("users", None, 1)
    assert record.data["big"] == 12345678901234567890
    assert record.data["price"] == Decimal("12345678901234567.123456789")
    if kind == "airbyte":
        assert record.emitted_at == datetime(1970, 1, 1, 0, 0, 0, 1000, UTC)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["airbyte", "singer"])
def test_all_records_are_read_without_excluded_fields_and_no_state_is_saved(load, kind, tmp_path):
    steps = [step for name in ("users", "orders") for step in (f"schema {name}", f"until {name} 300", "state")]
    if kind == "airbyte":
        steps = [step for step in steps if not step.startswith("schema")]
    project = load(*steps, kind=kind, streams=["users", "orders"], keys={"select": ["!users.name", "!users.price"]})
    found = list(project.sources["shop"].read())
    for stream in ("users", "orders"):
        assert [each.data["id"] for each in found if each.stream == stream] == list(range(1, 301))
    assert not any({"name", "price"} & set(each.data) for each in found if each.stream == "users")
    assert any("name" in each.data for each in found if each.stream == "orders")
    if kind == "singer":  # the Airbyte source of these tests does not read its catalog
        assert {each.stream for each in project.sources["shop"].read("orders")} == {"orders"}
        assert {each.stream for each in project.sources["shop"].read(streams=["users.id"])} == {"users"}
        assert not any("name" in each.data for each in project.sources["shop"].read(["users.*"]))
    assert not list(tmp_path.glob(".tapdock/state/*"))
    with pytest.raises(tapdock.UsageError, match="there is no stream `userz`"):
        list(project.sources["shop"].read("userz"))


def test_a_time_that_is_not_in_milliseconds_is_an_error_that_names_it(load):
    message = {"stream": "users", "data": {"id": 1}, "emitted_at": 1_700_000_000_000_000}
    line = json.dumps({"type": "RECORD", "record": message})
    with pytest.raises(tapdock.TranslationError, match="stream `users` has the time 1700000000000000, which is not"):
        list(load(f"line {line}").sources["shop"].read())


def test_files_of_a_tap_are_refused_before_it_is_read(load):
    source = load("schema users", kind="singer", batch_config={}).sources["shop"]
    with pytest.raises(tapdock.UsageError, match="has a `batch_config`, whose files only a run has"):
        list(source.read())


NESTED = """#!%s
import json, sys
address = {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string"}}}
schema = {"properties": {"address": address}}
stream = {"name": "users", "supported_sync_modes": ["full_refresh"], "json_schema": schema}
answers = {"spec": {"type": "SPEC", "spec": {"connectionSpecification": {}}},
    "discover": {"type": "CATALOG", "catalog": {"streams": [stream]}},
    "read": {"type": "RECORD", "record": {"stream": "users", "emitted_at": 1,
        "data": {"address": {"city": "Oslo", "zip": "0150"}}}}}
print(json.dumps(answers[sys.argv[1]]))
"""


def test_a_nested_field_that_the_project_excludes_is_never_read(load, tmp_path):
    (tmp_path / "nested").write_text(NESTED % sys.executable)
    (tmp_path / "nested").chmod(0o755)
    project = load(keys={"image": str(tmp_path / "nested"), "select": ["users.*", "!users.address.city"]})
    for chosen in ((), "users.*", ["users.address.zip"]):
        (record,) = project.sources["shop"].read(chosen)
        assert record.data == {"address": {"zip": "0150"}}


TAP = """#!%s
import json, sys
schema = {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
metadata = [{"breadcrumb": [], "metadata": {"schema-name": "public"}}]
stream = {"tap_stream_id": "public-users", "stream": "users", "schema": schema, "metadata": metadata}
if "--discover" in sys.argv:
    print(json.dumps({"streams": [stream]}))
    sys.exit()
for name in ("users", "extra"):
    print(json.dumps({"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": []}))
    print(json.dumps({"type": "RECORD", "stream": name, "record": {"id": 1, "name": "Ann"}}))
"""


def of_tap(load, folder, **keys):
    program = folder / "tap"
    program.write_text(TAP % sys.executable)
    program.chmod(0o755)
    load(kind="singer", keys={"image": str(program), "config": {}, **keys})
    file = folder / "tapdock.yaml"
    project = json.loads(file.read_text())
    project["targets"]["lake"] = {"image": str(program), "kind": "airbyte"}
    project["pipelines"]["demo"]["namespace"] = "source"
    file.write_text(json.dumps(project))
    return tapdock.load(folder, environ={"TAPDOCK_ENGINE": "local"}).sources["shop"]


def test_streams_of_a_tap_have_the_namespaces_of_its_pipeline(load, tmp_path):
    source = of_tap(load, tmp_path, select=["*", "!public.users.na*"])
    assert [(each.namespace, each.name) for each in source.streams()] == [("public", "users")]
    found = {each.stream: each for each in source.read()}
    assert (found["users"].namespace, found["users"].data) == ("public", {"id": 1})


def test_streams_outside_of_a_committed_catalog_are_not_read(load, tmp_path):
    source = of_tap(load, tmp_path, discovery="committed")
    with pytest.raises(tapdock.UsageError, match="has no committed catalog"):
        list(source.read())
    (tmp_path / "catalogs").mkdir()
    schema = {"properties": {"id": {}, "name": {}}}
    catalog = {"streams": [{"tap_stream_id": "public-users", "stream": "users", "schema": schema}]}
    (tmp_path / "catalogs" / "shop.json").write_text(json.dumps(catalog))
    assert {each.stream for each in source.read()} == {"users"}
    with pytest.raises(tapdock.UsageError, match="`--refresh-catalog` has no effect"):
        list(source.read(refresh_catalog=True))


@pytest.mark.parametrize(
    ("steps", "records", "kind", "message"),
    [
        (["until users 7", "exit 3"], 7, tapdock.SourceError, "source `shop`: the source exited with 3"),
        (["until users 7", "error users system_error"], 7, tapdock.SourceError, "could not finish users"),
        (["until users 7", "error - system_error"], 7, tapdock.SourceError, "the source reported an error: - broke"),
        (["until users 7", "status users INCOMPLETE"], 7, tapdock.SourceError, "could not finish users"),
        (["until users 7", "torn users", "exit 9"], 7, tapdock.SourceError, "the source exited with 9"),
        (["until users 7", "torn users"], 7, tapdock.TranslationError, "cannot be read"),
        (["until users 7", 'line {"type":"RECORD","record":{"stream":"users","data":{"id":', "until users 9"], 7,
         tapdock.TranslationError, "line 8: .*cannot be read"),
        (["note out of luck", "exit 4"], 0, tapdock.SourceError, "the source exited with 4: out of luck"),
    ],
)  # fmt: skip
def test_a_failure_is_raised_after_the_records_before_it_and_again(load, running, steps, records, kind, message):
    found = load(*steps).sources["shop"].read()
    seen = []
    with pytest.raises(kind, match=message) as first:
        seen.extend(found)  # extend keeps what came before the error
    with pytest.raises(kind) as second:
        next(found)
    assert second.value is first.value
    assert running() == []
    assert [each.data["id"] for each in seen] == list(range(1, records + 1))


def test_an_iteration_that_is_left_early_ends_the_source(load, running):
    project = load("forever users")
    for record in project.sources["shop"].read():
        if record.data["id"] == 10:
            break
    del record
    gc.collect()
    assert running() == []


def test_records_after_a_close_are_an_error_and_not_the_end(load, running):
    with load("forever users").sources["shop"].read() as found:
        next(found)
        assert len(running()) > 0
    assert running() == []
    with pytest.raises(tapdock.UsageError, match="closed before their end"):
        next(found)
    found.close()


def test_the_end_stays_the_end(load):
    with load("until users 2").sources["shop"].read() as found:
        assert len(list(found)) == 2
        assert list(found) == []
    assert list(found) == []


def test_the_source_waits_for_its_reader(load, tmp_path):
    """Only a few pieces are read ahead, so that memory does not grow with the data."""
    long = [f"long users {1 << 20}"] * 60
    marker = tmp_path / "done"
    found = load(*long, f"once {marker}").sources["shop"].read()
    next(found)
    assert not marker.exists()
    with pytest.raises(tapdock.SourceError):
        list(found)
    assert marker.exists()


def test_a_source_that_is_silent_too_long_is_an_error(load, running):
    found = load("until users 3", "silent", keys={"idle_timeout": "1s"}).sources["shop"].read()
    with pytest.raises(tapdock.SourceError, match="no answer within 1 s"):
        list(found)
    assert running() == []


def test_a_limit_ends_the_source_and_the_iteration(load, running):
    project = load("forever users")
    found = project.sources["shop"].read(limit=3)
    assert [each.data["id"] for each in found] == [1, 2, 3]
    assert list(found) == []
    assert running() == []
    assert project.run("demo", limit=2).streams[0].records == 2
    for call in (lambda: project.run("demo", limit=0), lambda: project.sources["shop"].read(limit=-1)):
        with pytest.raises(tapdock.UsageError, match="must be at least 1"):
            call()


def test_a_window_is_read_by_a_source_that_has_settings_for_it(load):
    with pytest.raises(tapdock.UsageError, match=r"`sources.shop.window`: there is no `window`"):
        load("until users 3").run("demo", window=("2026-01-01", "2026-02-01"))
    with pytest.raises(tapdock.UsageError, match="is empty: its end must be after its start"):
        load("until users 3").run("demo", window=("2026-01-01", "2026-01-01"))


def test_another_thread_can_read(load):
    found = load("until users 30").sources["shop"].read()
    first = next(found)
    rest: list[tapdock.SourceRecord] = []
    thread = threading.Thread(target=lambda: rest.extend(found))
    thread.start()
    thread.join(60)
    assert [first.data["id"], *(each.data["id"] for each in rest)] == list(range(1, 31))


ENDS = """
import sys, tapdock
records = tapdock.load(sys.argv[1]).sources["shop"].read()
print(next(records).data["id"])
if sys.argv[2] == "interrupted":
    import os, signal
    try:
        for record in records:
            if record.data["id"] == 50:
                os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("how", ["forgotten", "interrupted"])
def test_the_end_of_the_program_ends_the_source(load, running, tmp_path, environ, how):
    load("forever users")
    path = {**environ, "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    words = [sys.executable, "-c", ENDS, str(tmp_path), how]
    ended = subprocess.run(words, capture_output=True, text=True, env=path, timeout=60)
    printed = ["1", "interrupted"] if how == "interrupted" else ["1"]
    assert (ended.returncode, ended.stdout.split(), ended.stderr) == (0, printed, "")
    wait_for(lambda: running() == [], "the end of the source")


def test_a_tap_whose_streams_are_not_known_is_read_whole_or_not_at_all(load):
    steps = ("schema users", "until users 4")
    project = load(*steps, kind="singer", discovery="none", keys={"discovery": False})
    assert [json.loads(str(each.data["id"])) for each in project.sources["shop"].read()] == [1, 2, 3, 4]
    with pytest.raises(tapdock.UsageError, match="has no effect for source `shop`"):
        list(project.sources["shop"].read("users.id"))


def test_built_in_variables_are_those_of_the_pipeline(load):
    project = load("expect shop-lake-demo", "until users 1", token="${SOURCE}-${TARGET}-${PIPELINE}")
    assert [each.data["id"] for each in project.sources["shop"].read()] == [1]


@pytest.mark.parametrize("kind", ["airbyte", "singer"])
def test_states_do_not_fill_the_memory(load, kind, monkeypatch):
    """Nothing acknowledges the states of a source that is only read."""
    ledgers = []

    def kept(self, *args, **more):
        real(self, *args, **more)
        ledgers.append(self)

    ledger = BookmarkLedger if kind == "singer" else ForwardedLedger
    real = ledger.__init__
    monkeypatch.setattr(ledger, "__init__", kept)
    steps = [step for number in range(10, 510, 10) for step in (f"until users {number}", "state")]
    steps = ["schema users", *steps] if kind == "singer" else steps
    assert len(list(load(*steps, kind=kind).sources["shop"].read())) == 500
    assert ledgers[-1].settled
