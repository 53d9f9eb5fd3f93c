"""Rows of stream maps: the work for each record, in comparison with the mapper of the Singer SDK."""

import json
import logging
import time
from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.processes import BenchError
from benchmarks.rows import Budget, Row
from tapdock.project.maps import MapKeys
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.translate.maps.plan import maps_of
from tapdock.translate.maps.settings import checked

__all__ = ["maps"]

_RECORD = {
    "id": 7,
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "country": "GB",
    "price": 12.5,
    "created_at": "2026-01-02T03:04:05Z",
    "address": {"city": "London", "zip": "W1", "geo": {"lat": 51.5, "lon": -0.1}},
    "tags": ["a", "b"],
}
_TEXT = {"type": ["null", "string"]}
_SCHEMA = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("name", "email", "country", "created_at"), _TEXT),
        "id": {"type": "integer"},
        "price": {"type": ["null", "number"]},
        "address": {"type": ["null", "object"], "properties": {"city": _TEXT, "zip": _TEXT}},
        "tags": {"type": ["null", "array"], "items": _TEXT},
    },
}
_CONFIGS: dict[str, dict[str, object]] = {
    "five fields": {
        "stream_maps": {
            "users": {
                "domain": "email.split('@')[-1]",
                "email": "md5(email)",
                "name": "name.upper()",
                "half": "float(price) / 2",
                "where": "country if country else 'unknown'",
                "tags": None,
            }
        }
    },
    "a filter": {"stream_maps": {"users": {"__filter__": "country == 'GB'"}}},
    "flattening": {"stream_maps": {}, "flattening_enabled": True, "flattening_max_depth": 3},
}


def maps(bench: Bench) -> list[Row]:
    """Measure processor time per record, from JSON text to JSON text."""
    records = bench.sizes.lone_records * 200
    works: dict[str, Callable[[], float]] = {}
    for name, config in _CONFIGS.items():
        works[name] = _timed(_of_tapdock(config), records)
        works[f"{name}, SDK"] = _timed(_of_sdk(config), records)
    values = bench.interleaved(works)
    return [
        Row(
            name=f"maps, {name}: the SDK's mapper",
            unit="us",
            ours=values[name],
            floor=values[f"{name}, SDK"],
            budget=Budget(0.2),
        )
        for name in _CONFIGS
    ]


def _timed(work: Callable[[bytes], object], records: int) -> Callable[[], float]:
    text = json.dumps(_RECORD).encode()

    def measured() -> float:
        started = time.process_time()
        for _ in range(records):
            work(text)
        return (time.process_time() - started) / records * 1e6

    return measured


def _of_tapdock(config: dict[str, object]) -> Callable[[bytes], object]:
    keys = MapKeys(**{"maps" if name == "stream_maps" else name: value for name, value in config.items()})  # type: ignore[arg-type]
    stream = ConfiguredStream(stream=Stream(name="users", json_schema=_SCHEMA), sync_mode="full_refresh")
    (found,) = maps_of([stream], checked(keys))[stream.stream.key]
    return found.apply


def _of_sdk(config: dict[str, object]) -> Callable[[bytes], object]:
    try:
        from singer_sdk.mapper import PluginMapper
        from singer_sdk.singerlib.json import deserialize_json, serialize_json
    except ImportError as error:
        raise BenchError("the Singer SDK is not installed: run `scripts/venv test`") from error
    mapper = PluginMapper(config, logging.getLogger("sdk"))
    mapper.register_raw_stream_schema("users", _SCHEMA, [])
    (found,) = mapper.stream_maps["users"]

    def work(text: bytes) -> object:
        record = deserialize_json(text)
        new = found.transform(record) if found.get_filter_result(record) else None
        return serialize_json(new) if new is not None else None

    return work
