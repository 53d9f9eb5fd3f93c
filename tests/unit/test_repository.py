"""Tests the files around the code: workflows, templates, settings of other tools, and the scripts of a release."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.programs import require_valid_workflows

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
FORMS = sorted(file for file in (GITHUB / "ISSUE_TEMPLATE").iterdir() if file.name != "config.yml")
PAGES = sorted(GITHUB.rglob("*.md"))
SETTINGS = [*WORKFLOWS, *PAGES, GITHUB / "dependabot.yml", ROOT / ".pre-commit-config.yaml"]

BY_VERSION: set[str] = set()
"""Actions with an exact version, because their digest is not known: `owner/name@v1.2.3`."""


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def name(path: Path) -> str:
    return path.name


def jobs(workflow: Path) -> dict[str, Any]:
    found = parsed(workflow)["jobs"]
    assert found
    return found


def uses(workflow: Path) -> list[tuple[str, str]]:
    """Return the actions of others that a workflow uses, each with the comment after it."""
    found = re.findall(r"uses: (\S+)(?: +# (.+))?", workflow.read_text())
    return [(action, comment) for action, comment in found if not action.startswith("./")]


# --- workflows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_a_workflow_may_only_read_and_a_job_says_what_it_may_write(workflow):
    permissions = parsed(workflow)["permissions"]
    assert isinstance(permissions, dict)
    assert set(permissions.values()) <= {"read", "none"}
    for job in jobs(workflow).values():
        assert isinstance(job.get("permissions", {}), dict)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_a_job_has_a_time_limit(workflow):
    for key, job in jobs(workflow).items():
        if called := job.get("uses", "").removeprefix("./"):
            assert ROOT / called in WORKFLOWS, key
        else:
            assert isinstance(job.get("timeout-minutes"), int), key


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_runs_of_a_workflow_have_a_concurrency_group(workflow):
    assert parsed(workflow)["concurrency"]["group"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_an_action_is_pinned_by_digest_with_its_version_beside_it(workflow):
    assert uses(workflow)
    for action, comment in uses(workflow):
        if action in BY_VERSION:
            assert re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", action)
        else:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r"v\d+\.\d+\.\d+", comment), action


def test_all_workflows_use_the_same_version_of_an_action():
    versions: dict[str, set[tuple[str, str]]] = {}
    for workflow in WORKFLOWS:
        for action, comment in uses(workflow):
            path, _, digest = action.partition("@")
            versions.setdefault("/".join(path.split("/")[:2]), set()).add((digest, comment))
    assert {action: found for action, found in versions.items() if len(found) > 1} == {}
    assert {action for action in BY_VERSION if action.partition("@")[0] not in versions} == set()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_a_checkout_leaves_no_token_behind(workflow):
    for job in jobs(workflow).values():
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_a_script_contains_no_expression(workflow):
    """A value from outside would become a part of the script. It must be passed through `env` instead."""
    for job in jobs(workflow).values():
        assert not [step["run"] for step in job.get("steps", []) if "${{" in step.get("run", "")]


def test_actionlint_finds_nothing():
    require_valid_workflows(WORKFLOWS, ROOT)


def test_the_full_tier_is_divided_without_a_rest():
    parts = jobs(GITHUB / "workflows" / "ci.yaml")["full"]["strategy"]["matrix"]["tests"]
    every = {file.relative_to(ROOT).parts[1] for file in ROOT.glob("tests/*/**/test_*.py")}
    assert sorted(" ".join(parts).split()) == sorted(f"tests/{name}" for name in every)


def test_every_folder_with_slow_tests_runs_at_night():
    parts = jobs(GITHUB / "workflows" / "nightly.yaml")["all"]["strategy"]["matrix"]["tests"]
    every = {file.relative_to(ROOT).parts[1] for file in ROOT.glob("tests/*/**/test_*.py")}
    assert set(parts) == {f"tests/{name}" for name in every} - {"tests/corpus"}


def test_the_fast_tier_runs_on_the_oldest_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tested = jobs(GITHUB / "workflows" / "ci.yaml")["fast"]["strategy"]["matrix"]["python"]
    assert project["requires-python"] == f">={tested[0]}"


# --- what these files name -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", SETTINGS, ids=name)
def test_what_a_file_names_is_there(file):
    text = file.read_text()
    named = re.findall(r"(?<![\w/.:-])((?:scripts|tests|images|runner|\.github)/[\w./-]*\w)", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_a_script_that_a_workflow_runs_can_be_run(workflow):
    for job in jobs(workflow).values():
        for step in job.get("steps", []):
            for script in re.findall(r"(?<![\w/.-])scripts/[\w/-]+", step.get("run", "")):
                assert (ROOT / script).stat().st_mode & 0o111, script


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_of_a_page_lead_to_files(page):
    links = re.findall(r"\]\(([^)#:]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_dependabot_looks_where_dependencies_are():
    settings = parsed(GITHUB / "dependabot.yml")
    assert settings["version"] == 2
    where = {"github-actions": ".github/workflows/*.yaml", "pip": "*.t*", "docker": "Dockerfile"}
    assert {update["package-ecosystem"] for update in settings["updates"]} == set(where)
    for update in settings["updates"]:
        for folder in update.get("directories", [update.get("directory")]):
            found = list(ROOT.glob(f"{folder}/{where[update['package-ecosystem']]}".strip("/")))
            assert found, folder


@pytest.mark.parametrize("form", FORMS, ids=name)
def test_an_issue_form_can_be_filled_in(form):
    content = parsed(form)
    assert content["name"]
    assert content["description"]
    fields = [field for field in content["body"] if field["type"] != "markdown"]
    assert all(field["type"] in {"textarea", "input", "dropdown", "checkboxes"} for field in fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)


def test_a_bug_report_asks_for_what_it_takes_to_find_the_bug():
    text = (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text()
    for command in ("--version", "doctor", "runs show latest --json", "runs logs latest"):
        assert f"`tapdock {command}`" in text
    assert parsed(GITHUB / "ISSUE_TEMPLATE" / "config.yml") == {"blank_issues_enabled": False}


def test_pre_commit_runs_the_commands_of_scripts_check():
    check = (ROOT / "scripts" / "check").read_text().replace('"$bin/', ".venv/bin/").replace('"', "")
    local, *others = parsed(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [hook["id"] for hook in local["hooks"]] == ["ruff-format", "ruff-check", "mypy"]
    for hook in local["hooks"]:
        assert f"\n{hook['entry']}\n" in check
    assert all(re.fullmatch("[0-9a-f]{40}", repository["rev"]) for repository in others)


def test_scripts_check_works_in_an_environment_that_it_made():
    """mypy and the rules about the tree read every module, including the state backends."""
    (extras,) = re.findall(r"^scripts/venv ([a-z0-9 ]+)", (ROOT / "scripts" / "check").read_text(), re.MULTILINE)
    assert set(extras.split()) >= {"test", "check", "s3", "azure", "gcs", "postgres"}


# --- a release -------------------------------------------------------------------------------------------------------


def test_packages_contain_what_they_should():
    """A pattern without a leading slash matches in every folder."""
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert all(pattern.startswith("/") and (ROOT / pattern[1:]).exists() for pattern in targets["sdist"]["include"])
    assert {target["core-metadata-version"] for target in targets.values()} == {"2.4"}


CHANGELOG = """# Changelog

## Unreleased

- Not yet.

## 0.2.0 (2026-12-01)

- Second, with [a guide](guides/security.md), [a site](https://example.com/a) and [a part](#more).
- More of it.

## 0.1.0

- First.

## 0.0.1
"""


@pytest.fixture
def notes(tmp_path):
    """notes(version of the package, arguments...) runs scripts/release-notes in its own repository."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "runner" / "tapdock").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "release-notes", tmp_path / "scripts")
    (tmp_path / "runner" / "CHANGELOG.md").write_text(CHANGELOG)

    def run(packaged: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "runner" / "tapdock" / "__init__.py").write_text(f'__version__ = "{packaged}"\n')
        command = [tmp_path / "scripts" / "release-notes", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    return run


def test_the_notes_of_a_release_are_its_part_of_the_changelog(notes):
    assert notes("0.1.0", "v0.1.0").stdout == "- First.\n"
    blob = "https://example.com/o/r/blob/v0.2.0"
    first, second = notes("0.2.0", "v0.2.0", blob).stdout.splitlines()
    guide = f"{blob}/runner/guides/security.md"
    assert first == f"- Second, with [a guide]({guide}), [a site](https://example.com/a) and [a part](#more)."
    assert second == "- More of it."


@pytest.mark.parametrize(
    ("packaged", "arguments", "message"),
    [
        ("0.1.0", ["v0.2.0"], "the tag is v0.2.0, but the package has version 0.1.0"),
        ("0.3.0", ["v0.3.0"], "runner/CHANGELOG.md has no entries for 0.3.0"),
        ("0.0.1", ["v0.0.1"], "runner/CHANGELOG.md has no entries for 0.0.1"),
        ("0.1.0", ["0.1.0"], "`0.1.0` is not the tag of a version"),
        ("0.1.0", [], "`` is not the tag of a version"),
    ],
)
def test_a_tag_that_does_not_fit_is_refused(notes, packaged, arguments, message):
    done = notes(packaged, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}\nhint: ")
