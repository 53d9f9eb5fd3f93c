"""Run a connector in a container of its own for one answer: its spec, a check, or its streams."""

import dataclasses
import queue
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds.base import place_of
from tapdock.connectors.paths import path_hint, unmounted
from tapdock.errors import ERROR_OF, EngineError, Interrupted, TapdockError
from tapdock.events import Event, Output, Rotated, Verdict
from tapdock.launch import Exit, Launch
from tapdock.project.model import Connector
from tapdock.protocol.answer import Answer, read_answer
from tapdock.relay.host import Outcome, perform
from tapdock.relay.plan import Collection
from tapdock.text.last_words import LastWords
from tapdock.text.network_hints import network_hint
from tapdock.text.own_lines import level_in

__all__ = ["NO_PROGRAM", "Asked", "ask"]

_REPORT_SECONDS = 30.0
_LONGEST_REASON = 500
_USAGE_LINES = 50
_USAGE_CHARACTERS = 64 << 10  # an answer may be large, and only its beginning can show what the program is
NO_PROGRAM = (126, 127)
"""The exit codes of a shell for a program that cannot be run or does not exist."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A connector's answer. `words` is the reason that it gave for a failure, `text` all that it printed on stdout.

    `printed` are the last lines on stderr and the beginning of `text`. `hint` is the next step for the failure of its
    network, or for a path in its config that no mount covers. `timed_out`: it was killed because it had not ended in
    time.
    """

    connector: Connector
    text: str
    code: int
    answer: Answer
    words: str
    program: tuple[str, ...]
    printed: str
    hint: str | None = None
    timed_out: bool = False

    def failure(self, before: str = "", after: str = "", *, hint: str | None = None) -> TapdockError:
        """Return the error `{before} source `x` {after} (exit code 1)`, with the connector's reason if there is one.

        It is an EngineError if the program could not be started, else a SourceError or a TargetError with the hint. A
        failure of its network has a hint of its own.
        """
        name = f"{self.connector.role} `{self.connector.name}`"
        message = f"{' '.join(filter(None, (before, name, after)))} (exit code {self.code})"
        if self.words:
            message = f"{message}: {self.words}"
        if self.code in NO_PROGRAM:
            hint = f"check that `{' '.join(self.program)}` is in the image, or set `entrypoint:` to another program"
            return EngineError(message, hint=hint)
        return _failure_of(self.connector)(message, hint=self.hint or hint)


def _engine_code(ended: Exit | None) -> int:
    """Return the exit code from the engine. The one from the launcher's pipe may be forged by the connector."""
    return (ended.code or 0) if ended else 0


def _failure_of(connector: Connector) -> type[TapdockError]:
    return ERROR_OF[connector.role]


class _Heard:
    """Takes and logs the lines that a connector prints on stderr while it is asked. `stderr` are the last ones."""

    def __init__(self, context: Context) -> None:
        self.stderr: deque[str] = deque(maxlen=_USAGE_LINES)
        self._said: deque[str] = deque(maxlen=5)
        self._last = LastWords()
        self._context = context

    def __call__(self, line: str) -> None:
        text = self._context.redacted(line)
        if text.strip():
            self._said.append(text)
        self.stderr.append(text)
        self._last.stderr(text)
        self._context.log(text)

    def words(self, answer: Answer, text: str, *, records: bool) -> str:
        """Return the reason for a failure. `text` is what was printed on stdout; with `records`, it contains some."""
        if not self._last.explains and not records:  # the text between records may be a part of one
            self._said.extend(_printed(self._context, answer, text))
        last = self._last.last if self._last.explains else " / ".join(_explaining(self._said))
        return _reason(self._context, answer) or last


def ask(
    context: Context,
    ready: PreparedConnector,
    launch: Launch,
    *,
    keep: Callable[[str], None] | None = None,
    optional: bool = False,
    records: int = 0,
) -> Asked:
    """Run the connector for one answer. `keep` gets the config if the connector changed it, in any ending.

    With `records`, it is asked to stop after it has printed so many records; its exit code is then 0.

    Raises EngineError, Interrupted, and SourceError or TargetError if the connector takes too long. It has less time
    for an optional answer, and no error is raised if it takes too long (`timed_out`).
    """
    heard = _Heard(context)
    output: list[str] = []
    rewritten: list[str] = []
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def emit(event: Event) -> None:
        if isinstance(event, Output):
            output.append(event.text)
        elif isinstance(event, Rotated):
            rewritten.append(event.config)

    question = f"{ready.connector.name}: {' '.join(arg for arg in launch.args if isinstance(arg, str))}"
    launch = dataclasses.replace(launch, place=place_of(ready.connector, "mounts", context.project.origins))
    work = _work(context, ready.connector, launch, optional=optional, records=records)
    doing = f"ending the question to {ready.connector.name}"
    with context.signals.orders(inbox, doing=doing), _waiting(context, question, most=work.seconds):
        context.say(f"asking {question}")
        where, logs = context.relay_image, lambda _: heard
        outcome = perform(context.engine, work, (launch,), relay_image=where, inbox=inbox, emit=emit, logs=logs)
    text = "".join(output)
    output.clear()  # it may be large
    answer = read_answer(text.encode()) if ready.kind == "airbyte" else Answer()  # a catalog is not a message
    for _, message in answer.logs:
        context.log(context.redacted(message))
    rotated = answer.config or (rewritten[-1] if rewritten else None)
    if rotated is not None and keep:
        keep(rotated)
    verdict = _verdict(ready.connector, outcome, optional=optional)
    words = heard.words(answer, text, records=bool(records))
    return Asked(
        connector=ready.connector,
        text=text,
        code=_engine_code(outcome.exits.get(launch.role)) if verdict.source_code is None else verdict.source_code,
        answer=answer,
        words=words,
        hint=network_hint(words) or path_hint(unmounted(context.engine, ready.connector), words),
        program=launch.entrypoint,
        printed="\n".join((*heard.stderr, text[:_USAGE_CHARACTERS])),
        timed_out=verdict.timed_out,
    )


def _work(context: Context, connector: Connector, launch: Launch, *, optional: bool, records: int) -> Collection:
    work = Collection(
        run_id=secrets.token_hex(6),
        source_files=launch.files,
        records=records,
        stop_grace=connector.limits.stop_grace,
    )
    return msgspec.structs.replace(work, seconds=context.patience) if optional else work


def _verdict(connector: Connector, outcome: Outcome, *, optional: bool) -> Verdict:
    """Return the verdict. Raises EngineError, Interrupted, SourceError or TargetError for a failure that counts."""
    if outcome.failure:
        raise outcome.failure
    verdict = outcome.verdict
    assert verdict is not None, "without one, there is a failure"
    if verdict.exit_code in (130, 143):
        raise Interrupted(f"{connector.name}: {verdict.message}", exit_code=verdict.exit_code)
    if verdict.exit_code and not (optional and verdict.timed_out):
        kind = _failure_of(connector) if verdict.side == "source" else EngineError
        raise kind(f"{connector.name}: {verdict.message}", hint=verdict.hint)
    return verdict


def _printed(context: Context, answer: Answer, text: str) -> list[str]:
    """Return the last line on stdout that is not a message or another JSON value; none if there is no such line."""
    lines = [line for _, line in answer.logs] or text.split("\n")
    return [context.redacted(line.strip()) for line in lines if line.strip() and line.strip()[0] not in '{}[]"'][-1:]


def _explaining(said: Iterable[str]) -> list[str]:
    """Return the last lines without those for information, unless there are no others."""
    return [line for line in said if level_in(line) not in ("info", "debug")] or list(said)


def _reason(context: Context, answer: Answer) -> str:
    """Return the error that the connector reported, with its internal message if that says more."""
    if answer.error is None:
        return ""
    error = answer.error
    reason = " ".join((error.internal_message or "").split())[:_LONGEST_REASON]
    words = (error.words, reason if reason not in error.words else "")
    return context.redacted(" / ".join(filter(None, words)))


@contextmanager
def _waiting(context: Context, question: str, *, most: float) -> Iterator[None]:
    """Report every half minute that a question is still not answered."""
    answered = threading.Event()

    def report() -> None:
        seconds = 0.0
        while not answered.wait(_REPORT_SECONDS):
            seconds += _REPORT_SECONDS
            context.say(f"waiting for {question}: no answer after {seconds:g} s of at most {most:g} s")

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        answered.set()
        thread.join()
