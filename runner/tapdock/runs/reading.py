"""Read the records of a source without a target, as they come, with the same checks as in a run. No state is saved."""

import queue
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import msgspec

from tapdock.connectors import operations
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds.base import place_of
from tapdock.connectors.resolved import Resolved
from tapdock.errors import Interrupted, SourceError, TranslationError
from tapdock.events import Event, Failed, Logged, Output, Rotated
from tapdock.launch import Launch
from tapdock.protocol.catalog import StreamKey
from tapdock.relay.host import Outcome, perform
from tapdock.relay.limit import wanting
from tapdock.relay.messages import Enough, Kill, Order
from tapdock.relay.plan import Collection
from tapdock.relay.pump import whole_lines
from tapdock.relay.verdict import FirstFailure
from tapdock.runs.source_read import ToRead, launch_of
from tapdock.runs.source_records import SourceRecord, found_in
from tapdock.runs.unread import denied_globs, unread_names
from tapdock.text.last_words import LastWords
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions, Translator
from tapdock.translate.catalogs.singer import emitted_names

__all__ = ["Reading", "read_records", "translator_of"]

_MOST_PIECES = 4  # of the output, of up to 256 KiB each, that wait for the reader
_TURN_SECONDS = 0.2
_MOST_SKIPPED = 10_000


def read_records(
    context: Context,
    ready: PreparedConnector,
    what: ToRead,
    *,
    limit: int | None = None,
    shown: Mapping[StreamKey, int] = MappingProxyType({}),
) -> Iterator[SourceRecord]:
    """Yield the records of the selected streams from their beginning, without excluded fields.

    With a `limit`, only so many records of each stream are yielded. Once each stream has as many, or is complete, the
    source is asked to stop; how it exits is then not a failure. A large stream does not delay the others for long: the
    source is stopped, and started again for the rest. If its streams are known only during the run, it is read whole.

    The source waits while the reader works. If the reader stops early and closes the generator, the source is killed
    and its container is removed. Raises TapdockError: also after all records, if the source failed in the end.
    """
    streams = what.streams
    reading = Reading(context, ready, what.config, launch_of(ready, what))
    translator = translator_of(ready, what, reading)
    targets = [one.target.stream for one in what.landed]
    names = {name: one.key for one in targets for name in emitted_names(one)}
    found: Counter[StreamKey] = Counter()

    def wanted(batch: bytes) -> Iterator[SourceRecord]:
        """Yield the records of a batch up to the limit. Only these are decoded."""
        for each in found_in(batch, ready.kind, names):
            found[each.key] += 1
            if limit is None or shown.get(each.key, 0) < found[each.key] <= limit:
                yield each.decoded()

    with reading:
        for batch in whole_lines(reading.chunks(), ready.connector.max_line):
            error: TranslationError | None = None
            try:
                translated = translator.feed(batch)
            except TranslationError as raised:
                error, translated = raised, translator.partial
            yield from wanted(translated)
            left = wanting(translator.counts.reports(), streams, limit) if limit else streams
            skipped = sum(max(0, count - limit) for count in found.values()) if limit else 0
            if streams and (not left or (skipped > _MOST_SKIPPED and len(left) < len(streams))):
                reading.stop()
                break
            if error and batch.endswith(b"\n"):
                raise error
            if error:
                reading.cause.torn(error)  # how a killed source leaves its last line
            translator.states.acked_all()  # nothing saves states here, and they would fill the memory
        else:
            reading.require_good(translator)
            return
    if left:
        context.say(f"{ready.connector.name}: reading {', '.join(str(one.stream.key) for one in left)}")
        config = operations.resolved_config(context, ready)  # the source may have changed it
        rest = msgspec.structs.replace(what, streams=left, config=config)
        yield from read_records(context, ready, rest, limit=limit, shown=Counter(shown) | found)


def translator_of(
    ready: PreparedConnector, what: ToRead, reading: "Reading", *, saved: str | None = None
) -> Translator:
    """Return the translator of the source into its own protocol: it removes what is not read, and applies maps."""
    translation = TranslateOptions(
        baseline=False,
        excluded=unread_names(ready.kind, what.offered, what.streams),
        denied=denied_globs(ready.connector, what.select),
        only_known=ready.connector.discovery.mode == "committed",
        max_line=ready.connector.max_line,
        maps=what.maps,
    )
    found: Translator = ROUTES[f"{ready.kind}-{ready.kind}"](
        streams=what.streams, saved=saved, emit=reading.emit, clock=time.monotonic, translation=translation
    )
    return found


class Reading:
    """A source that runs in a thread of its own. A context manager: the source has ended when the block ends."""

    def __init__(self, context: Context, ready: PreparedConnector, config: Resolved, launch: Launch) -> None:
        self._context = context
        self._ready = ready
        self._config = config
        self._launch = replace(launch, place=place_of(ready.connector, "mounts", context.project.origins))
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_MOST_PIECES)
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._last = LastWords()
        self.cause = FirstFailure()
        self._outcome: Outcome | BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="reading", daemon=True)

    def __enter__(self) -> "Reading":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end(Kill(code=130))

    def stop(self) -> None:
        """Ask the source to stop, because all that is wanted was read. Raises TapdockError if the engine failed."""
        self._end(Enough())
        self._code()

    def _end(self, order: Order) -> None:
        """Drop what the source still prints, and wait until it has ended."""
        self._closed.set()
        self._inbox.put(order)
        while self._thread.is_alive():
            self._thread.join(_TURN_SECONDS)  # in short waits, so that a signal is handled

    def _run(self) -> None:
        work = Collection(
            run_id=secrets.token_hex(6),
            source_files=self._launch.files,
            seconds=self._ready.connector.limits.source_idle,
            stop_grace=self._ready.connector.limits.stop_grace,
            endless=True,
        )
        try:
            self._outcome = perform(
                self._context.engine,
                work,
                (self._launch,),
                relay_image=self._context.relay_image,
                inbox=self._inbox,
                emit=self.emit,
                logs=lambda _: self._heard,
            )
        except BaseException as error:
            self._outcome = error
        finally:
            self._put(None)

    def emit(self, event: Event) -> None:
        """Take an event of the relay, or of the translator, which runs in the reader's thread."""
        match event:
            case Output(text=text):
                if text:
                    self._put(text.encode())
            case Rotated(config=config):
                operations.keep_rotated(self._context, self._ready.connector, self._config, config)
            case Failed():
                self._last.reported(event.message)
                self.cause.reported(event)
            case Logged(message=message):
                self._context.log(self._context.redacted(message))
            case _:
                pass

    def _heard(self, line: str) -> None:
        text = self._context.redacted(line)
        self._last.stderr(text)
        self._context.log(text)

    def _put(self, piece: bytes | None) -> None:
        """Wait until the reader has room for a piece. After the end of the reader, it is dropped."""
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._pieces.put(piece, timeout=_TURN_SECONDS)
                return

    def chunks(self) -> Iterator[bytes]:
        """Yield the source's output, as it arrives."""
        while True:
            try:
                piece = self._pieces.get(timeout=_TURN_SECONDS)  # in short waits, so that a signal is handled
            except queue.Empty:
                continue
            if piece is None:
                return
            yield piece

    def require_good(self, translator: Translator) -> bytes:
        """Return the last messages, after the output was read to its end.

        Raises the reason for which the records are not all that the source has.
        """
        code = self._code()
        if code:
            self.cause.source_exited(code)
        self.cause.source_read(code)
        complete = code == 0 and self.cause.is_sound
        self.cause.unfinished(translator.counts.failures(ended=complete))
        closing = translator.closing(complete=complete)
        self.cause.unfinished(translator.counts.failures())
        if error := self.cause.error:
            name = f"source `{self._ready.connector.name}`"
            words = self._last.last if code and self._last.last not in error.message else ""
            error.message = f"{name}: {error.message}{f': {words}' if words else ''}"
            raise error
        return closing

    def _code(self) -> int:
        """Return the exit code of the source. Raises TapdockError or Interrupted if there is none."""
        outcome = self._outcome
        if isinstance(outcome, BaseException):
            raise outcome
        assert outcome is not None, "set in every ending"
        if outcome.failure:
            raise outcome.failure
        verdict = outcome.verdict
        assert verdict is not None, "without one, there is a failure"
        if verdict.exit_code in (130, 143):
            raise Interrupted("stopped by signal", exit_code=verdict.exit_code)
        if verdict.exit_code:
            raise SourceError(f"source `{self._ready.connector.name}`: {verdict.message}", hint=verdict.hint)
        ended = outcome.exits.get("source")  # also the engine's code: a connector could forge that of its launcher
        return verdict.source_code or (ended.code if ended else None) or 0
