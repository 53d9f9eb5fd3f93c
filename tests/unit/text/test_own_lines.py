"""Tests the level and the time of lines that connectors write into their own logs."""

import pytest

from tapdock.text.own_lines import OwnLevels, level_in, without_time

LINES = [
    ("INFO Starting sync", "info", None),
    ("WARNING bad", "warning", None),
    ("CRITICAL boom", "error", None),
    ("WARNING:root:bad", "warning", None),
    ("[ERROR] bad", "error", None),
    ("Error: bad", "error", None),
    ("tap-x - ERROR - text", "error", None),
    ("time=2026-01-01 10:00:00 name=tap level=INFO message=ERROR", "info", "name=tap level=INFO message=ERROR"),
    ('time="2026-01-01T10:00:00Z" level=warning msg="x"', "warning", 'level=warning msg="x"'),
    ("2026-01-01 10:00:00,123 | INFO     | tap | ERROR", "info", "INFO     | tap | ERROR"),
    ("2026-01-01 10:00:00 [main] WARN i.a.B(run):123 - x", "warning", "[main] WARN i.a.B(run):123 - x"),
    ("2026-01-01 10:00:00,123 - tap-x - ERROR - text", "error", "tap-x - ERROR - text"),
    ("[2026-01-01T10:00:00.5+01:00] debug: x", "debug", "debug: x"),
    ("2026/01/01 10:00:00 a line of Go", None, "a line of Go"),
    ("10:00:00 plain", None, "plain"),
    ("2026-01-01 10:00:00", None, None),
    ("10:00:00", None, None),
    ('{"level": "warn", "msg": "x"}', "warning", None),
    ('{"level": 50, "msg": "x"}', "error", None),
    ('{"level": 20, "msg": "x"}', "debug", None),
    ('{"level": "odd"}', None, None),
    ('{"level": ["odd"]}', None, None),
    ('{"type":"LOG","log":{"level":"FATAL","message":"x"}}', "error", None),
    ("{not JSON", None, None),
    ("[1, 2]", None, None),
    ("/lib/x.py:12: UserWarning: bad config", "warning", None),
    ("/lib/x.py:12: DeprecationWarning: old", "info", None),
    ("Traceback (most recent call last):", "error", None),
    ("psycopg2.OperationalError: no route", "error", None),
    ('Exception in thread "main" java.lang.X: y', "error", None),
    ("plain text", None, None),
    ("information about errors", None, None),
    ("errors: 5", None, None),
    ("info-schema", None, None),
    ("error_count=5", None, None),
    ("    error = connect()", None, None),
    ("", None, None),
]


@pytest.mark.parametrize(("line", "level", "rest"), LINES)
def test_a_line_states_its_level_and_its_time(line, level, rest):
    assert level_in(line) == level
    assert without_time(line) == (line if rest is None else rest)


@pytest.mark.parametrize(
    ("lines", "levels"),
    [
        (["a", "b"], ["info", "info"]),
        (["ERROR cannot connect:", "is it running?", "", "INFO next", "more"], ["error"] * 3 + ["info"] * 2),
        (["WARNING slow", "  at x", "", "a row", "another"], ["warning"] * 3 + ["info"] * 2),
        (
            ["INFO x", "Traceback (most recent call last):", '  File "x", line 1', "    info = 1", "KeyError: 'a'"],
            ["info", "error", "error", "error", "error"],
        ),
        (["DEBUG a", "  b"], ["debug", "debug"]),
    ],
)
def test_a_line_without_a_level_continues_the_one_before(lines, levels):
    of = OwnLevels().of
    assert [of(line) for line in lines] == levels


def test_a_long_line_is_read_quickly():
    for text in ("a" * 10**6, "a.py:" * 10**5, " " * 10**6, "[" * 10**6, '{"a":' * 10**5, "1" * 10**6):
        assert level_in(text) is None


def test_an_error_without_a_level_after_a_line_for_debugging_is_not_one_for_debugging():
    of = OwnLevels().of
    assert [of(line) for line in ("DEBUG connecting", "  to db", "MemoryError", "npm ERR! code 1")] == [
        "debug", "debug", "info", "info"
    ]  # fmt: skip
