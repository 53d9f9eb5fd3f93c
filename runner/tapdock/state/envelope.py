"""What is stored of a state: the connector's own text in an envelope that says whose and since when."""

from typing import Literal

import msgspec

from tapdock.errors import StateError

__all__ = ["Dialect", "Envelope", "decode", "encode", "state_key"]

VERSION = 1
Dialect = Literal["airbyte", "singer"]


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """`state` is raw JSON text exactly as the connector gave it, None before the first commit.

    `generations` has the number of each stream's latest snapshot, `names` maps a stream to its name in the target;
    `fence` grows with every run that takes the state over, `nonce` tells one write from another.
    """

    version: int = VERSION
    key: str
    dialect: Dialect | None = None
    state: str | None = None
    generations: dict[str, int] = {}
    names: dict[str, str] = {}
    run_id: str
    fence: int
    nonce: str
    saved_at: str


class _Versioned(msgspec.Struct):
    version: int


def state_key(source: str, target: str, *, environment: str | None = None, suffix: str | None = None) -> str:
    """The name of a pipeline's state.

    >>> state_key("faker", "lake", environment="prod", suffix="eu")
    'prod:faker-to-lake:eu'
    """
    key = f"{environment or 'default'}:{source}-to-{target}"
    return f"{key}:{suffix}" if suffix else key


def encode(envelope: Envelope) -> bytes:
    return msgspec.json.encode(envelope) + b"\n"


def decode(body: bytes, *, place: str, key: str) -> Envelope:
    """The envelope in `body`; StateError names `place` when it is damaged or of a version to come."""
    try:
        version = msgspec.json.decode(body, type=_Versioned).version
        if version == VERSION:
            return msgspec.json.decode(body, type=Envelope)
    except msgspec.DecodeError as error:
        raise StateError(
            f"state `{key}` in {place} is damaged: {error}",
            hint=f"put a copy of it back, or begin anew with `tapdock state clear {key} --yes`",
        ) from error
    raise StateError(
        f"state `{key}` in {place} has version {version}; this tapdock reads version {VERSION}",
        hint="run the newer tapdock that wrote it",
    )
