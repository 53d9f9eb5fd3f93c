"""Tests attacks by BATCH files: files of others, and files that are too large or take too long."""

import pytest

from hostile.conftest import peak

pytestmark = pytest.mark.docker


@pytest.mark.slow
def test_rows_of_a_file_arrive(attacked, next_run):
    """The attacks below must be refused for their own reason, and not because no file can be read."""
    project = attacked(batch="rows")
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert project.ids() == set(range(1, 1001))
    next_run()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ("pipe", "`a` is not a regular file"),
        pytest.param("link", "`a` is a link, or not a folder", marks=pytest.mark.slow),
        pytest.param("folder_link", "`b` is a link, or not a folder", marks=pytest.mark.slow),
        pytest.param("long_row", "a row is longer than the limit of 64 MiB", marks=pytest.mark.slow),
    ],
)
def test_a_file_that_is_none(attacked, next_run, batch, message):
    project = attacked(batch=batch)
    ended = project.run()
    assert ended.code == 5, ended.stderr
    assert message in ended.message
    assert peak(ended) < 500 << 20
    next_run()


@pytest.mark.slow
def test_a_folder_that_becomes_a_link_while_its_files_are_read(attacked, next_run):
    """In every order of events, tapdock reads and removes files only in the shared folder."""
    project = attacked(batch="swap")
    ended = project.run()
    assert ended.code in (0, 5), ended.stderr
    assert project.ids() <= set(range(200))
    next_run()


@pytest.mark.slow
def test_a_small_file_that_unpacks_to_300_megabytes(attacked, next_run):
    project = attacked(batch="bomb")
    ended = project.run()
    assert ended.code == 0, ended.stderr
    (stream,) = ended.record["streams"]
    assert stream["records"] == 30_000
    assert peak(ended) < 150 << 20
    next_run()


@pytest.mark.slow
def test_folders_that_are_nested_too_deep_for_any_path(attacked, next_run):
    project = attacked(batch="nested")
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert project.ids() == set(range(1, 1001))
    next_run()


@pytest.mark.slow
def test_a_tap_does_not_get_a_shared_folder_by_writing_so_into_its_config(attacked):
    project = attacked(batch="enables_itself")
    del project.source["batch_config"]
    for _ in range(2):
        ended = project.run()
        assert ended.code == 0, ended.stderr
        assert "attack: shares a folder: False" in ended.stderr
