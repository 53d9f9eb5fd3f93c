"""Run the image of a connector by hand, with its config, and the catalog and the state that a run would give it."""

import dataclasses
import os
import re
import secrets
import signal
import stat
from collections.abc import Sequence

from tapdock.connectors import operations
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds import airbyte, singer
from tapdock.connectors.kinds.base import place_of
from tapdock.connectors.operations import Resolved
from tapdock.connectors.selection import select_streams
from tapdock.connectors.stream_options import require_singer_options
from tapdock.engines.attended import Attended, Stdio
from tapdock.errors import StateError, UsageError
from tapdock.events import Event, Logged
from tapdock.launch import FileArg, InputFile, Launch
from tapdock.project.model import Pipeline
from tapdock.protocol.catalog import configured_catalog
from tapdock.relay.host import make_folders
from tapdock.relay.messages import Kill, Order, Stop
from tapdock.runs.begin import begun, launches
from tapdock.runs.prepare import Options, prepare
from tapdock.state.store import read
from tapdock.translate.catalogs.singer import selected_catalog

__all__ = ["has_input", "invoke", "launch_by_hand", "placeholders"]

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


class _Forward:
    """Passes the first signal of the user on to the connector, and kills it at the second one.

    `put` is called in the handler of a signal, also before the connector has started.
    """

    def __init__(self) -> None:
        self._attended: Attended | None = None
        self._numbers: list[int] = []

    def put(self, order: Order, /) -> None:
        match order:
            case Stop(code=code):
                self._numbers.append(code - 128)
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
    placed = context.engine.placed(launch)
    if has_input(stdio) and context.engine.facts().product == "Podman":
        # Its attach API drops what it has not passed on when the connection ends, and may miss the end otherwise.
        context.once("warning: Podman may drop the end of a long input: use a Docker Engine to pipe into a connector")

    def emit(event: Event) -> None:
        if isinstance(event, Logged):
            context.progress(event.message)

    make_folders(launch, emit)
    forward = _Forward()
    with (
        context.signals.orders(forward, doing=f"waiting for {ready.connector.name} to end"),
        context.engine.run(secrets.token_hex(6), image=placed.image) as run,
    ):
        attended = run.attend(placed, stdio)
        forward.begin(attended)
        code = attended.wait()
        changed = attended.config
    if changed is not None:
        operations.keep_rotated(context, ready.connector, config, changed)
    return code
