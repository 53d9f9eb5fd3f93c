"""Build what operations need from the global options: the engine, the state backend, and where progress is printed."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tapdock import __version__
from tapdock.cache import user_cache
from tapdock.cli.session import Session
from tapdock.connectors import lockfile
from tapdock.connectors.context import Context as Operations
from tapdock.connectors.images import making
from tapdock.engines.base import Engine, Logs
from tapdock.errors import ImageMissing, UsageError
from tapdock.files import tightened
from tapdock.project.home import claim_home
from tapdock.relay.signals import Signals
from tapdock.runs.scheduled import MARK
from tapdock.text.clean import one_line
from tapdock.text.output import err
from tapdock.text.redaction import Redactor

__all__ = ["engine_of", "not_removed", "operations_of", "relay_image", "said"]


def engine_of(session: Session) -> Engine:
    """Return the engine that TAPDOCK_ENGINE names: `docker`, or `local` for connectors that are programs.

    Raises UsageError for an unknown name, EngineError if the engine cannot be reached.
    """
    environ = session.variables
    name = environ.get("TAPDOCK_ENGINE", "docker")
    if name == "local":
        from tapdock.engines.local import LocalEngine

        return LocalEngine()
    if name != "docker":
        raise UsageError(f"there is no engine `{name}`", hint="TAPDOCK_ENGINE must be `docker` or `local`")
    from tapdock.engines.docker.engine import connect

    relay = environ.get("TAPDOCK_RELAY", "auto")
    if relay not in ("auto", "beside", "container"):
        raise UsageError(f"TAPDOCK_RELAY is `{relay}`", hint="it must be `auto`, `beside` or `container`")
    return connect(cache=user_cache(environ), relay=relay, homes=_homes(session))


def _homes(session: Session) -> tuple[Path, ...]:
    """Return folders, besides the temporary folder, in which pipes can be created.

    The result is empty without a project: `gc` and `doctor` do not need one.
    """
    try:
        return (session.private,)
    except UsageError:
        return ()


def said(line: str) -> None:
    """Print one line for people to stderr."""
    err(one_line(line))


def not_removed(name: str, reason: str) -> str:
    """Return a warning about a leftover of a killed run that tapdock cannot remove."""
    return f"warning: {name} is left from a killed run and cannot be removed: {reason}"


def operations_of(
    session: Session,
    signals: Signals,
    *,
    locked: bool = False,
    verbose: bool = False,
    quiet: bool = False,
    progress: Logs = said,
) -> Operations:
    """Return the context of the operations. Raises EngineError without an engine, UsageError for the project file."""
    project = session.project
    if warning := tightened(project.private):
        progress(warning)
    backend = session.backend
    claim_home(project.private, project.folder, session.variables, write=True)
    engine = engine_of(session)
    digests = lockfile.read(project.folder) if locked else None
    return Operations(
        engine=engine,
        project=project,
        backend=backend,
        relay_image=partial(relay_image, engine, session.variables, locked=digests, progress=progress),
        making=making(session.variables),
        progress=progress,
        log=err if verbose else _silent,
        signals=signals,
        now=time.time,
        locked=digests,
        is_quiet=quiet,
        redactor=Redactor(own=session.own_words),
        observer=session.observer,
        scheduled=session.environ.get(MARK),
    )


def _silent(line: str) -> None:
    """Drop a connector's log line. If the connector fails, the error contains its last lines."""


def relay_image(engine: Engine, environ: Any, *, locked: Mapping[str, str] | None = None, progress: Logs = said) -> str:
    """Return the name of tapdock's own image, for engines that cannot share a folder with this process.

    With `locked`, return the id of the verified image: all data and all credentials pass through its container.
    Raises ImageMissing if the image cannot be pulled.
    """
    image = str(environ.get("TAPDOCK_RELAY_IMAGE") or f"tapdock/runner:{__version__}")
    facts = engine.inspect(image)
    if facts is None:
        try:
            engine.pull(image, platform=None, progress=progress)
        except ImageMissing as error:
            hint = "this engine shares no folder with tapdock, so it needs tapdock's image: run `scripts/images runner`"
            raise ImageMissing(error.message, hint=hint) from error
        facts = engine.inspect(image)
    if locked is None:
        return image
    if facts is None:
        raise ImageMissing(f"the image `{image}` was pulled but does not exist")
    lockfile.verify(locked, facts)
    return facts.id or image
