import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.protocol.lines import is_clean_text, mend, split


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\n\nb", [b"a", b"", b"b"]),
        (b"a\r\nb\x0bc\n", [b"a\r", b"b\x0bc"]),
    ],
)
def test_split_cuts_at_line_feeds_only(batch: bytes, expected: list[bytes]) -> None:
    assert split(batch) == expected


def test_mend_replaces_tokens_outside_strings_only() -> None:
    mended = mend(rb' {"a" : NaN, "NaN\" Infinity":[ -Infinity,Infinity , "\\"], "b":1.50}')
    assert mended is not None
    assert mended.text == rb'{"a" : null, "NaN\" Infinity":[ null,null , "\\"], "b":1.50}'
    assert len(mended.notes) == 1


def test_mend_replaces_what_is_no_text() -> None:
    mended = mend(b'{"a":"\xff\\ud800\\uDC00\\udc00"}')
    assert mended is not None
    assert mended.text == '{"a":"\ufffd\\ud800\\uDC00\\ufffd"}'.encode()
    assert len(mended.notes) == 1


def test_mend_gives_what_follows() -> None:
    mended = mend('{"é":{}} xé'.encode())
    assert mended is not None
    assert (mended.text, mended.rest, mended.notes) == ('{"é":{}}'.encode(), "xé".encode(), ())


@pytest.mark.parametrize("line", [b"", b"hello", b'"{}"', b"[1]", b'{"a":', b"{a:1}", b"{" * 100_000])
def test_mend_refuses_what_is_no_object(line: bytes) -> None:
    assert mend(line) is None


@pytest.mark.parametrize(("data", "clean"), [(b"abc", True), ("é".encode(), True), (b"\xe9", False)])
def test_is_clean_text(data: bytes, clean: bool) -> None:
    assert is_clean_text(data) is clean


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_mended_or_refused(line: bytes) -> None:
    mend(line)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def without_nan(value: object) -> object:
    match value:
        case float() if value != value or value in (float("inf"), float("-inf")):
            return None
        case list():
            return [without_nan(item) for item in value]
        case dict():
            return {name: without_nan(item) for name, item in value.items()}
    return value


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(), VALUES, max_size=4), st.booleans())
def test_only_tokens_that_are_no_numbers_are_changed(value: dict[str, object], ascii_only: bool) -> None:
    line = json.dumps(value, ensure_ascii=ascii_only).encode()
    mended = mend(line)
    assert mended is not None
    assert json.loads(mended.text) == without_nan(value)
    assert mended.text == line or mended.notes
