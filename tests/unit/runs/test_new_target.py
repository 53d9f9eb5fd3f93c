"""Tests when a target certainly has no rows of earlier runs."""

from pathlib import Path

import pytest

from tapdock.project.connector_values import Mount
from tapdock.project.model import Connector
from tapdock.runs.new_target import looks_new


def target(*mounts: Mount) -> Connector:
    return Connector(name="lake", role="target", image="x", mounts=mounts)


def test_folders_without_a_file_are_new(tmp_path: Path) -> None:
    (tmp_path / "a" / "empty").mkdir(parents=True)
    folders = [Mount(str(tmp_path / name), f"/{name}") for name in ("a", "missing")]
    read_only = Mount("/etc", "/etc", read_only=True)
    reason = f"`lake` looks new: there is no file in {tmp_path}/a, {tmp_path}/missing"
    assert looks_new(target(*folders, read_only)) == reason


@pytest.mark.parametrize("rows", ["rows.csv", "inner/rows.csv"])
def test_a_folder_with_a_file_may_have_rows(tmp_path: Path, rows: str) -> None:
    (tmp_path / rows).parent.mkdir(exist_ok=True)
    (tmp_path / rows).touch()
    assert looks_new(target(Mount(str(tmp_path), "/data"))) is None
    assert looks_new(target(Mount(str(tmp_path / rows), "/rows"))) is None


def test_nothing_is_known_about_volumes_and_servers(tmp_path: Path) -> None:
    assert looks_new(target()) is None
    assert looks_new(target(Mount(str(tmp_path), "/data"), Mount("lake", "/lake"))) is None
    assert looks_new(target(Mount("/etc", "/etc", read_only=True))) is None
