"""What every state backend answers, and the table of them by the scheme of their URI."""

import importlib
import os
import re
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
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
    "held_by",
    "holder_here",
    "open_backend",
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
"""By the scheme of a URI: the module, and the extra that brings what it imports."""
_BUCKETS = ("s3", "azblob", "gs")


class Stored(NamedTuple):
    """An object as it is stored; `version` changes with every different body."""

    body: bytes
    version: str


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who works with a state: told to whoever comes second. `owner` is the process as labels of containers name it."""

    run_id: str
    pid: int
    host: str
    since: str
    owner: str = ""


def _never(_: Holder) -> bool:
    return False


def _unheard(_: object) -> None: ...


@dataclass(frozen=True, kw_only=True)
class LeaseTerms:
    """Of a hold: `is_over` knows of a holder that it surely has ended; `lost` is told, in another thread, that the hold
    is ours no more; `say` takes a line for people."""

    is_over: Callable[[Holder], bool] = _never
    lost: Callable[[TapdockError], None] = _unheard
    say: Callable[[str], None] = _unheard


class Backend(Protocol):
    """A place for small named objects; every failure is a StateError that names the place.

    `tries` is how often a write is worth trying: once where the backend repeats by itself.
    """

    @property
    def tries(self) -> int: ...

    @property
    def uri(self) -> str: ...

    def get(self, name: str) -> Stored | None: ...

    def put(self, name: str, body: bytes, *, expected: str | None) -> str:
        """Write only over version `expected` (None: where nothing is), else Conflict; the new version."""
        ...

    def names(self, prefix: str = "") -> list[str]: ...

    def delete(self, name: str) -> None:
        """For names that nobody competes for; nothing there is no error."""
        ...

    def acquire(self, name: str, holder: Holder, terms: LeaseTerms | None = None) -> AbstractContextManager[None]:
        """Keep a name to ourselves until the block or the process ends; LeaseHeld tells who has it."""
        ...

    def holder(self, name: str) -> Holder | None:
        """Who holds a name now; None where nobody does, or nobody can tell."""
        ...

    def unlock(self, name: str) -> None:
        """Let go of a name for its holder, who finds out at its next renewal."""
        ...


def open_backend(
    uri: str, folder: Path, *, lease_seconds: float = LEASE_SECONDS, codec: Codec | None = None
) -> Backend:
    """The backend of a URI; without a scheme it is a folder, relative to `folder`.

    `codec` is for a bucket that another runner keeps its states in. Raises UsageError for a URI that names nothing, and
    where the extra is missing that its kind needs.
    """
    scheme, separator, _ = uri.partition("://")
    scheme = re.sub(r"\+.*", "", scheme) if separator else "file"  # postgresql+psycopg://
    if scheme not in _MODULES:
        known = ", ".join(f"`{name}://`" for name in _MODULES)
        raise UsageError(f"there is no state backend `{scheme}://`", hint=f"known: a folder's path, {known}")
    module, extra = _MODULES[scheme]
    if codec and scheme not in _BUCKETS:
        raise UsageError(f"`{scheme}://` is no bucket", hint=f"known: {', '.join(f'`{name}://`' for name in _BUCKETS)}")
    more = {"codec": codec} if codec else {}
    try:
        opened: Backend = importlib.import_module(module).open_uri(uri, folder, lease_seconds=lease_seconds, **more)
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").startswith("tapdock"):
            raise
        hint = f"pip install 'tapdock[{extra}]'"
        raise UsageError(f"state in `{scheme}://` needs the package `{error.name}`", hint=hint) from error
    return opened


def holder_here(run_id: str, *, since: float, owner: str = "") -> Holder:
    """This process as a holder; `since` in seconds since the epoch."""
    return Holder(
        run_id=run_id,
        pid=os.getpid(),
        host=socket.gethostname(),
        since=f"{datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%SZ}",
        owner=owner,
    )


def changed_meanwhile(name: str, place: str) -> Conflict:
    """A compare-and-swap that came second."""
    return Conflict(
        f"state `{name}` in {place} was changed by somebody else meanwhile",
        hint=f"see what is there now with `tapdock state show {name}`, then run again",
    )


def held_by(name: str, holder: Holder | None) -> LeaseHeld:
    """The refusal: who works with the state, where and since when."""
    name = name.removeprefix("lease/").removeprefix("overlay/")
    if holder is None:
        return LeaseHeld(f"state `{name}` is in use by another run", hint="wait for it to end, then run again")
    return LeaseHeld(
        f"state `{name}` is in use by run {holder.run_id} (process {holder.pid} on {holder.host}, "
        f"since {holder.since})",
        hint=f"wait for it to end, or stop it on {holder.host} with `kill {holder.pid}`",
    )
