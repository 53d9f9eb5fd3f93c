"""Tests endless objects and special files: they never block a run or fill its memory."""

import itertools
import os
import socket
import threading

import pytest

from stores import odd, servers
from tapdock.errors import StateError
from tapdock.state.backends.base import holder_here, open_backend
from tapdock.state.backends.file import FileBackend
from tapdock.state.backends.leases import Timing
from tapdock.state.backends.limits import LARGEST, listed, within
from tapdock.state.backends.remote import Remote
from tapdock.state.store import is_empty, keys

KEY = "default:a-to-b"
FIRST = holder_here("r1", since=0.0)


def limit(backend, largest: int) -> None:
    getattr(backend, "store", backend).largest = largest


def test_an_object_beyond_the_limit_is_neither_read_nor_written(backend, reopened):
    version = backend.put(KEY, b"x" * 100, expected=None)
    limit(backend, 99)
    with pytest.raises(StateError) as told:
        backend.get(KEY)
    assert "is larger than 99 bytes" in told.value.message
    assert (KEY in told.value.message) or (KEY.replace(":", "%3A") in told.value.message)
    assert backend.uri in told.value.message
    assert not told.value.retryable
    with pytest.raises(StateError, match=f"the new `{KEY}` for .* is larger than 99 bytes") as told:
        backend.put(KEY, b"y" * 100, expected=version)
    assert "select fewer streams" in told.value.hint
    assert reopened().get(KEY) == (b"x" * 100, version)
    limit(backend, 100)
    assert backend.get(KEY).body == b"x" * 100
    with pytest.raises(StateError):
        backend.put(KEY, b"y" * (LARGEST + 1), expected=version)


@pytest.fixture
def folder(tmp_path):
    backend = FileBackend(tmp_path / "state")
    backend.put("default:x-to-y", b"{}", expected=None)
    return backend


def pipe(path):
    os.mkfifo(path)


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.open(path.parent, os.O_RDONLY)
        bound.bind(f"/proc/self/fd/{here}/{path.name}")  # such a path has at most 108 characters
        os.close(here)


def link(path):
    path.with_name("elsewhere").write_text("{}")
    path.symlink_to(path.with_name("elsewhere"))


ODD = pytest.mark.parametrize("made", [pipe, unix_socket, link, os.mkdir], ids=lambda made: made.__name__)


@ODD
def test_what_is_no_file_is_no_state(folder, made):
    path = folder.folder / "default%3Aa-to-b.json"
    made(path)
    with pytest.raises(StateError) as told:
        folder.get(KEY)
    assert str(path) in told.value.message
    assert "remove it" in told.value.hint
    with pytest.raises(StateError):
        folder.put(KEY, b"{}", expected=None)
    with pytest.raises(StateError):
        is_empty(folder, KEY)
    assert keys(folder) == [KEY, "default:x-to-y"], "it is named where states are listed"


@ODD
def test_what_is_no_file_is_no_lease(folder, made):
    with folder.acquire(KEY, FIRST):
        pass
    path = folder.folder / ".leases" / "default%3Aa-to-b"
    path.unlink()
    made(path)
    for call in (folder.holder, folder.unlock, lambda name: folder.acquire(name, FIRST).__enter__()):
        with pytest.raises(StateError, match="%3Aa-to-b") as told:
            call(KEY)
        assert "remove it" in told.value.hint


@ODD
def test_what_is_no_file_is_no_lock(folder, made):
    (folder.folder / ".lock").unlink()
    made(folder.folder / ".lock")
    with pytest.raises(StateError):
        folder.put(KEY, b"{}", expected=None)


@pytest.mark.parametrize("made", [pipe, unix_socket, link], ids=lambda made: made.__name__)
def test_what_stands_where_a_file_is_written_aside_is_replaced(folder, made):
    made(folder.folder / ".default%3Aa-to-b.json.new")
    folder.put(KEY, b"[]", expected=None)
    assert folder.get(KEY).body == b"[]"
    if made is link:
        assert (folder.folder / "elsewhere").read_text() == "{}"


@pytest.fixture(params=["s3", "gs", "azblob"])
def odd_backend(request, tmp_path, monkeypatch):
    """odd_backend(server) -> a backend on that server whose requests may take 0.5 s."""
    for name, value in servers.ANYBODY.items():
        monkeypatch.setenv(name, value)

    def opened(server) -> Remote:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", servers.AZURITE.format(address=server.address))
        query = f"?endpoint={server.address}" if request.param == "s3" else ""
        backend = open_backend(f"{request.param}://states/t{query}", tmp_path)
        backend.store.largest = 1 << 20
        return Remote(backend.store, Timing(request=0.5))

    return opened


@pytest.mark.parametrize("habit", ["long", "unannounced"])
def test_a_server_may_send_as_much_as_it_likes(odd_backend, habit):
    with odd.serving(habit) as server:
        with pytest.raises(StateError) as told:
            odd_backend(server).get(KEY)
        assert server.sent < 100 << 20
    assert KEY in told.value.message


def test_a_server_may_be_as_slow_as_it_likes(odd_backend):
    """One byte at a time resets every timeout of a client."""
    with odd.serving("trickle") as server, pytest.raises(StateError) as told:
        odd_backend(server).get(KEY)
    assert told.value.message.endswith("no complete answer within 0.5 s")
    assert told.value.retryable


def test_a_listing_without_an_end(tmp_path, monkeypatch):
    for name, value in servers.ANYBODY.items():
        monkeypatch.setenv(name, value)
    with odd.serving("long") as server:
        backend = open_backend(f"s3://states/t?endpoint={server.address}", tmp_path)
        with pytest.raises(
            StateError, match=r"the listing of `runs/` in s3://states/t has not ended after 1,000 pages"
        ):
            backend.names("runs/")
        server.pages = 0
        with pytest.raises(StateError, match="cannot list `runs/` in s3://states/t: no complete answer"):
            Remote(backend.store, Timing(request=0.2)).names("runs/")


def test_a_listing_of_too_many_names():
    pages = ([f"{page}-{number}" for number in range(1000)] for page in itertools.count())
    with pytest.raises(StateError, match=r"after 200 pages with 200,000 names") as told:
        listed(pages, "`` in s3://b")
    assert "a separate prefix" in told.value.hint
    assert listed([["a"], [], ["b"]], "x") == ["a", "b"]


def test_a_call_is_given_up_after_its_time():
    over = threading.Event()
    with pytest.raises(TimeoutError, match=r"within 0.1 s"):
        within(0.1, over.wait)
    over.set()
    assert within(10, lambda: 5) == 5
    with pytest.raises(StateError, match="its own"):
        within(10, lambda: exec("raise StateError('its own')"))
