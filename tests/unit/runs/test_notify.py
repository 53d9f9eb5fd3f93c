"""Messages about the end of runs: whole runs of small programs, and a real server that gets the messages."""

import json
import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from zlib import compress

import pytest

from engines.project import wait_for
from tapdock.errors import UsageError
from tapdock.project.model import Pipeline
from tapdock.project.secret import Secret
from tapdock.project.steps import Notify
from tapdock.runs.dagster_pipes import CONTEXT, MESSAGES
from tapdock.runs.notify import events_of, require_notifiable
from tapdock.runs.records import RunRecord, Seconds, StateRecord

pytestmark = pytest.mark.long
CONNECTORS = Path(__file__).parents[2] / "connectors"
WORD = "T0KEN-s3cret-in-the-path"


class Hook:
    """A server that records what it gets, and answers with `status`. With `holds`, it does not answer."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.holds = threading.Event()
        self.holds.set()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                hook.got.append(json.loads(self.rfile.read(length)))
                assert self.headers["Content-Type"] == "application/json"
                hook.holds.wait(60)
                self.send_response(hook.status)
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/services/{WORD}"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.holds.set()
    made.server.shutdown()
    made.server.server_close()


class Runs:
    """Runs the pipeline `demo` in its folder, with the steps of a source."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.notify: Any = {"events": ["failure", "recovery", "empty"], "url": "${HOOK}"}
        self.more: dict[str, Any] = {}
        self.job: dict[str, Any] = {}
        self.environ: dict[str, str] = {}

    def __call__(self, *steps: str) -> "subprocess.CompletedProcess[str]":
        with self.started(*steps) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def started(self, *steps: str, words: list[str] | None = None) -> "subprocess.Popen[str]":
        (self.folder / "data").mkdir(exist_ok=True)
        source = {
            "image": str(CONNECTORS / "source.py"),
            "kind": "airbyte",
            "config": {"token": "x", "steps": list(steps)},
        }
        target = {"image": str(CONNECTORS / "target.py"), "kind": "singer"}
        target["config"] = {"path": str(self.folder / "data" / "rows.jsonl")}
        pipeline = {"source": "a", "target": "b", "notify": self.notify, **self.more}
        task = {"engine": "host", "commands": {"bad": {"executable": "false"}, "ok": {"executable": "true"}}}
        content = {"version": 1, "sources": {"a": source}, "targets": {"b": target}, "pipelines": {"demo": pipeline}}
        content["tasks"] = {"t": task}
        content["jobs"] = {"nightly": self.job} if self.job else {}
        (self.folder / "tapdock.yaml").write_text(json.dumps(content))
        environ = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        environ |= {
            "HOME": str(self.folder),
            "TAPDOCK_ENGINE": "local",
            "HOOK": self.url,
            "no_proxy": "*",
            **self.environ,
        }
        words = [sys.executable, "-m", "tapdock", *(words or ["run", "nightly" if self.job else "demo"])]
        pipe = subprocess.PIPE
        return subprocess.Popen(words, cwd=self.folder, env=environ, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def run(tmp_path, hook) -> Runs:
    return Runs(tmp_path, hook.url)


GOOD, BAD, EMPTY = ("numbers users", "state"), ("state", "exit 1"), ("state",)


def test_failure_recovery_and_no_records(run, hook, tmp_path):
    """Each is told once. The address is in no output and in no file."""
    codes = [run(*steps) for steps in (BAD, GOOD, EMPTY)]
    assert [done.returncode for done in codes] == [3, 0, 0], codes[0].stderr
    assert [(each["event"], each["exit_code"]) for each in hook.got] == [("failure", 3), ("recovery", 0), ("empty", 0)]
    failure, recovery, _ = hook.got
    assert failure["text"].startswith("tapdock: demo failed with exit code 3: ")
    assert failure["error"]["side"] == "source"
    assert "works again" in recovery["text"]
    output = "".join(done.stdout + done.stderr for done in codes)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert WORD not in output
    assert [path for path in files if WORD.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    "hooks", [{"after": "t:bad"}, pytest.param({"before": "t:bad"}, marks=pytest.mark.slow)], ids=str
)
def test_a_failed_hook_is_a_failure_and_then_a_recovery(run, hook, hooks, tmp_path):
    """For Dagster, too: one asset for the whole pipeline is not materialized."""
    params = {CONTEXT: {"data": {"asset_keys": ["whole"]}}, MESSAGES: {"path": str(tmp_path / "messages")}}
    run.environ = {name: b64encode(compress(json.dumps(each).encode())).decode() for name, each in params.items()}
    run.more = {**hooks}
    done = run(*GOOD)
    sent = [json.loads(line) for line in (tmp_path / "messages").read_text().splitlines()]
    assert "report_asset_materialization" not in [each["method"] for each in sent]
    assert "task `t:bad`, which runs" in sent[-2]["params"]["message"]
    assert (done.returncode, [each["event"] for each in hook.got]) == (11, ["failure"]), done.stderr
    assert "task `t:bad`, which runs" in hook.got[0]["text"]
    run.more = {"before": "t:ok", "after": "t:ok"}
    done = run(*GOOD)
    assert (done.returncode, [each["event"] for each in hook.got]) == (0, ["failure", "recovery"]), done.stderr


def test_a_job_sends_one_message(run, hook, tmp_path):
    run.job = {"steps": ["demo", "t:ok"], "notify": run.notify}
    run.notify = []
    done = run(*BAD)
    assert (done.returncode, len(hook.got)) == (3, 1), done.stderr
    failure = hook.got[0]
    assert failure["text"].startswith("tapdock: job nightly failed with exit code 3: demo: ")
    assert (failure["event"], failure["job"], failure["exit_code"]) == ("failure", "nightly", 3)
    assert [(each["place"], each["name"], each["exit_code"]) for each in failure["runs"]] == [("nightly/1", "demo", 3)]
    assert failure["not_started"] == ["t:ok"]
    run.job["after"] = {"success": "t:bad"}
    assert run(*GOOD).returncode == 11
    assert "failed with exit code 11: task `t:bad`, which runs after `nightly`, failed" in hook.got[1]["text"]
    run.job["after"] = []
    assert run(*GOOD).returncode == 0
    assert run(*EMPTY).returncode == 0
    assert [each["event"] for each in hook.got] == ["failure", "failure", "recovery", "empty"]
    with run.started(words=["config", "show"]) as process:
        shown, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert ("jobs.nightly.notify" in shown, WORD in shown) == (True, False)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and WORD.encode() in path.read_bytes()] == []


def test_a_job_without_its_address_does_not_start(run, hook):
    run.job = {"steps": ["demo"], "before": "t:ok", "notify": {"url": "${NOTHING}"}}
    run.notify = []
    done = run(*GOOD)
    assert (done.returncode, "needs the variable `NOTHING`" in done.stderr) == (2, True), done.stderr
    assert not (run.folder / ".tapdock" / "runs").exists()


def test_a_job_that_was_killed_recovers_later(run, hook):
    run.job = {"steps": ["demo", "t:ok"], "notify": run.notify}
    run.notify = []
    with run.started("state", "silent") as process:
        wait_for((run.folder / ".tapdock" / "jobs" / "default" / "nightly.json").exists, "the start of the job")
        process.kill()
        process.communicate(timeout=60)
    assert run(*GOOD).returncode == 0
    assert [each["event"] for each in hook.got] == ["recovery"]


@pytest.mark.slow
def test_a_retry_is_not_a_recovery(run, hook, tmp_path):
    """The failed attempt before it does not count: nobody was told of a failure."""
    run.more = {"retries": 1}
    done = run(f"once {tmp_path / 'tried'}", *GOOD)
    assert (done.returncode, hook.got) == (0, []), done.stderr
    assert "demo failed; retrying" in done.stderr


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (500, {}, "answered with HTTP status 500"),
        pytest.param(302, {"Location": "/elsewhere"}, "answered with HTTP status 302", marks=pytest.mark.slow),
    ],
)
def test_an_address_that_fails_is_one_warning(run, hook, status, headers, reason):
    hook.status, hook.headers = status, headers
    done = run(*BAD)
    assert done.returncode == 3
    warnings = [line for line in done.stderr.splitlines() if "no message about the failure" in line]
    assert len(warnings) == 1
    assert reason in warnings[0]
    assert len(hook.got) == 1
    assert WORD not in done.stderr + done.stdout


@pytest.mark.slow
def test_an_address_where_nobody_listens(run):
    run.url = f"http://127.0.0.1:9/{WORD}"
    done = run(*BAD)
    assert done.returncode == 3
    assert "cannot be reached: Connection refused" in done.stderr
    assert WORD not in done.stderr + done.stdout


@pytest.mark.slow
def test_an_address_that_does_not_answer(run, hook):
    hook.holds.clear()
    done = run(*BAD)
    assert done.returncode == 3
    assert "did not answer within 10 s" in done.stderr


def test_a_command_gets_the_message(run, tmp_path):
    program = tmp_path / "tell"
    program.write_text(f"#!/bin/sh\ncat >{tmp_path}/told\n")
    program.chmod(0o755)
    run.notify = {"events": ["failure"], "command": [str(program)]}
    assert run(*BAD).returncode == 3
    assert json.loads((tmp_path / "told").read_text())["event"] == "failure"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "reason"), [("/no/such", "cannot be started: No such file"), ("false", "exited with 1")]
)
def test_a_command_that_fails_is_a_warning(run, command, reason):
    run.notify = {"events": ["failure"], "command": [command]}
    done = run(*BAD)
    assert done.returncode == 3
    assert reason in done.stderr


def test_an_empty_address_tells_nobody(run):
    run.url = ""
    done = run(*BAD)
    assert (done.returncode, "no message" in done.stderr) == (3, False)


def test_an_address_that_is_none_fails_the_run(run):
    """It would otherwise be noticed only when a message cannot be sent."""
    run.url = WORD
    done = run(*GOOD)
    assert (done.returncode, "`notify.url` from ${HOOK} is not an address" in done.stderr) == (2, True)
    assert WORD not in done.stderr + done.stdout


@pytest.mark.parametrize(
    "text", ["ftp://x/y", "https://", "https://x:port/", "http://x/ y\n", "javascript:1", "https://[::1"]
)
def test_what_is_not_an_address(text):
    pipeline = Pipeline(name="p", source="a", target="b", notify=(Notify(events=("failure",), url=Secret(text)),))
    with pytest.raises(UsageError) as raised:
        require_notifiable(pipeline.notify)
    assert text not in raised.value.message


def record(status: Any, code: int | None) -> RunRecord:
    return RunRecord(
        run_id="20261129T000000Z-1",
        pipeline="demo",
        state_id="default:a-to-b",
        started_at="2026-11-29T00:00:00.000+00:00",
        status=status,
        exit_code=code,
        state=StateRecord(committed=0, backend="x"),
        seconds=Seconds(total=1),
    )


@pytest.mark.parametrize(
    ("now", "before", "events"),
    [
        (record("failed", 3), None, ("failure",)),
        (record("failed", 3), record("failed", 3), ("failure",)),
        (record("failed", 7), None, ()),  # another run has the state: skipped
        (record("stopped", 143), None, ()),
        (record("succeeded", 0), None, ("empty",)),
        (record("succeeded", 0), record("failed", 3), ("recovery", "empty")),
        (record("succeeded", 0), record("killed", None), ("recovery", "empty")),
        (record("succeeded", 0), record("succeeded", 0), ("empty",)),
    ],
)
def test_what_a_run_means(now, before, events):
    assert events_of(now, before) == events
