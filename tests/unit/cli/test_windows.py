"""Tests `run --from DATE --to DATE` and `backfill`: what is read, what is kept, and which runs are refused."""

import json
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from support.orders import orders_of, rows
from support.pages import page_steps
from tapdock.state import backfills
from tapdock.state.backends.base import holder_here, open_backend

pytestmark = pytest.mark.long
CONNECTORS = Path(__file__).parents[2] / "connectors"
SOURCE = {"source": ("source", "destination"), "tap": ("tap", "target")}
EACH = ["source", pytest.param("tap", marks=pytest.mark.slow)]
WINDOW = {"source": {"start": "start_date", "end": "end_date"}}
WINDOW["tap"] = {"start": "range.from", "end": "range.to", "end_is": "inclusive"}
JANUARY = ("--from", "2026-01-01", "--to", "2026-02-01")
FEBRUARY = ("--from", "2026-02-01", "--to", "2026-03-01")
QUARTER = ("--from", "2026-01-01", "--to", "2026-04-01")


@pytest.fixture
def project(tmp_path, tapdock):
    """project(source, *steps, **keys) -> a function that runs tapdock with a source of days."""
    made = orders_of(tmp_path, tapdock)

    def days(source="source", *steps, more=None, target=None, **keys):
        steps = steps or ("schema orders", "days orders", "schema users", "days users", "state")
        names = SOURCE[source]
        run = made(names[0], target or names[1], *steps, **{"window": WINDOW[source], **keys})
        file = tmp_path / "tapdock.yaml"
        whole = json.loads(file.read_text())
        first, last = {"start_date": "2026-01-01", "end_date": "2026-01-03"}, {}
        if source == "tap":
            first, last = {}, {"range": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}}
        whole["sources"]["shop"]["config"] |= {**first, **last, **(more or {})}
        file.write_text(json.dumps(whole))
        return run

    return days


def objects(tmp_path):
    """Return what is stored beside each other: states, catalogs, versions and progress, without leases."""
    return {path.name: path.read_bytes() for path in (tmp_path / ".tapdock/state").glob("*.json")}


def records(ended):
    return [(run["window"], run["exit_code"]) for run in json.loads(ended.stdout)["runs"]]


# --- a run -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", EACH)
def test_a_run_of_a_window_reads_it_whole_and_changes_nothing_that_the_next_run_uses(project, tmp_path, source):
    tapdock = project(source)
    assert tapdock("run", "demo", "--quiet").returncode == 0
    assert rows(tmp_path)["users"] == [1, 2]
    before = objects(tmp_path)
    ended = tapdock("run", "demo", *JANUARY, "--json")
    assert ended.returncode == 0, ended.stderr
    record = json.loads(ended.stdout)
    assert record["options"] == ["--from 2026-01-01 --to 2026-02-01"], "what was typed"
    assert (record["window"], record["state"]["committed"]) == ({"from": "2026-01-01", "to": "2026-02-01"}, 0)
    ended = tapdock("run", "demo", *FEBRUARY)
    assert "; window 2026-02-01 to 2026-03-01; state unchanged" in ended.stdout
    assert rows(tmp_path)["users"] == [1, 2, *range(1, 32), *range(32, 60)]
    assert objects(tmp_path) == before
    assert "2026-02-01 to 2026-03-01" in tapdock("runs", "show").stdout
    tapdock = project(source, "schema users", "until users 4", "schema orders", "until orders 4", "state")
    assert tapdock("run", "demo", "--quiet").returncode == 0
    assert rows(tmp_path)["users"][-2:] == [3, 4], "the next run resumes where the last one without a window ended"


def test_what_a_run_of_a_window_would_do_is_shown(project):
    tapdock = project()
    config = json.loads(tapdock("run", "demo", *JANUARY, "--dump", "config").stdout)["source"]
    assert (config["start_date"], config["end_date"]) == ("2026-01-01", "2026-02-01")
    assert json.loads(tapdock("run", "demo", *JANUARY, "--dump", "state").stdout)["source"] is None
    ended = tapdock("run", "demo", *JANUARY, "--dry-run")
    assert "reading the window 2026-01-01 to 2026-02-01, without the saved state" in ended.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--from", "2026-01-01"), "`--from 2026-01-01` is one end of a window, which needs two"),
        (("--to", "2026-01-01"), "`--to 2026-01-01` is one end of a window, which needs two"),
        (("--from", "2026-01-01", "--to", "spool"), "is a date, and `--to spool` is a folder"),
        (("--from", "spool", "--to", "2026-01-01"), "is a date, and `--from spool` is a folder"),
        (("--from", "2026-02-30", "--to", "2026-03-01"), "`2026-02-30` is not a date or a time"),
        (("--from", "2026-03-01", "--to", "2026-03-01"), "is empty: its end must be after its start"),
        ((*JANUARY, "--full-refresh"), "`--full-refresh` cannot be used together with a window"),
        (("--from", "01.01.2026", "--to", "01.02.2026"), "`01.01.2026` is not a date or a time"),
        (("--from", "2026-01-01", "--to", "20260201"), "`20260201` is not a date or a time"),
        (("--from", "january", "--to", "february"), "for a window, write both as dates: `2026-01-01`"),
        (("--from", "./2026-01-01"), "the spool 2026-01-01"),
    ],
)
def test_what_is_no_window_is_refused_before_anything_starts(tapdock, words, message):
    ended = tapdock("run", "demo", *words)
    assert (ended.returncode, message in ended.stderr) == (2, True), ended.stderr


OVERWRITE = {"users": {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}}
APPEND = {"users": {"sync_mode": "full_refresh", "destination_sync_mode": "append"}}


def test_windows_that_a_run_cannot_read_are_refused_and_nothing_is_replaced(project, tmp_path):
    ended = project(streams=OVERWRITE)("run", "demo", *JANUARY)
    assert ended.returncode == 2
    assert "the rows of the window would replace all rows of `users` in target `lake`" in ended.stderr
    tapdock = project()
    ended = tapdock("run", "demo", "--from", "2099-01-01", "--to", "2099-02-01")
    assert (ended.returncode, "is in the future: there is nothing to read yet" in ended.stderr) == (2, True)
    ended = project(window={"start": "start_dat", "end": "end_date"})("run", "demo", *JANUARY)
    assert ended.returncode == 2
    assert "`sources.shop.window.start`: `start_dat` is not a setting of the connector" in ended.stderr
    ended = project(window=None)("run", "demo", *JANUARY)
    assert ended.returncode == 2
    assert "`sources.shop.window`: there is no `window`" in ended.stderr
    assert "its settings: end_date, start_date" in ended.stderr
    assert rows(tmp_path) == {"orders": [], "users": []}


def test_rows_that_may_be_there_twice_are_reported(project):
    ended = project(streams=APPEND)("run", "demo", "--from", "2026-01-01", "--to", "2099-01-01", "--dry-run")
    assert "rows of `users` are appended: a window that is read twice is in the target twice" in ended.stderr
    assert "`users` is read with `full_refresh`: if the source does not apply the window" in ended.stderr
    assert "has not ended yet: this run misses rows that come later" in ended.stderr


def test_a_tap_that_keeps_its_versions_from_run_to_run_is_not_read_by_windows(project, tmp_path):
    """Its next run would activate its own version, and the target would delete the rows of the window."""
    steps = ("schema users", "version users 7", "days users", "activate users", "state")
    ended = project("tap", *steps)("run", "demo", *JANUARY)
    assert ended.returncode == 5
    assert "so a later run would delete the rows of the window" in ended.stderr
    assert "--exclude 'users'" in ended.stderr


def test_a_source_without_window_is_refused_before_a_hook_runs(project, tmp_path):
    tapdock = project(window=None)
    file = tmp_path / "tapdock.yaml"
    whole = json.loads(file.read_text())
    touch = {"executable": "touch", "args": [str(tmp_path / "failed")]}
    whole["tasks"] = {"t": {"engine": "host", "commands": {"touch": touch}}}
    whole["pipelines"]["demo"] |= {
        "after": {"failure": ["t:touch"]},
        "notify": {"events": ["failure"], "command": ["touch", str(tmp_path / "sent")]},
    }
    file.write_text(json.dumps(whole))
    ended = tapdock("run", "demo", *JANUARY)
    assert (ended.returncode, "there is no `window`" in ended.stderr) == (2, True), ended.stderr
    assert not (tmp_path / "failed").exists()
    assert not (tmp_path / "sent").exists()
    assert tapdock("runs", "list").stdout.count("demo") == 0


# --- a backfill ------------------------------------------------------------------------------------------------------


def test_a_backfill_resumes_behind_the_steps_that_succeeded(project, tmp_path):
    """A step that failed is read again, also what the target has of it: `append_dedup` merges that."""
    tapdock = project()
    assert tapdock("run", "demo", "--quiet").returncode == 0
    before = objects(tmp_path)
    flag = tmp_path / "flag"
    days = ("days orders", "days users", "state")
    assert project("source", *days)("backfill", "demo", *JANUARY, "--quiet").returncode == 0
    ended = project("source", *days, f"once {flag}")("backfill", "demo", *QUARTER, "--json")
    assert ended.returncode == 3
    assert records(ended) == [({"from": "2026-02-01", "to": "2026-03-01"}, 3)]
    assert (json.loads(ended.stdout)["done"], json.loads(ended.stdout)["steps"]) == (1, 3)
    ended = project("source", *days)("backfill", "demo", *QUARTER)
    assert ended.returncode == 0, ended.stderr
    assert "demo: 2 of 3 months: 2026-02-01 to 2026-03-01" in ended.stderr
    assert "demo: 3 of 3 steps are done, 1 of them before" in ended.stdout
    ended = project()("backfill", "demo", *QUARTER, "--json")
    assert (ended.returncode, records(ended)) == (0, [])
    assert set(rows(tmp_path)["users"]) == set(range(1, 91))
    after = objects(tmp_path)
    assert {name: body for name, body in after.items() if not name.startswith("backfill")} == before
    ended = project()("backfill", "demo", "--status")
    assert ["users", "2026-01-01", "2026-04-01"] in [line.split() for line in ended.stdout.splitlines()]
    status = json.loads(project()("backfill", "demo", "--status", "--json").stdout)
    assert status["streams"]["orders"] == [{"from": "2026-01-01", "to": "2026-04-01"}]
    listed = project()("state", "list").stdout.splitlines()
    assert [line.split()[0] for line in listed[1:]] == ["default:shop-to-lake"]


@pytest.mark.parametrize("by_file", [True, False])
def test_a_backfill_continues_after_a_move_to_another_backend(project, tmp_path, by_file):
    """What was read of a range belongs to what `state export --all` copies."""
    tapdock = project()
    assert tapdock("backfill", "demo", *JANUARY, "--quiet").returncode == 0
    before = objects(tmp_path)
    place = "all.json" if by_file else "moved"
    ended = tapdock("state", "export", "--all", place)
    assert (ended.returncode, "what 1 backfills have read" in ended.stderr) == (0, True), ended.stderr
    file = tmp_path / "tapdock.yaml"
    file.write_text(json.dumps({**json.loads(file.read_text()), "state_backend": {"uri": str(tmp_path / "moved")}}))
    if by_file:
        ended = tapdock("state", "import", "--all", place)
        assert ended.returncode == 0, ended.stderr
        assert "unchanged" in tapdock("state", "import", "--all", place).stderr
    ended = tapdock("backfill", "demo", *QUARTER)
    assert (ended.returncode, "3 of 3 steps are done, 1 of them before" in ended.stdout) == (0, True), ended.stderr
    assert sorted(rows(tmp_path)["users"]) == list(range(1, 91)), "January is not read a second time"
    assert objects(tmp_path) == before, "what is left at the old place"
    ended = tapdock("state", "import", "--all", ".tapdock/state")
    assert (ended.returncode, "backfill/default:demo" in ended.stderr) == (2, True), "the older progress is not copied"


def test_only_what_is_missing_of_a_stream_is_read_and_again_reads_all(project, tmp_path):
    tapdock = project("tap")
    assert tapdock("backfill", "demo", *JANUARY, "--select", "users.*", "--quiet").returncode == 0
    ended = tapdock("backfill", "demo", *JANUARY)
    assert ended.returncode == 2
    assert (
        "other streams of `demo` were read for this window, but not `orders` (2026-01-01 to 2026-02-01)" in ended.stderr
    )
    assert "--select 'orders.*'` reads what is missing" in ended.stderr
    assert tapdock("backfill", "demo", *JANUARY, "--select", "orders.*", "--quiet").returncode == 0
    assert len(rows(tmp_path)["orders"]) == len(rows(tmp_path)["users"]) == 31
    ended = tapdock("backfill", "demo", *JANUARY, "--again", "--json")
    assert [window for window, _ in records(ended)] == [{"from": "2026-01-01", "to": "2026-02-01"}]
    file = tmp_path / "tapdock.yaml"
    file.write_text(file.read_text().replace(str(tmp_path / "data"), str(tmp_path / "other")))
    (tmp_path / "other").mkdir()
    ended = tapdock("backfill", "demo", *JANUARY)
    assert ended.returncode == 2
    assert "target `lake` writes to another place than at the last backfill of `demo`" in ended.stderr


def test_steps_of_another_source_or_table_do_not_count(project, tmp_path):
    tapdock = project("source", "days orders", "state", target="destination")
    assert tapdock("backfill", "demo", *JANUARY, "--quiet").returncode == 0
    file = tmp_path / "tapdock.yaml"
    whole = json.loads(file.read_text())
    whole["pipelines"]["demo"]["prefix"] = "new_"
    file.write_text(json.dumps(whole))
    ended = tapdock("backfill", "demo", *JANUARY)
    assert ended.returncode == 2
    assert "since the last backfill of `demo`, stream `orders` is now written to `new_orders`" in ended.stderr
    whole["sources"]["store"] = whole["sources"]["shop"]
    whole["pipelines"]["demo"]["source"] = "store"
    file.write_text(json.dumps(whole))
    ended = tapdock("backfill", "demo", *JANUARY)
    assert "its source has changed from `shop` to `store`" in ended.stderr
    assert tapdock("backfill", "demo", *JANUARY, "--again", "--quiet").returncode == 0
    ended = tapdock("backfill", "demo", *JANUARY, "--json")
    assert (ended.returncode, json.loads(ended.stdout)["done"]) == (0, 1)


def test_steps_with_another_filter_do_not_count(project, tmp_path):
    """Records that an earlier filter dropped are missing in the target."""
    tapdock = project("source", "days orders", "state", target="destination")
    file = tmp_path / "tapdock.yaml"
    whole = json.loads(file.read_text())
    whole["pipelines"]["demo"]["maps"] = {"orders": {"__filter__": "id != 2"}}
    file.write_text(json.dumps(whole))
    assert tapdock("backfill", "demo", *JANUARY, "--quiet").returncode == 0
    assert len(rows(tmp_path)["orders"]) == 30
    del whole["pipelines"]["demo"]["maps"]
    file.write_text(json.dumps(whole))
    ended = tapdock("backfill", "demo", *JANUARY)
    assert ended.returncode == 2
    assert "since the last backfill of `demo`, the filter of stream `orders` has changed" in ended.stderr
    assert tapdock("backfill", "demo", *JANUARY, "--again", "--quiet").returncode == 0
    assert len(rows(tmp_path)["orders"]) == 30 + 31
    assert tapdock("backfill", "demo", *JANUARY, "--quiet").returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "a backfill needs `--from` and `--to`"),
        (("--from", "2026-01-01", "--to", "2099-01-01"), "ends in the future"),
        (("--from", "2010-01-01", "--to", "2026-01-01", "--by", "hour"), "has more than 10,000 steps"),
        ((*JANUARY, "--by", "months"), "`--by months` is not `month`"),
        (("--from", "spool", "--to", "2026-01-01"), "`spool` is not a date or a time"),
        ((*JANUARY, "--exclude", "users.name"), "`--select` and `--exclude` leave out fields of `users`"),
        ((*JANUARY, "--by", "36h"), "the setting takes whole days, so it cannot be 2026-01-"),
    ],
)
def test_ranges_that_cannot_be_read_are_refused(project, tmp_path, words, message):
    ended = project()("backfill", "demo", *words, "--json")
    assert (ended.returncode, message in ended.stderr) == (2, True), ended.stderr
    told = json.loads(ended.stdout)
    assert (message in told["error"]["message"], told["exit_code"], told["runs"]) == (True, 2, [])
    assert objects(tmp_path) == {}


def test_a_backfill_says_that_it_runs_no_tasks(project, tmp_path):
    tapdock = project(source="source")
    file = tmp_path / "tapdock.yaml"
    whole = json.loads(file.read_text())
    whole["pipelines"]["demo"]["before"] = "t:x"
    whole["tasks"] = {"t": {"engine": "host", "commands": {"x": {"executable": "false"}}}}
    file.write_text(json.dumps(whole))
    ended = tapdock("backfill", "demo", *JANUARY)
    assert ended.returncode == 0, ended.stderr
    assert "note: a backfill does not run the tasks in `before` and `after` of `demo`" in ended.stderr
    ended = tapdock("backfill", "demo", "demo", *JANUARY)
    assert (ended.returncode, "a backfill is of one pipeline" in ended.stderr) == (2, True)


def test_two_backfills_of_a_pipeline_do_not_run_at_once(project, tmp_path, backend):
    tapdock = project()
    with backend.acquire("backfill/default:demo", holder_here("20261129T000000Z-other", since=0)):
        ended = tapdock("backfill", "demo", *JANUARY)
        assert ended.returncode == 7
        assert "another backfill of `default:demo` is running: run 20261129T000000Z-other" in ended.stderr
        assert "a backfill is running since 1970-01-01" in tapdock("backfill", "demo", "--status").stdout
        assert tapdock("run", "demo", *JANUARY, "--quiet").returncode == 0, "a run needs no lease of the backfill"
    assert rows(tmp_path)["users"] == list(range(1, 32))


@pytest.mark.slow
def test_a_signal_ends_the_step_and_the_next_call_reads_it_again(project, tmp_path, monkeypatch):
    flag = tmp_path / "data" / "users.jsonl"
    project("source", "days users", "forever orders")
    call = [sys.executable, "-m", "tapdock", "backfill", "demo", *QUARTER, "--json"]
    monkeypatch.setenv("TAPDOCK_ENGINE", "local")
    process = subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    stopper = threading.Thread(target=lambda: _when(flag.exists, lambda: process.send_signal(signal.SIGTERM)))
    stopper.start()
    stdout, stderr = process.communicate(timeout=60)
    stopper.join()
    assert process.returncode == 143, stderr
    told = json.loads(stdout)
    assert [(run["status"], run["window"]["from"]) for run in told["runs"]] == [("stopped", "2026-01-01")]
    assert (told["exit_code"], told["done"]) == (143, 0)
    ended = project()("backfill", "demo", *JANUARY, "--json")
    assert [window["from"] for window, _ in records(ended)] == ["2026-01-01"]


@pytest.mark.slow
def test_a_backfill_that_loses_its_lease_stops_and_counts_nothing(project, tmp_path, monkeypatch):
    """Another machine may run the same step now."""
    uri = f"sqlite:///{tmp_path}/state.db"
    project("source", "days users", "forever orders")
    file = tmp_path / "tapdock.yaml"
    file.write_text(json.dumps({**json.loads(file.read_text()), "state_backend": {"uri": uri}}))
    monkeypatch.setenv("TAPDOCK_ENGINE", "local")
    monkeypatch.setenv("TAPDOCK_LEASE_SECONDS", "4")
    call = [sys.executable, "-m", "tapdock", "backfill", "demo", *QUARTER, "--json"]
    process = subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    store = open_backend(uri, tmp_path)
    written = tmp_path / "data" / "users.jsonl"
    stopper = threading.Thread(target=lambda: _when(written.exists, lambda: store.unlock("backfill/default:demo")))
    stopper.start()
    stdout, stderr = process.communicate(timeout=60)
    stopper.join()
    assert process.returncode == 7, stderr
    assert "was released" in stderr
    told = json.loads(stdout)
    assert [run["status"] for run in told["runs"]] == ["stopped"]
    assert (told["done"], backfills.read(store, "default:demo").streams) == (0, {})


def _when(condition, act):
    deadline = time.monotonic() + 50
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    act()


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page(tmp_path, tapdock):
    """Follow the page with connectors of our own in place of its images."""
    (tmp_path / "data").mkdir()
    ran = []
    for step in page_steps("windows.md"):
        if step.file:
            text = step.text.replace("example/source-shop:1.0.0", str(CONNECTORS / "source.py"))
            text = text.replace("example/destination-lake:1.0.0", str(CONNECTORS / "destination.py"))
            text = text.replace("path: /data,", f"path: {tmp_path / 'data'},").replace(
                "./data:/data", "./data:/data:ro"
            )
            text = text.replace("      token:", "      steps: [days users, state]\n      token:")
            (tmp_path / step.file).write_text(text)
            continue
        words = shlex.split(step.command)[1:]
        ended = tapdock(*words, TAPDOCK_ENGINE="local", SHOP_TOKEN="t", LAKE_PASSWORD="p")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        ran += [(words[0], ended.stdout.splitlines()[-1])]
    (first, window), *backfills, (_, status) = ran
    assert (first, "window 2026-01-01 to 2026-02-01" in window) == ("run", True)
    assert [line for _, line in backfills] == [
        "demo: 3 of 3 steps are done",
        "demo: 5 of 5 steps are done, 3 of them before",
    ]
    assert status.split() == ["users", "2025-12-01", "2026-05-01"]
    assert rows(tmp_path)["users"][:31] == list(range(1, 32))
