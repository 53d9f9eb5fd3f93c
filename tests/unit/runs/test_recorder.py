"""Tests how the recorder handles a run's events, and failures during that."""

import dataclasses
import json
import os
import queue
import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from engines.project import wait_for
from tapdock.connectors.context import Context
from tapdock.connectors.images import making
from tapdock.engines.local import LocalEngine
from tapdock.errors import ContainerGone, EngineError, StateError, TargetError
from tapdock.events import Committed, Failed, Logged, Progress, RelayReady, Renewed, Rotated, SetAside
from tapdock.log import Log
from tapdock.project.load import load
from tapdock.relay.messages import Abort
from tapdock.relay.signals import Signals
from tapdock.runs import recorder as module
from tapdock.runs import unsaved
from tapdock.runs.recorder import Recorder
from tapdock.state.backends.file import FileBackend
from tapdock.translate.base import TranslateOptions

PROJECT = """\
version: 1
sources: {s: {image: x, config: {password: s3cr3t-word}}}
targets: {t: {image: y}}
"""


class Held:
    """A leased state whose writes fail as often as `troubles` has entries."""

    def __init__(self, *troubles):
        self.troubles = list(troubles)
        self.saved = []

    def save(self, state, **given):
        if self.troubles and (trouble := self.troubles.pop(0)):
            raise trouble
        self.saved.append((state, dict(given["generations"])))


class Run:
    """A recorder and its inputs."""

    def __init__(self, folder: Path, held: Held | None, **given):
        (folder / "tapdock.yaml").write_text(PROJECT)
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()
        self.lines: list[str] = []
        self.shown: list[Progress] = []
        context = Context(
            engine=LocalEngine(),
            project=load(folder / "tapdock.yaml", environment=None, environ={}),
            backend=FileBackend(folder / "states"),
            relay_image=lambda: "",
            making=making({}),
            progress=self.lines.append,
            log=self.lines.append,
            signals=Signals(self.lines.append),
            now=lambda: 1795346553.0,
        )
        context.redactor.learn(["s3cr3t-word"])
        self.private = context.project.private
        log = Log("r1", write=self.lines.append, format="json", level="debug")
        self.recorder = Recorder(context, run_id="r1", log=log, show=self.shown.append)
        connector = context.project.sources["s"]
        config = SimpleNamespace(given={}, rules=None)
        source, mapper, target = (
            SimpleNamespace(kind="singer", connector=dataclasses.replace(connector, role=role))
            for role in ("source", "mapper", "target")
        )
        prepared = SimpleNamespace(
            source=source,
            target=target,
            sides=((source, config), (mapper, config), (target, config)),
            state_id="default:s-to-t",
            route="singer-singer",
            streams=(),
            landed=(),
            translation=TranslateOptions(),
        )
        self.recorder.begin(prepared, held, self.inbox, {"users": 1}, **given)

    def done(self):
        """Finish the recorder, and return it."""
        self.recorder.finish()
        return self.recorder

    def log(self) -> list[dict]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def orders(self) -> list:
        found = []
        while not self.inbox.empty():
            found.append(self.inbox.get())
        return found


def test_states_are_saved_and_counted(tmp_path):
    held = Held()
    run = Run(tmp_path, held)
    run.recorder(RelayReady())
    run.recorder(Committed('{"a":1}'))
    run.recorder(Renewed("users", 7))
    wait_for(lambda: held.saved, "the first state")
    run.recorder(Committed('{"a":2}'))
    run.done()
    assert held.saved == [('{"a":1}', {"users": 1}), ('{"a":2}', {"users": 7})]
    assert run.recorder.commits == 2
    assert run.orders() == []
    assert run.recorder.unsaved is None


def test_a_run_that_saves_nothing(tmp_path):
    run = Run(tmp_path, None)
    run.recorder(Committed('{"a":1}'))
    assert run.done().commits == 0


@pytest.mark.parametrize(
    "trouble", [StateError("s3://b is gone", hint="look"), OSError(28, "No space left"), KeyError("x")]
)
def test_a_state_that_cannot_be_saved_is_kept_in_a_file_and_logged(tmp_path, trouble):
    run = Run(tmp_path, Held(trouble))
    run.recorder(Committed('{"a":1}'))
    run.done()
    file = run.private / "unsaved-default-s-to-t.json"
    assert file.read_text() == '{"a":1}'
    assert file.stat().st_mode & 0o777 == 0o600
    assert run.recorder.commits == 0
    assert run.recorder.unsaved.file == file
    (order,) = run.orders()
    assert isinstance(order, Abort)
    assert order.exit_code == 6
    (told,) = [line for line in run.log() if line["event"] == "the state could not be saved"]
    assert told["file"] == str(file)
    assert told["level"] == "error"


def test_a_later_state_that_is_saved_makes_up_for_it(tmp_path):
    """The last state of a run is saved, although the run was ended because the first one could not be saved."""
    held = Held(StateError("gone"), None)
    run = Run(tmp_path, held)
    run.recorder(Committed('{"a":1}'))
    file = wait_for(lambda: run.recorder.unsaved, "the failure").file
    run.recorder(Committed('{"a":2}'))
    run.done()
    assert held.saved == [('{"a":2}', {"users": 1})]
    assert run.recorder.unsaved is None
    assert not file.exists(), "`state set` with it would go back"


def test_where_no_file_can_be_written(tmp_path, monkeypatch):
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    run = Run(tmp_path, Held(StateError("gone")))
    object.__setattr__(run.recorder._context.project, "private", blocked / "x")
    monkeypatch.setattr(unsaved.tempfile, "gettempdir", lambda: str(blocked))
    run.recorder(Committed('{"a":1}'))
    assert run.done().unsaved.file is None


def test_behind_a_record_that_is_lost_nothing_is_saved_or_counted(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.records, "set_aside", full)
    held = Held()
    run = Run(tmp_path, held)
    run.recorder(Committed('{"a":1}'))
    wait_for(lambda: held.saved, "the first state")
    run.recorder(SetAside(stream="users", reason="bad", record="{}"))
    run.recorder(Committed('{"a":2}'))
    run.done()
    assert [state for state, _ in held.saved] == ['{"a":1}']
    assert run.recorder.commits == 1
    assert run.recorder.failed.exit_code == 8
    assert "No space left" in run.recorder.failed.message
    assert [order.exit_code for order in run.orders()] == [8]


def test_a_config_changes_a_hundred_times_at_most_and_states_are_saved_all_the_same(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(module.operations, "keep_rotated", lambda *given: kept.append(given[-1]))
    held = Held()
    run = Run(tmp_path, held)
    for number in range(103):
        run.recorder(Rotated("target", f'{{"token":{number}}}'))
    run.recorder(Committed('{"a":1}'))
    run.done()
    assert len(kept) == 101
    assert kept[-1] == '{"token":102}', "the newest token is the only one that is valid"
    assert "more than 100 times" in run.recorder.failed.message
    assert run.recorder.failed.side == "target"
    assert {order.exit_code for order in run.orders()} == {4}
    assert len(held.saved) == 1


@pytest.mark.parametrize("side", ["source", "mapper", "target"])
def test_a_changed_config_is_kept_for_the_side_that_changed_it(tmp_path, monkeypatch, side):
    kept = []
    monkeypatch.setattr(module.operations, "keep_rotated", lambda _, connector, *_given: kept.append(connector.role))
    run = Run(tmp_path, Held())
    run.recorder(Rotated(side, '{"token":1}'))
    run.done()
    assert kept == [side]


def test_whatever_goes_wrong_here_ends_the_run_in_order_and_is_logged(tmp_path):
    run = Run(tmp_path, Held())

    def broken(_):
        raise ZeroDivisionError("s3cr3t-word by nothing")

    run.recorder._show = broken
    run.recorder(Progress((), 0, 0))
    (order,) = run.orders()
    assert order.exit_code == 1
    assert "ZeroDivisionError" in run.recorder.failed.message
    assert any("Traceback" in line.get("traceback", "") for line in run.log())
    assert not any("s3cr3t-word" in line for line in run.lines)


def test_what_a_side_prints_on_stdout_is_its_reason(tmp_path):
    run = Run(tmp_path, Held())
    run.recorder.output.stderr("target")("starting")
    run.recorder(Logged("target", "info", "ERROR: disk quota of s3cr3t-word exceeded\n", printed=True))
    run.recorder(Logged("target", "info", "an info message of the connector"))
    assert run.recorder.output.words["target"].last == "ERROR: disk quota of [secret] exceeded"
    assert run.recorder.output.words["target"].printed == "ERROR: disk quota of [secret] exceeded"
    assert run.recorder.output.words["source"].printed == ""
    run.recorder(Logged("target", "info", "x" * 10_000, printed=True))
    assert len(run.recorder.output.words["target"].printed) == 500
    run.recorder(Failed(side="target", message="no space"))
    run.recorder(Logged("target", "info", "bye", printed=True))
    assert (run.recorder.output.words["target"].last, run.recorder.output.words["target"].printed) == ("no space", "")


def test_no_event_gives_a_secret_away(tmp_path):
    run = Run(tmp_path, Held())
    run.recorder(Logged("source", "error", "wrong s3cr3t-word"))
    run.recorder(Failed(side="target", message="m s3cr3t-word", reason="r s3cr3t-word", internal="i s3cr3t-word"))
    run.recorder.output.stderr("source")("e s3cr3t-word")
    assert len(run.lines) == 4
    assert not any("s3cr3t-word" in line for line in run.lines)
    assert [run.recorder.output.words[side].last for side in ("source", "target")] == ["wrong [secret]", "m [secret]"]


class Slow(Held):
    """A server that answers only when the test lets it."""

    def __init__(self):
        super().__init__()
        self.asked, self.answers = threading.Event(), threading.Event()

    def save(self, state, **given):
        self.asked.set()
        assert self.answers.wait(60)
        super().save(state, **given)


def test_a_slow_server_holds_nothing_up_and_gets_the_last_state(tmp_path):
    held = Slow()
    run = Run(tmp_path, held)
    run.recorder(Committed('{"a":1}'))
    assert held.asked.wait(60)
    for number in range(2, 6):
        run.recorder(Committed(f'{{"a":{number}}}'))
    held.answers.set()
    run.done()
    assert [state for state, _ in held.saved] == ['{"a":1}', '{"a":5}']


def test_a_second_signal_does_not_wait_for_a_slow_server(tmp_path, monkeypatch):
    held = Slow()
    monkeypatch.setattr(module, "_LAST_SECONDS", 0.2)
    run = Run(tmp_path, held)
    run.recorder(Committed('{"a":1}'))
    assert held.asked.wait(60)
    run.recorder(Rotated("source", '{"token":"new"}'))
    signals = run.recorder._context.signals
    with signals, signals.orders(run.inbox, doing="waiting for the target"):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        unsaved = run.done().unsaved
    assert "second signal" in unsaved.error.message
    assert unsaved.file.read_text() == '{"a":1}'
    assert any("before a rotated config was kept" in line["event"] for line in run.log())
    held.answers.set()


def test_a_second_signal_leaves_a_server_that_answers_its_time(tmp_path):
    held = Held()
    run = Run(tmp_path, held)
    run.recorder(Committed('{"a":1}'))
    signals = run.recorder._context.signals
    with signals, signals.orders(run.inbox, doing="waiting for the target"):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        assert run.done().unsaved is None
    assert len(held.saved) == 1


def test_no_state_is_saved_for_rows_that_are_lost_with_the_targets_container(tmp_path):
    held = Held()
    run = Run(tmp_path, held, lost_rows=lambda: TargetError("into its own container", hint="a mount"))
    run.recorder(Committed('{"a":1}'))
    run.recorder(Committed('{"a":2}'))
    recorder = run.done()
    assert (held.saved, recorder.commits, recorder.unsaved) == ([], 0, None)
    assert recorder.failed.exit_code == 4
    assert run.orders() == [Abort(exit_code=4, message="into its own container", hint="a mount")]


def test_the_state_that_was_acknowledged_before_rows_are_lost_stays(tmp_path):
    """The target first writes into its container after its first acknowledgement."""
    held, answers = Held(), [None, TargetError("into its own container")]
    run = Run(tmp_path, held, lost_rows=lambda: answers.pop(0))
    run.recorder(Committed('{"a":1}'))
    wait_for(lambda: held.saved, "the first state")
    run.recorder(Committed('{"a":2}'))
    assert run.done().failed.exit_code == 4
    assert held.saved == [('{"a":1}', {"users": 1})]


@pytest.mark.parametrize("held", [None, Held()])
def test_rows_are_looked_for_at_the_end_without_any_state(tmp_path, held):
    run = Run(tmp_path, held, lost_rows=lambda: TargetError("into its own container"))
    recorder = run.done()
    assert recorder.failed.exit_code == 4
    recorder.finish()
    assert len(run.orders()) == 1


def test_a_check_that_fails_saves_nothing(tmp_path):
    def lost_rows():
        raise EngineError("the engine did not answer")

    held = Held()
    run = Run(tmp_path, held, lost_rows=lost_rows)
    run.recorder(Committed('{"a":1}'))
    recorder = run.done()
    assert (held.saved, recorder.failed.exit_code) == ([], 8)
    assert {order.exit_code for order in run.orders()} == {8}
    assert recorder.unsaved.file.read_text() == '{"a":1}'


@pytest.mark.parametrize("commits", [0, 1])
def test_a_container_that_is_gone_is_only_an_error_if_a_state_waits(tmp_path, commits):
    """Without a state, the run has failed for another reason before."""

    def lost_rows():
        raise ContainerGone("gone")

    held = Held()
    run = Run(tmp_path, held, lost_rows=lost_rows)
    for _ in range(commits):
        run.recorder(Committed('{"a":1}'))
    recorder = run.done()
    assert (held.saved, recorder.failed) == ([], None)
    assert (recorder.unsaved is not None) is (commits == 1)


def test_a_check_that_outlasts_a_second_signal_does_not_end_in_a_save(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LAST_SECONDS", 0.2)
    begun, over = threading.Event(), threading.Event()

    def lost_rows():
        begun.set()
        assert over.wait(20)

    held = Held()
    run = Run(tmp_path, held, lost_rows=lost_rows)
    run.recorder(Committed('{"a":1}'))
    assert begun.wait(20)
    signals = run.recorder._context.signals
    with signals, signals.orders(run.inbox, doing="waiting for the target"):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        recorder = run.done()
    kept = recorder.unsaved.file
    over.set()
    recorder._worker.join(20)
    assert held.saved == []
    assert kept.read_text() == '{"a":1}'
