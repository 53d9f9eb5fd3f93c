"""One stream's way from an Airbyte source to a Singer target: its schema, its rule, and its counts."""

from typing import Literal

from tapdock.catalog import ConfiguredStream, StreamKey
from tapdock.errors import UsageError
from tapdock.events import StreamReport
from tapdock.protocol import singer
from tapdock.translate.schemas import singer_schema

__all__ = ["Route", "Status"]

Status = Literal["pending", "running", "complete", "incomplete", "failed"]


class Route:
    """What precedes each record, the rule for bodies (None: they are spliced), and counts.

    `checked` is how many had come when the source last gave its own count.
    """

    __slots__ = (
        "bytes",
        "checked",
        "configured",
        "empty",
        "name",
        "records",
        "rule",
        "schema",
        "start",
        "status",
    )

    def __init__(self, configured: ConfiguredStream, name: str) -> None:
        translated = singer_schema(configured.stream, dropped=configured.dropped)
        self.configured = configured
        self.name = name
        self.schema = translated.schema
        self.rule = translated.rule
        self.start = singer.record_start(name)
        self.status: Status = "pending"
        self.records = 0
        self.bytes = 0
        self.empty = 0
        self.checked = 0

    @property
    def key(self) -> StreamKey:
        return self.configured.stream.key

    def opening(self) -> bytes:
        """The SCHEMA; raises UsageError for a key that a target cannot have (protocol.md 3.2)."""
        cursor = self.configured.cursor_field
        return singer.schema_line(
            self.name,
            self.schema,
            key_properties=[self._key_property(path) for path in self.configured.primary_key],
            bookmark_properties=cursor if len(cursor) == 1 and cursor[0] in self.schema["properties"] else (),
        )

    def _key_property(self, path: tuple[str, ...]) -> str:
        field = ".".join(path)
        if len(path) == 1 and field in self.schema["properties"]:
            return field
        problem = "is nested" if len(path) > 1 else "is not in its schema"
        raise UsageError(
            f"stream `{self.key}` has the key `{field}`, which {problem}",
            hint=f"name a top-level key under `streams`: `{self.key}: {{primary_key: [<field>]}}`",
        )

    def report(self) -> StreamReport:
        return StreamReport(
            namespace=self.key.namespace,
            stream=self.key.name,
            records=self.records,
            bytes=self.bytes,
            status="running" if self.status == "pending" and self.records else self.status,
            path="rewrite" if self.rule else "splice",
        )
