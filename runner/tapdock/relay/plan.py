"""What a relay is told, once, before it starts. It holds secrets and is only ever in memory."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from tapdock.launch import InputFile
from tapdock.project.model import Limits
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.translate import ROUTES
from tapdock.translate.base import Emit, TranslateOptions, Translator

__all__ = ["Collection", "RelayPlan", "decode_plan", "translator"]


class RelayPlan(msgspec.Struct, frozen=True, kw_only=True, tag="plan"):
    """A source into a target, by a route of `translate.ROUTES`.

    `only_complete`: the end of its input may make this target replace what was there, so it is killed where the source
    did not end well. `scratch`: both sides share a folder. `strict_counts`: counts that differ fail the run. `engine`:
    somebody reports how each container exited.
    """

    run_id: str
    route: str
    streams: tuple[ConfiguredStream, ...] = ()
    state: str | None = None
    source_files: tuple[InputFile, ...] = ()
    target_files: tuple[InputFile, ...] = ()
    limits: Limits = Limits()
    translation: TranslateOptions = TranslateOptions()
    only_complete: bool = False
    scratch: bool = False
    strict_counts: bool = False
    engine: bool = False


class Collection(msgspec.Struct, frozen=True, kw_only=True, tag="collection"):
    """One connector alone: what it is given, how many seconds it may take, and how many to be gone once killed."""

    run_id: str
    source_files: tuple[InputFile, ...] = ()
    seconds: float = 540.0
    gone: float = Limits().gone


def decode_plan(line: bytes) -> RelayPlan | Collection:
    """What was encoded as JSON where the run began, in the container that serves it. Raises msgspec.MsgspecError."""
    work: RelayPlan | Collection = msgspec.json.decode(line, type=RelayPlan | Collection)
    if isinstance(work, RelayPlan) and work.route not in ROUTES:
        raise msgspec.ValidationError(f"there is no route `{work.route}`")
    return work


def translator(plan: RelayPlan, folder: Path, *, emit: Emit, clock: Callable[[], float]) -> Translator:
    """The route's; the folder that both sides share, if they do, is made beside their pipes."""
    translation = plan.translation
    if plan.scratch:
        scratch = folder / "scratch"
        if not scratch.is_dir():  # a volume is there already
            scratch.mkdir()
            scratch.chmod(0o777)
        translation = msgspec.structs.replace(translation, scratch=str(scratch))
    found: Translator = ROUTES[plan.route](
        streams=plan.streams, saved=plan.state, emit=emit, clock=clock, translation=translation
    )
    return found
