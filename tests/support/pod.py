"""Runs a relay in a thread. A test holds the launchers' ends of real pipes: no container and no process is started."""

import json
import os
import queue
import threading
from pathlib import Path

from engines.project import wait_for
from tapdock.events import Event, Hello
from tapdock.project.model import BUFFER, Limits
from tapdock.relay.host import serve
from tapdock.relay.plan import RelayPlan

QUICK = Limits(source_idle=60, target_idle=60, stop_grace=0.2, exit_grace=0.2, gone=0.5)
SCHEMA = b'{"type":"SCHEMA","stream":"s","schema":{"properties":{}},"key_properties":[]}\n'


class Launcher:
    """The launcher's ends of the pipes of one side, opened in the same order as by the real launcher."""

    def __init__(self, folder: Path, *, stdin: bool) -> None:
        wait_for((folder / "orders").exists, "the pipes")
        self.control = os.open(folder / "control", os.O_WRONLY)
        self.orders = os.open(folder / "orders", os.O_RDONLY)
        self.out = os.open(folder / "out", os.O_WRONLY)
        self.config = os.open(folder / "config", os.O_WRONLY)
        self.input = os.open(folder / "in", os.O_RDONLY | os.O_NONBLOCK) if stdin else -1
        if stdin:
            os.set_blocking(self.input, True)

    def say(self, text: str) -> None:
        os.write(self.control, text.encode())

    def leave(self) -> None:
        """Close every end of the pipes, as when the container ends."""
        for fd in (self.control, self.orders, self.out, self.config, self.input):
            if fd >= 0:
                os.close(fd)


class Pod:
    """A relay in a thread, with the events that it has emitted. `received` is the input of `drained_until_end`."""

    def __init__(self, folder: Path, *, greet: bool = True, **plan) -> None:
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()
        self.events: list[Event] = []
        self.verdict = None
        self.received = b""
        work = RelayPlan(**{"run_id": "r", "route": "singer-singer", "limits": QUICK, "buffer": BUFFER, **plan})

        def run() -> None:
            self.verdict = serve(work, folder, inbox=self.inbox, emit=self.events.append)

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        self.source = Launcher(folder / "source", stdin=False)
        self.target = Launcher(folder / "target", stdin=True)
        sides = {"source": self.source, "target": self.target}
        if work.mapper:
            self.mapper = sides["mapper"] = Launcher(folder / "mapper", stdin=True)
        if greet:
            for side in sides.values():
                side.say("hello\n")
            wait_for(lambda: {Hello(name) for name in sides} <= set(self._hellos()), "all greetings")

    def _hellos(self) -> list[Event]:
        return [event for event in self.events if isinstance(event, Hello)]

    def ended(self):
        self.thread.join(30)
        assert not self.thread.is_alive(), "the relay has not ended"
        return self.verdict


def finish_source(pod: Pod, *, code: int = 0) -> None:
    os.write(pod.source.out, SCHEMA)
    pod.source.say(f"exit {code}\n")
    pod.source.leave()


def drained_until_end(
    pod: Pod, *, code: int = 0, acknowledges: bool = True, says: bytes = b"", first: bytes = b""
) -> threading.Thread:
    """Play a target: read until the order `end`, print `first`, return all states, print `says`, and exit."""

    def work() -> None:
        rest = b""
        os.set_blocking(pod.target.input, False)
        told = threading.Event()
        threading.Thread(target=lambda: (os.read(pod.target.orders, 10), told.set()), daemon=True).start()
        while not told.is_set():
            try:
                rest += os.read(pod.target.input, 1 << 16)
            except BlockingIOError:
                told.wait(0.01)
        pod.received = rest
        if first:
            os.write(pod.target.out, first)
        for line in rest.splitlines() if acknowledges else ():
            if (message := json.loads(line))["type"] == "STATE":
                os.write(pod.target.out, json.dumps(message.get("value", message)).encode() + b"\n")
        if says:
            os.write(pod.target.out, says)
        pod.target.say(f"exit {code}\n")
        pod.target.leave()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
