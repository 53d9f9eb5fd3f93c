"""Tests of the warnings about values that a known tap writes in a form of its own."""

from tapdock.connectors.kinds.quirks import quirks_of
from tapdock.launch import ImageFacts
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.runs.rewritten_values import rewritten_values

FORMATS = quirks_of(ImageFacts(image="acme/pipelinewise-tap-mysql:1.6.0", digest="", entrypoint=())).rewritten_formats


def stream(name: str, excluded: tuple[str, ...] = (), **formats: str) -> ConfiguredStream:
    properties = {field: {"type": ["null", "string"], "format": kind} for field, kind in formats.items()}
    whole = Stream(name=name, json_schema={"properties": {"id": {"type": "integer"}, **properties}})
    return ConfiguredStream(stream=whole, sync_mode="full_refresh", excluded=excluded)


def test_columns_with_times_are_named() -> None:
    shop = stream("shop-opening", opens="time", closes="time", made="date-time")
    (warning,) = rewritten_values((shop, stream("shop-orders", made="date-time")), FORMATS)
    assert "`opens`, `closes` of stream `shop-opening`" in warning
    assert "`8:05:00`" in warning
    assert "`1 day, 1:00:00`" in warning


def test_columns_that_are_excluded_and_other_taps_have_no_warning() -> None:
    assert not list(rewritten_values((stream("a", ("opens",), opens="time"),), FORMATS))
    assert not list(rewritten_values((stream("a", opens="time"),), {}))
    other = Stream(name="b", json_schema={"properties": None})
    assert not list(rewritten_values((ConfiguredStream(stream=other, sync_mode="full_refresh"),), FORMATS))
