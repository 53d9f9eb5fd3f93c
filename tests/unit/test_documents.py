"""What comments and programs in texts name exists: sections of the protocol brief, and modules of the package."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runner" / "tapdock"
BRIEF = ROOT / "runner" / "protocol.md"
CITED = re.compile(r"(?:protocol\.md|\[protocol) (\d+(?:\.\d+)?(?:(?:, | to | and )\d+\.\d+)*)")
IMPORT = re.compile(r"^\s*(?:from|import) (tapdock(?:\.\w+)+)", re.MULTILINE)


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


def test_modules_that_programs_in_texts_import_exist():
    """Tests start programs whose code is a text: no tool looks into those."""
    missing = []
    for file, text in texts().items():
        for name in IMPORT.findall(text) if file.suffix == ".py" and (ROOT / "tests") in file.parents else ():
            path = PACKAGE.parent / name.replace(".", "/")
            inside = path.parent / "__init__.py"
            if not (path.is_dir() or path.with_suffix(".py").exists() or path.name in inside.read_text()):
                missing.append(f"{file.relative_to(ROOT)}: {name}")
    assert missing == []
