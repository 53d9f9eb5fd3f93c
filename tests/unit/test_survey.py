"""Tests the pure functions of `scripts/survey`: its list, what it records of answers, and its table."""

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tapdock.project.load import load

SCRIPTS = Path(__file__).parents[2] / "scripts"
GUIDE = Path(__file__).parents[2] / "runner" / "guides" / "connectors.md"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)


@pytest.fixture
def outcomes() -> Any:
    return importlib.import_module("surveys.outcomes")


@pytest.fixture
def page() -> Any:
    return importlib.import_module("surveys.page")


def test_the_list_is_read_and_has_every_package_once(outcomes):
    found = outcomes.entries((SCRIPTS / "surveys" / "packages.txt").read_text())
    assert len(found) >= 80
    assert len({entry.line for entry in found}) == len(found)


def test_each_entry_is_a_project(outcomes, tmp_path):
    text = '# why\n\nairbyte airbyte-source-x==1.0\nsinger target-y==2+z {"python": "3.10", "with": ["six"]}\n'
    one, two = outcomes.entries(text)
    for entry, role in ((one, "sources"), (two, "targets")):
        (tmp_path / "tapdock.yaml").write_text(entry.project())
        (connector,) = getattr(load(tmp_path / "tapdock.yaml", environment=None, environ={}), role).values()
        assert connector.image == entry.image
    assert (connector.build.python, connector.build.with_) == ("3.10", ("six",))
    assert (one.image, two.image) == ("tapdock-survey/airbyte-source-x:1.0", "tapdock-survey/target-y:2-z")


@pytest.mark.parametrize("line", ["docker x", "airbyte", "singer x []"])
def test_a_wrong_line_is_named(outcomes, line):
    with pytest.raises(ValueError, match="line 2"):
        outcomes.entries(f"# x\n{line}\n")


@pytest.mark.parametrize(
    ("said", "why", "who"),
    [
        (
            "x\nerror: `x:1` could not be built: a cannot be installed: / no solution: Because a needs b\nhint: y",
            "a cannot be installed: / no solution: Because a needs b",
            "packaging",
        ),
        (
            "error: `x:1` could not be built: Because the current Python version (3.11.2) does not satisfy",
            "Because the current Python version (3.11.2) does not satisfy",
            "Python version",
        ),
        (
            "error: `x:1` could not be built: `python` under `build` is 3.9, but the base image has Python 3.11",
            "`python` under `build` is 3.9, but the base image has Python 3.11",
            "Python version",
        ),
        (
            "error: `x:1` could not be built: x was installed, but its program does not start: ImportError: six",
            "x was installed, but its program does not start: ImportError: six",
            "packaging",
        ),
        (
            "error: x was installed, but its program does not start: TypeError: /opt/lib/site-packages/x.py",
            "x was installed, but its program does not start: TypeError: x.py",
            "connector",
        ),
        (
            "error: `x:1` could not be built: error sending request for url",
            "error sending request for url",
            "not tried",
        ),
        ("error: stopped by signal", "stopped by signal", "not tried"),
        ("", "no output", "packaging"),
    ],
)
def test_by_whom_a_package_is_broken(outcomes, said, why, who):
    assert outcomes.reason(said) == why
    assert outcomes.blame(why) == who


def _line(**message: Any) -> str:
    return json.dumps(message) + "\n"


FAILED = _line(type="CONNECTION_STATUS", connectionStatus={"status": "FAILED", "message": "no"})
CONFIG_ERROR = _line(type="TRACE", trace={"type": "ERROR", "error": {"failure_type": "config_error", "message": "no"}})
SYSTEM_ERROR = _line(
    type="TRACE",
    trace={"type": "ERROR", "error": {"failure_type": "system_error", "stack_trace": "Traceback\nKeyError: 'x'\n"}},
)


@pytest.mark.parametrize(
    ("stdout", "code", "answer"),
    [
        (FAILED, 0, "FAILED"),
        ("log line\n" + CONFIG_ERROR + FAILED, 1, "FAILED"),
        (CONFIG_ERROR, 1, "refused"),
        (SYSTEM_ERROR, 1, "crashed"),
        (_line(type="CATALOG", catalog={"streams": [{}, {}]}), 0, "2 streams"),
        (_line(type="CATALOG", catalog={"streams": [{}]}), 0, "1 stream"),
        ("", 0, "no answer"),
        ("[1]\n", 137, "crashed"),
        (_line(type="TRACE", trace=None), 1, "crashed"),
    ],
)
def test_answers_of_airbyte_connectors(outcomes, stdout, code, answer):
    assert outcomes.airbyte_answer(stdout, code) == answer


def test_the_exception_of_an_airbyte_connector(outcomes):
    assert outcomes.airbyte_error(CONFIG_ERROR + SYSTEM_ERROR) == "KeyError: 'x'"
    assert outcomes.airbyte_error(CONFIG_ERROR) == "no"
    assert outcomes.airbyte_error(FAILED) == ""


TRACEBACK = "Traceback (most recent call last):\n  File x\n"


@pytest.mark.parametrize(
    ("stdout", "stderr", "code", "answer"),
    [
        ('{"streams": [{}]}', "", 0, "1 stream"),
        ("hello", "", 0, "no answer"),
        ("[]", "", 0, "no answer"),
        ("", "usage: tap-x", 2, "refused"),
        ("", TRACEBACK + "Exception: Config is missing required keys: ['x']", 1, "refused"),
        ("", TRACEBACK + "KeyError: 'start_date'", 1, "refused"),
        ("", TRACEBACK + "AttributeError: x", 1, "crashed"),
    ],
)
def test_answers_of_taps(outcomes, stdout, stderr, code, answer):
    assert outcomes.singer_answer(stdout, stderr, code) == answer


def test_the_table(outcomes, page):
    good = outcomes.Result(
        built=True, starts=True, spec="5 settings", check="FAILED", versions={"python": "3.11.2", "airbyte-cdk": "7.1"}
    )
    tap = outcomes.Result(built=True, starts=True, discover="3 streams")
    bad = outcomes.Result(built=False, starts=False, broken="packaging", reason="a | <b>\n" + "x" * 200)
    later = outcomes.Result(built=False, starts=False, broken="not tried")
    found = {
        'singer tap-b==2 {"with": ["six", "lxml"]}': bad,
        "airbyte airbyte-source-a==1": good,
        "singer tap-c==3": tap,
        "singer tap-d==4": later,
    }
    results = {line: dataclasses.asdict(result) for line, result in found.items()}
    lines = page.written(f"# x\n{page.BEGIN}\nold\n{page.END}\nmore\n", results).splitlines()
    assert lines[3] == "3 packages: 2 were installed, and 2 of them start. Broken by packaging: 1."
    assert lines[7] == "| `airbyte-source-a` | 1 | 3.11, airbyte-cdk 7.1 | yes | yes | 5 | FAILED |  |  |"
    assert lines[8].startswith("| `tap-b`; `with: [six, lxml]` | 2 |  | no | no |  |  |  | packaging: a \\| &lt;b> xxx")
    assert lines[9] == "| `tap-c` | 3 |  | yes | yes |  |  | 3 streams |  |"
    assert (lines[1], lines[-2:], len(lines)) == (page.BEGIN, [page.END, "more"], 13)


def test_a_page_without_markers_is_refused(page):
    with pytest.raises(ValueError, match="lacks"):
        page.written("# x", {})


def test_the_guide_has_the_results(page):
    results = json.loads((SCRIPTS / "surveys" / "results.json").read_text())
    assert page.written(GUIDE.read_text("utf-8"), results) == GUIDE.read_text("utf-8")
