"""Encryption of rotated configs at rest: a backend that encrypts its overlays with the user's key."""

from contextlib import AbstractContextManager
from typing import Protocol

from tapdock.errors import StateError, UsageError
from tapdock.state.backends.base import Backend, Holder, LeaseTerms, Stored

__all__ = ["Sealed", "as_stored", "sealed", "sealed_like"]

_PREFIX = "overlay/"
_MARK = b"sealed:"


class _Cipher(Protocol):
    def encrypt(self, data: bytes) -> bytes: ...

    def decrypt(self, token: bytes) -> bytes: ...


def sealed(backend: Backend, key: str | None) -> Backend:
    """Return the backend with encryption by Fernet (AES-128-CBC, HMAC-SHA256), or without if `key` is empty.

    `key` is 32 bytes as URL-safe base64. Raises UsageError for any other key.
    """
    if not key:
        return Sealed(backend, None)
    try:
        from cryptography.fernet import Fernet
    except ModuleNotFoundError as error:
        hint = "install it with `pip install 'tapdock[encryption]'`"
        raise UsageError("TAPDOCK_STATE_KEY requires the package `cryptography`", hint=hint) from error
    try:
        return Sealed(backend, Fernet(key.strip()))
    except ValueError as error:
        hint = "create a key: `openssl rand -base64 32 | tr '+/' '-_'`"
        raise UsageError("TAPDOCK_STATE_KEY is not a key: it must be 32 bytes as URL-safe base64", hint=hint) from error


def as_stored(backend: Backend) -> Backend:
    """Return the backend with its objects as they are stored, for copies of them.

    Encrypted ones are neither decrypted nor encrypted again. Others are encrypted on write if there is a key.
    """
    return _AsStored(backend._backend, backend._cipher) if isinstance(backend, Sealed) else backend


def sealed_like(backend: Backend, other: Backend) -> Backend:
    """Return the backend with the key of another one, as `as_stored` does it."""
    return _AsStored(backend, other._cipher if isinstance(other, Sealed) else None)


class Sealed:
    """A backend that encrypts rotated configs on write and decrypts them on read.

    It also reads unencrypted ones. Without a cipher it raises StateError for encrypted ones.
    """

    def __init__(self, backend: Backend, cipher: _Cipher | None) -> None:
        self._backend = backend
        self._cipher = cipher

    @property
    def uri(self) -> str:
        return self._backend.uri

    @property
    def tries(self) -> int:
        return self._backend.tries

    def get(self, name: str) -> Stored | None:
        stored = self._backend.get(name)
        if stored is None or not name.startswith(_PREFIX) or not stored.body.startswith(_MARK):
            return stored
        return Stored(self._opened(name, stored.body), stored.version)

    def _opened(self, name: str, body: bytes) -> bytes:
        whose = name.removeprefix(_PREFIX)
        if self._cipher is None:
            hint = "set TAPDOCK_STATE_KEY or TAPDOCK_STATE_KEY_FILE to the key with which it was encrypted"
            raise StateError(f"the rotated config of `{whose}` in {self.uri} is encrypted", hint=hint)
        from cryptography.fernet import InvalidToken

        try:
            return self._cipher.decrypt(body.removeprefix(_MARK))
        except InvalidToken as error:
            command = f"tapdock config forget-rotated {whose.rpartition(':')[2]}"
            hint = f"`{command}` discards it; the connector then logs in again"
            raise StateError(
                f"the rotated config of `{whose}` in {self.uri} was encrypted with another key", hint=hint
            ) from error

    def put(self, name: str, body: bytes, *, expected: str | None) -> str:
        if self._cipher and name.startswith(_PREFIX):
            body = _MARK + self._cipher.encrypt(body)
        return self._backend.put(name, body, expected=expected)

    def names(self, prefix: str = "") -> list[str]:
        return self._backend.names(prefix)

    def delete(self, name: str) -> None:
        self._backend.delete(name)

    def acquire(self, name: str, holder: Holder, terms: LeaseTerms | None = None) -> AbstractContextManager[None]:
        return self._backend.acquire(name, holder, terms)

    def holder(self, name: str) -> Holder | None:
        return self._backend.holder(name)

    def unlock(self, name: str) -> None:
        self._backend.unlock(name)


class _AsStored(Sealed):
    """See `as_stored`."""

    def get(self, name: str) -> Stored | None:
        return self._backend.get(name)

    def put(self, name: str, body: bytes, *, expected: str | None) -> str:
        if body.startswith(_MARK):
            return self._backend.put(name, body, expected=expected)
        return super().put(name, body, expected=expected)
