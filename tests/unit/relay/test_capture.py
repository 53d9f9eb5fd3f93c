"""Tests how a sample of a source's records ends, with a thread as the source."""

import os
import queue
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from support.pod import Launcher
from tapdock.events import Event, Finished, Killed, Verdict
from tapdock.relay.capture import collect
from tapdock.relay.plan import Collection

RECORD = b'{"type":"RECORD","stream":"a","record":{}}\n'


class Sample:
    """A collection of one record in a thread. The test holds the launcher's ends of the pipes."""

    def __init__(self, folder: Path) -> None:
        self.events: list[Event] = []
        self.verdict: Verdict | None = None
        (folder / "source").mkdir()
        plan = Collection(run_id="r", records=1, seconds=60, gone=0.3, stop_grace=0.3)

        def run() -> None:
            self.verdict = collect(
                plan, folder, inbox=queue.SimpleQueue(), emit=self.events.append, clock=time.monotonic
            )

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        self.source = Launcher(folder / "source", stdin=False)
        self.source.say("hello\n")
        os.write(self.source.out, RECORD)

    def ended(self) -> Verdict:
        self.thread.join(30)
        assert self.verdict, "it has not ended"
        return self.verdict


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return Sample(tmp_path)


@pytest.mark.long
def test_a_source_that_stays_after_its_sample_is_killed_and_the_sample_is_good(sample):
    assert (sample.ended().exit_code, sample.ended().timed_out) == (0, False)
    assert [event for event in sample.events if isinstance(event, Killed | Finished)] == [
        Killed("source"),
        Finished("source", 137),
    ]
    sample.source.leave()


@pytest.mark.long
def test_a_process_that_holds_the_output_after_the_end_of_the_source(sample):
    """The rest of its output is read, and a file that is opened afterwards is not."""
    while sample.thread.is_alive() and not any(isinstance(event, Finished) for event in sample.events):
        if os.read(sample.source.orders, 100):
            sample.source.say("exit 0\n")
            break
    assert sample.ended().exit_code == 0
    pipes = [os.pipe() for _ in range(8)]
    for _, end in pipes:
        os.write(end, b"another file")
    with suppress(BrokenPipeError):
        os.write(sample.source.out, b"more\n")  # which ends a read that is still going on
    sample.source.leave()
    for thread in threading.enumerate():
        if thread.name == "rest":
            thread.join(10)
    for start, end in pipes:
        os.set_blocking(start, False)
        assert os.read(start, 100) == b"another file"
        os.close(start)
        os.close(end)
