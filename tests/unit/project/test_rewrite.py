"""Tests how a changed project file is written back, and where comments are added."""

import os

import pytest

from tapdock.errors import UsageError
from tapdock.project.comments import with_comments
from tapdock.project.rewrite import rewrite

TEXT = """\
a:
  b: 1 # one
  list:
    - c: 2
      d: 3
e: {f: 4}
"""


def test_comments_above_keys():
    notes = {("a",): ["top"], ("a", "b"): ["first", "|key: raw"], ("e",): ["last"]}
    assert with_comments(TEXT, notes, label="x") == (
        "# top\na:\n  # first\n  # key: raw\n  b: 1 # one\n  list:\n    - c: 2\n      d: 3\n# last\ne: {f: 4}\n"
    )


@pytest.mark.parametrize("path", [("none",), ("e", "f"), ("a", "list", "c"), ("a", "b", "c")])
def test_a_key_without_a_place_for_a_comment(path):
    assert with_comments(TEXT, {path: ["lost"]}, label="x") == TEXT


def test_a_long_comment_has_at_most_three_lines():
    new = with_comments(TEXT, {("a", "b"): ["word " * 200]}, label="x")
    lines = [line for line in new.splitlines() if line.startswith("  # ")]
    assert (len(lines), max(map(len, lines)) <= 120, lines[-1][-1]) == (3, True, "…")


@pytest.mark.parametrize("note", ["x\nevil: 1", "x\x85evil: 1", "x\u2028evil: 1"])
def test_a_comment_that_would_be_a_value_is_refused(note):
    with pytest.raises(UsageError):
        with_comments(TEXT, {("a",): [f"|{note}"]}, label="x")


def test_lines_end_as_in_the_file():
    new = with_comments(TEXT.replace("\n", "\r\n"), {("a", "b"): ["one"]}, label="x")
    assert "a:\r\n  # one\r\n  b: 1" in new


def test_a_file_that_has_changed_is_not_replaced(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("new")
    with pytest.raises(UsageError, match="has just been changed by another program"):
        rewrite(file, "mine", before="old")
    assert file.read_text() == "new"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_the_mode_stays(tmp_path, mode):
    file = tmp_path / "x.yaml"
    file.write_text("old")
    file.chmod(mode)
    rewrite(file, "mine", before="old")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("mine", mode)
    assert os.listdir(tmp_path) == ["x.yaml"]
