"""The same maps, schema and records through the Singer SDK's own mapper, and through tapdock's."""

import json
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec
from singer_sdk.mapper import CustomStreamMap, PluginMapper, RemoveRecordTransform
from singer_sdk.singerlib.json import deserialize_json, serialize_json

from tapdock.project.maps import MapKeys
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.translate.maps.plan import maps_of
from tapdock.translate.maps.settings import checked
from tapdock.translate.maps.stream_map import StreamMap

__all__ = ["Landed", "body", "configured", "mapped", "maps", "of_sdk", "of_tapdock"]

Record = Mapping[str, Any]


class Landed(NamedTuple):
    """One stream as it lands in the target."""

    alias: str
    schema: dict[str, Any]
    keys: list[str]
    records: list[dict[str, Any]]


def body(record: Record | bytes) -> bytes:
    return record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()


def configured(
    name: str, schema: Record, *, keys: Sequence[str] = (), namespace: str | None = None
) -> ConfiguredStream:
    stream = Stream(name=name, namespace=namespace, json_schema=dict(schema))
    return ConfiguredStream(stream=stream, sync_mode="full_refresh", primary_key=tuple((key,) for key in keys))


def maps(config: Record, **more: Any) -> MapKeys:
    """Return the maps of a project for the config of an SDK's mapper."""
    own = {key: value for key, value in config.items() if key != "stream_maps"}
    return MapKeys(maps=config.get("stream_maps", {}), **own, **more)


def mapped(
    config: Record, schema: Record, *, keys: Sequence[str] = (), name: str = "users"
) -> tuple[StreamMap, ...] | None:
    one = configured(name, schema, keys=keys)
    return maps_of([one], checked(maps(config))).get(one.stream.key)


def of_tapdock(
    config: Record, schema: Record, records: Sequence[Record], *, keys: Sequence[str] = (), name: str = "users"
) -> list[Landed]:
    found = mapped(config, schema, keys=keys, name=name)
    if found is None:
        return [Landed(name, dict(schema), list(keys), [_exact(body(record)) for record in records])]
    return [
        Landed(each.alias, each.json_schema, [path[0] for path in each.primary_key], _records(each, records))
        for each in found
    ]


def _records(each: StreamMap, records: Sequence[Record]) -> list[dict[str, Any]]:
    found = [each.apply(body(record)) for record in records]
    return [_exact(new) for new in found if new is not None]


def _exact(text: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode(text)
    return decoded


def of_sdk(
    config: Record, schema: Record, records: Sequence[Record], *, keys: Sequence[str] = (), name: str = "users"
) -> list[Landed]:
    mapper = PluginMapper(json.loads(json.dumps(config)), logging.getLogger("sdk"))
    with patch.object(CustomStreamMap, "_init_faker_instance", lambda _: None):  # it takes most of the time
        mapper.register_raw_stream_schema(name, json.loads(json.dumps(schema)), list(keys))
    found = []
    for each in mapper.stream_maps[name]:
        if isinstance(each, RemoveRecordTransform):
            continue
        new = [each.transform(deserialize_json(body(record))) for record in records if _kept(each, record)]
        landed = [deserialize_json(serialize_json(record)) for record in new if record is not None]
        own = list(each.transformed_key_properties or [])
        schema_of_map = {name: value for name, value in each.transformed_schema.items() if name != "$schema"}
        found.append(Landed(each.stream_alias, schema_of_map, own, landed))
    return found


def _kept(each: Any, record: Record) -> bool:
    return bool(each.get_filter_result(deserialize_json(body(record))))
