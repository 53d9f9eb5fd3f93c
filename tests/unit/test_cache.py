from tapdock.cache import Cache


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
    assert cache.read("catalog", newer_than=written - 1) == b"[]"
    assert cache.read("catalog", newer_than=written + 1) is None


def test_a_fingerprint_tells_values_apart_and_is_of_no_use_elsewhere(tmp_path):
    here, there = Cache(tmp_path / "here"), Cache(tmp_path / "there")
    assert here.fingerprint("image", {"a": 1, "b": 2}) == here.fingerprint("image", {"b": 2, "a": 1})
    assert here.fingerprint("image", {"a": 1}) != here.fingerprint("image", {"a": 2})
    assert here.fingerprint("image", {"a": 1}) != there.fingerprint("image", {"a": 1})
