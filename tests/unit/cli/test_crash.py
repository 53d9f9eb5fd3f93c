"""Tests what a program that reads `--json` gets if tapdock itself fails."""

import json

from tapdock import cli
from tapdock.cli import run


def test_a_run_prints_one_object_all_the_same(tmp_path, monkeypatch, capsys):
    """The file about the crash is in the project; the object says the same as stderr."""
    (tmp_path / "tapdock.yaml").write_text("version: 1\nsources: {s: {image: x}}\ntargets: {t: {image: y}}\n")

    def failing(*_):
        raise KeyError("Names")

    monkeypatch.setattr(run, "parse_blocks", failing)
    assert cli.main(["--project", str(tmp_path), "run", "s", "t", "--json"]) == 1
    printed = capsys.readouterr()
    ended = json.loads(printed.out)
    assert (ended["status"], ended["exit_code"]) == ("failed", 1)
    assert ended["error"]["message"] == "tapdock itself failed: KeyError: 'Names'"
    assert ended["error"]["message"] in printed.err
    (file,) = tmp_path.glob(".tapdock/crashes/*.txt")
    assert "in failing" in file.read_text()
