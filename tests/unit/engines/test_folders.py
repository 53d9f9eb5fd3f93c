"""Tests folders of runs in a shared place: which of them are trusted, and how the deepest are removed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.users import open_to_others
from tapdock.engines import folders, owner

pytestmark = pytest.mark.long

GONE = "elsewhere/1/1/"


def dead() -> str:
    """Return a folder name with the id of a process of this machine that has ended."""
    program = "from tapdock.engines import owner; print(owner.mine())"
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


def abandoned(home: Path, *, name: str = "tapdock-run-x") -> Path:
    folder = home / name
    folder.mkdir(mode=0o700)
    (folder / "owner").write_text(dead())
    return folder


def nest(folder: Path, depth: int = 1500) -> None:
    """Make folders that are deeper than any path can be, in a child process with its own working directory."""
    program = (
        f"import os\nos.chdir({str(folder)!r})\nfor _ in range({depth}):\n os.mkdir('n' * 200); os.chdir('n' * 200)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_a_dead_run_left_is_removed(tmp_path):
    folder = abandoned(tmp_path)
    (folder / "scratch").mkdir()
    os.mkfifo(folder / "scratch" / "pipe")
    (folder / "scratch" / "link").symlink_to("/etc/passwd")
    swept = folders.sweep(tmp_path)
    assert (swept.removed, swept.kept) == ((str(folder),), ())
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_nested_too_deep_for_any_path(tmp_path):
    folder = abandoned(tmp_path)
    nest(folder)
    assert folders.sweep(tmp_path).removed == (str(folder),)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_nobody_may_enter(tmp_path):
    folder = abandoned(tmp_path)
    (folder / "closed" / "inner").mkdir(parents=True)
    (folder / "closed").chmod(0)
    assert folders.sweep(tmp_path).removed == (str(folder),)


def test_a_link_in_a_folder_is_removed_and_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("kept")
    folder = abandoned(tmp_path)
    (folder / "link").symlink_to(tmp_path / "precious")
    assert folders.sweep(tmp_path).removed == (str(folder),)
    assert (tmp_path / "precious" / "file").read_text() == "kept"


def test_the_folder_of_a_live_run_stays(tmp_path):
    with folders.temporary(tmp_path) as folder:
        assert folders.sweep(tmp_path) == ((), ())
        assert folder.is_dir()
    assert not folder.exists()


@pytest.mark.parametrize("trap", ["link", "pipe owner", "link owner", "folder owner", "open to all", "long owner"])
def test_what_may_be_somebody_elses_is_left_alone_and_hangs_nobody(tmp_path, trap):
    folder = tmp_path / "tapdock-run-x"
    if trap == "link":
        abandoned(tmp_path, name="real")
        folder.symlink_to(tmp_path / "real")
    else:
        folder = abandoned(tmp_path)
        mark = folder / "owner"
        if trap == "open to all":
            folder.chmod(0o777)
        elif trap == "long owner":
            mark.write_text("x" * (1 << 20) + dead())
        else:
            mark.rename(tmp_path / "moved")
            {"pipe owner": os.mkfifo, "folder owner": os.mkdir}.get(trap, lambda at: at.symlink_to("/dev/zero"))(mark)
    assert folders.sweep(tmp_path) == ((), ())
    assert folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_another_user_is_left_alone(tmp_path):
    folder = abandoned(tmp_path)
    os.chown(folder, 1234, 1234)
    assert folders.abandoned(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what its own user cannot remove")
def test_what_cannot_be_removed_is_named_with_the_reason(tmp_path):
    """A container's root left files that the user cannot remove."""
    tmp_path.chmod(0o777)
    open_to_others(tmp_path)
    folder = abandoned(tmp_path)
    (folder / "scratch").mkdir()
    (folder / "scratch" / "file").touch()
    os.chown(folder, 1234, 1234)
    child = os.fork()
    if not child:
        os.setuid(1234)
        os._exit(0 if folders.remove(folder) == "Permission denied" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (folder / "owner").exists(), "or nobody would know it as a leftover again"


def test_an_owner_elsewhere_is_not_known_to_be_gone(tmp_path):
    folder = abandoned(tmp_path)
    (folder / "owner").write_text(GONE)
    assert owner.is_alive(GONE) is None
    assert folders.abandoned(tmp_path) == []


def test_a_process_that_ends_while_it_is_looked_up_is_gone(tmp_path, monkeypatch):
    """The kernel reports this in its own way: /proc/1/stat could be opened, but can no longer be read."""
    folder = abandoned(tmp_path)
    read_text = Path.read_text

    def ended(path, *arguments):
        if path.name == "stat":
            raise ProcessLookupError(3, "No such process")
        return read_text(path, *arguments)

    monkeypatch.setattr(Path, "read_text", ended)
    assert folders.sweep(tmp_path).removed == (str(folder),)
