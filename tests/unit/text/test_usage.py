"""Tests what a connector seems to be, with the usage and the messages that real ones print."""

import pytest

from tapdock.text.usage import seen

TAP = "usage: tap_x.py [-h] -c CONFIG [-s STATE] [-p PROPERTIES] [--catalog CATALOG] [-d]"
CHOICES = "x: error: argument command: invalid choice: 'write' (choose from 'spec', 'check', 'discover', 'read')"


@pytest.mark.parametrize(
    ("printed", "kind", "role"),
    [
        ("usage: source-faker [-h] {spec,check,discover,read} ...\nsource-faker: error: …", "airbyte", "source"),
        ("usage: main.py [-h] [--debug] {spec,check,discover,read} ...", "airbyte", "source"),
        ("usage: main.py [-h] {spec,check,write} ...", "airbyte", "target"),
        (CHOICES, "airbyte", "source"),
        ("x: error: invalid choice: 'discover' (choose from spec, check, write)", "airbyte", "target"),
        ("Usage: tap-github [OPTIONS]\nTry 'tap-github --help' for help.\n\nError: …", "singer", "source"),
        ("Usage: target-csv [OPTIONS]\nTry 'target-csv --help' for help.", "singer", "target"),
        ("usage: target-jsonl [-h] [-c CONFIG]\ntarget-jsonl: error: …", "singer", "target"),
        ("usage: tap-x [-h] [-c CONFIG] [-s STATE]", "singer", "source"),
        ("INFO starting\n" + TAP, "singer", "source"),
        ("usage: run.py [-h] [-c CONFIG]", "singer", None),
        ('{"type": "SCHEMA", "stream": "a", "schema": {}, "key_properties": []}', "singer", "source"),
        ('text\n{"type":"RECORD","stream":"a","record":{"id":1}}\n', "singer", "source"),
        ('{"type":"STATE","value":{"bookmarks":{}}}', "singer", "source"),
        ('{"type":"RECORD","record":{"stream":"a","data":{}}}', None, None),
        ('{"type":"STATE","state":{"type":"STREAM","stream":{}}}', None, None),
        ('{"type":["STATE"],"value":{}}', None, None),
        ('{"bookmarks":{"a":{"type":"STATE","value":1}}}', None, None),
        ("{", None, None),
        ("the usage: tap-water [OPTIONS]", None, None),
        ("disk usage: 80 %", None, None),
        ("usage: tap-water is high", None, None),
        ("check the spec, then discover", None, None),
        ("", None, None),
    ],
)
def test_what_a_program_seems_to_be(printed, kind, role):
    found = seen(printed)
    assert (found and (found.kind, found.role)) == (kind and (kind, role))


def test_the_line_that_shows_it_is_quoted():
    found = seen("INFO starting\nusage: main.py [-h] {spec,check,write} ...\nmain.py: error: no")
    assert found
    assert found.text == "`usage: main.py [-h] {spec,check,write} ...`"
