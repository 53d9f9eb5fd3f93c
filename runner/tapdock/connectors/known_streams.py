"""The streams of sources and pipelines when they were last used: for `tapdock list`, which needs no engine."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from tapdock.cache import Cache
from tapdock.project.model import Connector, Pipeline
from tapdock.protocol.catalog import ConfiguredStream, Stream

__all__ = ["KnownStream", "KnownStreams", "known_offered", "known_read", "remember_offered", "remember_read"]


class KnownStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream with its key and cursor. `sync_mode` and `target_name` are None if they are not known."""

    stream: str
    namespace: str | None = None
    key: tuple[tuple[str, ...], ...] = ()
    cursor: tuple[str, ...] = ()
    sync_mode: str | None = None
    target_name: str | None = None


class KnownStreams(msgspec.Struct, frozen=True, kw_only=True):
    """`seen_at` is in UTC."""

    seen_at: str
    streams: tuple[KnownStream, ...]


def remember_offered(
    cache: Cache, connector: Connector, environment: str | None, streams: Iterable[Stream], *, now: float
) -> None:
    """Keep the streams that a source offers. An empty list is not kept: it is often that of a missing permission.

    `now` is in seconds since the epoch.
    """
    found = [
        KnownStream(
            stream=each.name,
            namespace=each.namespace or None,
            key=each.source_defined_primary_key,
            cursor=each.default_cursor_field,
        )
        for each in streams
    ]
    _write(cache, _of_source(connector, environment), tuple(found), now)


def remember_read(
    cache: Cache,
    pipeline: Pipeline,
    environment: str | None,
    streams: Iterable[ConfiguredStream],
    names: Mapping[str, str],
    *,
    now: float,
) -> None:
    """Keep the streams that a run of a pipeline reads. `names` are their names in the target, as far as known."""
    found = [
        KnownStream(
            stream=each.stream.name,
            namespace=each.stream.namespace or None,
            key=each.primary_key,
            cursor=each.cursor_field,
            sync_mode=each.sync_mode,
            target_name=names.get(str(each.stream.key)),
        )
        for each in streams
    ]
    _write(cache, _of_pipeline(pipeline, environment), tuple(found), now)


def known_offered(cache: Cache, connector: Connector, environment: str | None) -> KnownStreams | None:
    """Return the streams that the source offered last; None if they are not known."""
    return _read(cache, _of_source(connector, environment))


def known_read(cache: Cache, pipeline: Pipeline, environment: str | None) -> KnownStreams | None:
    """Return the streams that the last run of the pipeline read; None if they are not known."""
    return _read(cache, _of_pipeline(pipeline, environment))


def _write(cache: Cache, name: str, streams: tuple[KnownStream, ...], now: float) -> None:
    if streams:
        at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        cache.write(name, msgspec.json.encode(KnownStreams(seen_at=at, streams=streams)))


def _read(cache: Cache, name: str) -> KnownStreams | None:
    content = cache.read(name)
    try:
        return msgspec.json.decode(content, type=KnownStreams) if content else None
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None  # a damaged file, or one of another version


def _of_source(connector: Connector, environment: str | None) -> str:
    return _name("offered", environment, connector.name, connector.image)


def _of_pipeline(pipeline: Pipeline, environment: str | None) -> str:
    return _name("read", environment, pipeline.name, pipeline.source, pipeline.target)


def _name(what: str, *parts: str | None) -> str:
    return f"{what}-{blake2b(repr(parts).encode(), digest_size=12).hexdigest()}.json"
