"""Tests completion as each shell calls it: commands, options and the project's names, also of a broken project."""

import os
import shutil
import subprocess
import sys

import pytest

from tapdock.cli import COMMANDS, GLOBAL_OPTIONS, _command
from tapdock.cli.completion import Grammar, candidates

pytestmark = pytest.mark.long

GRAMMAR = Grammar(COMMANDS, GLOBAL_OPTIONS, _command)
PROJECT = """\
version: 1
sources: {faker: {image: x}, file: {image: x}}
targets: {lake: {image: y}, log: {image: y}}
pipelines: {demo: {source: faker, target: lake}, other: {source: file, target: log, state_suffix: eu}}
environments: {prod: {pipelines: {nightly: {source: faker, target: log}}}, test: {}}
"""


@pytest.fixture
def project(folder, monkeypatch):
    (folder / "tapdock.yaml").write_text(PROJECT)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ru", ["run", "runs"]),
        ("runs l", ["list", "logs"]),
        ("state cl", ["clear"]),
        ("nothing ", []),
        ("run ", ["demo", "other", "faker", "file"]),
        ("run f", ["faker", "file"]),
        ("run faker ", ["lake", "log"]),
        ("run faker lake ", ["demo", "other", "faker", "file"]),
        ("run demo --fu", ["--full-refresh"]),
        ("run --select ", []),
        ("run --json d", ["demo"]),
        ("run --envi", ["--environment"]),
        ("run --environment ", ["prod", "test"]),
        ("--environment prod run n", ["nightly"]),
        ("run --environment=prod n", ["nightly"]),
        ("run n", []),
        ("--log-format ", ["text", "json"]),
        ("run --log-level w", ["warning"]),
        ("run --env-file ", []),
        ("state set demo state.json --dialect ", ["airbyte", "singer"]),
        ("discover ", ["faker", "file"]),
        ("check l", ["lake", "log"]),
        ("check faker ", []),
        ("config show d", ["demo"]),
        ("config set d", []),
        ("config set l", ["lake", "log"]),
        ("add ", ["source", "target"]),
        ("search f", []),
        ("remove d", ["demo"]),
        ("state show default:f", ["default:faker-to-lake", "default:file-to-log:eu"]),
        ("state set demo ", []),
        ("init ", []),
        ("doctor ", []),
        ("completion ", ["bash", "zsh", "fish"]),
        ("runs show ", ["latest"]),
        ("--proj", ["--project"]),
    ],
)
def test_words(project, line, words):
    assert candidates(line.split(" "), GRAMMAR) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run n", ["nightly"]),
        ("run dbt", ["dbt:build", "dbt:test"]),
        ("run demo ", ["demo", "nightly", "faker", "dbt:build", "dbt:test"]),
        ("remove ", ["demo", "nightly", "faker", "lake", "dbt"]),
        ("list n", ["nightly"]),
        ("config show d", ["demo", "dbt"]),
    ],
)
def test_jobs_and_tasks(project, line, words):
    (project / "tapdock.yaml").write_text(
        "version: 1\nsources: {faker: {image: x}}\ntargets: {lake: {image: y}}\n"
        "tasks: {dbt: {image: z, commands: {build: a, test: b}}}\n"
        "pipelines: {demo: {source: faker, target: lake}}\njobs: {nightly: [demo, dbt:build]}\n"
    )
    assert candidates(line.split(" "), GRAMMAR) == words


def test_ids_of_runs(project):
    run = project / ".tapdock" / "runs" / "20261122T112233Z-ab12cd"
    run.mkdir(parents=True)
    assert candidates(["runs", "logs", "2"], GRAMMAR) == [run.name]


def test_names_of_a_project_with_a_mistake(project):
    (project / "tapdock.yaml").write_text(PROJECT.replace("image: x", "imagee: x"))
    assert candidates(["run", ""], GRAMMAR) == ["demo", "other", "faker", "file"]


@pytest.mark.parametrize("words", ["run ", "state show ", "run faker ", "config set ", "remove "])
def test_no_program_of_a_reference_is_started(project, words):
    text = PROJECT.replace("image: x", "image: 'x:${exec:touch RAN}'").replace("eu}", "'${exec:touch RAN}'}")
    (project / "tapdock.yaml").write_text(
        f"{text}vars: {{A: '${{exec:touch RAN}}'}}\nlabels: {{a: '${{exec:touch RAN}}'}}\n"
    )
    assert candidates(words.split(" "), GRAMMAR)
    assert not (project / "RAN").exists()


def test_names_of_the_default_environment_and_of_included_files(project):
    (project / "more.yaml").write_text("sources: {late: {image: x}}\n")
    (project / "tapdock.yaml").write_text(f"{PROJECT}default_environment: prod\ninclude: [more.yaml]\n")
    assert candidates(["run", "n"], GRAMMAR) == ["nightly"]
    assert candidates(["discover", "l"], GRAMMAR) == ["late"]
    assert candidates(["state", "show", "prod:faker-to-lo"], GRAMMAR) == ["prod:faker-to-log"]
    assert candidates(["--environment", "test", "run", "n"], GRAMMAR) == []


def test_a_project_of_another_folder(project, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert candidates(["--project", str(project), "run", "d"], GRAMMAR) == ["demo"]
    monkeypatch.setenv("TAPDOCK_PROJECT", str(project))
    assert candidates(["run", "d"], GRAMMAR) == ["demo"]


# --- as the shells call it -------------------------------------------------------------------------------------------


@pytest.fixture
def environ(project):
    """The environment of a shell in which `tapdock` is a program."""
    programs = project / "programs"
    programs.mkdir()
    (programs / "tapdock").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tapdock "$@"\n')
    (programs / "tapdock").chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": ":".join(sys.path), "HOME": str(project)}


def shell(name: str, script: str, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    words = {"bash": ["--norc", "-c"], "zsh": ["-f", "-c"], "fish": ["--no-config", "-c"]}[name]
    return subprocess.run([name, *words, script], env=environ, capture_output=True, text=True, timeout=60)


BASH = """
source <(tapdock completion bash)
COMP_LINE='%s' COMP_POINT=${#COMP_LINE}
COMP_POINT=${#COMP_LINE}
_tapdock
printf '%%s\\n' "${COMPREPLY[@]}"
complete -p tapdock
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tapdock run faker l", ["lake", "log"]),
        ("tapdock state show default:fa", ["faker-to-lake"]),
        ('tapdock check "l', ["lake", "log"]),
        ("tapdock run --environment=p", ["prod"]),
        ("tapdock doctor ", [""]),
    ],
)
def test_bash(environ, line, words):
    ended = shell("bash", BASH % line, environ)
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [*words, "complete -o default -F _tapdock tapdock"]


ZSH = """
compdef() {}
compadd() { shift; print -l -- ${(P)1}; }
_files() { print files; }
source <(tapdock completion zsh)
words=(tapdock %s '')
CURRENT=$#words
_tapdock
"""


def test_zsh(environ):
    assert shell("zsh", ZSH % "run faker", environ).stdout.split() == ["lake", "log"]
    assert shell("zsh", ZSH % "state set demo", environ).stdout.split() == ["files"]


def test_fish(environ):
    script = "tapdock completion fish | source; complete -C 'tapdock run faker l'"
    assert shell("fish", script, environ).stdout.split() == ["lake", "log"]


@pytest.mark.parametrize("text", ["{", "version: 1\nsources: [", "\0", "version: 2"])
def test_a_broken_project_prints_nothing(environ, project, text):
    (project / "tapdock.yaml").write_text(text)
    for words in (["run", ""], ["run", "--environment", ""], ["state", "show", ""]):
        ended = subprocess.run(
            [sys.executable, "-m", "tapdock", *words],
            env={**environ, "_TAPDOCK_COMPLETE": "zsh"},
            capture_output=True,
            text=True,
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("words", [["run", ""], ["state", "show", ""], ["ru"], ["config", ""]])
def test_names_are_found_without_what_only_a_run_needs(environ, words):
    code = (
        "import sys; from tapdock.cli import main; main(); "
        "rooms = {'.'.join(name.split('.')[:2]) for name in sys.modules}; "
        "heavy = {'docker', 'rich', 'jsonschema', 'tenacity', 'pydantic', 'requests', 'tapdock.engines', "
        "'tapdock.relay', 'tapdock.translate', 'tapdock.runs'}; print(sorted(heavy & rooms), file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**environ, "_TAPDOCK_COMPLETE": "zsh"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout
    assert ended.stderr == "[]\n"
