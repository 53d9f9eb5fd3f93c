"""Check how records reach connectors, and what a connector can reach."""

import queue
import secrets
from collections.abc import Callable, Iterator

from tapdock.engines.base import Engine
from tapdock.errors import EngineError
from tapdock.events import Event, Output
from tapdock.launch import Launch
from tapdock.relay.host import perform
from tapdock.relay.plan import Collection
from tapdock.runs.findings import Finding

__all__ = ["data_path"]


def data_path(engine: Engine, image: str, relay_image: Callable[[], str]) -> Iterator[Finding]:
    with engine.run("doctor", image=image) as run:
        shared = run.folder is not None
    if shared:
        yield Finding(what="data path", found="pipes in a folder that the engine shares")
    else:
        try:
            name = relay_image()
        except EngineError as error:
            found = f"needs a container of tapdock's own image, which is not available: {error.message}"
            yield Finding(what="data path", level="error", found=found, fix=error.hint)
            return
        yield Finding(what="data path", found=f"pipes in volumes, through a container of {name}")
    yield from _isolation(engine, image, relay_image)


_PROBE = """(: >"$0/new") 2>/dev/null && echo "writable pipes"
while read -r line; do case $line in *169.254.169.254*) echo "no metadata"; break ;; esac; done </proc/net/fib_trie"""


def _isolation(engine: Engine, image: str, relay_image: Callable[[], str]) -> Iterator[Finding]:
    """Check what a connector can reach, with a container that is started like a connector's."""
    program = ("/bin/sh", "-c", _PROBE, "/tapdock/pipes")
    launch = Launch(role="source", image=image, entrypoint=program)
    said: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Output):
            said.append(event.text)

    perform(
        engine,
        Collection(run_id=f"doctor-{secrets.token_hex(4)}", seconds=60.0),
        (engine.placed(launch),),
        relay_image=relay_image,
        inbox=queue.SimpleQueue(),
        emit=hear,
        logs=lambda _: lambda _: None,
    )
    answer = "".join(said)
    if "writable pipes" in answer:
        fix = "data stays safe, but a connector can break its own run and fill the disk that holds the pipes"
        yield Finding(what="pipes", level="warning", found="connectors can write into the folder of the pipes", fix=fix)
    if "no metadata" in answer:
        yield Finding(what="network", found="each run has a network of its own, without the cloud's metadata service")
    else:
        fix = "on a cloud machine, block 169.254.169.254 for containers, or set another `network:` for connectors"
        found = "each run has a network of its own, but the cloud's metadata service is not blocked"
        yield Finding(what="network", level="warning", found=found, fix=fix)
