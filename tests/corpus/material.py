"""The corpora and their paths, and a route that runs over one of their files."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tapdock.connectors.selection import select_streams
from tapdock.events import Event, Logged
from tapdock.protocol.catalog import ConfiguredStream, Stream, parse_catalog
from tapdock.translate import ROUTES
from tapdock.translate.base import Quirks, TranslateOptions

CORPUS = Path(os.environ.get("TAPDOCK_CORPUS") or Path(__file__).parents[2].parent / "shared" / "corpus")
FIXTURES = CORPUS / "airbyte-destination-fixtures"
CAPTURED = CORPUS / "captured-airbyte-sources"
PLATFORM = CORPUS / "airbyte-platform"
SDK = CORPUS / "meltano-sdk"

needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"the message corpus is not at {CORPUS}; TAPDOCK_CORPUS names another place"
)

WALL = 1_700_000_000.0
NAMESAKES = {
    "v1/nan_type_test": "data_type_number_type_test",
    "v1/infinity_type_test": "data_type_integer_type_test",
}
"""Message files whose catalog has another name. `infinity_type_test` has a stream that is in no catalog."""
KINDS = {str: "string", int: "integer", bool: "boolean", dict: "object", list: "array", type(None): "string"}
"""Types for the only message file without a catalog."""


class Number(str):
    """A number as its original text."""


def exact(text: bytes | str) -> Any:
    """Return a JSON value whose numbers are equal only if their texts are equal."""
    return json.loads(text, parse_float=Number, parse_int=Number)


def read(lines: Iterable[bytes], *kinds: str) -> list[Any]:
    """Return the messages in these lines, exactly, or only those of the given types."""
    found = [exact(line) for line in lines if line.lstrip().startswith(b"{")]
    return [message for message in found if not kinds or message["type"] in kinds]


def airbyte_records(lines: Iterable[bytes]) -> list[Any]:
    """Return namespace, stream and body of each record."""
    records = [message["record"] for message in read(lines, "RECORD")]
    return [(record.get("namespace") or None, record["stream"], record["data"]) for record in records]


def singer_records(lines: Iterable[bytes]) -> list[Any]:
    """Return stream and body of each record."""
    return [(message["stream"], message["record"]) for message in read(lines, "RECORD")]


def flat(value: Any) -> list[Any]:
    """Return the leaves of a JSON value."""
    match value:
        case dict():
            return [leaf for item in value.values() for leaf in flat(item)]
        case list():
            return [leaf for item in value for leaf in flat(item)]
    return [value]


def fixtures() -> list[Any]:
    """Return the message files of Airbyte's acceptance tests, as parameters."""
    files = sorted(FIXTURES.glob("v*/*_messages.txt")) + sorted(FIXTURES.glob("v*/*_message.txt"))
    return named((f"{file.parent.name}/{file.stem.rpartition('_')[0]}", file) for file in files)


def named(files: Iterable[tuple[str, Path]]) -> list[Any]:
    return [pytest.param(name, file, id=name) for name, file in files]


def singer_files(*folders: str) -> list[Any]:
    """Return the output files of taps, as parameters: `folder/name` and the file."""
    found = [file for folder in folders for file in sorted((CORPUS / folder).glob("*.*")) if file.suffix != ".txt"]
    return named((f"{file.parent.name}/{file.name}", file) for file in found)


def streams_of(name: str) -> tuple[Stream, ...]:
    """Return the streams of one of the fixtures."""
    folder, _, stem = name.partition("/")
    if stem == "stripe":
        body = json.loads((FIXTURES / folder / "stripe_messages.txt").read_bytes().splitlines()[0])["record"]["data"]
        properties = {field: {"type": KINDS[type(value)]} for field, value in body.items()}
        return (Stream(name="customers", json_schema={"properties": properties}),)
    streams = parse_catalog((FIXTURES / folder / f"{NAMESAKES.get(name, stem)}_catalog.json").read_bytes())
    if name == "v1/infinity_type_test":
        return (Stream(name="infinity", json_schema=streams[0].json_schema),)
    return streams


def selected(streams: Iterable[Stream]) -> tuple[ConfiguredStream, ...]:
    return select_streams(tuple(streams), [], {})


def configured(file: Path) -> tuple[ConfiguredStream, ...]:
    """Return a configured catalog of the corpus."""
    entries = json.loads(file.read_bytes())["streams"]
    streams = parse_catalog(json.dumps({"streams": [entry["stream"] for entry in entries]}).encode())
    keys = [tuple(tuple(path) for path in entry.get("primary_key") or ()) for entry in entries]
    return tuple(
        ConfiguredStream(
            stream=stream,
            sync_mode=entry["sync_mode"],
            destination_sync_mode="append_dedup" if key else "append",
            cursor_field=tuple(entry.get("cursor_field") or ()),
            primary_key=key,
        )
        for stream, entry, key in zip(streams, entries, keys, strict=True)
    )


_UNDECLARED = re.compile("which its schema does not declare|that its schema does not declare|declares no fields")


class Run:
    """A route over the complete output of a source: `out` has the lines for the target, `events` the emitted events.

    A route can process whole batches or single lines, with the same result, so each run here does both. Afterwards
    nothing is acknowledged yet; `acknowledge` does that.
    """

    def __init__(
        self,
        route: str,
        streams: tuple[ConfiguredStream, ...],
        data: bytes,
        *,
        saved: str | None = None,
        complete: bool = True,
        quirks: Quirks | None = None,
        **translation: Any,
    ) -> None:
        translation.setdefault("spool", route == "singer-airbyte")
        self.route = route
        self.streams = streams
        self._saved = saved
        self.translation = TranslateOptions(quirks=quirks or Quirks(), **translation)
        whole = self._performed([data], complete=complete)
        self.translator, self.events, self.catalog, self.out = self._performed(by_line(data), complete=complete)
        assert whole[2:] == (self.catalog, self.out), "batches and single lines come to the same"
        assert [one for one in whole[1] if isinstance(one, Logged)] == [
            one for one in self.events if isinstance(one, Logged)
        ]

    def _performed(self, pieces: list[bytes], *, complete: bool) -> Any:
        events: list[Event] = []
        given: dict[str, Any] = {"streams": self.streams, "saved": self._saved, "translation": self.translation}
        given |= {"emit": events.append, "clock": lambda: 0.0}
        given |= {"wall": lambda: WALL} if self.route.endswith("-airbyte") else {}
        translator = ROUTES[self.route](**given)
        if self.translation.spool:
            for piece in pieces:
                translator.scan(piece)
        catalog = translator.catalog() if self.translation.spool else None
        out = [translator.opening(), *(translator.feed(piece) for piece in pieces)]
        out.append(translator.closing(complete=complete))
        return translator, events, catalog, b"".join(out).splitlines()

    def logged(self, *levels: str) -> list[Logged]:
        """Return the log lines of some levels, or of all levels, without those about fields that are not declared."""
        logged = [one for one in self.events if isinstance(one, Logged) and not _UNDECLARED.search(one.message)]
        return [event for event in logged if not levels or event.level in levels]

    def states(self) -> list[bytes]:
        """Return the STATE lines for the target."""
        return [line for line in self.out if exact(line)["type"] == "STATE"]

    def acknowledge(self, lines: Iterable[bytes] | None = None) -> str | None:
        """Let the target print states, by default all that it was sent, and return the committed state."""
        for line in self.states() if lines is None else lines:
            self.translator.acked(self._printed(line))
        return self.translator.states.committed()

    def _printed(self, line: bytes) -> bytes:
        """Return the acknowledgement: a Singer target prints a state's value, a destination the whole message."""
        if self.route.endswith("-airbyte"):
            return line
        return json.dumps(json.loads(line)["value"], ensure_ascii=False).encode()


def by_line(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True) if b"\r" not in data else [line + b"\n" for line in data.split(b"\n")]


def schemas(lines: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
    """Return stream and schema of each SCHEMA."""
    for message in read(lines, "SCHEMA"):
        yield message["stream"], message["schema"]
