"""What a relay is told, once, before it starts. It holds secrets and is only ever in memory."""

import msgspec

from tapdock.catalog import ConfiguredStream
from tapdock.config import Limits
from tapdock.launch import InputFile

__all__ = ["Collection", "Plan", "decode_plan"]


class Plan(msgspec.Struct, frozen=True, kw_only=True, tag="plan"):
    """A source into a target, by a route of `translate.ROUTES`."""

    run_id: str
    route: str
    streams: tuple[ConfiguredStream, ...] = ()
    state: str | None = None
    source_files: tuple[InputFile, ...] = ()
    target_files: tuple[InputFile, ...] = ()
    limits: Limits = Limits()
    ack_on_exit: bool = False


class Collection(msgspec.Struct, frozen=True, kw_only=True, tag="collection"):
    """One connector alone: what it is given, and how many seconds it may take."""

    run_id: str
    source_files: tuple[InputFile, ...] = ()
    seconds: float = 540.0


def decode_plan(line: bytes) -> Plan | Collection:
    """What was encoded as JSON where the run began, in the container that serves it. Raises msgspec.DecodeError."""
    work: Plan | Collection = msgspec.json.decode(line, type=Plan | Collection)
    return work
