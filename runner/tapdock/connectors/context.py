"""The inputs of operations: the project with its engine and backend, and a connector whose image is present."""

from collections.abc import Callable, Mapping
from hashlib import blake2b

import msgspec

from tapdock.cache import Cache
from tapdock.connectors.images import Making
from tapdock.connectors.observer import Observer
from tapdock.engines.base import Engine, Logs
from tapdock.launch import ImageFacts
from tapdock.project.model import Connector, Kind, Pipeline, Project
from tapdock.relay.signals import Signals
from tapdock.state.backends.base import Backend
from tapdock.text.redaction import Redactor
from tapdock.text.secret_names import secrets_in
from tapdock.translate.base import Quirks

__all__ = ["Context", "PreparedConnector"]

_LONGEST = 4096


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What every operation needs: the engine, the project, the state backend, and where progress is reported.

    `patience` is the time in seconds after which an optional question to a connector counts as not answered. If
    `is_quiet`, steps of the preparation are not reported. `note` gets facts that are only for the log of a run.
    `observer` is the orchestrator that started this process, if it wants reports. `scheduled` is the schedule that
    started it, with its time (`runs/scheduled.py`). `writers` are the source, the state and the route of the
    pipeline that was the first of this command to write to a table, by target and table.
    """

    engine: Engine
    project: Project
    backend: Backend
    relay_image: Callable[[], str]
    making: Making
    progress: Logs
    log: Logs
    signals: Signals
    now: Callable[[], float]
    locked: Mapping[str, str] | None = None
    patience: float = 120.0
    is_quiet: bool = False
    note: Logs = lambda _: None
    redactor: Redactor = msgspec.field(default_factory=Redactor)
    reported: set[str] = msgspec.field(default_factory=set)
    writers: dict[tuple[str, str], tuple[str, str, str]] = msgspec.field(default_factory=dict)
    observer: Observer | None = None
    scheduled: str | None = None

    def __post_init__(self) -> None:
        for address in (self.project.state_uri, *self.making.indexes.values()):
            self.redactor.learn(secrets_in(address))
        if self.project.references:
            self.project.references.listen(self.redactor)

    def of(self, pipeline: Pipeline) -> "Context":
        """Return the context for a pipeline: for a row of a matrix, with the project of that row."""
        project = pipeline.variant
        return self if project is None or project is self.project else msgspec.structs.replace(self, project=project)

    @property
    def cache(self) -> Cache:
        return Cache(self.project.private / "cache")

    def redacted(self, text: str) -> str:
        """Return a connector's text for logs, records and messages: without secrets, and harmless in a terminal.

        It is cut after secrets are removed: otherwise a secret at the cut would show its beginning.
        """
        return self.redactor(text)[:_LONGEST]

    def message(self, text: str) -> str:
        """Return a message of tapdock in the same way, in which the words of commands are kept."""
        return self.redactor.message(text)[:_LONGEST]

    def say(self, text: str) -> None:
        """Report a step of the preparation. Text of an engine or a build may contain an address with a token."""
        if not self.is_quiet:
            self.progress(self.redacted(text))

    def once(self, text: str) -> None:
        """Report progress, unless the same text was reported before."""
        if text not in self.reported:
            self.reported.add(text)
            self.progress(text)


class PreparedConnector(msgspec.Struct, frozen=True, kw_only=True):
    """A connector whose image is present, with its facts, its kind and its quirks.

    `assumed` is the reason for its kind and how to correct it; None if the user or a label of tapdock's set the kind.
    """

    connector: Connector
    facts: ImageFacts
    kind: Kind
    quirks: Quirks
    assumed: str | None = None

    @property
    def program(self) -> str:
        """Return a hash of the image's content, the user's command, and a low-code source's manifest."""
        connector = self.connector
        content = connector.manifest.content if connector.manifest else None
        parts = (self.facts.digest, self.kind, connector.entrypoint, connector.command, content)
        return blake2b(repr(parts).encode(), digest_size=12).hexdigest()
