"""Tests `scripts/structure`: the table of the package in the guide, and example trees that it must refuse."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long  # each test starts the script
SCRIPT = Path(__file__).parents[2] / "scripts" / "structure"
BEGIN = "<!-- structure: begin, written by `scripts/structure --write` -->"
PAGE = f"# A guide\n\n{BEGIN}\n<!-- structure: end -->\n\nMore.\n"
TREE = {
    "__init__.py": "__version__ = '1'",
    "errors.py": '"""What goes wrong.\n\nMore of it."""\nclass Failed(Exception): ...',
    "wire/__init__.py": '"""The format a|b."""',
    "wire/lines.py": "from shop import errors",
    "wire/words.py": "from . import lines\nfrom ..errors import Failed",
    "run/__init__.py": '"""One run."""\nfrom shop.wire.words import Failed',
    "run/log.py": "def begin():\n    import shop.errors",
}
DRAWN = """\
| floor | room | modules | what it is | imports |
| --- | --- | --- | --- | --- |
| 3 | `run/` | 2 | One run. | `wire/`, `errors.py` |
| 2 | `wire/` | 2 | The format a\\|b. | `errors.py` |
| 1 | `errors.py` | 1 | What goes wrong. |  |"""


class Tree:
    """A package and a page, on which the script runs."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "shop"
        self.page = folder / "page.md"
        self.page.write_text(PAGE)
        for name, text in TREE.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        file = self.package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def __call__(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return structure(*words, "--package", str(self.package), "--page", str(self.page))


def structure(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True)


@pytest.fixture
def tree(tmp_path) -> Tree:
    return Tree(tmp_path)


def test_the_picture_in_the_guide_is_that_of_the_imports():
    ended = structure("--check")
    assert ended.returncode == 0, ended.stderr


def test_a_tree_is_drawn_from_the_top_floor_down(tree):
    assert tree().stdout == f"{DRAWN}\n"
    assert tree.page.read_text() == PAGE


def test_only_the_part_between_the_markers_is_replaced(tree):
    assert tree("--write").returncode == 0
    assert tree.page.read_text() == f"# A guide\n\n{BEGIN}\n\n{DRAWN}\n\n<!-- structure: end -->\n\nMore.\n"
    assert tree("--check").returncode == 0
    tree("--write")
    assert tree.page.read_text().count("| floor |") == 1


def test_an_upward_import_that_closes_no_circle_puts_the_picture_out_of_date(tree):
    tree.write("help.py", '"""Words."""')
    tree("--write")
    tree.write("help.py", '"""Words."""\nfrom shop.run import log')
    ended = tree("--check")
    assert ended.returncode == 1
    assert "is out of date" in ended.stderr
    assert "+ | 4 | `help.py` | 1 | Words. | `run/` |" in ended.stderr
    assert "scripts/structure --write" in ended.stderr


@pytest.mark.parametrize("words", [(), ("--check",), ("--write",)], ids=str)
def test_an_upward_import_that_closes_a_circle_is_reported(tree, words):
    tree.write("errors.py", '"""What goes wrong."""\ndef told():\n    from shop.run.log import begin')
    ended = tree(*words)
    assert ended.returncode == 1
    assert "rooms import each other in a circle" in ended.stderr
    assert "  shop.errors imports shop.run.log\n" in ended.stderr
    assert tree.page.read_text() == PAGE


def test_a_circle_inside_of_a_room_is_reported(tree):
    tree.write("wire/lines.py", "from shop.wire import words")
    ended = tree()
    assert ended.returncode == 1
    assert "modules import each other in a circle" in ended.stderr
    assert "shop.wire.lines -> shop.wire.words" in ended.stderr


def test_a_room_without_a_sentence_is_refused(tree):
    tree.write("run/__init__.py", "")
    ended = tree()
    assert ended.returncode == 1
    assert "`run/` has no docstring" in ended.stderr


def test_a_page_without_markers_is_refused(tree):
    tree.page.write_text("# A guide\n")
    for word in ("--check", "--write"):
        ended = tree(word)
        assert ended.returncode == 1
        assert "does not have both markers" in ended.stderr
    assert tree.page.read_text() == "# A guide\n"
