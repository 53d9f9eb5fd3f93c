"""Tests folders that only their owner can open."""

import os
import stat

import pytest

from tapdock.cache import Cache
from tapdock.files import tightened
from tapdock.runs import records
from tapdock.state.backends.base import holder_here
from tapdock.state.backends.file import FileBackend


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def held(private):
    with FileBackend(private / "state").acquire("a", holder_here("r", since=0.0)):
        pass


MAKERS = {
    "cache": lambda private: Cache(private / "cache").write("x", b""),
    "state": lambda private: FileBackend(private / "state").put("a", b"1", expected=None),
    "lease": held,
    "log": lambda private: records.log_file(private, "20261122T112233Z-ab12cd"),
    "crash": lambda private: records.made_private(private, "crashes"),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_whoever_makes_it_first_makes_it_for_its_owner(tmp_path, maker):
    """This includes every new folder of the path: the mode of mkdir applies only to the last one."""
    old = os.umask(0)
    try:
        MAKERS[maker](tmp_path / "project" / ".tapdock")
    finally:
        os.umask(old)
    folders = [path for path in (tmp_path / "project").rglob("*") if path.is_dir()]
    assert {mode(path) for path in [tmp_path / "project", *folders]} == {0o700}


def test_one_that_was_made_with_a_wider_mode_is_closed(tmp_path):
    private = tmp_path / ".tapdock"
    private.mkdir(mode=0o755)
    assert tightened(private) is None
    assert mode(private) == 0o700
    assert tightened(private) is None


def test_what_somebody_else_may_use_is_left_alone(tmp_path):
    """TAPDOCK_HOME may be a home folder, or /tmp."""
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / ".tapdock").symlink_to(tmp_path / "home")
    for folder in (tmp_path / "home", tmp_path / ".tapdock", tmp_path / "missing" / ".tapdock"):
        assert tightened(folder) is None
    assert mode(tmp_path / "home") == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder away, which only root can")
def test_that_of_somebody_else_is_a_warning(tmp_path):
    private = tmp_path / ".tapdock"
    private.mkdir(mode=0o755)
    os.chown(private, 65534, 65534)
    assert "belongs to uid 65534" in tightened(private)
    assert mode(private) == 0o755
    private.chmod(0o700)
    assert tightened(private) is None
