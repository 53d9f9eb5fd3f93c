"""One question to one connector, in a container of its own."""

import queue
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tapdock.connectors.context import Context, PreparedConnector
from tapdock.errors import EngineError, Interrupted, SourceError, TapdockError, TargetError
from tapdock.events import Event, Output, Rotated
from tapdock.launch import Exit, Launch
from tapdock.project.model import Connector
from tapdock.protocol.answer import Answer, read_answer
from tapdock.relay.host import perform
from tapdock.relay.plan import Collection

__all__ = ["NO_PROGRAM", "Asked", "ask"]

NO_PROGRAM = (126, 127)
"""What a shell exits with for a program that cannot be run, or is not there."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a connector answered."""

    connector: Connector
    text: str
    code: int
    answer: Answer
    words: str
    program: tuple[str, ...]

    def failure(self, what: str) -> TapdockError:
        """In the connector's own words where it has any."""
        why = self.words
        message = f"{self.connector.role} `{self.connector.name}` {what} and exited with {self.code}"
        if why:
            message = f"{message}: {why}"
        if self.code in NO_PROGRAM:
            return EngineError(message, hint=f"is `{' '.join(self.program)}` in the image? `entrypoint:` names another")
        return _failure_of(self.connector)(message)


def _engine_code(ended: Exit | None) -> int:
    """The engine's word on the exit; a connector can write to the pipe that the other one comes through."""
    return (ended.code or 0) if ended else 0


def _failure_of(connector: Connector) -> type[TapdockError]:
    return SourceError if connector.role == "source" else TargetError


def ask(
    context: Context, ready: PreparedConnector, launch: Launch, *, keep: Callable[[str], None] | None = None
) -> Asked:
    """Run the connector for one answer; `keep` is given a config that it changed, however it ends.

    Raises EngineError, Interrupted, SourceError or TargetError when it takes too long.
    """
    said: deque[str] = deque(maxlen=5)
    output: list[str] = []
    rewritten: list[str] = []
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def emit(event: Event) -> None:
        if isinstance(event, Output):
            output.append(event.text)
        elif isinstance(event, Rotated):
            rewritten.append(event.config)

    def hear(line: str) -> None:
        text = context.heard(line)
        said.append(text)
        context.log(text)

    context.progress(f"asking {ready.connector.name}: {' '.join(arg for arg in launch.args if isinstance(arg, str))}")
    with context.signals.orders(inbox):
        outcome = perform(
            context.engine,
            Collection(run_id=secrets.token_hex(6), source_files=launch.files),
            (launch,),
            relay_image=context.relay_image,
            inbox=inbox,
            emit=emit,
            logs=lambda _: hear,
        )
    text = "".join(output)
    answer = read_answer(text.encode()) if ready.kind == "airbyte" else Answer()  # a catalog is no message
    for _, message in answer.logs:
        context.log(context.heard(message))
    rotated = answer.config or (rewritten[-1] if rewritten else None)
    if rotated is not None and keep:
        keep(rotated)
    if outcome.failure:
        raise outcome.failure
    verdict = outcome.verdict
    assert verdict is not None, "what gives none raises"
    if verdict.exit_code in (130, 143):
        raise Interrupted(f"{ready.connector.name}: {verdict.message}", exit_code=verdict.exit_code)
    if verdict.exit_code:
        kind = _failure_of(ready.connector) if verdict.side == "source" else EngineError
        raise kind(f"{ready.connector.name}: {verdict.message}", hint=verdict.hint)
    return Asked(
        connector=ready.connector,
        text=text,
        code=verdict.source_code or _engine_code(outcome.exits.get(launch.role)),
        answer=answer,
        words=context.heard(answer.error.message) if answer.error and answer.error.message else " / ".join(said),
        program=launch.entrypoint,
    )
