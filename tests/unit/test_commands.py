"""Proves that a test runs every command of README and guides, and that the command line accepts those of tapdock."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache

import pytest
import yaml

from support.pages import CHECKOUT, ELSEWHERE, NOT_RUN, PAGES, Ended, Step, every, page_steps
from tapdock.cli import COMMANDS, GLOBAL_OPTIONS, _command, _hoisted
from tapdock.project.row import split_name

# --- every command is run --------------------------------------------------------------------------------------------


@cache
def claims() -> list[tuple[str, ...]]:
    """Return the page and the sections of each call of `page_steps` in the tests."""
    found = []
    for file in sorted((CHECKOUT / "tests").rglob("test_*.py")):
        if file.name != "test_commands.py":
            calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
            named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "page_steps"]
            found += [tuple(ast.literal_eval(word) for word in call.args) for call in named]
    return found


@cache
def commands() -> list[Step]:
    return [step for page in PAGES for step in every(page) if not step.file]


def test_every_command_of_the_pages_is_run_by_a_test():
    """A command that several pages show has to be run once."""
    known = {*ELSEWHERE, *NOT_RUN} | {step.command for claim in claims() for step in page_steps(*claim)}
    assert len(commands()) > 60
    assert [(step.page, step.section, step.command) for step in commands() if step.command not in known] == []


def test_what_a_test_follows_is_there():
    for page, *sections in claims():
        found = {step.section for step in page_steps(page, *sections) if not step.file}
        assert found, page
        assert set(sections) <= found, page


def test_the_exceptions_are_commands_of_the_pages():
    assert {*ELSEWHERE, *NOT_RUN} <= {step.command for step in commands()}


@pytest.mark.parametrize(("command", "test"), ELSEWHERE.items())
def test_a_test_that_is_named_contains_the_command(command, test):
    file, _, function = test.partition("::")
    tree = ast.parse((CHECKOUT / file).read_text())
    (found,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function)
    assert command in [node.value for node in ast.walk(found) if isinstance(node, ast.Constant)]


# --- the command line accepts them -----------------------------------------------------------------------------------


def calls(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of tapdock in a command of a shell, also as a container."""
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
        lexer.commenters, lexer.whitespace_split = "", True
        words = list(lexer)
    except ValueError:
        return
    for begin in [at for at, word in enumerate(words) if re.fullmatch(r"(?:\.venv/bin/)?tapdock", word)]:
        if begin == 0 or set(words[begin - 1]) <= set("|&;()") or "=" in words[begin - 1] or words[begin - 1] == "-m":
            yield _until_the_end(words[begin + 1 :])
    if "compose" in words and "runner" in words:
        yield _until_the_end(words[words.index("runner") + 1 :])


def _until_the_end(words: list[str]) -> list[str]:
    ends = [at for at, word in enumerate(words) if set(word) <= set("|&;()<>")]
    return words[: ends[0]] if ends else words


def shown() -> dict[tuple[str, ...], str]:
    """Return the calls of tapdock in blocks and in sentences of the pages, and of the page for contributors.

    Each page with the arguments has a line that contains the call.
    """
    found: dict[tuple[str, ...], str] = {}
    for page, path in {**PAGES, "CONTRIBUTING.md": CHECKOUT / ".github" / "CONTRIBUTING.md"}.items():
        text = path.read_text()
        blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        lines = [re.sub(r"\s+# .*", "", line.removeprefix("$ ")) for block in blocks for line in block.splitlines()]
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
        for line in [*lines, *re.findall(r"`([^`]+)`", prose)]:
            for words in calls(line.replace("\n", " ")):
                found.setdefault((page, *words), line)
    return found


def without_options(words: list[str]) -> list[str]:
    """Return the arguments without those that all commands take."""
    words = _hoisted(words)
    while words and words[0].partition("=")[0] in GLOBAL_OPTIONS:
        words = words[1 if "=" in words[0] else 2 :]
    return words


def parsed(words: list[str]) -> list[str]:
    """Parse the words with the command's own parser, and return its arguments, without the options."""
    name, *rest = words
    entry = COMMANDS[name]
    if isinstance(entry, dict):
        name, *rest = rest
        entry = entry[name]
    command = _command(name, entry[0])
    values = command.make_context(name, rest).params
    given = [values[each.name] for each in command.params if each.param_type_name == "argument"]
    return [one for value in given if value for one in (value if isinstance(value, list | tuple) else [value])]


def test_the_command_line_accepts_them():
    assert len(shown()) > 300
    for (page, *words), line in shown().items():
        print(f"{page}: {line}")  # the last one is that of a failure
        require_accepted(without_options(words))


def require_accepted(words: list[str]) -> None:
    """Parse a command. One that a sentence names without its arguments must exist."""
    name, *rest = words or ["--help"]
    entry = COMMANDS.get(name)
    if name in ("--version", "--help") or rest == ["--help"]:
        return
    assert entry, f"there is no command {name}"
    if len(words) > 1 + isinstance(entry, dict):
        parsed(words)
    elif rest:
        assert rest[0] in entry


def names(page: str) -> set[str]:
    """Return the names of sources, targets, pipelines and jobs in the project files of the page and of the example."""
    texts = re.findall(r"^```ya?ml\n(.*?)^```$", PAGES[page].read_text(), re.DOTALL | re.MULTILINE)
    texts.append((CHECKOUT / "runner" / "tapdock" / "cli" / "example.yaml").read_text())
    found: set[str] = set()
    for text in texts:
        block = yaml.safe_load(text)
        for key in ("sources", "targets", "pipelines", "jobs"):
            found |= set((block.get(key) or {}) if isinstance(block, dict) else {})
        for name, task in ((block.get("tasks") or {}) if isinstance(block, dict) else {}).items():
            found |= {f"{name}:{command}" for command in task.get("commands") or ()}
    return found


def test_the_names_in_commands_are_those_of_the_examples():
    wrong = []
    for step in commands():
        for words in calls(step.command):
            if words[0] in ("run", "check", "discover", "spec") and "there is no" not in step.output:
                given = parsed(without_options(words))
                wrong += [
                    (step.page, step.command, name) for name in given if split_name(name)[0] not in names(step.page)
                ]
    assert wrong == []


# --- outputs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "code", "printed", "good"),
    [
        ("", 0, "anything\n", True),
        ("", 1, "", False),
        ("one\n…\nlast", 0, "one\nlast\n", True),
        ("one\n…\nlast", 0, "one\ntwo\n  three\nlast\n", True),
        ("one\n…", 0, "one\ntwo\nthree\n", True),
        ("one\n…", 0, "two\none\n", False),
        ("a … s: 4", 0, "a 1.5 s: 4   \n\n", True),
        ("a … s: 4", 0, "a 1.5 s: 41\n", False),
        ("a … s", 0, "a 1\ns\n", False),
        ("error: x", 2, "error: x\n", True),
        ("error: x", 0, "error: x\n", False),
    ],
)
def test_an_output_is_compared_with_the_page(shown, code, printed, good):
    ended = Ended(Step("", "", "", shown), code, printed)
    if good:
        ended.check()
    else:
        with pytest.raises(AssertionError):
            ended.check()
