"""The connectors of a run as the engine has them: started side by side, each waited for in a thread."""

import threading
import time
from collections.abc import Callable

from tapdock.engines.base import Logs, Process, Run
from tapdock.errors import EngineError
from tapdock.launch import Exit, Launch
from tapdock.relay.messages import Abort, Exited, Inbox, Kill

__all__ = ["LAST_SECONDS", "LEFT", "Connectors", "unanswered"]

LAST_SECONDS = 10.0
LEFT = "containers that are left are removed by the next run, or by `tapdock gc`"


def unanswered(reason: str | None) -> str:
    """What to say of an engine that cannot tell how a container ended."""
    return f"the engine stopped answering: {reason or 'it does not tell how a container ended'}"


class Connectors:
    """Both containers, started side by side, each waited for in a thread."""

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
        """Whatever goes wrong here ends the run, and is raised where it is waited for."""
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
            self._inbox.put(Exited(side="source" if launch.role == "source" else "target", code=ended.code))

    def __enter__(self) -> "Connectors":
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever happened: nothing runs, and nothing is about to be started, when the run is taken down."""
        self._kill(self._roles)
        for thread in self._threads:
            thread.join(LAST_SECONDS)

    def exits(self, greeted: set[str]) -> dict[str, Exit]:
        """Once the verdict is given, every container is over or is killed: at once, if it never came to anything."""
        self._kill(self._roles - greeted)
        deadline = time.monotonic() + LAST_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return dict(self._exits)

    def kill(self, role: str) -> None:
        """End one at once, or as soon as it is started."""
        self._kill({role} & self._roles)

    def _kill(self, roles: set[str]) -> None:
        """Those of them that run, and those that are being started as soon as they are."""
        with self._lock:
            self._doomed |= roles
            doomed = [self._processes[role] for role in roles & self._processes.keys() - self._exits.keys()]
        for process in doomed:
            process.kill()
