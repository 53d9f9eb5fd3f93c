"""What every state backend answers, and the table of them by the scheme of their URI."""

import importlib
import os
import re
import socket
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from tapdock.errors import LeaseHeld, UsageError

__all__ = ["Backend", "Holder", "Stored", "held_by", "holder_here", "open_backend"]

MODULES = {"file": "tapdock.state.file"}
LATER = ("azblob", "gs", "mssql", "postgresql", "s3", "sqlite")


class Stored(NamedTuple):
    """An object as it is stored; `version` changes with every different body."""

    body: bytes
    version: str


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who works with a state: told to whoever comes second."""

    run_id: str
    pid: int
    host: str
    since: str


class Backend(Protocol):
    """A place for small named objects; every failure is a StateError that names the place."""

    @property
    def uri(self) -> str: ...

    def get(self, name: str) -> Stored | None: ...

    def put(self, name: str, body: bytes, *, expected: str | None) -> str:
        """Write only over version `expected` (None: where nothing is), else Conflict; the new version."""
        ...

    def names(self, prefix: str = "") -> list[str]: ...

    def delete(self, name: str, *, expected: str | None) -> None:
        """Remove only version `expected`, else Conflict; nothing there and None expected is no error."""
        ...

    def hold(self, name: str, holder: Holder) -> AbstractContextManager[None]:
        """Keep a name to ourselves until the block or the process ends; LeaseHeld tells who has it."""
        ...


def open_backend(uri: str, folder: Path) -> Backend:
    """The backend of a URI; without a scheme it is a folder, relative to `folder`."""
    scheme, separator, _ = uri.partition("://")
    if not separator:
        scheme = "file"
    scheme = re.sub(r"\+.*", "", scheme)  # postgresql+psycopg://
    if scheme in LATER:
        raise UsageError(
            f"the state backend `{scheme}://` comes with a later version of tapdock",
            hint="keep state in a folder for now: `state_backend: {uri: .tapdock/state}`",
        )
    if scheme not in MODULES:
        known = ", ".join(f"`{name}://`" for name in MODULES)
        raise UsageError(f"there is no state backend `{scheme}://`", hint=f"known: a folder's path, {known}")
    backend: Backend = importlib.import_module(MODULES[scheme]).open_uri(uri, folder)
    return backend


def holder_here(run_id: str, *, since: float) -> Holder:
    """This process as a holder; `since` in seconds since the epoch."""
    return Holder(
        run_id=run_id,
        pid=os.getpid(),
        host=socket.gethostname(),
        since=f"{datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%SZ}",
    )


def held_by(name: str, holder: Holder | None) -> LeaseHeld:
    """The refusal: who works with the state, where and since when."""
    name = name.removeprefix("overlay/")
    if holder is None:
        return LeaseHeld(f"state `{name}` is in use by another run", hint="wait for it to end, then run again")
    return LeaseHeld(
        f"state `{name}` is in use by run {holder.run_id} (process {holder.pid} on {holder.host}, "
        f"since {holder.since})",
        hint=f"wait for it to end, or stop it on {holder.host} with `kill {holder.pid}`",
    )
