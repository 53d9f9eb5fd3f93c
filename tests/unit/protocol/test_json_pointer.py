"""Tests references inside of a document, as used by specs and schemas."""

import pytest

from tapdock.protocol.json_pointer import parts, referred

ROOT = {"a/b": {"~x": 1}, "list": [{"n": 2}], "": {"": 3}, "null": None}


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("#", ROOT),
        ("#/a~1b/~0x", 1),
        ("#/list/0/n", 2),
        ("#//", 3),
        ("#/list/1", None),
        ("#/list/-1", None),
        ("#/list/n", None),
        ("#/a~1b/~0x/y", None),
        ("#/null", None),
        ("#/nowhere", None),
        ("other.json#/a~1b", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_what_a_reference_names(reference, found):
    assert referred(ROOT, reference) == found


def test_the_parts_of_a_pointer():
    assert parts("") == []
    assert parts("/") == [""]
    assert parts("/a~1b/~01") == ["a/b", "~1"]
