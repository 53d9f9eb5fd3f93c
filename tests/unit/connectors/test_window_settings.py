"""Tests which values the settings of a source get for a window, by its spec and by `window:`."""

import pytest

from tapdock.connectors.window_settings import values
from tapdock.errors import UsageError
from tapdock.project.model import Connector
from tapdock.project.window import Window, WindowKeys

JANUARY = Window.of("2026-01-01", "2026-02-01")
MORNING = Window.of("2026-01-01T06:00", "2026-01-01T12:00")
DATE = {"type": "string", "format": "date"}
TIME = {"type": "string", "format": "date-time"}


def given(setting, window=JANUARY, config=(), **keys):
    """Return the values for a spec with one kind of setting; None for a connector without a spec."""
    schema = {} if setting is None else {"type": "object", "properties": {"since": setting, "until": setting}}
    connector = Connector(
        name="shop", role="source", image="x", window=WindowKeys(**{"start": "since", "end": "until", **keys})
    )
    origins = {"sources.shop": "tapdock.yaml:3", "sources.shop.window": "tapdock.yaml:5"}
    return tuple(values(connector, schema, dict(config), window, origins).values())


@pytest.mark.parametrize(
    ("setting", "keys", "found"),
    [
        (DATE, {}, ("2026-01-01", "2026-02-01")),
        (TIME, {}, ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")),
        (None, {}, ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")),
        ({"type": "string"}, {}, ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")),
        ({**TIME, "pattern": r"^\d{4}-\d{2}-\d{2}$"}, {}, ("2026-01-01", "2026-02-01")),
        ({**TIME, "pattern": r"\.\d+Z$"}, {}, ("2026-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z")),
        (DATE, {"end_is": "inclusive"}, ("2026-01-01", "2026-01-31")),
        (TIME, {"end_is": "inclusive"}, ("2026-01-01T00:00:00.000000Z", "2026-01-31T23:59:59.999999Z")),
        ({**TIME, "pattern": r":\d\dZ$"}, {"end_is": "inclusive"}, ("2026-01-01T00:00:00Z", "2026-01-31T23:59:59Z")),
        (DATE, {"format": "%d.%m.%Y"}, ("01.01.2026", "01.02.2026")),
        ({"type": "integer"}, {"format": "%s"}, (1767225600, 1769904000)),
        ({"type": "integer"}, {"format": "%s", "end_is": "inclusive"}, (1767225600, 1769903999)),
        ({"type": ["null", "string"], "format": "date"}, {}, ("2026-01-01", "2026-02-01")),
    ],
)  # fmt: skip
def test_the_format_is_that_of_the_setting(setting, keys, found):
    assert given(setting, **keys) == found


def test_inclusive_steps_leave_no_gap_and_share_nothing():
    first, second = (given(DATE, Window.of(*ends), end_is="inclusive") for ends in (
        ("2026-01-01", "2026-02-01"), ("2026-02-01", "2026-03-01")
    ))  # fmt: skip
    assert (first[1], second[0]) == ("2026-01-31", "2026-02-01")


def test_a_dot_leads_into_an_object_and_its_other_settings_stay():
    schema = {
        "type": "object",
        "properties": {
            "range": {"type": "object", "properties": {"from": DATE, "to": DATE, "zone": {"type": "string"}}}
        },
    }
    connector = Connector(name="shop", role="source", image="x", window=WindowKeys(start="range.from", end="range.to"))
    found = values(connector, schema, {"range": {"zone": "UTC"}}, JANUARY, {})
    assert found == {("range", "from"): "2026-01-01", ("range", "to"): "2026-02-01"}


@pytest.mark.parametrize(
    ("setting", "window", "keys", "message"),
    [
        (DATE, MORNING, {}, "the setting takes whole days, so it cannot be 2026-01-01T06:00:00Z"),
        (TIME, MORNING, {"format": "%Y-%m-%d"}, "the setting takes whole days"),
        (DATE, JANUARY, {"start": "sinse"}, "`sinse` is not a setting of the connector; did you mean `since`?"),
        (DATE, JANUARY, {"end": "to"}, "`to` is not a setting of the connector; known: since, until"),
        (DATE, JANUARY, {"end": "until.day"}, "until"),
        ({"type": "integer"}, JANUARY, {}, "the setting is a number, so the format of its times is not known"),
        ({**DATE, "pattern": "^x$"}, JANUARY, {}, "`since` does not match `^x$`"),
        (DATE, JANUARY, {"start": "a..b"}, "`a..b` is not a key of a setting"),
    ],
)
def test_a_window_that_the_source_cannot_take_is_refused_with_its_place(setting, window, keys, message):
    with pytest.raises(UsageError) as raised:
        given(setting, window, **keys)
    assert message in raised.value.message
    assert "`sources.shop.window." in raised.value.message
    assert raised.value.message.startswith("tapdock.yaml:")


def test_a_source_without_the_key_is_refused_with_the_settings_that_it_has():
    schema = {"type": "object", "properties": {"start_date": DATE, "token": {"type": "string"}, "end_date": DATE}}
    connector = Connector(name="shop", role="source", image="x")
    with pytest.raises(UsageError, match=r"tapdock.yaml:3: `sources.shop.window`: there is no `window`") as raised:
        values(connector, schema, {}, JANUARY, {"sources.shop": "tapdock.yaml:3"})
    assert raised.value.hint.endswith("its settings: end_date, start_date")
