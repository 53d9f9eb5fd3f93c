"""The containers of a run's connectors: started in parallel, with one thread that waits for each."""

import threading
import time
from collections.abc import Callable

from tapdock.engines.base import Logs, Process, Run
from tapdock.errors import EngineError
from tapdock.launch import Exit, Launch
from tapdock.relay.messages import Abort, Exited, Inbox, Kill

__all__ = ["LAST_SECONDS", "LEFT", "Connectors", "unanswered"]

LAST_SECONDS = 10.0
LEFT = "the next run, or `tapdock gc`, removes containers that are left"


def unanswered(reason: str | None) -> str:
    """Return the message for an engine that does not report how a container exited."""
    return f"the engine stopped answering: {reason or 'it does not report how a container exited'}"


class Connectors:
    """The containers of a run, started in parallel, with one thread that waits for each.

    `failure` is the first exception of these threads.
    """

    def __init__(self, run: Run, launches: tuple[Launch, ...], inbox: Inbox, logs: Callable[[str], Logs]) -> None:
        self.failure: BaseException | None = None
        self._run = run
        self._inbox = inbox
        self._lock = threading.Lock()
        self._roles: set[str] = {launch.role for launch in launches}
        self._processes: dict[str, Process] = {}
        self._doomed: set[str] = set()
        self._exits: dict[str, Exit] = {}
        self._threads = [
            threading.Thread(target=self._live, args=(launch, logs(launch.role)), daemon=True) for launch in launches
        ]
        for thread in self._threads:
            thread.start()

    def _live(self, launch: Launch, log: Logs) -> None:
        """Start one container and wait for its exit. An exception ends the run, and the main thread raises it."""
        try:
            process = self._run.start(launch, log)
            with self._lock:
                self._processes[launch.role] = process
                doomed = launch.role in self._doomed
            if doomed:
                process.kill()
            ended = process.wait()
        except BaseException as error:
            self.failure = self.failure or error
            self._inbox.put(Kill(code=EngineError.exit_code))
            return
        assert ended is not None, "waited without a limit"
        self._exits[launch.role] = ended
        if ended.code is None:
            self._inbox.put(Abort(exit_code=8, message=unanswered(ended.error), hint=LEFT))
        else:
            assert launch.role != "relay", "its container is started in another way"
            assert launch.role != "task", "no records pass through tasks"
            self._inbox.put(Exited(side=launch.role, code=ended.code))

    def __enter__(self) -> "Connectors":
        return self

    def __exit__(self, *_: object) -> None:
        """Kill all containers, so that none runs or starts while the run is removed."""
        self._kill(self._roles)
        for thread in self._threads:
            thread.join(LAST_SECONDS)

    def exits(self, greeted: set[str]) -> dict[str, Exit]:
        """Return how each container exited, by role, after the verdict. Kill those that never said hello."""
        self._kill(self._roles - greeted)
        deadline = time.monotonic() + LAST_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return dict(self._exits)

    def kill(self, role: str) -> None:
        """Kill a role's container now, or as soon as it has started."""
        self._kill({role} & self._roles)

    def _kill(self, roles: set[str]) -> None:
        """Kill containers that run, and mark the others, so that they are killed as soon as they have started."""
        with self._lock:
            self._doomed |= roles
            doomed = [self._processes[role] for role in roles & self._processes.keys() - self._exits.keys()]
        for process in doomed:
            process.kill()
