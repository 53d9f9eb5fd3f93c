"""Tests that files in place of the source obey orders, and that a file that cannot be read fails the run."""

import queue
import threading
from types import SimpleNamespace

import pytest

from engines.project import wait_for
from support.pod import QUICK, SCHEMA, Launcher, drained_until_end
from tapdock.errors import EngineError
from tapdock.events import Hello
from tapdock.relay.host import serve
from tapdock.relay.messages import Kill, Stop
from tapdock.relay.plan import RelayPlan
from tapdock.relay.player import play

ROW = b'{"type":"RECORD","stream":"s","record":{"id":1}}\n'


def endless():
    yield SCHEMA
    while True:
        yield ROW * 1000


def broken():
    yield SCHEMA + ROW * 60_000  # more than a pipe holds, so that the run has started
    raise EngineError("part-00001.jsonl.gz cannot be read: it is gone")


def ended(folder, pieces, order=None):
    """Return the verdict of a run of these pieces into a target that reads all and acknowledges nothing."""
    inbox: queue.SimpleQueue = queue.SimpleQueue()
    verdicts, events, ready = [], [], threading.Event()

    def emit(event):
        events.append(event)
        ready.set()

    plan = RelayPlan(run_id="r", route="singer-singer", limits=QUICK, engine=False)
    relay = threading.Thread(target=lambda: verdicts.append(serve(plan, folder, inbox=inbox, emit=emit)), daemon=True)
    relay.start()
    assert ready.wait(30)
    play(pieces, folder / "source", inbox)
    target = Launcher(folder / "target", stdin=True)
    target.say("hello\n")
    wait_for(lambda: {Hello("source"), Hello("target")} <= {each for each in events if isinstance(each, Hello)}, "both")
    if order:
        inbox.put(order)
    drained_until_end(SimpleNamespace(target=target), acknowledges=False)
    relay.join(30)
    assert verdicts, "the relay has not ended"
    return verdicts[0]


@pytest.mark.parametrize("order", [Stop(code=130), Kill(code=143)])
def test_a_run_of_files_is_stopped_as_every_run(tmp_path, order):
    assert ended(tmp_path, endless(), order).exit_code == order.code


def test_a_file_that_cannot_be_read_fails_the_run(tmp_path):
    verdict = ended(tmp_path, broken())
    assert (verdict.exit_code, verdict.message) == (8, "part-00001.jsonl.gz cannot be read: it is gone")
