"""Where the relay runs: in this process on a shared folder, or in a container on volumes; the same function in both."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tapdock.engines.base import Conversation, Engine, Logs, Process
from tapdock.errors import EngineError, TapdockError, TranslationError, UsageError
from tapdock.events import Event, Hello, Killed, RelayReady, Verdict
from tapdock.launch import Exit, ImageFacts, Launch
from tapdock.relay.capture import collect
from tapdock.relay.containers import LAST_SECONDS, LEFT, Connectors, unanswered
from tapdock.relay.messages import Inbox, Kill
from tapdock.relay.plan import Collection, RelayPlan
from tapdock.relay.pump import whole_lines
from tapdock.relay.supervisor import relay
from tapdock.translate.base import Emit

__all__ = ["Outcome", "perform", "serve"]

_TURN_SECONDS = 0.5
_OBEYS_SECONDS = 30.0
"""For a relay that is told to end at once: longer than it waits for its connectors and its own threads."""
_MOST_EVENT = 256 << 20  # a state, or a record that is set aside, as JSON text


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the relay found, and how each container ended as the engine saw it, by role.

    `failure` is the engine's own; `verdict` None says that the relay gave none. `relay_facts` are of the relay's image,
    where it has a container.
    """

    verdict: Verdict | None = None
    failure: TapdockError | None = None
    exits: dict[str, Exit] = field(default_factory=dict)
    relay: str = "beside"
    relay_facts: ImageFacts | None = None


def serve(work: RelayPlan | Collection, folder: Path, *, inbox: Inbox, emit: Emit) -> Verdict:
    """Do the work here, on pipes in `folder`."""
    if isinstance(work, Collection):
        return collect(work, folder, inbox=inbox, emit=emit, clock=time.monotonic)
    return relay(work, folder, inbox=inbox, emit=emit, clock=time.monotonic)


def perform(
    engine: Engine,
    work: RelayPlan | Collection,
    launches: tuple[Launch, ...],
    *,
    relay_image: Callable[[], str],
    inbox: Inbox,
    emit: Emit,
    logs: Callable[[str], Logs],
) -> Outcome:
    """Run the relay and the connectors until all are over, and leave nothing behind.

    `inbox` takes Stop and Kill from signal handlers. `emit` is called from several threads and must not raise. `logs`
    gives what takes a role's stderr lines. Raises EngineError when there is no verdict because the engine failed or the
    relay is gone, UsageError when a mounted folder cannot be made, or the engine does not have it.
    """
    placed = tuple(engine.placed(launch) for launch in launches)
    for launch in launches:
        _make_folders(launch)
    with engine.run(work.run_id, image=placed[0].image) as run:
        listener = _Listener(emit)
        place: _Beside | _Contained
        facts: ImageFacts | None = None
        if run.folder:
            place = _Beside(work, run.folder, inbox, listener)
        else:
            facts = engine.inspect(relay_image())
            assert facts is not None, "what gives the name has the image"
            scratch = isinstance(work, RelayPlan) and work.scratch
            place = _Contained(work, *run.start_relay(facts.image, logs("relay"), scratch=scratch), inbox, listener)
        listener.ready.wait()
        if not listener.began:
            place.verdict()  # raises: nothing was started that could end well
        with Connectors(run, placed, inbox, logs) as connectors:
            alone = placed[0].role if len(placed) == 1 else None  # a question's only side is called the source
            listener.killed = lambda side: connectors.kill(alone or side)
            verdict = place.verdict()
            exits = connectors.exits(listener.greeted) | place.exits()
        failure = connectors.failure
        if failure is not None and not isinstance(failure, TapdockError):
            raise failure
        return Outcome(verdict=verdict, failure=failure, exits=exits, relay=place.name, relay_facts=facts)


def _make_folders(launch: Launch) -> None:
    """Make each folder that is to be mounted and is missing, as the user: the engine would make it as root.

    Another run of this moment may make the same folder. What is there and is not a folder stays an error.
    """
    for mount in launch.mounts:
        if mount.is_volume or mount.read_only:
            continue
        folder = Path(mount.source)
        try:
            if not folder.exists():
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            hint = "make it yourself, or mount another"
            raise UsageError(f"the {launch.role}'s folder cannot be made: {error}", hint=hint) from error


class _Listener:
    """Passes events on, and notes those that tell how far the run is."""

    def __init__(self, emit: Emit) -> None:
        self.ready = threading.Event()
        self.began = False
        self.greeted: set[str] = set()
        self.killed: Callable[[str], None] = lambda _: None
        self._emit = emit

    def __call__(self, event: Event) -> None:
        if isinstance(event, RelayReady):
            self.began = True
            self.ready.set()
        if isinstance(event, Hello):
            self.greeted.add(event.side)
        if isinstance(event, Killed):  # in a thread of its own: an engine that does not answer holds up nothing
            threading.Thread(target=self.killed, args=(event.side,), daemon=True).start()
        self._emit(event)


class _Beside:
    """The relay in a thread of this process."""

    name = "beside"

    def __init__(self, work: RelayPlan | Collection, folder: Path, inbox: Inbox, listener: _Listener) -> None:
        self._listener = listener
        self._result: Verdict | BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work, folder, inbox), daemon=True)
        self._thread.start()

    def _run(self, work: RelayPlan | Collection, folder: Path, inbox: Inbox) -> None:
        try:
            self._result = serve(work, folder, inbox=inbox, emit=self._listener)
        except BaseException as error:
            self._result = error
        finally:
            self._listener.ready.set()

    def verdict(self) -> Verdict:
        _wait_for(self._thread)
        if isinstance(self._result, BaseException):
            raise self._result
        assert self._result is not None, "set in every ending"
        return self._result

    def exits(self) -> dict[str, Exit]:
        return {}


class _Contained:
    """The relay in a container: the plan and orders go in as JSON lines, events come out as JSON lines."""

    name = "container"

    def __init__(
        self,
        work: RelayPlan | Collection,
        process: Process,
        conversation: Conversation,
        inbox: Inbox,
        listener: _Listener,
    ) -> None:
        self._process = process
        self._conversation = conversation
        self._listener = listener
        self._verdict: Verdict | None = None
        self._unreadable: TranslationError | None = None
        with contextlib.suppress(OSError):  # it is gone: `verdict` tells
            conversation.send(msgspec.json.encode(work) + b"\n")
        threading.Thread(target=self._forward, args=(inbox,), daemon=True).start()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _forward(self, inbox: Inbox) -> None:
        with contextlib.suppress(OSError):  # it is gone: `verdict` tells
            while True:
                order = inbox.get()
                self._conversation.send(msgspec.json.encode(order) + b"\n")
                if isinstance(order, Kill):
                    self._kill_later()

    def _kill_later(self) -> None:
        """A relay that hangs does not obey: its container is killed, and `verdict` tells so."""
        timer = threading.Timer(_OBEYS_SECONDS, self._process.kill)
        timer.daemon = True
        timer.start()

    def _receive(self) -> None:
        decode = msgspec.json.Decoder(Event).decode
        try:
            for lines in whole_lines(iter(self._conversation.receive, b""), _MOST_EVENT):
                for line in lines.splitlines():
                    event = decode(line)
                    self._listener(event)
                    if isinstance(event, Verdict):
                        self._verdict = event
        except OSError:
            pass  # the connection broke off: `verdict` tells
        except TranslationError as error:
            self._unreadable = error
        finally:
            self._listener.ready.set()

    def verdict(self) -> Verdict:
        _wait_for(self._thread)
        if self._unreadable:
            raise self._unreadable
        if self._verdict is None:
            exit_ = self._process.wait(LAST_SECONDS)
            if exit_ is None or exit_.code is None:
                raise EngineError(unanswered(exit_.error if exit_ else None), hint=LEFT)
            how = "out of memory" if exit_.oom_killed else f"with {exit_.code}"
            raise EngineError(f"the container between source and target ended {how}", hint="see `tapdock runs logs`")
        return self._verdict

    def exits(self) -> dict[str, Exit]:
        ended = self._process.wait(LAST_SECONDS)
        return {"relay": ended} if ended else {}


def _wait_for(thread: threading.Thread) -> None:
    """In turns: a signal that comes just as the main thread falls asleep is handled only when it wakes up."""
    while thread.is_alive():
        thread.join(_TURN_SECONDS)
