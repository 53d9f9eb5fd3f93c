"""Tests that names in pages, comments and embedded programs exist: sections of the brief, and parts of the package."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runner" / "tapdock"
BRIEF = ROOT / "runner" / "protocol.md"
PAGES = [".github/CONTRIBUTING.md", "runner/guides/architecture.md"]
CITED = re.compile(r"(?:protocol\.md|\[protocol) (\d+(?:\.\d+)?(?:(?:, | to | and )\d+\.\d+)*)")
FILE = re.compile(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|sh))`")
INSIDE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py)` \(((?:`[\w.]+`(?:, )?)+)\)")
IMPORT = re.compile(r"^\s*(?:from|import) (tapdock(?:\.\w+)+)(?: import ([\w, ]+))?", re.MULTILINE)


def texts() -> dict[Path, str]:
    files = [file for folder in ("runner", "tests", ".github") for file in (ROOT / folder).rglob("*")]
    return {file: file.read_text("utf-8") for file in files if file.suffix in (".py", ".sh", ".md", ".case")}


def test_every_section_of_the_protocol_brief_that_is_cited_exists():
    sections = set(re.findall(r"^#+ (\d+(?:\.\d+)?)\.? ", BRIEF.read_text(), re.MULTILINE))
    cited = [
        (section, str(file.relative_to(ROOT)))
        for file, text in texts().items()
        for numbers in CITED.findall(text)
        for section in re.findall(r"\d+(?:\.\d+)?", numbers)
    ]
    assert len(cited) > 60
    assert [each for each in cited if each[0] not in sections] == []


def names_in(file: Path) -> set[str]:
    """Return the functions, classes and values of a module, with attributes and methods as `Class.name`."""
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        found |= bound(node)
        if isinstance(node, ast.ClassDef):
            inner = [one for one in ast.walk(node) if isinstance(one, ast.Attribute) and is_self(one.value)]
            found |= {f"{node.name}.{one.attr}" for one in inner}
            found |= {f"{node.name}.{name}" for one in node.body for name in bound(one)}
    return found


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def bound(node: ast.AST) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
    return set()


@pytest.mark.parametrize("page", PAGES)
def test_the_files_that_a_page_names_exist(page):
    named = FILE.findall((ROOT / page).read_text())
    assert len(named) > 20
    assert [name for name in named if not ((PACKAGE / name).exists() or (ROOT / name).exists())] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_inside_of_a_file_is_there(page):
    """For example `relay/pump.py` (`Pump.run`), also across the end of a line."""
    named = INSIDE.findall(re.sub(r"\s+", " ", (ROOT / page).read_text()))
    assert len(named) > 20
    missing = [
        f"{file}: {name}"
        for file, listed in named
        for name in re.findall(r"[\w.]+", listed)
        if name not in names_in(PACKAGE / file)
    ]
    assert missing == []


def test_what_programs_in_texts_import_exists():
    """Tests start programs whose code is a string, and no other tool checks these imports."""
    missing = []
    for file in (ROOT / "tests").rglob("*.py"):
        for module, names in IMPORT.findall(file.read_text("utf-8")):
            path = PACKAGE.parent / module.replace(".", "/")
            source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            text = source.read_text() if source.exists() else ""
            imported = [name.split(" as ")[0].strip() for name in names.split(",") if name.strip()]
            known = [name for name in imported if re.search(rf"\b{name}\b", text) or (path / f"{name}.py").exists()]
            if not source.exists() or known != imported:
                missing.append(f"{file.relative_to(ROOT)}: {module} {names}")
    assert missing == []
