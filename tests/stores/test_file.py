"""Tests the special behavior of a folder as state backend: modes, and refusals of the file system."""

import os
import resource
import stat
import subprocess
import sys

import pytest

from support.users import open_to_others
from tapdock.errors import StateError, UsageError
from tapdock.state.backends.base import holder_here, open_backend
from tapdock.state.backends.file import FileBackend


def test_a_relative_path_is_below_the_project(tmp_path):
    assert open_backend(".tapdock/state", tmp_path).uri == str(tmp_path / ".tapdock/state")
    assert open_backend("file:///var/a%20b", tmp_path).uri == "/var/a b"
    with pytest.raises(UsageError, match="does not name a folder"):
        open_backend("file://host/x", tmp_path)


def test_only_the_owner_can_read(tmp_path):
    old = os.umask(0)
    try:
        backend = FileBackend(tmp_path / "state")
        backend.put("a", b"1", expected=None)
        with backend.acquire("a", holder_here("r1", since=0.0)):
            modes = {
                path.name: stat.S_IMODE(path.stat().st_mode) for path in [backend.folder, *backend.folder.rglob("*")]
            }
    finally:
        os.umask(old)
    assert {mode for name, mode in modes.items() if name in ("state", ".leases")} == {0o700}
    assert {mode for name, mode in modes.items() if name not in ("state", ".leases")} == {0o600}


def test_nothing_is_made_by_reading(tmp_path):
    backend = FileBackend(tmp_path / "state")
    assert (backend.get("a"), backend.names()) == (None, [])
    assert not backend.folder.exists()


def test_a_file_that_would_be_read_under_another_name_is_none(tmp_path):
    """The file was created by hand, and its name is not encoded in tapdock's way."""
    backend = FileBackend(tmp_path / "state")
    backend.put("a:b", b"1", expected=None)
    for name in ("a:b.json", "a%3ab.json", "%61.json", ".a%3Ab.json.new", "a.txt"):
        (tmp_path / "state" / name).write_text("2")
    (tmp_path / "state" / os.fsdecode(b"\xff.json")).write_text("2")
    assert backend.names() == ["a:b"]


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match="cannot save state at") as told:
        FileBackend(tmp_path / "state").put("a", b"1", expected=None)
    assert str(tmp_path / "state") in told.value.message
    assert "choose another `state_backend.uri`" in told.value.hint


WRITE = """
import sys
from pathlib import Path
from tapdock.errors import StateError
from tapdock.state.backends.file import FileBackend
backend = FileBackend(Path(sys.argv[1]))
stored = backend.get("a")
try:
    backend.put("a", b"x" * 100_000, expected=stored.version if stored else None)
except StateError as error:
    print(error.message, error.hint, sep="|")
"""


def test_a_write_that_does_not_fit_leaves_the_old_state(tmp_path):
    backend = FileBackend(tmp_path / "state")
    backend.put("a", b"old", expected=None)
    limit = (4096, 4096)
    told = subprocess.run(
        [sys.executable, "-c", WRITE, str(backend.folder)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.startswith(f"cannot save state at {backend.folder}/a.json: File too large|")
    assert backend.get("a").body == b"old"
    assert sorted(path.name for path in backend.folder.iterdir()) == [".lock", "a.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")
def test_a_folder_of_somebody_else(tmp_path):
    tmp_path.chmod(0o755)
    open_to_others(tmp_path)
    (tmp_path / "state").mkdir(mode=0o755)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            FileBackend(tmp_path / "state").put("a", b"1", expected=None)
        except StateError as error:
            os.write(writer, f"{error.message}|{error.hint}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with open(reader) as told:
        assert "Permission denied|become the owner of the folder" in told.read()
