"""Run the relay in this process on a shared folder, or in a container on volumes. Both call the same function."""

import contextlib
import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import msgspec

from tapdock.engines.base import Conversation, Engine, Logs, Process
from tapdock.errors import EngineError, TapdockError, TranslationError, UsageError
from tapdock.events import Event, Hello, Killed, Logged, RelayReady, Verdict
from tapdock.files import is_missing
from tapdock.launch import Exit, ImageFacts, Launch
from tapdock.relay.capture import collect
from tapdock.relay.containers import LAST_SECONDS, LEFT, Connectors, unanswered
from tapdock.relay.messages import Inbox, Kill
from tapdock.relay.plan import Collection, RelayPlan
from tapdock.relay.pump import whole_lines
from tapdock.relay.supervisor import relay
from tapdock.translate.base import Emit

__all__ = ["Outcome", "make_folders", "perform", "serve"]

_TURN_SECONDS = 0.5
_OBEYS_SECONDS = 30.0
"""The time for a relay to end after a Kill: longer than it waits for its connectors and its own threads."""
_MOST_EVENT = 256 << 20  # bytes of a state, or of a set-aside record, as JSON text


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The relay's verdict, and how each container exited according to the engine, by role.

    `failure` is a failure of the engine. `verdict` is None if the relay gave none. `relay_facts` describe the relay's
    image, if the relay ran in a container.
    """

    verdict: Verdict | None = None
    failure: TapdockError | None = None
    exits: dict[str, Exit] = msgspec.field(default_factory=dict)
    relay: str = "beside"
    relay_facts: ImageFacts | None = None


def serve(work: RelayPlan | Collection, folder: Path, *, inbox: Inbox, emit: Emit) -> Verdict:
    """Do the work in this process, on pipes in `folder`, and return the verdict."""
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
    ended: Callable[[], None] = lambda: None,
    play: Callable[[Path, Inbox], None] | None = None,
) -> Outcome:
    """Run the relay and the connectors until all have ended, and remove everything that was created.

    `inbox` takes Stop and Kill from signal handlers. `emit` is called from several threads and must not raise. `logs`
    returns the function that takes a role's stderr lines. `ended` is called before the containers are removed, in every
    ending. `play` takes the place of a source's container, on the pipes in a folder. Raises EngineError if there is no
    verdict because the engine failed or the relay died, UsageError if a mounted folder cannot be created or the engine
    cannot access it.
    """
    placed = tuple(engine.placed(launch) for launch in launches)
    for launch in launches:
        make_folders(launch, emit)
    with engine.run(work.run_id, image=placed[0].image) as run:
        if play and not run.folder:
            hint = "run it on the machine of the engine; see `tapdock doctor`"
            raise EngineError("a spool needs an engine that shares a folder with tapdock", hint=hint)
        listener = _Listener(emit)
        place: _Beside | _Contained
        facts: ImageFacts | None = None
        if run.folder:
            place = _Beside(work, run.folder, inbox, listener)
        else:
            facts = engine.inspect(relay_image())
            assert facts is not None, "`relay_image` pulls the image or raises"
            scratch = isinstance(work, RelayPlan) and work.scratch
            roles = dict.fromkeys(("source", "target", *(launch.role for launch in placed)))
            started = run.start_relay(facts.image, logs("relay"), roles=tuple(roles), scratch=scratch)
            place = _Contained(work, *started, inbox, listener)
        listener.ready.wait()
        if not listener.began:
            place.verdict()  # raises, because the relay failed before any connector started
        if play and run.folder:
            play(run.folder / "source", inbox)
        with Connectors(run, placed, inbox, logs) as connectors:
            alone = (
                placed[0].role if isinstance(work, Collection) else None
            )  # the only side of a Collection is called the source
            listener.killed = lambda side: connectors.kill(alone or side)
            try:
                verdict = place.verdict()
                exits = connectors.exits(listener.greeted) | place.exits()
            finally:
                ended()
        failure = connectors.failure
        if failure is not None and not isinstance(failure, TapdockError):
            raise failure
        return Outcome(verdict=verdict, failure=failure, exits=exits, relay=place.name, relay_facts=facts)


def make_folders(launch: Launch, emit: Emit) -> None:
    """Create each missing folder for a mount as the user, because the engine would create it as root, and report it.

    Another run may create the same folder at the same time. Raises UsageError if a folder cannot be created, and for
    what is missing and cannot be a new folder: a source that is only read, and a file, which is a path with the same
    file name extension here and in the container.
    """
    for mount in launch.mounts:
        if mount.is_volume:
            continue
        folder = Path(mount.source)
        try:
            if not is_missing(folder) and (mount.read_only or folder.exists()):
                continue
            if mount.read_only or (folder.suffix and folder.suffix == PurePosixPath(mount.target).suffix):
                hint = f"create the file; if it is a folder, `mkdir -p {shlex.quote(mount.source)}`"
                raise UsageError(f"{launch.place}{mount.source} does not exist", hint=hint)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            hint = "create it yourself, or mount another folder"
            message = f"{launch.place}{mount.source} does not exist and cannot be created: {error.strerror}"
            raise UsageError(message, hint=hint) from error
        emit(Logged("runner", "info", f"created the folder {mount.source}, which the {launch.role} mounts"))


class _Listener:
    """Passes events on, and notes those that show the progress of the run."""

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
        if isinstance(event, Killed):  # in a separate thread: a slow engine must not delay other events
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
    """The relay in a container. It reads the plan and orders, and writes events, as JSON lines."""

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
        with contextlib.suppress(OSError):  # the relay is gone: `verdict` raises
            conversation.send(msgspec.json.encode(work) + b"\n")
        threading.Thread(target=self._forward, args=(inbox,), daemon=True).start()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _forward(self, inbox: Inbox) -> None:
        with contextlib.suppress(OSError):  # the relay is gone: `verdict` raises
            while True:
                order = inbox.get()
                self._conversation.send(msgspec.json.encode(order) + b"\n")
                if isinstance(order, Kill):
                    self._kill_later()

    def _kill_later(self) -> None:
        """Kill the container of a relay that does not end in time. `verdict` then raises EngineError."""
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
            pass  # the connection broke: `verdict` raises
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
            how = "ran out of memory" if exit_.oom_killed else f"exited with {exit_.code}"
            raise EngineError(f"the relay's container {how}", hint="see `tapdock runs logs`")
        return self._verdict

    def exits(self) -> dict[str, Exit]:
        ended = self._process.wait(LAST_SECONDS)
        return {"relay": ended} if ended else {}


def _wait_for(thread: threading.Thread) -> None:
    """Wait in short steps: a signal that arrives just before a wait is only handled after this wait."""
    while thread.is_alive():
        thread.join(_TURN_SECONDS)
