"""Tests rules about the tree itself: layers, public names, documented commands, exit codes."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Sequence
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tapdock
from tapdock import errors
from tapdock.cli import COMMANDS
from tapdock.project.load import load

PACKAGE = Path(tapdock.__file__).parent
REPOSITORY = PACKAGE.parent.parent
FLOORS = (
    {"errors", "files", "text"},
    {"cache", "events", "log", "project"},
    {"launch", "protocol"},
    {"engines", "state", "translate"},
    {"relay"},
    {"connectors"},
    {"runs"},
    {"deploy"},
    {"cli"},
    {"__main__", "api", "dagster"},
)
"""The layers, the lowest first.

A room is a folder of the package or a file at its root (runner/guides/architecture.md).
"""
HEAVY = {"docker", "rich", "jsonschema", "yaml", "tenacity", "requests"}

MODULES = sorted(module.name for module in pkgutil.walk_packages([str(PACKAGE)], "tapdock."))


def room(module: str) -> str:
    return module.split(".")[1]


def floor(module: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


@cache
def tree(module: str) -> ast.Module:
    path = PACKAGE.parent / module.replace(".", "/")
    return ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())


@cache
def nodes(module: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(module)))


@cache
def imports(module: str) -> frozenset[str]:
    """Return the modules of tapdock that a module imports, at any place in it."""
    found: set[str] = set()
    for node in nodes(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found.intersection(MODULES))


def test_a_module_imports_only_from_its_own_room_and_floors_below():
    """So rooms of one floor are independent: engines do not depend on translators, nor states on the project."""
    pairs = [(module, name) for module in MODULES for name in imports(module)]
    assert [pair for pair in pairs if room(pair[0]) != room(pair[1]) and floor(pair[1]) >= floor(pair[0])] == []


def test_each_room_has_a_floor():
    rooms = {room(module) for module in MODULES}
    assert rooms == set.union(*FLOORS)
    assert len(rooms) == sum(map(len, FLOORS))


def test_no_modules_import_each_other_in_a_circle():
    """This includes imports inside of functions."""
    TopologicalSorter({module: imports(module) - {module} for module in MODULES}).prepare()


def test_the_relay_imports_no_engine_no_project_file_and_no_state():
    """The relay also runs in pods that another scheduler starts."""
    reached, left = set(), ["tapdock.relay.supervisor", "tapdock.relay.capture"]
    while left:
        module = left.pop()
        reached.add(module)
        left += imports(module) - reached
    assert not {room(name) for name in reached} & {"engines", "state", "cli", "connectors", "runs"}
    values = {
        f"tapdock.project.{name}"
        for name in (
            "building",
            "connector_values",
            "discovery",
            "limits",
            "maps",
            "model",
            "row",
            "secret",
            "steps",
            "window",
        )
    }
    assert {name for name in reached if room(name) == "project"} <= {"tapdock.project", *values}


def test_public_names_are_listed_and_exist():
    for module in MODULES:
        if not module.endswith("__main__") and module != "tapdock.dagster":
            require_public_names(importlib.import_module(module))


def test_public_names_of_the_extra_are_listed_and_exist():
    pytest.importorskip("dagster")  # tests install it into an environment of its own
    require_public_names(importlib.import_module("tapdock.dagster"))


def require_public_names(found):
    module, members = found.__name__, vars(found)
    mine = {
        name
        for name, value in members.items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module
        and not name.startswith("_")
    }
    listed = getattr(found, "__all__", [])
    assert set(listed) <= set(members), module
    assert not mine or listed, f"{module} has public functions or classes, but no __all__"
    in_order = sorted(listed, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert list(listed) == in_order, module


def every_command():
    for name, entry in COMMANDS.items():
        yield from [f"{name} {inner}" for inner in entry] if isinstance(entry, dict) else [name]


def test_every_command_stands_in_the_readme():
    text = (REPOSITORY / "README.md").read_text()
    assert [command for command in every_command() if f"tapdock {command}" not in text] == []


PAGES = sorted(
    path.relative_to(REPOSITORY)
    for path in [
        REPOSITORY / "README.md",
        *(REPOSITORY / ".github").glob("*.md"),
        *(REPOSITORY / "runner").rglob("*.md"),
    ]
    if "tapdock" not in path.relative_to(REPOSITORY).parts
)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_a_page_names_is_there(page):
    """Checks files by link and by name, and commands."""
    text = (REPOSITORY / page).read_text()
    links = [(REPOSITORY / page).parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    named = re.findall(r"(?<![\w/.-])((?:scripts|tests|images|runner|\.github|\.devcontainer)/[\w./-]*[\w])", text)
    missing = [path for path in [*links, *(REPOSITORY / name for name in named)] if not path.exists()]
    assert not missing
    code = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    commands = re.findall(r"^tapdock ([a-z]+)", code, re.MULTILINE) + re.findall(r"`tapdock ([a-z]+)", text)
    assert set(commands) <= set(COMMANDS)


def test_the_project_is_loaded_with_the_files_of_variables():
    """Without them, a command would see other values than a run with `--env-file`."""
    loading = [module for module in MODULES if "tapdock.project.load" in imports(module)]
    calls = [(module, node) for module in loading for node in nodes(module) if isinstance(node, ast.Call)]
    loads = [(module, call) for module, call in calls if getattr(call.func, "id", "") == "load"]
    assert loads
    without = [(m, call.lineno) for m, call in loads if "env_files" not in {each.arg for each in call.keywords}]
    assert without == []


def test_exit_codes_are_unique_and_stand_in_the_readme():
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and kind.__base__ is errors.TapdockError]
    codes = [kind.exit_code for kind in kinds if kind is not errors.Interrupted]
    assert len(set(codes)) == len(codes)
    readme = (REPOSITORY / "README.md").read_text()
    for code in [*codes, 130, 143]:
        assert re.search(rf"^\| {code} +\|", readme, re.MULTILINE), f"exit code {code}"


def test_every_decision_stands_in_their_list():
    folder = REPOSITORY / "runner" / "decisions"
    listed = (folder / "README.md").read_text()
    assert all(file.name in listed for file in folder.glob("0*.md"))


def test_nothing_heavy_is_imported_before_a_command_needs_it():
    for module in ("tapdock.cli", "tapdock.cli.session", "tapdock.errors"):
        path = PACKAGE.parent / module.replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in ast.parse(file.read_text()).body:
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not {name.split(".")[0] for name in names} & HEAVY


def test_the_example_of_the_readme_is_a_project(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    (tmp_path / "tapdock.yaml").write_text(text)
    project = load(tmp_path / "tapdock.yaml", environment=None, environ={})
    assert set(project.pipelines) == {"demo"}


# All other modules write text by `tapdock.text.output`, which makes it harmless for terminals and CI logs.
PRINTS = {
    "text.output": "it is the one way of text",
    "dagster": "a warning of Python's names a pipeline, and what the command prints is passed on as it is, cleaned",
    "cli.relay": "its stdout is a protocol between two processes of ours, JSON lines that nobody reads",
    "cli.display": "rich draws the progress; every name in it is a cleaned rich Text",
    "cli.dialog": "typer asks; the parts of a spec in a prompt are made one line, and secrets are not echoed",
    "cli.state": "typer asks for a confirmation; the question is made one line",
    "cli.state_edit": "the editor of the user gets the terminal; the question after it is constant",
}
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}
HARMLESS = {"isatty", "flush", "encoding", "fileno"}
PRINTERS = {"print", "input", "Console", "echo", "secho", "confirm", "prompt", "print_exc", "print_exception", "pprint"}


def prints(code: Sequence[ast.AST]) -> list[int]:
    """Return the lines where text may be written to stdout or stderr of this process."""
    allowed = {id(node.value) for node in code if isinstance(node, ast.Attribute) and node.attr in HARMLESS}
    found = []
    for node in code:
        match node:
            case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name in STREAMS and id(node) not in allowed:
                found.append(node.lineno)
            case ast.ImportFrom(module="sys", names=names) if {each.name for each in names} & STREAMS:
                found.append(node.lineno)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in PRINTERS:
                found.append(node.lineno)
            case ast.Call(func=ast.Attribute(attr="write"), args=[ast.Constant(value=1 | 2), *_]):
                found.append(node.lineno)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="logging" | "warnings"))):
                found.append(node.lineno)
            case ast.Constant(value="/dev/stdout" | "/dev/stderr" | "/dev/tty"):
                found.append(node.lineno)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="subprocess")), keywords=keywords):
                given = {each.arg for each in keywords}  # otherwise the child writes to our stdout or stderr
                if not ({"stdout", "stderr"} <= given or "capture_output" in given):
                    found.append(node.lineno)
    return found


def test_text_reaches_people_one_way_only():
    others = [module for module in MODULES if module.removeprefix("tapdock.") not in PRINTS]
    found = {module: lines for module in others if (lines := prints(nodes(module)))}
    assert found == {}, "use tapdock.text.output"


@pytest.mark.parametrize(
    "line",
    [
        "print(x)",
        "sys.stdout.write(x)",
        "w = sys.stderr.write",
        "stream = sys.stderr",
        "from sys import stdout",
        "typer.echo(x)",
        "Console().print(x)",
        "os.write(2, x)",
        "open('/dev/stderr', 'w')",
        "traceback.print_exc()",
        "warnings.warn(x)",
        "subprocess.run(['x'], stdout=f)",
    ],
)
def test_a_print_is_seen(line):
    assert prints(tuple(ast.walk(ast.parse(line)))) != []


def test_what_prints_is_still_needed():
    assert [module for module in PRINTS if not prints(nodes(f"tapdock.{module}"))] == []
