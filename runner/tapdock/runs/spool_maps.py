"""Spools of a source with maps: their files have what the maps make of its records, and a replay maps nothing again."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import replace

from tapdock.errors import UsageError
from tapdock.project.maps import MapKeys
from tapdock.project.secret import Secret
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.runs.spool_files import Batch
from tapdock.translate.maps.landing import landed_streams
from tapdock.translate.maps.settings import MapSettings

__all__ = ["as_spooled", "difference", "digest_of", "mapped_streams", "require_spooled"]

_ANOTHER = "read it again with `--to` into another folder"


def digest_of(keys: MapKeys) -> str | None:
    """Return a digest of the maps of a source, by which a spool knows that they are the same; None without maps.

    Of secrets, only the key for `hash` is part of it, as the token of a fixed text: files with hashed values have such
    tokens anyway.
    """
    if not keys.has_maps:
        return None
    key = keys.hash_key.reveal().encode() if keys.hash_key is not None else b""
    public = keys.encrypt_key.reveal() if isinstance(keys.encrypt_key, Secret) else keys.encrypt_key
    flattening = (
        keys.flattening_enabled,
        keys.flattening_max_depth,
        keys.flattening_separator,
        keys.flattening_max_key_length,
    )
    token = hmac.new(key, b"the key of a spool", hashlib.sha256).hexdigest() if key else ""
    known = (keys.maps, keys.stream_map_config, keys.faker_config, flattening, token, public)
    return hashlib.sha256(repr(known).encode()).hexdigest()


def mapped_streams(streams: tuple[ConfiguredStream, ...], maps: MapSettings) -> tuple[ConfiguredStream, ...]:
    """Return the streams that are in the files."""
    return tuple(one.target for one in landed_streams(streams, replace(maps, columns={})))


def as_spooled(
    streams: tuple[ConfiguredStream, ...], maps: MapSettings | None, batch: Batch, keys: MapKeys
) -> tuple[tuple[ConfiguredStream, ...], MapSettings | None]:
    """Return the streams that a spool has, and the maps that are left for a replay: the columns of a matrix.

    A spool that was written without maps has the streams of the source, and all maps are left. Raises UsageError if the
    maps, or what they make of the streams, have changed since the spool was written.
    """
    known = batch.manifest
    if known.maps is None:
        return streams, maps
    if digest_of(keys) != known.maps:
        what = f"{batch.folder}: source `{known.source}` had other maps when it was read"
        raise UsageError(what, hint=f"restore them, or {_ANOTHER}")
    assert maps is not None, "the source has maps"
    found = mapped_streams(streams, maps)
    before = {one.stream.key: one for one in known.mapped}
    for one in found:
        then = before.get(one.stream.key)
        if then is None or (then.stream.json_schema, then.primary_key) != (one.stream.json_schema, one.primary_key):
            what = f"{batch.folder}: the spool has other fields of stream `{one.stream.key}`, which maps have made"
            raise UsageError(what, hint=f"restore the options of the source, set `schemaless: json`, or {_ANOTHER}")
    left = MapSettings(place=maps.place, columns=maps.columns) if maps.columns else None
    return found, left


def require_spooled(streams: tuple[ConfiguredStream, ...], batch: Batch) -> None:
    """Raise UsageError if the project now reads other streams or fields of the source than the spool has."""
    if what := difference(streams, batch.manifest.streams):
        hint = "restore `select` and `streams` of the source, or read it again with `--to` into another folder"
        raise UsageError(f"{batch.folder}: {what}", hint=hint)


def difference(wanted: Iterable[ConfiguredStream], spooled: Iterable[ConfiguredStream]) -> str | None:
    """Return how the streams that are read now differ from those of a batch; None if they do not."""
    ours, known = ({one.stream.key: one for one in each} for each in (wanted, spooled))
    for key in ours.keys() - known.keys():
        return f"the spool does not have the stream `{key}`"
    for key in known.keys() - ours.keys():
        return f"the spool has the stream `{key}`, which the project does not select"
    for key, one in ours.items():
        if _reading(one) != _reading(known[key]):
            return f"the spool has other fields of stream `{key}`, or was read in another sync mode"
    return None


def _reading(one: ConfiguredStream) -> tuple[object, ...]:
    return one.sync_mode, tuple(one.cursor_field), frozenset(one.excluded), frozenset(map(tuple, one.nested))
