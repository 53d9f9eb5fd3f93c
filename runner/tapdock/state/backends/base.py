"""The interface of all state backends, and the table of backends by the scheme of their URI."""

import importlib
import os
import re
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from tapdock.errors import Conflict, LeaseHeld, TapdockError, UsageError
from tapdock.state.backends.keys import Codec

__all__ = [
    "LEASE_SECONDS",
    "Backend",
    "Holder",
    "LeaseTerms",
    "Stored",
    "changed_meanwhile",
    "extra_of",
    "held_by",
    "holder_here",
    "open_backend",
    "stop_line",
]

LEASE_SECONDS = 60.0

_MODULES = {
    "file": ("tapdock.state.backends.file", None),
    "s3": ("tapdock.state.backends.s3", "s3"),
    "azblob": ("tapdock.state.backends.azure", "azure"),
    "gs": ("tapdock.state.backends.gcs", "gcs"),
    "sqlite": ("tapdock.state.backends.sql", "sql"),
    "postgresql": ("tapdock.state.backends.sql", "postgres"),
    "mssql": ("tapdock.state.backends.sql", "mssql"),
}
"""By the scheme of a URI: the module, and the extra that installs what the module imports."""
_BUCKETS = ("s3", "azblob", "gs")


class Stored(NamedTuple):
    """A stored object. `version` is different for every different body."""

    body: bytes
    version: str


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a lease, for messages to other runs. `owner` is the process as in the labels of containers."""

    run_id: str
    pid: int
    host: str
    since: str
    owner: str = ""


def _never(_: Holder) -> bool:
    return False


def _ignored(_: object) -> None: ...


class LeaseTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Callbacks of a lease.

    `is_over` returns True if a holder has certainly ended. `lost` is called, in another thread, when the lease is lost.
    `say` takes a line for people.
    """

    is_over: Callable[[Holder], bool] = _never
    lost: Callable[[TapdockError], None] = _ignored
    say: Callable[[str], None] = _ignored


class Backend(Protocol):
    """A place for small named objects. Every failure is a StateError that names the place.

    `tries` is how often the caller may try a write: once if the backend itself retries.
    """

    @property
    def tries(self) -> int: ...

    @property
    def uri(self) -> str: ...

    def get(self, name: str) -> Stored | None: ...

    def put(self, name: str, body: bytes, *, expected: str | None) -> str:
        """Replace version `expected` (None: no object exists) and return the new version. Raises Conflict otherwise."""
        ...

    def names(self, prefix: str = "") -> list[str]: ...

    def delete(self, name: str) -> None:
        """Remove an object without a check for other writers. A missing object is not an error."""
        ...

    def acquire(self, name: str, holder: Holder, terms: LeaseTerms | None = None) -> AbstractContextManager[None]:
        """Hold the lease of a name until the block or the process ends. Raises LeaseHeld, which names the holder."""
        ...

    def holder(self, name: str) -> Holder | None:
        """Return the current holder of a name; None if there is none or it is unknown."""
        ...

    def unlock(self, name: str) -> None:
        """Release a lease for its holder, who detects this at its next renewal."""
        ...


def open_backend(
    uri: str, folder: Path, *, lease_seconds: float = LEASE_SECONDS, codec: Codec | None = None
) -> Backend:
    """Return the backend of a URI. A URI without a scheme is a folder, relative to `folder`.

    `codec` is for a bucket with the states of another runner. Raises UsageError for an invalid URI, and if the extra
    for this kind of backend is not installed.
    """
    scheme, separator, _ = uri.partition("://")
    scheme = re.sub(r"\+.*", "", scheme) if separator else "file"  # postgresql+psycopg://
    if scheme not in _MODULES:
        known = ", ".join(f"`{name}://`" for name in _MODULES)
        raise UsageError(f"there is no state backend `{scheme}://`", hint=f"known: a folder's path, {known}")
    module, extra = _MODULES[scheme]
    if codec and scheme not in _BUCKETS:
        hint = f"known: {', '.join(f'`{name}://`' for name in _BUCKETS)}"
        raise UsageError(f"`{scheme}://` is not a bucket", hint=hint)
    more = {"codec": codec} if codec else {}
    try:
        opened: Backend = importlib.import_module(module).open_uri(uri, folder, lease_seconds=lease_seconds, **more)
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").startswith("tapdock"):
            raise
        hint = f"install it with `pip install 'tapdock[{extra}]'`"
        raise UsageError(f"state in `{scheme}://` requires the package `{error.name}`", hint=hint) from error
    return opened


def extra_of(uri: str) -> tuple[str, str | None]:
    """Return the scheme of a URI (`file` for a folder), and the extra that its backend needs."""
    scheme, separator, _ = uri.partition("://")
    scheme = re.sub(r"\+.*", "", scheme) if separator else "file"
    return scheme, _MODULES.get(scheme, ("", None))[1]


def holder_here(run_id: str, *, since: float, owner: str = "") -> Holder:
    """Return this process as a holder. `since` is in seconds since the epoch."""
    return Holder(
        run_id=run_id,
        pid=os.getpid(),
        host=socket.gethostname(),
        since=f"{datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%SZ}",
        owner=owner,
    )


def changed_meanwhile(name: str, place: str) -> Conflict:
    """Return the error for a compare-and-swap that lost against another writer."""
    return Conflict(
        f"state `{name}` in {place} was changed by somebody else in the meantime",
        hint=f"check the current state with `tapdock state show {name}`, then run again",
    )


def held_by(name: str, holder: Holder | None, *, here: Holder, expires: float | None = None) -> LeaseHeld:
    """Return the error for a held lease. It names the run that uses the state, with its host and start.

    `here` is this process. `expires` is the time in seconds after which the lease of a dead run expires, if it does.
    """
    name = name.removeprefix("lease/").removeprefix("overlay/")
    dead = f"; if it is dead, its lease expires by itself after {expires:.0f} s" if expires else ""
    if holder is None:
        return LeaseHeld(f"state `{name}` is in use by another run", hint=f"wait for it to end, then run again{dead}")
    return LeaseHeld(
        f"state `{name}` is in use by run {holder.run_id} (process {holder.pid} on {holder.host}, "
        f"since {holder.since})",
        hint=f"wait for it to end, or {stop_line(holder, here)}{dead}",
    )


def stop_line(holder: Holder, here: Holder) -> str:
    """Return how to stop a holder. A process is only known by its number where `here` runs as well.

    >>> here = Holder(run_id="a", pid=1, host="one", since="")
    >>> stop_line(Holder(run_id="b", pid=7, host="two", since="", owner="x/7/9/0123456789abcdef/e"), here)
    'stop its container with `docker stop 0123456789ab`'
    """
    place, _, _, container = (*holder.owner.split("/"), "", "", "", "")[:4]
    if holder.owner and here.owner:
        is_near = place == here.owner.partition("/")[0]
    else:  # the default host name of a container is the beginning of its id
        is_near = holder.host == here.host and (not container or container.startswith(here.host))
    if is_near:
        return f"stop it with `kill {holder.pid}`"
    if container:
        return f"stop its container with `docker stop {container[:12]}`"
    elsewhere = "in another container of" if holder.host == here.host else "on"
    return f"stop it {elsewhere} {holder.host}, where it is process {holder.pid}"
