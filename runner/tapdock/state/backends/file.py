"""State in a folder: one file per name, replaced as a whole. Compare-and-swap and leases use `flock`."""

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import msgspec

from tapdock.errors import StateError, UsageError
from tapdock.files import made, write_whole
from tapdock.state.backends.base import Holder, LeaseTerms, Stored, changed_meanwhile, held_by, holder_here, stop_line
from tapdock.state.backends.limits import LARGEST, require_small, require_writable

__all__ = ["FileBackend", "open_uri"]

SUFFIX = ".json"
_SIGN_SECONDS = 1.0
PASSING = {errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT, errno.EREMOTEIO}
ADVICE = {
    errno.ENOSPC: "free some space on that disk, then run again; the state saved before is unchanged",
    errno.EDQUOT: "free some of your quota, then run again; the state saved before is unchanged",
    errno.EROFS: "that file system is read-only: set TAPDOCK_HOME or `state_backend.uri` to another folder",
    errno.EACCES: "become the owner of the folder (`chown`), or choose another one as `state_backend.uri`",
    errno.EPERM: "become the owner of the folder (`chown`), or choose another one as `state_backend.uri`",
    errno.ENOTDIR: "a part of that path is a file, not a folder: choose another `state_backend.uri`",
    errno.EEXIST: "a part of that path is a file, not a folder: choose another `state_backend.uri`",
    errno.ENOLCK: "that file system does not support locks: choose a folder on a local disk as `state_backend.uri`",
    errno.EOPNOTSUPP: "that file system does not support locks: choose a folder on a local disk as `state_backend.uri`",
    errno.ELOOP: "that name is a symbolic link: remove it, or put a copy of the file there",
    errno.ENXIO: "that name is a pipe, a folder or a device: remove it",
    errno.EISDIR: "that name is a folder: remove it",
    errno.ENAMETOOLONG: "choose shorter names for source, target and environment",
}


def open_uri(uri: str, folder: Path, *, lease_seconds: float) -> "FileBackend":
    """Return the backend of `file:///path`, or of a path relative to `folder`.

    `lease_seconds` is unused: the kernel releases the lock of a dead process. Raises UsageError for an invalid URI.
    """
    del lease_seconds
    if "://" not in uri:
        return FileBackend(folder / Path(uri).expanduser())
    parts = urlsplit(uri)
    if parts.netloc or not parts.path:
        raise UsageError(f"`{uri}` does not name a folder", hint="write `file:///path/to/folder` or just the path")
    return FileBackend(Path(unquote(parts.path)))


class FileBackend:
    """Objects in `folder`, readable only by their owner. `largest` is the limit of an object in bytes."""

    tries = 3
    largest = LARGEST

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def uri(self) -> str:
        return str(self.folder)

    def get(self, name: str) -> Stored | None:
        path = self._path(name)
        with _told(path, "read"):
            try:
                descriptor = _opened(path, os.O_RDONLY)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                require_small(os.fstat(descriptor).st_size, str(path), largest=self.largest)
                body = file.read(self.largest + 1)  # it may have grown
        require_small(len(body), str(path), largest=self.largest)
        return Stored(body, _version(body))

    def put(self, name: str, body: bytes, *, expected: str | None) -> str:
        path = self._path(name)
        require_writable(body, name, self.uri, largest=self.largest)
        with _told(path, "save"), self._locked():
            self._expect(name, expected)
            write_whole(path, body, alone=True)
        return _version(body)

    def names(self, prefix: str = "") -> list[str]:
        with _told(self.folder, "read"):
            files = [path.name for path in self.folder.iterdir()] if self.folder.exists() else []
        found = {file: unquote(file.removesuffix(SUFFIX)) for file in files}
        ours = (name for file, name in found.items() if file == _safe(name) + SUFFIX)
        return sorted(name for name in ours if name.startswith(prefix))

    def delete(self, name: str) -> None:
        path = self._path(name)
        with _told(path, "remove"):
            path.unlink(missing_ok=True)

    @contextmanager
    def acquire(self, name: str, holder: Holder, terms: LeaseTerms | None = None) -> Iterator[None]:
        """Lock the lease file. `terms` are not needed: the kernel releases the lock of a dead holder."""
        path = self._lease(name)
        with _told(path, "lock"):
            made(path.parent)
            lease = _opened(path, os.O_RDWR | os.O_CREAT)
        try:
            with _told(path, "lock"):
                try:
                    fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise held_by(name, _facts(lease), here=holder) from None
                os.ftruncate(lease, 0)
                os.pwrite(lease, msgspec.json.encode(holder), 0)
            try:
                with _shown(self._sign(name)):
                    yield
            finally:
                os.ftruncate(lease, 0)
        finally:
            os.close(lease)  # the kernel does this for a process that dies

    def holder(self, name: str) -> Holder | None:
        """Return the holder of the lease. The lease file is not locked here: a run may be about to lock it."""
        path = self._lease(name)
        with _told(path, "read"):
            try:
                lease = _opened(path, os.O_RDONLY)
            except FileNotFoundError:
                return None
            try:
                return _facts(lease) if _is_locked(self._sign(name)) else None
            finally:
                os.close(lease)

    def unlock(self, name: str) -> None:
        holder = self.holder(name)
        if holder:
            hint = stop_line(holder, holder_here("", since=0))
            raise StateError(f"`{name}` is held by a live process, and released when that process ends", hint=hint)

    def _lease(self, name: str) -> Path:
        return self.folder / ".leases" / _safe(name)

    def _sign(self, name: str) -> Path:
        """The path of a second file that the holder locks, so that others can test it.

        No lease file of another name contains a `+`.
        """
        return self.folder / ".leases" / (_safe(name) + "+held")

    def _path(self, name: str) -> Path:
        return self.folder / (_safe(name) + SUFFIX)

    def _expect(self, name: str, expected: str | None) -> None:
        stored = self.get(name)
        if (stored.version if stored else None) != expected:
            raise changed_meanwhile(name, self.uri)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        made(self.folder)
        lock = _opened(self.folder / ".lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _safe(name: str) -> str:
    """Return a name as a file name, reversibly: `prod:a-to-b` -> `prod%3Aa-to-b`."""
    return quote(name, safe="", errors="surrogateescape")


def _version(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _facts(lease: int) -> Holder | None:
    try:
        return msgspec.json.decode(os.pread(lease, 65536, 0), type=Holder)
    except (ValueError, RecursionError):
        return None  # the holder has not written them yet


@contextmanager
def _shown(sign: Path) -> Iterator[None]:
    """Lock the file that shows others the lease. A failure is ignored: the lease itself is in another file."""
    lock = None
    try:
        with suppress(OSError):
            lock = _opened(sign, os.O_RDWR | os.O_CREAT)
            _lock_patiently(lock)
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _lock_patiently(lock: int) -> None:
    """Wait for processes that test the lock: each holds it for a moment. Raises BlockingIOError after a second."""
    deadline = time.monotonic() + _SIGN_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _is_locked(sign: Path) -> bool:
    try:
        lock = _opened(sign, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _opened(path: Path, flags: int) -> int:
    """Return a descriptor of a regular file. Raises OSError for a pipe, whose other end would block, and for a link."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ENXIO, "not a regular file")
    return descriptor


@contextmanager
def _told(path: Path, action: str) -> Iterator[None]:
    """Convert an OSError into a StateError with the path and a hint; `retryable` if a later attempt may succeed."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        raise StateError(
            f"cannot {action} state at {path}: {error.strerror or error}",
            hint=ADVICE.get(number, "check that disk, then run again"),
            retryable=number in PASSING,
        ) from error
