"""Tests that lines are recognized by their beginning: the parts of any batch together equal the batch."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tapdock.protocol.catalog import StreamKey
from tapdock.translate.read.known_prefixes import KnownPrefixes
from tapdock.translate.tally import Tally

LINE = b'{"type":"RECORD","stream":"%s","record":{"a":%d}}'
PIECES = st.sampled_from(
    [
        LINE % (b"s", 1),
        LINE % (b"s", 22),
        LINE % (b"t", 3),
        LINE % (b"u", 4),
        b"",
        b"}",
        b"junk",
        LINE[:30],
        b'{"a":1}',
        b"\r",
    ]
)


def known(*streams: bytes) -> tuple[KnownPrefixes, dict[bytes, Tally]]:
    prefixes, tallies = KnownPrefixes(), {name: Tally(StreamKey(None, name.decode())) for name in streams}
    for name, tally in tallies.items():
        prefixes.learn(LINE % (name, 1), b'{"a":1}', tally)
    return prefixes, tallies


@settings(deadline=None, max_examples=100)
@given(st.lists(PIECES, max_size=10), st.booleans())
def test_a_batch_is_its_parts_and_only_known_lines_are_not_read(pieces: list[bytes], ends: bool) -> None:
    lines = b"\n".join(pieces) + b"\n" * ends
    prefixes, _ = known(b"s", b"t")
    parts = list(prefixes.parts(lines))
    assert b"".join(part if number else part + b"\n" for part, number in parts).removesuffix(
        b"\n"
    ) == lines.removesuffix(b"\n")
    for part, number in parts:
        assert number == (part.count(b"\n") if number else 0)
        for line in part.splitlines() if number else ():
            assert line.startswith((LINE[:30].replace(b"%s", b"s"), b'{"type":"RECORD","stream":"t"'))
            assert line.endswith(b"}")
        assert number or b"\n" not in part


def test_known_lines_are_counted_by_stream() -> None:
    prefixes, tallies = known(b"s", b"t")
    ((part, number),) = prefixes.parts(b"".join(LINE % (name, 7) + b"\n" for name in (b"s", b"s", b"t", b"s")))
    assert number == 4
    counted = {tally.key.name: (count, size) for tally, count, size in prefixes.counts(part, number)}
    size = len(LINE % (b"s", 7))
    assert {name: count for name, (count, _) in counted.items()} == {"s": 3, "t": 1}
    assert all(size * count <= total <= (size + 1) * count for count, total in counted.values())
    assert len(tallies) == 2


def test_what_was_forgotten_is_read_again() -> None:
    prefixes, _ = known(b"s")
    prefixes.forget()
    assert list(prefixes.parts(LINE % (b"s", 1) + b"\n")) == [(LINE % (b"s", 1), False)]


def test_nothing_is_learned_of_a_line_that_says_its_words_twice() -> None:
    """The body is in front of the type, or a name looks like a key, so the beginning of the line is not sufficient."""
    prefixes, tally = KnownPrefixes(), Tally(StreamKey(None, "s"))
    odd = b'{"x":{"stream":"t"},"type":"RECORD","stream":"s","record":{"a":1}}'
    prefixes.learn(odd, b'{"a":1}', tally)
    assert list(prefixes.parts(odd + b"\n")) == [(odd, False)]


def test_a_line_that_names_another_stream_at_its_end_is_read() -> None:
    prefixes, _ = known(b"s")
    plain, odd = LINE % (b"s", 1), (LINE % (b"s", 2))[:-1] + b',"stream":"t"}'
    assert list(prefixes.parts(plain + b"\n" + odd + b"\n")) == [(plain, 0), (odd, 0)]
    assert list(prefixes.parts(plain + b"\n")) == [(plain + b"\n", 1)]
