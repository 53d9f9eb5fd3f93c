"""Where a command finds its project, and folders that it cannot read."""

import os

import pytest

from tapdock.cli.session import Session
from tapdock.errors import UsageError


def test_a_name_that_no_file_system_accepts(tapdock):
    ended = tapdock("config", "show", "--project", "x" * 300)
    assert ended.returncode == 2
    assert f"{'x' * 300} cannot be read: File name too long" in ended.stderr
    assert "--project" in ended.stderr


def test_a_working_directory_that_was_removed(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        Session().file  # noqa: B018 - found when it is asked for


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")
def test_a_folder_that_this_user_may_not_enter(folder):
    folder.chmod(0o700)
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            Session(folder=folder).file  # noqa: B018 - found when it is asked for
        except UsageError as error:
            os._exit(0 if "cannot be read: Permission denied" in error.message else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


HOMES = pytest.mark.parametrize(
    "words", [("state", "list"), ("runs", "list"), ("config", "show"), ("run", "demo"), ("doctor",)]
)


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a folder of another user, and gives up root's rights")
@HOMES
def test_a_private_folder_of_another_user(tapdock, tmp_path, words):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)
    child = os.fork()
    if child == 0:
        _without_rights_of_root()
        ended = tapdock(*words, TAPDOCK_HOME=str(home), TAPDOCK_ENGINE="local")
        text = ended.stdout + ended.stderr
        os._exit(
            0
            if (ended.returncode in (2, 8), f"{home} cannot be read: Permission denied" in text) == (True, True)
            else 1
        )
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _without_rights_of_root() -> None:
    """Clear all capabilities, so that the permissions of files apply to this process as well."""
    import ctypes

    header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, nothing) == 0


def test_a_home_belongs_to_one_project(tapdock, folder, tmp_path):
    """States of two projects may have the same names, so the second project would resume from a state of the first."""
    home = str(tmp_path / "home")
    other = tmp_path / "other"
    other.mkdir()
    (other / "tapdock.yaml").write_text((folder / "tapdock.yaml").read_text())
    environ = {"TAPDOCK_HOME": home, "TAPDOCK_ENGINE": "local"}
    assert tapdock("run", "demo", **environ).returncode != 2
    for words in (("run", "demo"), ("state", "list"), ("runs", "list")):
        ended = tapdock("--project", str(other), *words, **environ)
        assert (ended.returncode, f"has the states of the project {folder}" in ended.stderr) == (2, True)
    assert tapdock("state", "list", **environ).returncode == 0
    (folder / "tapdock.yaml").rename(folder / "moved.yaml")
    assert tapdock("--project", str(other), "state", "list", **environ).returncode == 0
