"""Run the image of a connector by hand, with its config, and the catalog and the state that a run would give it."""

import dataclasses
import os
import re
import secrets
import signal
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tapdock.connectors import operations
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds import airbyte, singer
from tapdock.connectors.kinds.base import place_of
from tapdock.connectors.resolved import Resolved
from tapdock.connectors.selection import select_streams
from tapdock.connectors.stream_options import require_singer_options
from tapdock.engines.attended import Attended, Stdio
from tapdock.engines.base import Engine
from tapdock.errors import StateError, UsageError
from tapdock.events import Event, Logged
from tapdock.launch import FileArg, InputFile, Launch
from tapdock.project.model import Pipeline
from tapdock.protocol.catalog import configured_catalog
from tapdock.relay.host import make_folders
from tapdock.relay.messages import Kill, Order, Stop
from tapdock.relay.signals import AGAIN
from tapdock.runs.begin import begun, launches
from tapdock.runs.options import Options
from tapdock.runs.prepare import prepare
from tapdock.state.store import read
from tapdock.translate.catalogs.singer import selected_catalog

__all__ = ["Forward", "attend", "has_input", "invoke", "launch_by_hand", "placeholders"]

_PLACEHOLDER = re.compile(r"(.*)\{(config|catalog|state)\}", re.DOTALL)


def placeholders(words: Sequence[str]) -> tuple[tuple[str | FileArg, ...], frozenset[str]]:
    """Return the arguments with the paths of files for placeholders at their ends, and the names of these files.

    >>> placeholders(["read", "--config={config}", "{}"])
    (('read', FileArg(name='config.json', before='--config='), '{}'), frozenset({'config.json'}))
    """
    args: list[str | FileArg] = []
    for word in words:
        found = _PLACEHOLDER.fullmatch(word)
        args.append(FileArg(f"{found[2]}.json", found[1]) if found else word)
    return tuple(args), frozenset(arg.name for arg in args if isinstance(arg, FileArg))


def launch_by_hand(
    context: Context,
    ready: PreparedConnector,
    words: Sequence[str],
    *,
    pipeline: Pipeline | None,
    wanted: frozenset[str] = frozenset(),
) -> tuple[Launch, Resolved]:
    """Return the launch and the config in it. Files are those of a run of the pipeline, and those in `wanted`.

    The config is read last: a discovery for the catalog may use up a one-time token, and keeps the next one. Raises
    UsageError for a catalog or a state that a run would not give to the connector.
    """
    args, named = placeholders(words)
    files = tuple(_file(context, ready, name, pipeline) for name in sorted((named | wanted) - {"config.json"}))
    config = operations.resolved_config(context, ready)
    make = airbyte.check if ready.kind == "airbyte" else singer.discover
    plain = make(ready.connector, ready.facts, config.given)
    files, place = (*plain.files, *files), place_of(ready.connector, "mounts", context.project.origins)
    return dataclasses.replace(plain, role=ready.connector.role, args=args, files=files, place=place), config


def _file(context: Context, ready: PreparedConnector, name: str, pipeline: Pipeline | None) -> InputFile:
    role, what = ready.connector.role, name.removesuffix(".json")
    if pipeline is None and role == "source" and what == "catalog":
        return InputFile(name, _own_catalog(context, ready))
    if pipeline is None:
        raise UsageError(
            f"which {what} `{ready.connector.name}` gets depends on the pipeline", hint="name one with `--pipeline`"
        )
    prepared = prepare(context, pipeline, Options())
    job = begun(prepared, read(context.backend, prepared.state_id), Options(), now=context.now())
    both = {launch.role: launch for launch in launches(prepared, job)}
    found = next((file for file in both[role].files if file.name == name and not file.late), None)
    if found is None and what == "state" and role == "source":
        hint = f"leave out the arguments with `{{state}}`; `tapdock state set {prepared.state_id}` saves one"
        raise StateError(f"there is no state `{prepared.state_id}` to start from", hint=hint)
    if found is None:
        raise UsageError(f"a run of `{pipeline.name}` gives no {what} to {role} `{ready.connector.name}`")
    return found


def _own_catalog(context: Context, ready: PreparedConnector) -> bytes:
    """Return the catalog of the streams that the project selects, for a source without a pipeline."""
    connector = ready.connector
    offered = operations.discover(context, ready)
    if not offered:
        raise UsageError(f"source `{connector.name}` reports its streams only during a run, so it gets no catalog")
    require_singer_options(ready)
    chosen = select_streams(
        offered, connector.select, connector.streams, warn=lambda said: context.once(context.redacted(said))
    )
    if ready.kind == "airbyte":
        return configured_catalog(chosen)
    legacy = connector.catalog_option == "--properties"
    return selected_catalog(offered, chosen, legacy=legacy, log_key=ready.quirks.log_key)


class Forward:
    """Passes the first signal of the user on to the program, and kills it at the second one.

    `put` is called in the handler of a signal, also before the program has started. `stopped` is set at the first one.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._attended: Attended | None = None
        self._numbers: list[int] = []

    def put(self, order: Order, /) -> None:
        match order:
            case Stop(code=code):
                self._numbers.append(code - 128)
                self.stopped.set()
            case Kill():
                self._numbers.append(signal.SIGKILL)
        self._pass_on()

    def begin(self, attended: Attended) -> None:
        """Pass on signals from now on, and those that have arrived before."""
        self._attended = attended
        self._pass_on()

    def _pass_on(self) -> None:
        while self._attended and self._numbers:
            self._attended.signal(self._numbers.pop(0))


def has_input(stdio: Stdio) -> bool:
    """Return True if the input is a pipe or a file: not a terminal, and not /dev/null."""
    return stdio.stdin is not None and not stdio.terminal and not stat.S_ISCHR(os.fstat(stdio.stdin).st_mode)


def invoke(context: Context, ready: PreparedConnector, config: Resolved, launch: Launch, stdio: Stdio) -> int:
    """Run the connector on these descriptors, and return its exit code. Nothing of it is left.

    A config that the connector changed is kept as after a run. Raises EngineError.
    """
    attended = attend(context, context.engine, launch, stdio, name=ready.connector.name)
    if attended.config is not None:
        operations.keep_rotated(context, ready.connector, config, attended.config)
    return attended.code


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a program ended. `config` is its config, if it has changed it."""

    code: int
    config: str | None
    oom_killed: bool


def attend(
    context: Context,
    engine: Engine,
    launch: Launch,
    stdio: Stdio,
    *,
    name: str,
    run_id: str | None = None,
    grace: float | None = None,
) -> Ended:
    """Run a launch on these descriptors, and return how it ended. Nothing of it is left. Raises EngineError.

    With a `grace`, it is killed if it still runs so many seconds after the first signal. `name` is for messages.
    """
    placed = engine.placed(launch)
    if not stdio.lifeline and has_input(stdio) and engine.facts().product == "Podman":
        # Its attach API drops what it has not passed on when the connection ends, and may miss the end otherwise.
        context.once("warning: Podman may drop the end of a long input: use a Docker Engine to pipe into a connector")

    def emit(event: Event) -> None:
        if isinstance(event, Logged):
            context.progress(event.message)

    make_folders(launch, emit)
    forward = Forward()
    with (
        context.signals.orders(forward, doing=f"waiting for {name} to end {AGAIN}"),
        engine.run(run_id or secrets.token_hex(6), image=placed.image) as run,
    ):
        attended = run.attend(placed, stdio)
        forward.begin(attended)
        with _killed_after(attended, forward.stopped, grace):
            code = attended.wait()
    return Ended(code=code, config=attended.config, oom_killed=attended.oom_killed)


@contextmanager
def _killed_after(attended: Attended, stopped: threading.Event, grace: float | None) -> Iterator[None]:
    """Kill the program if the block has not ended within `grace` seconds after `stopped` was set."""
    over = threading.Event()

    def work() -> None:
        stopped.wait()
        if not over.wait(grace):
            attended.signal(signal.SIGKILL)

    thread = threading.Thread(target=work, daemon=True)
    if grace is not None:
        thread.start()
    try:
        yield
    finally:
        over.set()
        stopped.set()
