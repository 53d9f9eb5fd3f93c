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
