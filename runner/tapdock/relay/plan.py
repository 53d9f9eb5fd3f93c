"""The plan that a relay gets once, before it starts. It contains secrets and exists only in memory."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from tapdock.launch import InputFile
from tapdock.project.model import Kind, Limits
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.relay.limit import Limit
from tapdock.translate import ROUTES
from tapdock.translate.base import Emit, TranslateOptions, Translator

__all__ = ["Collection", "MapperPlan", "RelayPlan", "decode_plan", "limit_of", "translator"]


class MapperPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The mapper of a run: the name under which the run used it, and its input files.

    `only` are the names of the streams that the source may send; None if it may send any.
    """

    name: str = "mapper"
    files: tuple[InputFile, ...] = ()
    only: frozenset[str] | None = None


class RelayPlan(msgspec.Struct, frozen=True, kw_only=True, tag="plan"):
    """A run from a source to a target, by a route of `translate.ROUTES`.

    `only_complete`: this target may replace old rows at the end of its input, so it is killed if the source failed.
    `scratch`: both sides share a folder. `strict_counts`: different counts fail the run. `engine`: an engine reports
    how each container exited. `mapper`: between the source and tapdock is a mapper. `limit` is the most records of each
    stream that the target gets. `buffer` is how far the output for the target is read ahead of it, in bytes.
    """

    run_id: str
    route: str
    streams: tuple[ConfiguredStream, ...] = ()
    state: str | None = None
    source_files: tuple[InputFile, ...] = ()
    mapper: MapperPlan | None = None
    target_files: tuple[InputFile, ...] = ()
    limits: Limits = Limits()
    buffer: int = 0
    translation: TranslateOptions = TranslateOptions()
    only_complete: bool = False
    scratch: bool = False
    strict_counts: bool = False
    engine: bool = False
    limit: int | None = None


class Collection(msgspec.Struct, frozen=True, kw_only=True, tag="collection"):
    """A single connector whose output is collected.

    `seconds` is its time limit, `gone` the time in seconds for its container to end after a kill. If `records` is not
    0, it is asked to stop after it has printed so many RECORD messages, and killed after `stop_grace` seconds. If
    `endless`, its output may have any size, and `seconds` limits only the time without output.
    """

    run_id: str
    source_files: tuple[InputFile, ...] = ()
    seconds: float = 540.0
    gone: float = Limits().gone
    records: int = 0
    stop_grace: float = Limits().stop_grace
    endless: bool = False


def decode_plan(line: bytes) -> RelayPlan | Collection:
    """Decode the plan that the runner sent as JSON. Raises msgspec.MsgspecError."""
    work: RelayPlan | Collection = msgspec.json.decode(line, type=RelayPlan | Collection)
    if isinstance(work, RelayPlan) and work.route not in ROUTES:
        raise msgspec.ValidationError(f"there is no route `{work.route}`")
    return work


def limit_of(plan: RelayPlan) -> Limit | None:
    """Return the limit of the source's output. With `last_state_only`, a state is valid only at the source's end."""
    if plan.limit is None:
        return None
    kind: Kind = "airbyte" if plan.route.startswith("airbyte-") else "singer"
    return Limit(plan.limit, kind, plan.streams, states=not plan.translation.last_state_only)


def translator(plan: RelayPlan, folder: Path, *, emit: Emit, clock: Callable[[], float]) -> Translator:
    """Return the route's translator. If both sides share a folder, it is created beside their pipes."""
    translation = msgspec.structs.replace(plan.translation, limited=plan.limit is not None)
    if plan.scratch:
        scratch = folder / "scratch"
        if not scratch.is_dir():  # a volume exists already
            scratch.mkdir()
            scratch.chmod(0o777)
        translation = msgspec.structs.replace(translation, scratch=str(scratch))
    found: Translator = ROUTES[plan.route](
        streams=plan.streams, saved=plan.state, emit=emit, clock=clock, translation=translation
    )
    return found
