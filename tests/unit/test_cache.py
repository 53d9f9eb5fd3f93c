import os
import time

import pytest

from tapdock.cache import Cache, user_cache


def test_what_is_written_is_read_back_by_its_user_alone(tmp_path):
    cache = Cache(tmp_path / "cache")
    assert cache.read("spec") is None
    cache.write("spec", b"{}")
    assert cache.read("spec") == b"{}"
    assert [oct(file.stat().st_mode & 0o777) for file in (tmp_path / "cache").iterdir()] == ["0o600"]


def test_what_is_too_old_is_as_if_it_was_not_there(tmp_path):
    cache = Cache(tmp_path)
    cache.write("catalog", b"[]")
    written = (tmp_path / "catalog").stat().st_mtime
    assert cache.read("catalog", written=(written - 1, written)) == b"[]"
    assert cache.read("catalog", written=(written + 1, written + 2)) is None


def test_a_date_in_the_future_is_not_believed(tmp_path):
    """The clock was wrong when the file was written, so nobody knows how old it is."""
    cache = Cache(tmp_path)
    cache.write("catalog", b"[]")
    now = time.time()
    os.utime(tmp_path / "catalog", (now, now + 60))
    assert cache.read("catalog", written=(now - 3600, now)) is None


def test_a_fingerprint_distinguishes_values_and_is_of_no_use_elsewhere(tmp_path):
    here, there = Cache(tmp_path / "here"), Cache(tmp_path / "there")
    assert here.fingerprint("image", {"a": 1, "b": 2}) == here.fingerprint("image", {"b": 2, "a": 1})
    assert here.fingerprint("image", {"a": 1}) != here.fingerprint("image", {"a": 2})
    assert here.fingerprint("image", {"a": 1}) != there.fingerprint("image", {"a": 1})


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path):
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "cache")
    cache.write("catalog", b"[]")
    assert cache.read("catalog") is None
    assert cache.fingerprint("image")


def test_a_home_of_ours_has_the_cache_and_nobody_else_gets_into_it(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / ".cache").symlink_to("real")
    assert user_cache({"HOME": str(tmp_path)}) == tmp_path / "real" / "tapdock"
    assert (tmp_path / "real" / "tapdock").stat().st_mode & 0o777 == 0o700
    assert user_cache({"HOME": "/", "XDG_CACHE_HOME": str(tmp_path / "x")}) == tmp_path / "x" / "tapdock"


@pytest.mark.parametrize("trap", ["link", "open", "open parent", "file", "no home", "relative"])
def test_a_cache_that_others_could_have_written_is_not_used(tmp_path, trap):
    cache = tmp_path / ".cache" / "tapdock"
    cache.parent.mkdir(mode=0o700)
    match trap:
        case "link":
            (tmp_path / "elsewhere").mkdir()
            cache.symlink_to(tmp_path / "elsewhere")
        case "file":
            cache.touch()
        case "open":
            cache.mkdir()
            cache.chmod(0o777)
        case "open parent":
            cache.parent.chmod(0o1777)
    environ = {"no home": {}, "relative": {"XDG_CACHE_HOME": "x"}}.get(trap, {"HOME": str(tmp_path)})
    found = {user_cache(environ), user_cache(environ)}
    assert len(found) == 2
    for folder in found:
        assert folder != cache
        assert folder.stat().st_mode & 0o777 == 0o700
        assert list(folder.iterdir()) == []


def test_a_cache_of_somebody_else_is_not_used(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a folder of somebody else")
    for strange in (tmp_path / ".cache", tmp_path / ".cache" / "tapdock"):
        user_cache({"HOME": str(tmp_path)})
        os.chown(strange, 54321, -1)
        assert tmp_path not in user_cache({"HOME": str(tmp_path)}).parents
        os.chown(strange, 0, -1)
