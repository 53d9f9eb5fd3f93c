"""Tests the order of names and globs in `metadata`, with what Meltano 4.4.1 gives to a tap.

The answers are those of `meltano invoke --dump=catalog`, for a tap with the streams `orders` and `lines`.
"""

import json
from typing import Any

import pytest
import yaml

from tapdock.connectors.selection import select_streams
from tapdock.project.load import load
from tapdock.project.meltano import converted
from tapdock.project.meltano_files import Files, Notes
from tapdock.project.meltano_streams import streams_of
from tapdock.translate.catalogs.singer import singer_streams

FULL, KEY, LOG = ({"replication-method": method} for method in ("FULL_TABLE", "INCREMENTAL", "LOG_BASED"))
ALL = {"*": {**KEY, "replication-key": "id"}}
PLUGINS: dict[str, dict[str, Any]] = {
    "tap-o": {"metadata": {"orders": FULL, **ALL}},
    "tap-p": {"metadata": {**ALL, "orders": FULL}},
    "tap-c": {"inherit_from": "tap-o", "metadata": {"lines": FULL}},
    "tap-d": {"inherit_from": "tap-o", "metadata": {"orders": LOG}},
    "tap-u": {"metadata": ALL},
    "tap-q": {"inherit_from": "tap-u", "metadata": {"orders": FULL}},
    "tap-r": {"metadata": {"orders": FULL}},
    "tap-s": {"inherit_from": "tap-r", "metadata": ALL},
}
PROD = {"tap-p": {"orders": LOG}, "tap-o": {"*": LOG}, "tap-u": {"orders": LOG}}
SAID = {
    None: {"o": "key key", "p": "full key", "c": "key full", "d": "key key", "u": "key key", "q": "full key"},
    "prod": {"o": "log log", "p": "log key", "c": "log full", "d": "log log", "u": "log key", "q": "full key"},
}
"""How `orders` and `lines` are read."""


@pytest.mark.parametrize("environment", SAID)
def test_the_last_one_that_matches_counts(tmp_path, environment):
    extractors = [{"name": name, "pip_url": "x", **one} for name, one in PLUGINS.items()]
    changed = [{"name": name, "metadata": one} for name, one in PROD.items()]
    prod = {"name": "prod", "config": {"plugins": {"extractors": changed}}}
    found = converted(Files({"plugins": {"extractors": extractors}, "environments": [prod]}))
    (tmp_path / "tapdock.yaml").write_text(yaml.safe_dump(found.project, sort_keys=False))
    sources = load(tmp_path / "tapdock.yaml", environment=environment, environ={}).sources
    assert {name: _read(sources[f"tap-{name}"]) for name in SAID[environment] | {"s": ""}} == {
        **SAID[environment],
        "s": "key key",
    }


def _read(source: Any) -> str:
    offered = [{"tap_stream_id": name, "schema": {"properties": {"id": {}}}} for name in ("orders", "lines")]
    streams = singer_streams(json.dumps({"streams": offered}).encode())
    chosen = {each.stream.name: each for each in select_streams(streams, source.select, source.streams)}
    return " ".join(
        "log" if each.log_based else {"incremental": "key", "full_refresh": "full"}[each.sync_mode]
        for each in (chosen["orders"], chosen["lines"])
    )


def test_only_an_option_that_a_name_has_is_changed_by_a_later_glob():
    extras = {
        "metadata.orders.total.x": 1,
        "schema.orders.total.type": "string",
        "metadata.*.total.x": 2,
        "metadata.*.replication-key": "id",
        "schema.o*.total.type": "number",
        "schema.o*.total.format": "decimal",
    }
    orders = {"metadata": {"total": {"x": 2}}, "schema": {"total": {"type": "number"}}}
    every = {"metadata": {"total": {"x": 2}}, "cursor_field": ["id"]}
    some = {"schema": {"total": {"type": "number", "format": "decimal"}}}
    assert streams_of("tap-x", extras, Notes({})) == {"orders": orders, "*": every, "o*": some}
