"""The relay's ends of a connector's pipes."""

import os
import threading

import pytest

from tapdock.pipes import Ends


@pytest.fixture
def ends(tmp_path):
    with Ends(tmp_path / "source", files=(), stdin=False) as held:
        yield held


def heard(ends: Ends, into: list) -> threading.Thread:
    words = ends.words()

    def listen():
        try:
            into.extend(words)
        except BaseException as error:
            into.append(error)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    return thread


def test_words_come_in_pieces_and_end_with_the_writer(tmp_path, ends):
    words: list = []
    writer = os.open(tmp_path / "source" / "control", os.O_WRONLY)
    thread = heard(ends, words)
    for piece in (b"hel", b"lo\nexit 3", b"\n"):
        os.write(writer, piece)
    os.close(writer)
    thread.join(10)
    assert words == [["hello"], ["exit", "3"]]


def test_a_launcher_that_ends_just_as_its_pipes_are_released(tmp_path):
    """Each try is a race of the two; one in ten was lost by a reader that takes a second writer for an error."""
    for number in range(200):
        folder = tmp_path / str(number)
        folder.mkdir()
        words: list = []
        with Ends(folder / "source", files=(), stdin=False) as ends:
            writer = os.open(folder / "source" / "control", os.O_WRONLY)
            thread = heard(ends, words)
            os.close(writer)
            ends.release()
            ends.release()
            thread.join(10)
        assert (words, thread.is_alive()) == ([], False)


def test_a_reader_that_wakes_late_reads_from_no_file_of_somebody_else(tmp_path):
    """Its numbers are its own until it has ended: another thread's next file must not get one of them."""
    for number in range(200):
        folder = tmp_path / str(number)
        folder.mkdir()
        words: list = []
        with Ends(folder / "source", files=(), stdin=False) as ends:
            thread = heard(ends, words)
        ours, theirs = zip(*(os.pipe() for _ in range(8)), strict=True)  # as an engine's connections come and go
        for fd in theirs:
            os.write(fd, b"not for the relay\n")
        thread.join(10)
        assert (words, thread.is_alive()) == ([], False)
        assert [os.read(fd, 100) for fd in ours] == [b"not for the relay\n"] * 8
        for fd in (*ours, *theirs):
            os.close(fd)
