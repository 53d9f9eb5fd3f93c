"""The stored form of a state: the connector's own text in an envelope with its name, run, fence and time."""

import shlex
from typing import Literal

import msgspec

from tapdock.errors import StateError
from tapdock.log import clean
from tapdock.project.state_keys import state_key

__all__ = ["Dialect", "Envelope", "a_kind", "decode", "encode", "state_key"]

VERSION = 1
_LONGEST_NAME = 200
Dialect = Literal["airbyte", "singer"]


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A stored state. `state` is the connector's raw JSON text, unchanged; None before the first commit.

    `generations` has the number of each stream's latest snapshot, `names` maps a stream to its name in the target.
    `places` has a digest of each setting that says where the target writes, as of the last commit of a run.
    Each run that takes the lease raises `fence` by one. `nonce` makes each write unique.
    """

    version: int = VERSION
    key: str
    dialect: Dialect | None = None
    state: str | None = None
    generations: dict[str, int] = {}
    names: dict[str, str] = {}
    places: dict[str, str] = {}
    run_id: str
    fence: int
    nonce: str
    saved_at: str


class _Versioned(msgspec.Struct):
    version: int


def a_kind(dialect: Dialect | None) -> str:
    """Return `a Singer` or `an Airbyte`, for messages."""
    return "a Singer" if dialect == "singer" else "an Airbyte"


def encode(envelope: Envelope) -> bytes:
    return msgspec.json.encode(envelope) + b"\n"


def decode(body: bytes, *, place: str, key: str) -> Envelope:
    """Return the envelope of state `key`.

    Raises StateError, which names `place`, for a body that is damaged, has a newer version, or belongs to another
    state: a copied state may still be in use by its own pipeline.
    """
    try:
        version = msgspec.json.decode(body, type=_Versioned).version
        if version == VERSION:
            return _of(key, msgspec.json.decode(body, type=Envelope), place)
    except (ValueError, RecursionError) as error:  # a RecursionError comes from too deep nesting
        raise StateError(
            f"state `{key}` in {place} is damaged: {error}",
            hint=f"restore a copy, or start from scratch with `tapdock state clear {key} --yes`",
        ) from error
    raise StateError(
        f"state `{key}` in {place} has format version {version}, but this tapdock reads only version {VERSION}",
        hint="use the newer tapdock that wrote it",
    )


def _of(key: str, envelope: Envelope, place: str) -> Envelope:
    if envelope.key == key:
        return envelope
    found = clean(envelope.key).replace("\n", " ")[:_LONGEST_NAME]
    copy = shlex.join(["tapdock", "state", "copy", found, key, "--yes"])
    clear = shlex.join(["tapdock", "state", "clear", key, "--yes"])
    raise StateError(
        f"the object of state `{key}` in {place} contains the state `{found}`",
        hint=f"`{copy}` makes `{key}` a copy of it; `{clear}` starts from scratch",
    )
