"""Tests how documents of a registry are read: the cache and its age, limits, redirects, and what is refused."""

import json
from typing import Any

import pytest

from support.registries import serving
from tapdock.cache import Cache
from tapdock.connectors.registry import fetch
from tapdock.connectors.registry.fetch import FRESH, Missing, Reader
from tapdock.errors import UsageError


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        yield server


@pytest.fixture
def read(tmp_path):
    """read(address, late=0, fresh=False) -> the document, as a command `late` seconds later reads it."""

    def document(address: str, *, late: float = 0.0, fresh: bool = False, parse: Any = lambda content: content) -> Any:
        written = max([file.stat().st_mtime for file in (tmp_path / "cache").glob("registry-*")], default=0.0)
        now = written + late if written else 1e12
        reader = Reader(cache=Cache(tmp_path / "cache"), folder=tmp_path, now=lambda: now, fresh=fresh)
        found = reader.read("the registry", address, parse)
        document.ages = reader.ages
        return found

    return document


def test_a_document_is_cached_for_a_day(server, read):
    server.pages["/x"] = {"n": 1}
    assert read(f"{server.address}/x") == {"n": 1}
    server.pages["/x"] = {"n": 2}
    assert read(f"{server.address}/x", late=FRESH - 1) == {"n": 1}
    assert read.ages == {"the registry": FRESH - 1}
    assert read(f"{server.address}/x", late=FRESH + 1) == {"n": 2}
    assert server.asked == ["/x", "/x"]


@pytest.mark.parametrize(("late", "fresh"), [(-60.0, False), (10.0, True)], ids=["from the future", "refreshed"])
def test_a_cache_that_does_not_count(server, read, late, fresh):
    server.pages["/x"] = 1
    read(f"{server.address}/x")
    server.pages["/x"] = 2
    assert read(f"{server.address}/x", late=late, fresh=fresh) == 2
    assert read.ages == {}


def test_an_old_copy_is_not_used_if_the_server_is_gone(server, read):
    server.pages["/x"] = 1
    read(f"{server.address}/x")
    server.pages["/x"] = (503, "")
    with pytest.raises(UsageError, match="the server answered 503"):
        read(f"{server.address}/x", late=FRESH + 1)


def test_two_registries_do_not_share_a_cache(server, read):
    server.pages |= {"/x": 1, "/y": 2}
    assert [read(f"{server.address}/{name}") for name in "xy"] == [1, 2]


def test_a_malformed_document_is_not_cached(server, read):
    def refusing(content: Any) -> Any:
        raise ValueError("it is a login page")

    server.pages["/x"] = 1
    with pytest.raises(UsageError, match=r"the registry is malformed: http://127.*/x: it is a login page"):
        read(f"{server.address}/x", parse=refusing)
    server.pages["/x"] = 2
    assert read(f"{server.address}/x", late=1.0) == 2


def test_a_damaged_cache_is_read_again(server, read, tmp_path):
    server.pages["/x"] = 1
    read(f"{server.address}/x")
    (file,) = (tmp_path / "cache").glob("registry-*")
    file.write_text("{")
    assert read(f"{server.address}/x", late=1.0) == 1
    assert len(server.asked) == 2


def test_only_the_user_can_read_the_cache(server, read, tmp_path):
    server.pages["/x"] = 1
    read(f"{server.address}/x")
    (file,) = (tmp_path / "cache").glob("registry-*")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_redirects_are_followed(server, read):
    server.pages |= {"/x": (301, "/y"), "/y": 7}
    assert read(f"{server.address}/x") == 7


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ((302, "/x"), "it redirects more than 5 times"),
        ((302, "file:///etc/passwd"), "No connection adapters"),
        ((500, ""), "the server answered 500"),
        (b"<html>", "it is not JSON"),
        (b"[" * 5000, "it is not JSON"),
        (b'{"a": NaN}', "it is not JSON"),
    ],
    ids=["a circle", "a file", "an error", "a page", "too deep", "not a number"],
)
def test_an_answer_that_is_refused(server, read, page, message, tmp_path):
    server.pages["/x"] = page
    with pytest.raises(UsageError, match=message) as caught:
        read(f"{server.address}/x")
    assert "/x" in caught.value.message
    assert "`registries:`" in caught.value.hint
    assert not (tmp_path / "cache").exists()


def test_a_document_that_does_not_exist(server, read):
    with pytest.raises(Missing, match=r"the registry cannot be read: http://127.*/none does not exist"):
        read(f"{server.address}/none")


def test_a_large_document_is_refused(server, read, monkeypatch):
    monkeypatch.setattr(fetch, "_MOST_BYTES", 1 << 20)
    server.pages["/x"] = b'"' + b"x" * (1 << 20) + b'"'
    with pytest.raises(UsageError, match="it is larger than 1 MiB"):
        read(f"{server.address}/x")


def test_a_server_that_does_not_exist(server, read):
    server.shutdown()
    server.server_close()
    with pytest.raises(UsageError, match=r"the registry cannot be reached: http.*: no connection"):
        read(f"{server.address}/x")


def test_the_password_of_an_address_is_not_shown(server, read):
    with pytest.raises(UsageError) as caught:
        read(server.address.replace("//", "//me:hunter22@") + "/none")
    assert "hunter22" not in caught.value.message
    assert "[secret]@127.0.0.1" in caught.value.message


@pytest.mark.parametrize("form", ["x.json", "./x.json", "{folder}/x.json", "file://{folder}/x.json"])
def test_a_file(read, tmp_path, form):
    (tmp_path / "x.json").write_text(json.dumps({"n": 1}))
    assert read(form.format(folder=tmp_path)) == {"n": 1}
    (tmp_path / "x.json").write_text(json.dumps({"n": 2}))
    assert read(form.format(folder=tmp_path)) == {"n": 2}, "files are not cached"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("none.json", "none.json does not exist"),
        (".", "Is a directory"),
        ("ftp://host/x", "`ftp` is not `http`, `https` or `file`"),
        ("http://", "cannot be reached"),
        ("http://[", "cannot be reached"),
    ],
)
def test_a_place_that_cannot_be_read(read, address, message):
    with pytest.raises(UsageError, match=message):
        read(address)


@pytest.mark.parametrize(
    ("schemes", "lost"),
    [("https", False), ("http https", False), ("https https", False), ("https http", True), ("http https http", True)],
)
def test_a_redirect_from_https_to_http_is_noticed(schemes, lost):
    assert fetch.loses_tls([f"{scheme}://host/{number}" for number, scheme in enumerate(schemes.split())]) == lost
