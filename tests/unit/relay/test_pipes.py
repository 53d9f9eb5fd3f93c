"""Tests the relay's ends of a connector's pipes."""

import os
import threading

import pytest

from tapdock.errors import EngineError
from tapdock.launch import InputFile
from tapdock.relay.pipes import SidePipes


@pytest.fixture
def ends(tmp_path):
    with SidePipes(tmp_path / "source", files=(), stdin=False) as held:
        yield held


def heard(ends: SidePipes, into: list) -> threading.Thread:
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
    """Each try is a race. Before, one in ten failed, because the reader treated a second writer as an error."""
    for number in range(200):
        folder = tmp_path / str(number)
        folder.mkdir()
        words: list = []
        with SidePipes(folder / "source", files=(), stdin=False) as ends:
            writer = os.open(folder / "source" / "control", os.O_WRONLY)
            thread = heard(ends, words)
            os.close(writer)
            ends.release()
            ends.release()
            thread.join(10)
        assert (words, thread.is_alive()) == ([], False)


def test_a_reader_that_wakes_late_reads_from_no_file_of_somebody_else(tmp_path):
    """The reader owns its descriptors until it ends, so the next file of another thread cannot get their numbers."""
    for number in range(200):
        folder = tmp_path / str(number)
        folder.mkdir()
        words: list = []
        with SidePipes(folder / "source", files=(), stdin=False) as ends:
            thread = heard(ends, words)
        ours, theirs = zip(*(os.pipe() for _ in range(8)), strict=True)  # like connections of an engine
        for fd in theirs:
            os.write(fd, b"not for the relay\n")
        thread.join(10)
        assert (words, thread.is_alive()) == ([], False)
        assert [os.read(fd, 100) for fd in ours] == [b"not for the relay\n"] * 8
        for fd in (*ours, *theirs):
            os.close(fd)


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir, None], ids=["pipe", "folder", "link"])
def test_what_takes_the_place_of_a_pipe_is_never_opened(tmp_path, put):
    """The engine cannot mount the folder read-only, or a pod was written without `readOnly`."""
    victim = tmp_path / "victim"
    victim.write_text("unharmed")
    file = InputFile("config.json", b"a config with a secret in it")
    with SidePipes(tmp_path / "target", files=(file,), stdin=True) as ends:
        folder = tmp_path / "target"
        pipes = {path.name: os.open(path, os.O_RDWR) for path in folder.iterdir()}
        for name in pipes:
            (folder / name).rename(tmp_path / f"{name}.moved")
            put(folder / name) if put else (folder / name).symlink_to(victim)
        assert ends.begin()
        ends.feed_files()
        os.write(ends.input, b"rows")
        ends.order("end")
        ends.release()
        assert os.read(pipes["file.config.json"], 100) == file.content
        assert os.read(pipes["in"], 100) == b"rows"
        assert os.read(pipes["orders"], 100) == b"end\n"
    assert victim.read_text() == "unharmed"
    for fd in pipes.values():
        os.close(fd)


def test_a_name_that_is_taken_already_is_an_error(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "control").symlink_to(tmp_path / "victim")
    with (
        pytest.raises(EngineError, match="already contains `control`"),
        SidePipes(tmp_path / "source", files=(), stdin=False),
    ):
        pass
    assert not (tmp_path / "victim").exists()


def test_names_are_gone_once_the_launcher_has_greeted(tmp_path):
    """Processes after the launcher must not find the names."""
    files = (InputFile("config.json", b""),)
    with SidePipes(tmp_path / "source", files=files, stdin=False) as ends:
        reader = os.open(tmp_path / "source" / "file.config.json", os.O_RDONLY | os.O_NONBLOCK)
        assert ends.begin()
        assert [path.name for path in (tmp_path / "source").iterdir()] == ["file.config.json"]
        ends.feed_files()
        assert list((tmp_path / "source").iterdir()) == []
        os.close(reader)


@pytest.mark.parametrize(
    "junk",
    [b"exit\n", b"hello again\n", b"\xff\xfe\n", b"exit 0 \n", b"config 99999999\n", b"\n", b"x" * 5000],
    ids=repr,
)
def test_behind_a_word_that_no_launcher_says_nothing_is_believed(tmp_path, ends, junk):
    words: list = []
    writer = os.open(tmp_path / "source" / "control", os.O_WRONLY)
    thread = heard(ends, words)
    os.write(writer, b"hello\n" + junk)
    os.write(writer, b"config 0\n" * 1000)
    os.close(writer)
    thread.join(10)
    assert (words, thread.is_alive()) == ([["hello"], []], False)


def test_a_config_that_was_announced_and_never_comes(tmp_path):
    with SidePipes(tmp_path / "source", files=(), stdin=False) as ends:
        found: list = []
        thread = threading.Thread(target=lambda: found.append(ends.read_config(100)), daemon=True)
        thread.start()
        ends.release()
        thread.join(10)
        assert (found, thread.is_alive()) == ([None], False)


def test_descriptors_of_a_thread_that_does_not_end_lead_nowhere_and_stay_taken(tmp_path):
    with SidePipes(tmp_path / "source", files=(), stdin=False) as ends:
        out = ends.out
        ends.abandon()
    assert os.read(out, 100) == b""
    other = os.open(tmp_path, os.O_RDONLY)
    assert other != out
    os.close(other)
    os.close(out)
