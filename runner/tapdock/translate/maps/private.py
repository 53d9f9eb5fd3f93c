"""Functions for personal data: tokens by a key, masks, and encryption for a public key.

All values have one canonical text, so that the same value gives the same token in each stream: a string is its own
text, a number is written without needless digits (1, 1.0 and "1" have the same token), booleans are `true` and
`false`, dates are in ISO 8601, and objects and lists are JSON with keys in order. Null stays null.
"""

import base64
import datetime
import hashlib
import os
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from tapdock.errors import UsageError
from tapdock.translate.maps import texts
from tapdock.translate.maps.limits import Fault
from tapdock.translate.maps.numbers import described

__all__ = ["SHORTEST_KEY", "check_hash_key", "check_public_key", "decrypted", "encrypted", "masked", "tokens"]

SHORTEST_KEY = 16
"""Bytes of a key for tokens. A shorter one could be found by trying all of them."""
_MARK = "tapdock:enc1:"
_SMALLEST_RSA = 2048
_NONCE = 12
_BLOCK = 64
_DATES = (datetime.date, datetime.time)


def _canonical(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, _DATES) else texts.canonical(value)


def check_hash_key(key: bytes | None) -> bytes:
    """Return the key for tokens. Raises UsageError if there is none, or if it is too short."""
    hint = "create a key with `openssl rand -hex 32`, and set `hash_key` to a reference such as `${HASH_KEY}`"
    if not key:
        raise UsageError("the function `hash` requires a key, but none is set", hint=hint)
    if len(key) < SHORTEST_KEY:
        raise UsageError(f"the key of the function `hash` is shorter than {SHORTEST_KEY} bytes", hint=hint)
    return key


def tokens(key: bytes) -> Callable[[Any], str | None]:
    """Return the function that makes HMAC-SHA-256 of a value: 64 hexadecimal digits, and None for None.

    The two hashes of the key are computed once (RFC 2104), which is three times as fast as `hmac.digest`.
    """
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(one ^ 0x36 for one in block))
    outer = hashlib.sha256(bytes(one ^ 0x5C for one in block))

    def token(value: Any) -> str | None:
        if value is None:
            return None
        first, second = inner.copy(), outer.copy()
        first.update(_canonical(value).encode())
        second.update(first.digest())
        return second.hexdigest()

    return token


def masked(value: Any, keep: Any = 4) -> str | None:
    """Return a text in which `*` replaces all characters but the last ones, and None for None.

    At most half of the characters stay, so a short text is not shown.

    >>> masked("4111111111111111"), masked("1234")
    ('************1111', '**34')
    """
    if value is None:
        return None
    if not isinstance(value, str | int | float | Decimal):
        raise Fault(f"mask takes a string or a number, not {described(value)}")
    if isinstance(keep, bool) or not isinstance(keep, int) or keep < 0:
        raise Fault("`keep` of mask must be an integer that is not negative")
    whole = _canonical(value)
    shown = min(keep, len(whole) // 2)
    return "*" * (len(whole) - shown) + whole[len(whole) - shown :]


def _require_cryptography(what: str) -> None:
    try:
        import cryptography  # noqa: F401
    except ModuleNotFoundError as error:
        hint = "install it with `pip install 'tapdock[encryption]'`"
        raise UsageError(f"{what} requires the package `cryptography`", hint=hint) from error


@lru_cache(maxsize=8)
def _public(pem: bytes) -> tuple[Any, str]:
    """Return an RSA key with its short fingerprint."""
    _require_cryptography("the function `encrypt`")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    hint = "`openssl rsa -in private.pem -pubout -out public.pem` writes the public key of a private one"
    if b"PRIVATE KEY" in pem:
        raise UsageError("the key of the function `encrypt` is a private key: it must be the public one", hint=hint)
    try:
        key = serialization.load_pem_public_key(pem)
    except Exception:
        raise UsageError("the key of the function `encrypt` is not a public key in PEM format", hint=hint) from None
    if not isinstance(key, RSAPublicKey) or key.key_size < _SMALLEST_RSA:
        hint = "create one with `openssl genrsa -out private.pem 3072`"
        raise UsageError(f"the key of the function `encrypt` must be RSA with at least {_SMALLEST_RSA} bits", hint=hint)
    return key, _fingerprint(key)


def check_public_key(pem: bytes | None) -> bytes:
    """Return the public key for `encrypt`. Raises UsageError if there is none, or if it cannot be used."""
    if not pem:
        hint = "set `encrypt_key` to an RSA public key in PEM format, for example `${file:public.pem}`"
        raise UsageError("the function `encrypt` requires a public key, but none is set", hint=hint)
    _public(pem)
    return pem


def _fingerprint(key: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:16]


def _oaep() -> Any:
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.hashes import SHA256

    return OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)


def encrypted(value: Any, pem: bytes) -> str | None:
    """Return a value as text that only the owner of the private key can read, and None for None.

    The text is `tapdock:enc1:<fingerprint of the key>:<base64>`. The bytes are the value's JSON, encrypted by RSA-OAEP
    with SHA-256. If the JSON is longer than that allows, they are an AES key, encrypted in this way, a nonce of
    12 bytes, and the JSON, encrypted by AES-256-GCM with the part before the base64 as additional data.
    """
    if value is None:
        return None
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key, fingerprint = _public(pem)
    head = f"{_MARK}{fingerprint}:"
    plain = texts.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    if len(plain) <= key.key_size // 8 - 66:  # RFC 8017, 7.1.1: two digests and two bytes
        body = key.encrypt(plain, _oaep())
    else:
        secret, nonce = AESGCM.generate_key(256), os.urandom(_NONCE)
        body = key.encrypt(secret, _oaep()) + nonce + AESGCM(secret).encrypt(nonce, plain, head.encode())
    return head + base64.b64encode(body).decode()


def decrypted(text: str, pem: bytes, *, password: bytes | None = None) -> Any:
    """Return the value that `encrypted` was given. Numbers that are not integers are Decimals.

    Raises UsageError for a key that cannot be used, another key, and a text that is not one of `encrypted`.
    """
    _require_cryptography("the decryption of values")
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    mark, fingerprint, encoded = _split(text)
    key = _private(pem, password)
    if _fingerprint(key.public_key()) != fingerprint:
        hint = "use the private key that belongs to the `encrypt_key` of the run"
        raise UsageError(f"the value was encrypted for another key, with the fingerprint `{fingerprint}`", hint=hint)
    size = key.key_size // 8
    try:
        body = base64.b64decode(encoded, validate=True)
        plain = key.decrypt(body[:size], _oaep())
        if len(body) > size:
            nonce = body[size : size + _NONCE]
            plain = AESGCM(plain).decrypt(nonce, body[size + _NONCE :], f"{mark}{fingerprint}:".encode())
        return texts.loads(plain.decode())
    except Exception:
        raise UsageError("the encrypted value is damaged: it was cut or changed") from None


def _split(text: str) -> tuple[str, str, str]:
    fingerprint, colon, encoded = text.removeprefix(_MARK).partition(":")
    if not text.startswith(_MARK) or not colon:
        raise UsageError(f"the text is not a value of the function `encrypt`: it does not begin with `{_MARK}`")
    return _MARK, fingerprint, encoded


@lru_cache(maxsize=4)
def _private(pem: bytes, password: bytes | None) -> Any:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    try:
        key = serialization.load_pem_private_key(pem, password)
    except TypeError:
        what = "is not encrypted, but a password is given" if password else "is encrypted: its password is required"
        hint = "`openssl rsa -in locked.pem -out private.pem` writes the key without its password"
        raise UsageError(f"the private key {what}", hint=None if password else hint) from None
    except Exception:
        hint = "it begins with a line such as `-----BEGIN PRIVATE KEY-----`"
        raise UsageError("the private key cannot be read: it must be in PEM format", hint=hint) from None
    if not isinstance(key, RSAPrivateKey):
        raise UsageError("the private key is not an RSA key")
    return key
