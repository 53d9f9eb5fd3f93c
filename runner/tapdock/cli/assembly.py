"""From the global options to what operations need: engine, state backend, where progress goes."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from tapdock import __version__
from tapdock.cache import user_cache
from tapdock.cli.session import Session
from tapdock.connectors import lockfile
from tapdock.connectors.context import Context as Operations
from tapdock.connectors.images import making
from tapdock.engines.base import Engine
from tapdock.errors import ImageMissing, UsageError
from tapdock.files import tightened
from tapdock.log import clean
from tapdock.relay.signals import Signals
from tapdock.text.clean import one_line
from tapdock.text.output import err

__all__ = ["engine_of", "not_removed", "operations_of", "relay_image", "said", "said_at_once"]


def engine_of(session: Session) -> Engine:
    """The engine that TAPDOCK_ENGINE names (docker, or local for connectors that are programs). Raises EngineError."""
    environ = session.environ
    name = environ.get("TAPDOCK_ENGINE", "docker")
    if name == "local":
        from tapdock.engines.local import LocalEngine

        return LocalEngine()
    if name != "docker":
        raise UsageError(f"there is no engine `{name}`", hint="TAPDOCK_ENGINE is `docker` or `local`")
    from tapdock.engines.docker.engine import connect

    relay = environ.get("TAPDOCK_RELAY", "auto")
    if relay not in ("auto", "beside", "container"):
        raise UsageError(f"TAPDOCK_RELAY is `{relay}`", hint="it is `auto`, `beside` or `container`")
    return connect(cache=user_cache(environ), relay=relay, homes=_homes(session))


def _homes(session: Session) -> tuple[Path, ...]:
    """Where pipes may be made beside the temporary folder; `gc` and `doctor` work without a project as well."""
    try:
        return (session.private,)
    except UsageError:
        return ()


def said(line: str) -> None:
    """A line for people, on stderr."""
    err(one_line(line))


def not_removed(name: str, reason: str) -> str:
    """A line about what a dead run left, and nobody can remove from here."""
    return f"warning: {name} is left of a run that was killed and cannot be removed: {reason}"


def said_at_once(line: str) -> None:
    """The same from a signal's handler, which may interrupt a write: past the buffer, and nobody reading is fine."""
    with suppress(OSError):
        os.write(2, (clean(line) + "\n").encode())


def operations_of(session: Session, signals: Signals, *, locked: bool = False, verbose: bool = False) -> Operations:
    """Raises EngineError where there is no engine, UsageError for the project file."""
    project = session.project
    if warning := tightened(project.private):
        said(warning)
    engine = engine_of(session)
    digests = lockfile.read(project.folder) if locked else None
    return Operations(
        engine=engine,
        project=project,
        backend=session.backend,
        relay_image=partial(relay_image, engine, session.environ, locked=digests),
        making=making(session.environ),
        progress=said,
        log=err if verbose else _silent,
        signals=signals,
        now=time.time,
        locked=digests,
    )


def _silent(line: str) -> None:
    """A connector's chatter while it is asked something; its last words stand in the error if it fails."""


def relay_image(engine: Engine, environ: Any, *, locked: Mapping[str, str] | None = None) -> str:
    """The image of tapdock itself, for engines that cannot share a folder with this process.

    With `locked` it is the id of the image that was verified: all data and all credentials go through it.
    """
    image = str(environ.get("TAPDOCK_RELAY_IMAGE") or f"tapdock/runner:{__version__}")
    facts = engine.inspect(image)
    if facts is None:
        try:
            engine.pull(image, platform=None, progress=said)
        except ImageMissing as error:
            hint = "this engine shares no folder with tapdock, which then needs its own image: `scripts/images runner`"
            raise ImageMissing(error.message, hint=hint) from error
        facts = engine.inspect(image)
    if locked is None:
        return image
    if facts is None:
        raise ImageMissing(f"the image `{image}` was pulled but is not here")
    lockfile.verify(locked, facts)
    return facts.id or image
