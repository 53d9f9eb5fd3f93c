"""Tests BATCH messages: only files of the shared folder are read."""

import gzip
import json
import os
import re
from pathlib import Path

import pytest

from tapdock.errors import TranslationError
from tapdock.launch import SCRATCH
from tapdock.protocol.catalog import StreamKey
from tapdock.protocol.singer import BatchMessage, Encoding
from tapdock.translate.base import Quirks, TranslateOptions
from tapdock.translate.notices import Notices
from tapdock.translate.read.batches import PIECE, bodies, rows_of
from tapdock.translate.singer_to_airbyte import SingerToAirbyte
from tapdock.translate.singer_to_singer import SingerToSinger
from tapdock.translate.tally import Tally

BODIES = [b'{"id":1.50}', b'{"id":"\xc3\xa9"}']
BROKEN = gzip.compress(b"{}\n")[:10] + b"\xff" * 20
SCHEMA = b'{"type":"SCHEMA","stream":"s","schema":{"properties":{"id":{}}},"key_properties":[]}\n'


def batch(*urls: str, compression: str | None = None, form: str = "jsonl") -> BatchMessage:
    return BatchMessage(stream="s", encoding=Encoding(format=form, compression=compression), manifest=list(urls))


def taken(message: BatchMessage, scratch: Path | None) -> list[bytes]:
    tally = Tally(StreamKey(None, "users"))
    notices = Notices(lambda _: None)
    translation = TranslateOptions(scratch=str(scratch) if scratch else None)
    return list(bodies(message, translation=translation, number=4, notices=notices, tally=tally))


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_is_read_byte_for_byte_and_removed(tmp_path: Path, compression: str | None, *, compressed: bool) -> None:
    """Some taps compress without declaring it, or declare it without compressing."""
    lines = b"\n".join(BODIES) + b"\n\n"
    (tmp_path / "a b").write_bytes(gzip.compress(lines) if compressed else lines)
    assert taken(batch(f"file://{SCRATCH}/a%20b", compression=compression), tmp_path) == BODIES
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        f"file://{SCRATCH}/a%00b",
        f"file://[x{SCRATCH}/a",
        "s3://bucket/a",
        "https://host/a",
        "file:///etc/passwd",
        f"file://{SCRATCH}/../../etc/passwd",
        f"{SCRATCH}x/a",
    ],
)
def test_a_file_that_is_elsewhere_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(TranslationError, match="line 4: a BATCH of stream `s` names"):
        taken(batch(url), tmp_path)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "secret").write_bytes(b"{}")
    (tmp_path / "shared" / "a").symlink_to(tmp_path / "secret")
    (tmp_path / "shared" / "b").symlink_to(tmp_path)
    for name in ("a", "b/secret"):
        with pytest.raises(TranslationError, match="is a link, or not a folder"):
            taken(batch(f"file://{SCRATCH}/{name}"), tmp_path / "shared")
    assert (tmp_path / "secret").read_bytes() == b"{}"


def test_a_folder_that_becomes_a_link_while_its_file_is_read(tmp_path: Path) -> None:
    """The file that was read is removed, and never another file at the same path."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").write_bytes(b"{}")
    (tmp_path / "shared" / "b").mkdir(parents=True)
    (tmp_path / "shared" / "b" / "a").write_bytes(b'{"id":1}\n{"id":2}\n')
    tally, notices = Tally(StreamKey(None, "users")), Notices(lambda _: None)
    translation = TranslateOptions(scratch=str(tmp_path / "shared"))
    read = bodies(batch(f"file://{SCRATCH}/b/a"), translation=translation, number=4, notices=notices, tally=tally)
    assert next(read) == b'{"id":1}'
    (tmp_path / "shared" / "b").rename(tmp_path / "shared" / "c")
    (tmp_path / "shared" / "b").symlink_to(tmp_path / "elsewhere")
    assert list(read) == [b'{"id":2}']
    assert list((tmp_path / "shared" / "c").iterdir()) == []
    assert (tmp_path / "elsewhere" / "a").read_bytes() == b"{}"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_not_a_regular_file_is_refused(tmp_path: Path, make) -> None:
    """A pipe would block until another process writes into it."""
    make(tmp_path / "a")
    with pytest.raises(TranslationError, match=r"`a` is not a regular file|Is a directory"):
        taken(batch(f"file://{SCRATCH}/a"), tmp_path)
    assert rows_of(batch(f"file://{SCRATCH}/a"), translation=TranslateOptions(scratch=str(tmp_path))) == 0


def test_a_row_over_the_limit_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    row = b'{"id":"' + b"x" * 5000 + b'"}\n'
    (tmp_path / "a").write_bytes(gzip.compress(row))
    message = batch(f"file://{SCRATCH}/a", compression="gzip")
    tally, notices = Tally(StreamKey(None, "users")), Notices(lambda _: None)
    with pytest.raises(TranslationError, match="a row is longer than the limit"):
        list(
            bodies(
                message,
                translation=TranslateOptions(scratch=str(tmp_path), max_line=5000),
                number=4,
                notices=notices,
                tally=tally,
            )
        )
    assert taken(message, tmp_path) == [row.strip()]


@pytest.mark.parametrize("route", [SingerToSinger, SingerToAirbyte])
def test_the_rows_of_a_file_are_passed_on_in_pieces(tmp_path: Path, route) -> None:
    """A small compressed file can contain more rows than fit into memory."""
    rows = [b'{"id":%d,"name":"%s"}' % (number, b"x" * 1000) for number in range(5000)]
    (tmp_path / "a").write_bytes(gzip.compress(b"\n".join(rows)))
    translation = TranslateOptions(scratch=str(tmp_path), spool=route is SingerToAirbyte)
    run = route(streams=(), saved=None, emit=[].append, clock=lambda: 0.0, translation=translation)
    pieces: list[bytes] = []
    run.spill = pieces.append
    named = f"{SCRATCH}/a"
    message = {
        "type": "BATCH",
        "stream": "s",
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "manifest": [named],
    }
    lines = SCHEMA + json.dumps(message).encode() + b"\n"
    if translation.spool:
        run.scan(lines)
        run.catalog()
    rest = run.feed(lines)
    assert max(map(len, [*pieces, rest])) < 2 * PIECE
    assert len(pieces) >= 4
    whole = b"".join([*pieces, rest])
    found = re.findall(rb'"id":([0-9]+),"name":"x{1000}"}', whole)
    assert [int(number) for number in found] == list(range(5000))
    assert [report.records for report in run.counts.reports()] == [5000]


def test_without_a_shared_folder_none_is_read() -> None:
    with pytest.raises(TranslationError, match="names"):
        taken(batch(f"file://{SCRATCH}/a"), None)


@pytest.mark.parametrize(("form", "compression"), [("parquet", None), ("jsonl", "zstd")])
def test_a_kind_that_cannot_be_read_is_refused(tmp_path: Path, form: str, compression: str | None) -> None:
    with pytest.raises(TranslationError, match=f"files of the unsupported format `{form}"):
        taken(batch("file:///a", form=form, compression=compression), tmp_path)


@pytest.mark.parametrize("content", [None, gzip.compress(b"{}\n" * 99)[:-9], BROKEN], ids=["missing", "cut", "broken"])
def test_a_file_that_is_missing_or_cut_is_reported(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(TranslationError, match="line 4: a file of a BATCH of stream `s` cannot be read"):
        taken(batch(f"file://{SCRATCH}/a", compression="gzip"), tmp_path)


def test_a_target_that_reads_files_is_given_only_those_that_are_as_they_say(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(b"{}\n\n{}\n"))
    url = f"file://{SCRATCH}/a"
    assert rows_of(batch(url, compression="gzip"), translation=TranslateOptions(scratch=str(tmp_path))) == 2
    assert rows_of(batch(url), translation=TranslateOptions(scratch=str(tmp_path))) is None
    assert rows_of(batch("s3://bucket/a"), translation=TranslateOptions(scratch=str(tmp_path))) == 0
    (tmp_path / "a").write_bytes(BROKEN)
    assert rows_of(batch(url, compression="gzip"), translation=TranslateOptions(scratch=str(tmp_path))) == 0


@pytest.mark.parametrize("reads_files", [True, False])
def test_singer_to_singer(tmp_path: Path, *, reads_files: bool) -> None:
    (tmp_path / "a").write_bytes(b"\n".join(BODIES))
    translation = TranslateOptions(scratch=str(tmp_path), quirks=Quirks(takes_batches=reads_files))
    run = SingerToSinger(streams=(), saved=None, emit=[].append, clock=lambda: 0.0, translation=translation)
    line = json.dumps({"type": "BATCH", "stream": "s", "encoding": {"format": "jsonl"}, "manifest": [f"{SCRATCH}/a"]})
    out = run.feed(SCHEMA + line.encode() + b"\n").splitlines()[1:]
    records = [b'{"type":"RECORD","stream":"s","record":%s}' % body for body in BODIES]
    assert out == ([line.encode()] if reads_files else records)
    assert [report.records for report in run.counts.reports()] == [2]


def test_what_a_row_needs_is_mended_and_what_is_no_object_is_refused(tmp_path: Path) -> None:
    """Other rows are put into messages without parsing (protocol.md 3.0)."""
    (tmp_path / "a").write_bytes(b'{"a":NaN}\n{"a":1.50}\n\n')
    assert taken(batch(f"file://{SCRATCH}/a"), tmp_path) == [b'{"a":null}', b'{"a":1.50}']
    (tmp_path / "a").write_bytes(b'{"a":1}\n{"a":\n')
    with pytest.raises(TranslationError, match="row 2 of a BATCH file of stream `s` is not a JSON object"):
        taken(batch(f"file://{SCRATCH}/a"), tmp_path)
