"""Tests the Python API with connectors that are programs of this machine: runs, errors, threads and Ctrl-C."""

import asyncio
import json
import signal
import subprocess
import sys
import threading

import pytest

import tapdock

pytestmark = pytest.mark.long


def test_import_alone_imports_nothing_of_the_package():
    code = (
        "import sys, tapdock; print(sorted(n for n in sys.modules if n.startswith(('tapdock.', 'typer', 'msgspec'))))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("name", tapdock.__all__)
def test_every_name_is_there(name):
    assert getattr(tapdock, name) is not None


def test_a_name_that_does_not_exist():
    with pytest.raises(AttributeError, match="no attribute `lod`"):
        tapdock.lod  # noqa: B018


def test_a_run_returns_its_record_and_prints_nothing(load, capfd):
    counts, lines = [], []
    project = load("until users 50", "state")
    record = project.run("demo", on_message=lines.append, on_progress=counts.append)
    assert (record.status, record.exit_code, record.state_id) == ("succeeded", 0, "default:shop-to-lake")
    assert [(each.stream, each.records, each.status) for each in record.streams] == [("users", 50, "complete")]
    assert counts[-1].records == 50
    assert capfd.readouterr() == ("", "")
    state = project.state("demo")
    assert state
    assert state.run_id == record.run_id
    assert json.loads(state.state)[0]["stream"]["stream_state"] == {"id": 50}
    assert project.record(record.run_id) == project.record() == record
    assert project.run("shop", "lake").streams[0].records == 0, "it resumes"
    assert project.run("demo", full_refresh=True).streams[0].records == 50


def test_a_failed_run_raises_the_error_of_the_command_line(load):
    project = load("until users 5", "error - config_error", "exit 3")
    with pytest.raises(tapdock.SourceError, match=r"the source exited with 3: - broke") as caught:
        project.run("demo")
    assert caught.value.exit_code == 3
    assert caught.value.run_id
    assert project.record(caught.value.run_id).exit_code == 3
    assert caught.value.__notes__ == [f"hint: {caught.value.hint}"]
    record = project.run("demo", check=False)
    assert (record.status, record.error.message) == ("failed", caught.value.message)


def test_a_job_returns_the_results_of_its_steps(load, capfd):
    lines = []
    project = load("until users 5", "state", jobs={"nightly": ["demo", {"parallel": ["shop lake"]}]})
    done = project.run_job("nightly", on_message=lines.append)
    assert [(run.place, run.record.pipeline, run.record.exit_code) for run in done.runs] == [
        ("nightly/1", "demo", 0),
        ("nightly/2/1", "shop-to-lake", 0),
    ]
    assert (done.job, done.exit_code, done.not_started, done.errors, done.failed) == ("nightly", 0, (), (), ())
    assert any(line.startswith("demo: ") for line in lines)
    assert project.record() == done.runs[1].record
    assert capfd.readouterr() == ("", "")


def test_a_failed_job_raises_the_first_error_or_returns_all_results(load):
    project = load("until users 5", "exit 3", jobs={"nightly": ["demo", "shop lake"], "both": ["nightly", "demo"]})
    with pytest.raises(tapdock.SourceError, match="exited with 3") as caught:
        project.run_job("nightly")
    assert project.record(caught.value.run_id).pipeline == "demo"
    done = project.run_job("both", check=False)
    assert (done.exit_code, done.not_started) == (3, ("shop-to-lake", "demo"))
    assert [record.pipeline for record in done.failed] == ["demo"]
    with pytest.raises(tapdock.UsageError, match="there is no job `nightli`") as raised:
        project.run_job("nightli")
    assert raised.value.hint == "did you mean `nightly`?"
    with pytest.raises(tapdock.UsageError, match="`nightly` is a job") as raised:
        project.run("nightly")
    assert raised.value.hint == '`project.run_job("nightly")`'
    with pytest.raises(tapdock.UsageError, match="would run at the same time with one state"):
        load(jobs={"same": [{"parallel": ["demo", "shop lake"]}]}).run_job("same")


def test_a_failed_task_of_a_job_is_its_error_whatever_its_code(load):
    """`curl` ends with 7 if it cannot connect, which would mean that another run has the state."""
    project = load(commands={"x": {"executable": "sh", "args": ["-c", "exit 7"]}}, jobs={"nightly": ["task:x", "demo"]})
    with pytest.raises(tapdock.TaskError, match=r"task `task:x` failed \(exit code 7\)"):
        project.run_job("nightly")
    done = project.run_job("nightly", check=False)
    assert (done.exit_code, done.runs[0].record.exit_code, done.not_started) == (11, 7, ("demo",))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ((), "a run needs one pipeline"),
        (("dmo",), "there is no pipeline, source or target `dmo`"),
        (("shop",), "must be followed by a target"),
        (("demo", "demo"), "a run needs one pipeline"),
    ],
)
def test_what_cannot_be_run_is_refused(load, blocks, message):
    with pytest.raises(tapdock.UsageError, match=message):
        load().run(*blocks)


def test_a_project_that_cannot_be_loaded(tmp_path, load, environ):
    with pytest.raises(tapdock.UsageError, match=r"there is no tapdock\.yaml"):
        tapdock.load(tmp_path / "nothing")
    load()
    with pytest.raises(tapdock.UsageError, match="no environment `prd`"):
        tapdock.load(tmp_path, environment="prd", environ=environ)
    assert tapdock.load(tmp_path, environment="prod", environ=environ).environment == "prod"
    with pytest.raises(tapdock.UsageError, match="neither a pipeline nor a state `dmo`"):
        load().state("dmo")
    assert load().state("demo") is None


def test_files_of_variables(load, tmp_path):
    load("expect from-a-file", "until users 1")
    (tmp_path / "more").write_text("TOKEN=from-a-file\n")
    project = tapdock.load(tmp_path, env_files=[tmp_path / "more"], environ={"TAPDOCK_ENGINE": "local"})
    assert len(list(project.sources["shop"].read())) == 1


def test_streams_and_checks(load):
    project = load("until users 1")
    (stream,) = project.sources["shop"].streams()
    assert (str(stream.key), stream.source_defined_primary_key) == ("users", (("id",),))
    assert project.sources["shop"].check().succeeded
    assert project.targets["lake"].check().is_partial
    assert project.pipelines["demo"].source == "shop"


FAILING = """#!/bin/sh
case "$1" in
    spec) echo '{"type": "SPEC", "spec": {"connectionSpecification": {}}}' ;;
    *) echo '{"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": "no such account"}}' ;;
esac
"""


def test_a_failed_check_is_an_error(load, tmp_path):
    (tmp_path / "failing").write_text(FAILING)
    (tmp_path / "failing").chmod(0o755)
    project = load(keys={"image": str(tmp_path / "failing")})
    with pytest.raises(tapdock.SourceError, match="source `shop` failed its check: no such account"):
        project.sources["shop"].check()


def test_no_secret_is_in_a_text_of_an_object_or_an_error(load, secret):
    project = load("betray", "exit 1")
    shown = [repr(each) for each in (project, project.sources, project.targets, project.pipelines)]
    lines: list[str] = []
    with pytest.raises(tapdock.SourceError, match=r"wrong token \[secret\]") as caught:
        project.run("demo", on_message=lines.append)
    with pytest.raises(tapdock.SourceError, match=r"wrong token \[secret\]") as read:
        list(project.sources["shop"].read(on_message=lines.append))
    for error in (caught.value, read.value):
        shown += [str(error), repr(error), error.hint or "", *error.__notes__]
        assert error.__cause__ is error.__context__ is None
    assert secret not in " ".join([*shown, *lines])


def test_each_call_reads_the_secret_of_a_program_once_and_hides_all_of_them(load, tmp_path):
    program = tmp_path / "token"
    program.write_text('#!/bin/sh\necho x >> calls\necho "t0ken-number-$(wc -l < calls)"\n')
    program.chmod(0o755)
    project = load("betray", "exit 1", token="${exec:./token}")
    for call in (1, 2):
        with pytest.raises(tapdock.SourceError, match=r"wrong token \[secret\]"):
            project.run("demo")
        assert (tmp_path / "calls").read_text() == "x\n" * call


def test_an_error_of_a_callback_is_raised_after_the_run(load):
    def failing(_):
        raise ZeroDivisionError

    project = load("until users 50", "state")
    with pytest.raises(ZeroDivisionError):
        project.run("demo", on_progress=failing)
    assert project.record().status == "succeeded"
    assert project.state("demo")


def test_a_running_event_loop_does_not_matter(load):
    project = load("until users 3")

    async def cell():
        return project.run("demo"), list(project.sources["shop"].read())

    record, found = asyncio.run(cell())
    assert (record.status, len(found)) == ("succeeded", 3)


def test_a_second_run_of_a_state_is_refused_in_another_thread(load):
    project = load("until users 5", "state")
    entered, leave, statuses = threading.Event(), threading.Event(), []

    def held(_):
        entered.set()
        assert leave.wait(60)

    thread = threading.Thread(target=lambda: statuses.append(project.run("demo", on_progress=held).status))
    thread.start()
    assert entered.wait(60)
    with pytest.raises(tapdock.LeaseHeld, match="default:shop-to-lake"):
        project.run("demo")
    leave.set()
    thread.join(60)
    assert statuses == ["succeeded"]


def test_runs_in_threads_do_not_share_anything(load, tmp_path):
    project = load("until users 20", "state")
    found: dict[str, list] = {"run": [], "read": []}
    threads = [
        threading.Thread(target=lambda: found["run"].append(project.run("demo").status)),
        *(
            threading.Thread(target=lambda: found["read"].append(len(list(project.sources["shop"].read()))))
            for _ in range(3)
        ),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found == {"run": ["succeeded"], "read": [20, 20, 20]}


INTERRUPTED = """
import os, signal, sys, tapdock
project = tapdock.load(sys.argv[1])
sent = []
def show(counts):
    if counts.records and not sent:
        sent.append(1)
        os.kill(os.getpid(), signal.SIGINT)
try:
    project.run("demo", on_progress=show)
except KeyboardInterrupt:
    record = project.record()
    print(record.status, record.exit_code, project.state("demo") is not None)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


def test_ctrl_c_stops_a_run_in_order(load, tmp_path, environ):
    load("until users 5", "state", "forever users")
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**environ, "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
    )
    assert (ended.stdout, ended.stderr) == ("stopped 130 True\n", "")


def test_a_handler_of_the_program_is_left_alone(load):
    mine = lambda *_: None  # noqa: E731
    before = signal.signal(signal.SIGINT, mine)
    seen = []
    try:
        load("until users 5").run("demo", on_progress=lambda _: seen.append(signal.getsignal(signal.SIGINT)))
        assert set(seen) == {mine}
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)
