"""The windows that backfills of a pipeline have read, beside its state: the next backfill reads only the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import msgspec
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from tapdock.errors import Conflict, LeaseHeld, StateError, UsageError
from tapdock.project.window import Window
from tapdock.project.window_steps import joined, missing
from tapdock.state.backends.base import Backend, LeaseTerms, Stored, holder_here

__all__ = ["PREFIX", "BackfillSession", "Progress", "key_of", "lease", "read", "saved_at", "without"]

PREFIX = "backfill/"
VERSION = 1
Times = tuple[str, str]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The stored form. `streams` has the windows that were read of each stream, `places` those of the target.

    `source` is the name of the source, `names` maps a stream to its name in the target, and `filters` to a digest of
    its filter, which is empty if all records are written. `mapper` is the name of the mapper, if there is one.
    """

    version: int = VERSION
    key: str
    saved_at: str = ""
    run_id: str = ""
    places: dict[str, str] = {}
    source: str = ""
    names: dict[str, str] = {}
    filters: dict[str, str] = {}
    mapper: str = ""
    streams: dict[str, tuple[Times, ...]] = {}

    def windows(self, stream: str) -> tuple[Window, ...]:
        return joined(Window.of(*each) for each in self.streams.get(stream, ()))

    def done(self, streams: Sequence[str]) -> tuple[Window, ...]:
        """Return the windows that were read of all these streams."""
        found: tuple[Window, ...] | None = None
        for stream in streams:
            own = self.windows(stream)
            found = own if found is None else _common(found, own)
        return found or ()

    def lagging(self, streams: Sequence[str], window: Window) -> dict[str, tuple[Window, ...]]:
        """Return, by stream, the parts of a window that were read of another one of these streams only."""
        each = {stream: self.windows(stream) for stream in streams}
        every = _common([window], joined(own for windows in each.values() for own in windows))
        found = {name: tuple(gap for one in every for gap in missing(one, own)) for name, own in each.items()}
        return {name: gaps for name, gaps in found.items() if gaps}

    def with_done(self, streams: Sequence[str], window: Window) -> "Progress":
        more = {stream: _times(joined((*self.windows(stream), window))) for stream in streams}
        return msgspec.structs.replace(self, streams={**self.streams, **more})


def without(progress: Progress, streams: Sequence[str], window: Window) -> Progress:
    """Return the progress as if nothing of a window had been read of these streams."""
    left = {name: [gap for own in progress.windows(name) for gap in missing(own, [window])] for name in streams}
    return msgspec.structs.replace(progress, streams={**progress.streams, **{n: _times(w) for n, w in left.items()}})


def _common(one: Sequence[Window], other: Sequence[Window]) -> tuple[Window, ...]:
    pairs = ((max(a.start, b.start), min(a.end, b.end)) for a in one for b in other)
    return joined(Window(start, end) for start, end in pairs if start < end)


def _times(windows: Sequence[Window]) -> tuple[Times, ...]:
    return tuple(each.ends for each in windows)


def key_of(pipeline: str, environment: str | None) -> str:
    """Return the key of a pipeline's progress. Pipelines that share a state have one each.

    >>> key_of("demo", None)
    'default:demo'
    """
    return f"{environment or 'default'}:{pipeline}"


def read(backend: Backend, key: str) -> Progress:
    """Return the progress without a lease; an empty one if there is none. Raises StateError."""
    return _decoded(backend, key, backend.get(PREFIX + key))


def saved_at(body: bytes) -> str | None:
    """Return when stored progress was saved; None if it cannot be read."""
    try:
        found = msgspec.json.decode(body, type=Progress)
    except (ValueError, RecursionError):
        return None
    return found.saved_at if found.version == VERSION else None


def _decoded(backend: Backend, key: str, stored: Stored | None) -> Progress:
    if stored is None:
        return Progress(key=key)
    try:
        found = msgspec.json.decode(stored.body, type=Progress)
        for stream in found.streams:
            found.windows(stream)
    except (ValueError, RecursionError, UsageError) as error:
        hint = "`tapdock backfill … --again` starts anew"
        raise StateError(f"the progress of backfill `{key}` in {backend.uri} is damaged: {error}", hint=hint) from error
    if found.version != VERSION or found.key != key:
        newer = "use the newer tapdock that wrote it" if found.version != VERSION else None
        raise StateError(f"the progress of backfill `{key}` in {backend.uri} cannot be used", hint=newer)
    return found


class BackfillSession:
    """The progress of a pipeline under the lease of its backfill."""

    def __init__(self, backend: Backend, progress: Progress, version: str | None, clock: Callable[[], float]) -> None:
        self.progress = progress
        self._backend = backend
        self._version = version
        self._clock = clock

    def save(self, progress: Progress, *, run_id: str, places: Mapping[str, str]) -> None:
        """Save the progress. Raises StateError, and Conflict if another process has changed it."""
        at = f"{datetime.fromtimestamp(self._clock(), UTC):%Y-%m-%dT%H:%M:%SZ}"
        new = msgspec.structs.replace(progress, saved_at=at, run_id=run_id, places=dict(places))
        retrying = Retrying(
            stop=stop_after_attempt(self._backend.tries),
            wait=wait_exponential(multiplier=0.2, max=2),
            retry=retry_if_exception(lambda error: isinstance(error, StateError) and error.retryable),
            reraise=True,
        )
        self._version = retrying(self._put, msgspec.json.encode(new) + b"\n")
        self.progress = new

    def _put(self, body: bytes) -> str:
        name = PREFIX + self.progress.key
        try:
            return self._backend.put(name, body, expected=self._version)
        except Conflict:
            stored = self._backend.get(name)  # an earlier attempt may have succeeded although its answer was lost
            if stored and stored.body == body:
                return stored.version
            raise


@contextmanager
def lease(
    backend: Backend,
    key: str,
    *,
    run_id: str,
    owner: str,
    clock: Callable[[], float],
    terms: LeaseTerms,
    anew: bool = False,
) -> Iterator[BackfillSession]:
    """Hold the lease of a pipeline's backfill. With `anew`, damaged progress counts as none.

    Raises LeaseHeld while another backfill of the pipeline runs, and StateError.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(backend.acquire(PREFIX + key, holder_here(run_id, since=clock(), owner=owner), terms))
        except LeaseHeld as error:
            rest = error.message.partition(" by ")[2]
            raise LeaseHeld(f"another backfill of `{key}` is running: {rest}", hint=error.hint) from None
        stored = backend.get(PREFIX + key)
        try:
            progress = _decoded(backend, key, stored)
        except StateError:
            if not anew:
                raise
            progress = Progress(key=key)
        yield BackfillSession(backend, progress, stored.version if stored else None, clock)
