"""Tests how a connector's stderr is split into lines."""

import pytest

from tapdock.engines.stderr import lines_of


@pytest.mark.parametrize("size", [100, 1 << 16, 1 << 20])
def test_of_a_long_line_only_the_beginning_is_kept(size):
    data = b"first\n" + b"x" * (300 << 10) + b"\r\nlast\r\nno end"
    first, cut, *rest = lines_of(data[at : at + size] for at in range(0, len(data), size))
    assert first == "first"
    assert set(cut) == {"x"}
    assert len(cut) == 64 << 10
    assert rest == ["last", "no end"]


def test_a_long_line_without_an_end():
    assert [len(line) for line in lines_of([b"x" * (1 << 16)] * 5)] == [64 << 10]
