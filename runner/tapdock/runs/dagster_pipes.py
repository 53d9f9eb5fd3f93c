"""Dagster Pipes: what a run reports to the Dagster process that started it, in the protocol's version 0.1.

Two variables have parameters (zlib, base64, JSON): where the context is, and where messages are written, as JSON lines.
https://docs.dagster.io/guides/build/external-pipelines/dagster-pipes-details-and-customization
"""

import base64
import json
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from tapdock.connectors.observer import EndedRun, SeenStream
from tapdock.events import Level
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.text.output import log_text

__all__ = ["CONTEXT", "MESSAGES", "Pipes", "reporting"]

CONTEXT: Final = "DAGSTER_PIPES_CONTEXT"
MESSAGES: Final = "DAGSTER_PIPES_MESSAGES"
_VERSION = "0.1"
_LARGEST = 16 << 20
_STORED = ("complete", "limited")
"""The statuses of streams whose records are all in the target. Other streams are not materialized."""
_COUNTS = ("empty", "set_aside", "rejected", "excluded", "filtered")


@contextmanager
def reporting(environ: Mapping[str, str], *, say: Callable[[str], None]) -> Iterator["Pipes | None"]:
    """Yield what reports to Dagster; None if a variable is damaged, so that the run goes on without it.

    `say` gets a warning for people.
    """
    with ExitStack() as stack:
        try:
            context = _context(_decoded(environ, CONTEXT))
            keys, named = _asset_keys(context), _named(context)
            write = _opened(_decoded(environ, MESSAGES), stack)
        except (ValueError, TypeError, AttributeError, OSError, zlib.error) as error:
            say(f"warning: nothing is reported to Dagster: {error}")
            yield None
            return
        pipes = Pipes(write, keys, named, say)
        pipes.send("opened", {"extras": {}})
        try:
            yield pipes
        finally:
            pipes.send("closed", {})


def _decoded(environ: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return the parameters in a variable. Raises ValueError and zlib.error."""
    if not environ.get(name):
        raise ValueError(f"{name} is not set")
    try:
        packed = base64.b64decode(environ[name], validate=True)
        unpacker = zlib.decompressobj()
        found = json.loads(unpacker.decompress(packed, _LARGEST))
    except (ValueError, zlib.error, RecursionError) as error:
        raise ValueError(f"{name} cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not an object")
    return found


def _context(params: Mapping[str, Any]) -> Any:
    """Return the context: in the parameters, or in a file that they name."""
    if "path" in params:
        return json.loads(Path(params["path"]).read_text(encoding="utf-8"))
    if "data" in params:
        return params["data"]
    raise ValueError(f"{CONTEXT} has neither `path` nor `data`: this way to pass the context is not supported")


def _asset_keys(context: Any) -> tuple[str, ...] | None:
    """Return the keys of the assets of this step, as escaped text; None for a step without assets."""
    keys = context.get("asset_keys")
    if keys is None:
        return None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError(f"the context that {CONTEXT} names has asset keys that are not texts")
    return tuple(keys)


def _named(context: Any) -> dict[str, str]:
    """Return the keys of assets by the names of streams, which `tapdock.dagster` adds to the context."""
    extras = context.get("extras") or {}
    named = (extras.get("tapdock") or {}).get("assets") or {}
    return {str(name): str(key) for name, key in named.items()}


def _opened(params: Mapping[str, Any], stack: ExitStack) -> Callable[[str], object]:
    """Return the function that writes a line where the parameters say. It raises OSError."""
    if "path" in params:
        # not a file object: what it could not write, it would try again when it is closed, and raise another error
        descriptor = os.open(params["path"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        stack.callback(os.close, descriptor)
        return lambda line: _write_whole(descriptor, line.encode())
    stream = params.get("stdio") or params.get("buffered_stdio")
    if stream == "stderr":
        return log_text
    if stream == "stdout":
        raise ValueError(f"{MESSAGES} asks for stdout, where the result of the run is; use a file or `stderr`")
    raise ValueError(f"{MESSAGES} has neither `path` nor `stdio`: this way to pass messages is not supported")


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@dataclass
class Pipes:
    """Writes messages to Dagster, from any thread. After a failure to write, it says so once and writes no more."""

    write: Callable[[str], object]
    keys: tuple[str, ...] | None
    named: Mapping[str, str]
    say: Callable[[str], None]
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _is_broken: bool = field(default=False, init=False)
    _whole: list[EndedRun] = field(default_factory=list, init=False)
    _has_streams: bool = field(default=False, init=False)

    def send(self, method: str, params: Mapping[str, Any]) -> None:
        line = json.dumps({"__dagster_pipes_version": _VERSION, "method": method, "params": params}) + "\n"
        with self._lock:
            if self._is_broken:
                return
            try:
                self.write(line)
            except (OSError, ValueError) as error:
                self._is_broken = True
                self.say(f"warning: nothing more is reported to Dagster: {error}")

    def logged(self, level: Level, entry: Mapping[str, Any]) -> None:
        """Send an entry of the log: of connectors only warnings and errors, as people see them."""
        is_of_connector = entry.get("event") == "line" and entry.get("side") != "runner"
        if level == "debug" or (is_of_connector and level == "info"):
            return
        if entry.get("event") == "line":
            text = f"{entry['side']} | {entry['message']}"
        else:
            facts = (f"{name}={value}" for name, value in entry.items() if name not in _BOUND and value is not None)
            text = " ".join([str(entry["event"]), *facts])
        self.send("log", {"message": text, "level": level.upper()})

    def ended(self, run: EndedRun) -> None:
        """Send a materialization for each stream that is complete, and the error of a run that failed."""
        about = {"pipeline": run.pipeline, "run_id": run.run_id}
        stored = _stored(run)
        keys = [self._key_of(each) for each in stored]
        if self.keys is not None and len(self.keys) == 1 and not any(keys):
            self._whole.append(run)  # maybe one asset for all runs of this call: see `finished`
        else:
            self._has_streams = True
            for each, key in zip(stored, keys, strict=True):
                self._stream(each, key, about)
        if run.error:
            self.send("log", {"message": run.error, "level": "ERROR"})

    def finished(self, *, succeeded: bool) -> None:
        """Materialize the only asset of a step, with the sums of all runs, if everything succeeded.

        Before the end, a job of two pipelines could still fail. If a run has a stream for the asset, other runs do not
        count for it.
        """
        if self._has_streams:
            for stream in (each for run in self._whole for each in _stored(run)):
                self._stream(stream, None, {})
        elif succeeded and self._whole and self.keys:
            self._materialize(self.keys[0], _totals(self._whole))

    def _stream(self, stream: SeenStream, key: str | None, about: Mapping[str, Any]) -> None:
        if key is None:
            text = f"stream {_name(stream)} is stored, but no asset of this step has its name"
            self.send("log", {"message": text, "level": "WARNING"})
        else:
            self._materialize(key, {**about, **_metadata(stream)})

    def _materialize(self, key: str, metadata: Mapping[str, Any]) -> None:
        typed = {
            name: value if isinstance(value, dict) else {"raw_value": value, "type": "__infer__"}
            for name, value in metadata.items()
        }
        self.send("report_asset_materialization", {"asset_key": key, "data_version": None, "metadata": typed})

    def _key_of(self, stream: SeenStream) -> str | None:
        """Return the key whose last parts are the names of the stream; None if none, or several, have them.

        A step without assets gets the stream's own name as a key.
        """
        if self.named:
            return self.named.get(_name(stream))
        own = stream.report.stream
        wanted: list[list[str | None]] = [[stream.report.namespace, own], [own]]
        wanted += [[each.stream.name] for each in stream.targets]
        ends = ["/".join(_escaped(part) for part in parts) for parts in wanted if all(parts)]
        if self.keys is None:
            return ends[0]
        for end in ends:
            found = [key for key in self.keys if key == end or key.endswith(f"/{end}")]
            if len(found) == 1:
                return found[0]
        return None


_BOUND = ("time", "level", "event", "run_id")


def _metadata(stream: SeenStream) -> dict[str, Any]:
    report = stream.report
    found: dict[str, Any] = {"records": report.records, "bytes": report.bytes, "status": report.status}
    found |= {name: count for name in _COUNTS if (count := getattr(report, name))}
    if report.written:
        found["written"] = {"raw_value": report.written, "type": "json"}
    if len(stream.targets) == 1:
        (target,) = stream.targets
        found["sync_mode"] = f"{target.sync_mode}, {target.destination_sync_mode}"
        found["schema_digest"] = _digest(target)
        found["dagster/column_schema"] = {"raw_value": {"columns": _columns(target)}, "type": "table_schema"}
    return found


def _stored(run: EndedRun) -> list[SeenStream]:
    return [each for each in run.streams if each.report.status in _STORED]


def _totals(runs: Sequence[EndedRun]) -> dict[str, Any]:
    """Return the sums of one run, or of those of a job, where names of streams begin with that of their pipeline."""
    streams = [(run, each) for run in runs for each in _stored(run)]
    names = [_name(each) if len(runs) == 1 else f"{run.pipeline}: {_name(each)}" for run, each in streams]
    counts = dict(zip(names, (each.report.records for _, each in streams), strict=True))
    return {
        "pipeline": ", ".join(run.pipeline for run in runs),
        "run_id": ", ".join(run.run_id for run in runs),
        "records": sum(each.report.records for _, each in streams),
        "bytes": sum(each.report.bytes for _, each in streams),
        "streams": {"raw_value": counts, "type": "json"},
    }


def _name(stream: SeenStream) -> str:
    report = stream.report
    return f"{report.namespace}.{report.stream}" if report.namespace else report.stream


def _columns(stream: ConfiguredStream) -> list[dict[str, str]]:
    """Return the names and the types of the fields that are not excluded."""
    fields = stream.stream.json_schema.get("properties")
    kept = fields.items() if isinstance(fields, dict) else ()
    return [{"name": name, "type": _type(each)} for name, each in kept if stream.exclusion.verdict((name,)) != "remove"]


def _type(schema: Any) -> str:
    found = schema.get("format") or schema.get("type") if isinstance(schema, dict) else None
    names = found if isinstance(found, list) else [found]
    return " or ".join(str(name) for name in names if name not in (None, "null")) or "any"


def _digest(stream: ConfiguredStream) -> str:
    """Return a hash of the schema and of what is excluded from it. It changes if one of them changes."""
    parts = (stream.stream.json_schema, stream.excluded, stream.nested, stream.hidden)
    return blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()


def _escaped(part: str | None) -> str:
    """Return a part of an asset key as Dagster escapes it."""
    return (part or "").replace("\\", "\\\\").replace("/", "\\/")
