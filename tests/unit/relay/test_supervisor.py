"""Tests how the relay ends a run, with threads as connectors, on real pipes, without any container."""

import os
import queue
import threading
from pathlib import Path

import msgspec
import pytest

from engines.project import wait_for
from support.pod import QUICK, SCHEMA, Launcher, Pod, drained_until_end, finish_source
from tapdock.events import Event, Finished, Killed, Logged
from tapdock.launch import InputFile
from tapdock.relay.messages import Exited, Kill, Stop, ThreadEnded
from tapdock.relay.plan import Collection
from tapdock.translate.base import TranslateOptions

pytestmark = pytest.mark.long


def test_all_is_well_without_an_engine(tmp_path):
    """In a pod that another scheduler starts, only the pipe reports the exit code of a connector."""
    pod = Pod(tmp_path)
    finish_source(pod)
    drained_until_end(pod)
    assert pod.ended().exit_code == 0, pod.verdict


def test_an_engine_that_is_faster_than_the_pipe(tmp_path):
    """The engine's exit code is known before the one from the pipe is read."""
    pod = Pod(tmp_path, engine=True, greet=False)
    pod.inbox.put(Exited("source", 3))
    wait_for(pod.inbox.empty, "that word")
    pod.source.say("hello\n")
    pod.target.say("hello\n")
    finish_source(pod)
    drained_until_end(pod)
    verdict = pod.ended()
    assert (verdict.exit_code, verdict.message) == (3, "the source exited with 3")


@pytest.mark.parametrize("only_complete", [False, True])
def test_an_exit_code_of_the_engine_counts_more_than_the_pipe(tmp_path, only_complete):
    """A connector can write `exit 0` into the pipe.

    If rows would be replaced, the target must not see the end of its input.
    """
    pod = Pod(tmp_path, engine=True, only_complete=only_complete)
    finish_source(pod)
    if only_complete:
        pod.inbox.put(Exited("source", 3))
        assert os.read(pod.target.orders, 10) == b"", "killed, and not told `end`"
        pod.target.leave()
        pod.inbox.put(Exited("target", 137))
    else:
        wait_for(lambda: Finished("source", 0) in pod.events, "what the pipe reports")
        drained_until_end(pod)
        pod.inbox.put(Exited("target", 0))
        pod.inbox.put(Exited("source", 3))
    verdict = pod.ended()
    assert (verdict.exit_code, verdict.side, verdict.source_code) == (3, "source", 3)
    reported = "the source reported exit code 0, but its container exited with 3"
    assert verdict.message == ("the source exited with 3" if only_complete else reported)


def test_an_engine_that_confirms_success(tmp_path):
    pod = Pod(tmp_path, engine=True, only_complete=True)
    finish_source(pod)
    pod.inbox.put(Exited("source", 0))
    drained_until_end(pod)
    pod.inbox.put(Exited("target", 0))
    assert pod.ended().exit_code == 0, pod.verdict


@pytest.mark.parametrize("asked", [False, True])
def test_a_source_that_reports_its_exit_and_lives(tmp_path, asked):
    """The source itself wrote the report. The limit for silent sources must still work, and success is not accepted."""
    pod = Pod(tmp_path, engine=asked)
    pod.source.say("exit 0\n")
    wait_for(lambda: Killed("source") in pod.events, "its end")
    pod.source.leave()
    drained_until_end(pod)
    if asked:
        pod.inbox.put(Exited("source", 137))
        pod.inbox.put(Exited("target", 0))
    verdict = pod.ended()
    assert (verdict.exit_code, verdict.side) == (3, "source")
    assert verdict.message == "the source reported that it had exited, but its container still runs"


def test_a_source_that_closes_all_of_its_pipes_and_lives(tmp_path):
    """An image with its own shell does this. Only the engine can report that the source is still running."""
    pod = Pod(tmp_path, engine=True)
    finish_source(pod)
    drained_until_end(pod)
    pod.inbox.put(Exited("target", 0))
    verdict = pod.ended()
    assert (verdict.exit_code, verdict.side) == (3, "source")
    assert "its container still runs" in verdict.message


OTHERS = [pytest.param(flood, marks=pytest.mark.slow) for flood in ("config 0\n", "short a 1 1\n", "exit 0\n")]


@pytest.mark.parametrize("flood", ["hello\n", *OTHERS])
def test_a_flood_of_words_is_no_more_than_one(tmp_path, flood):
    """The supervisor handles one message at a time. A flood of messages must not delay a signal."""
    pod = Pod(tmp_path)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            try:
                pod.source.say(flood * 400)
            except BrokenPipeError:
                return

    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    wait_for(lambda: Killed("source") in pod.events, "its end")
    stop.set()
    verdict = pod.ended()
    assert (verdict.exit_code, verdict.side) == (3, "source")
    pod.source.leave()
    writing.join(10)


def test_a_fault_of_our_own_is_a_verdict(tmp_path):
    """For any exception in a thread, both sides are ended and the log has the traceback."""
    pod = Pod(tmp_path, engine=False)
    wait_for(lambda: len(pod.events) >= 3, "both greetings")
    pod.inbox.put(ThreadEnded("pump", ZeroDivisionError("by zero")))
    verdict = pod.ended()
    assert (verdict.exit_code, verdict.side) == (1, "runner")
    assert verdict.message == "tapdock itself failed: ZeroDivisionError: by zero"
    assert any(isinstance(event, Logged) and "ZeroDivisionError" in event.message for event in pod.events)


@pytest.mark.parametrize("side", ["source", "target"])
def test_words_that_no_launcher_says_are_a_failure_of_that_side(tmp_path, side):
    pod = Pod(tmp_path)
    launcher = pod.source if side == "source" else pod.target
    launcher.say("exit nothing\n")
    wait_for(lambda: Killed(side) in pod.events, "the end of that side")
    for each in (pod.source, pod.target):
        each.leave()
    verdict = pod.ended()
    assert (verdict.exit_code, verdict.side) == ((3, "source") if side == "source" else (4, "target"))
    assert "pipe that only tapdock's own commands may use" in verdict.message


def test_threads_that_do_not_end_are_not_waited_for(tmp_path):
    """The container of neither side obeys: their ends stay open, and the source's thread is blocked."""
    pod = Pod(tmp_path)
    wait_for(lambda: len(pod.events) >= 3, "both greetings")
    pod.inbox.put(Kill(code=143))
    verdict = pod.ended()
    assert verdict.exit_code == 143
    assert {event.side for event in pod.events if isinstance(event, Killed)} == {"source", "target"}
    assert {event.side for event in pod.events if isinstance(event, Finished)} == {"source", "target"}


def test_a_first_signal_is_enough(tmp_path):
    pod = Pod(tmp_path)
    wait_for(lambda: len(pod.events) >= 3, "both greetings")
    pod.inbox.put(Stop(code=130))
    assert pod.ended().exit_code == 130


def test_a_silent_source_is_no_work_of_our_own(tmp_path):
    """Earlier lines are committed: the target gets the order `end`, and is not killed."""
    pod = Pod(tmp_path, limits=msgspec.structs.replace(QUICK, source_idle=0.5))
    os.write(pod.source.out, SCHEMA + b'{"type":"STATE","value":{"bookmarks":{"s":{"id":1}}}}\n')
    wait_for(lambda: Killed("source") in pod.events, "its end")
    pod.source.leave()
    drained_until_end(pod)
    verdict = pod.ended()
    assert (verdict.exit_code, verdict.side, verdict.target_code) == (3, "source", 0)
    assert Killed("target") not in pod.events


def test_a_line_over_the_limit_names_its_stream(tmp_path):
    pod = Pod(tmp_path, translation=TranslateOptions(max_line=1 << 20))
    writing = threading.Thread(target=os.write, args=(pod.source.out, b'{"stream":"big","record":"' + b"x" * (3 << 20)))
    writing.start()
    wait_for(lambda: pod.source and b"stop" in os.read(pod.source.orders, 100), "the order to stop")
    writing.join(10)
    pod.source.say("exit 143\n")
    pod.source.leave()
    drained_until_end(pod)
    verdict = pod.ended()
    assert verdict.exit_code == 5
    assert verdict.message == "a line of stream `big` is longer than the limit of 1 MiB"
    assert "max_line" in verdict.hint


def asked(folder: Path, seconds: float = 60.0):
    from tapdock.relay.host import serve

    inbox: queue.SimpleQueue = queue.SimpleQueue()
    found: list = []
    events: list[Event] = []
    work = Collection(run_id="r", source_files=(InputFile("config.json", b"{}"),), seconds=seconds, gone=0.5)

    def run() -> None:
        found.append(serve(work, folder, inbox=inbox, emit=events.append))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    launcher = Launcher(folder / "source", stdin=False)
    launcher.say("hello\n")
    return thread, launcher, found, events


def test_a_question_whose_connector_does_not_obey_ends_all_the_same(tmp_path):
    thread, launcher, found, events = asked(tmp_path, seconds=0.5)
    thread.join(30)
    assert [(verdict.exit_code, verdict.message) for verdict in found] == [(3, "no answer within 0.5 s")]
    assert Killed("source") in events
    launcher.leave()


def test_an_answer_has_a_limit(tmp_path):
    thread, launcher, found, _ = asked(tmp_path)

    def write() -> None:
        for _ in range(70):
            try:
                os.write(launcher.out, b"x" * (1 << 20))
            except BrokenPipeError:
                return

    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    wait_for(lambda: os.read(launcher.orders, 10) == b"", "the end")
    launcher.say("exit 137\n")
    thread.join(30)
    assert [(verdict.exit_code, verdict.message) for verdict in found] == [(3, "its answer is longer than 64 MiB")]
    writing.join(10)
    launcher.leave()
