"""Tests the config file that a wrapped tap's connector leaves: kept if it is a config, and read without blocking."""

import json
import os

import pytest

from tapdock.connectors.wrap.files import keep_rotated

BEFORE = b'{"token":"old"}'


@pytest.fixture
def given(tmp_path):
    """Return the runner's own config file."""
    file = tmp_path / "given.json"
    file.write_bytes(BEFORE)
    return file


def test_a_new_token_is_written_into_the_runners_file(tmp_path, given):
    (tmp_path / "config.json").write_text('{"token":"new"}')
    keep_rotated([str(given)], tmp_path / "config.json", BEFORE, None)
    assert json.loads(given.read_bytes()) == {"token": "new"}


@pytest.mark.parametrize("left", ["nothing", "pipe", "link", "folder", "too long"])
def test_what_is_not_a_config_changes_nothing_and_holds_nobody_up(tmp_path, given, left):
    file = tmp_path / "config.json"
    (tmp_path / "elsewhere").write_text('{"token":"of somebody else"}')
    match left:
        case "pipe":
            os.mkfifo(file)
        case "link":
            file.symlink_to(tmp_path / "elsewhere")
        case "folder":
            file.mkdir()
        case "too long":
            file.write_text(json.dumps({"token": "x" * (4 << 20)}))
    keep_rotated([str(given)], file, BEFORE, None)
    assert given.read_bytes() == BEFORE
