"""Completion for shells: commands, options and the names in the project file, without an engine or an error."""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from tapdock.cli.session import Session
from tapdock.text.output import out

__all__ = ["VARIABLE", "Grammar", "candidates", "complete", "completion"]

VARIABLE = "_TAPDOCK_COMPLETE"
"""The shell that asks. If it is set, tapdock prints the words that fit the last argument, one a line, and ends."""

_BASH = """\
_tapdock() {
    local IFS=$'\\n'
    COMPREPLY=($(_TAPDOCK_COMPLETE=bash tapdock "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null))
}
complete -o default -F _tapdock tapdock"""
_ZSH = """\
#compdef tapdock
_tapdock() {
    local -a found
    found=("${(@f)$(_TAPDOCK_COMPLETE=zsh tapdock "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _tapdock tapdock"""
_FISH = """\
function __tapdock
    set -l words (commandline -opc) (commandline -ct)
    set -l found (_TAPDOCK_COMPLETE=fish tapdock $words[2..-1] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c tapdock -f -a '(__tapdock)'"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion(shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="The shell.")]) -> None:
    """Print the script that completes commands and names in a shell

    For bash, add the line `source <(tapdock completion bash)` to `~/.bashrc`. For zsh, add the same line with `zsh` to
    `~/.zshrc`, after `compinit`. For fish, write the script to `~/.config/fish/completions/tapdock.fish`.

    Example: tapdock completion bash
    """
    out(_SCRIPTS[shell])


def complete(grammar: "Grammar") -> int:
    """Print the words that complete the command line that a shell has passed. It never fails."""
    try:
        words, cut = _asked(sys.argv[1:], os.environ[VARIABLE])
        found = [word[cut:] for word in candidates(words, grammar)]
        if found:
            out("\n".join(found))
    except Exception:  # noqa: S110 - a shell would show the error in the middle of a command line
        pass
    return 0


def _asked(args: Sequence[str], shell: str) -> tuple[list[str], int]:
    """Return the words, and how many characters of each candidate the shell has already set apart.

    Bash passes the line up to the cursor, and the characters at which it divides words, such as the colon in a state.
    """
    if shell != "bash":
        return list(args), 0
    line, breaks = args
    try:
        words = shlex.split(line)
    except ValueError:  # an open quote
        words = [word.strip("\"'") for word in line.split()]
    if not words or line[-1:].isspace():
        words.append("")
    last = max((words[-1].rfind(char) for char in breaks if char in ":="), default=-1)
    return words[1:], last + 1


class Grammar(msgspec.Struct, frozen=True):
    """The command line: its table of commands, the options of all commands, and a function that makes a command."""

    commands: Mapping[str, Any]
    options: Sequence[str]
    make: Callable[[str, str], Any]


def candidates(words: Sequence[str], grammar: Grammar) -> list[str]:
    """Return the words that can replace the last of `words`, which is not complete."""
    *before, last = words or [""]
    plain, given = _split(before, grammar.options)
    environ = dict(os.environ)
    folder = given.get("--project") or environ.get("TAPDOCK_PROJECT")
    session = Session(
        folder=Path(folder).expanduser() if folder else None,
        chosen_environment=given.get("--environment"),
        environ=environ,
    )
    name, equals, _ = last.partition("=")
    found: Iterable[str]
    if equals and name in grammar.options:
        found = [f"{name}={value}" for value in _values(name, session)]
    elif before and before[-1] in grammar.options:
        found = _values(before[-1], session)
    else:
        found = _after(plain, last, grammar, session)
    return [word for word in dict.fromkeys(found) if word.startswith(last)]


def _split(before: Sequence[str], options: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the words without the options that all commands take, and these options with their values."""
    plain: list[str] = []
    given: dict[str, str] = {}
    left = list(before)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if name not in options:
            plain.append(word)
        elif equals or left:
            given[name] = value if equals else left.pop(0)
    return plain, given


def _values(option: str, session: Session) -> Iterable[str]:
    if option == "--environment":
        from tapdock.project import document

        return [*(document.read(session.file).tree.get("environments") or ())]
    choices = {"--log-format": ("text", "json"), "--log-level": ("debug", "info", "warning", "error")}
    return choices.get(option, ())


def _after(plain: list[str], last: str, grammar: Grammar, session: Session) -> Iterable[str]:
    """Return what can follow the words of a command."""
    entry: Any = grammar.commands
    path: list[str] = []
    while plain and isinstance(entry, Mapping) and plain[0] in entry:
        path.append(plain.pop(0))
        entry = entry[path[-1]]
    general = (*grammar.options, "--help")
    if isinstance(entry, Mapping):
        return () if plain else (*entry, *general)
    option = plain[-1] if plain and plain[-1].startswith("-") else None
    if option or last.startswith("-"):
        params = grammar.make(path[-1], entry[0]).params
        taken = next((each for each in params if option in each.opts and not getattr(each, "is_flag", False)), None)
        if taken is not None:
            kind = getattr(taken, "type_descriptor", None) or getattr(taken, "type", None)  # by the version of typer
            return getattr(kind, "choices", None) or ()
        if last.startswith("-"):
            return (*(name for each in params for name in each.opts if name.startswith("-")), *general)
    return _names(" ".join(path), [word for word in plain if not word.startswith("-")], session)


_NAMELESS = {"init", "search", "decrypt", "wrap", "lock", "doctor", "gc", "relay", "schema", "config schema"}
_NAMELESS |= {"state list", "state import", "runs list", "schedule list", "schedule start"}
_NAMELESS |= {"deploy cron", "deploy systemd", "deploy github-actions"}
_SOURCES = {"preview", "discover", "select", "catalog refresh", "catalog show", "catalog diff", "catalog commit"}
_CONNECTORS = {"spec", "check", "test", "build", "invoke"}
_SEVERAL = {"run": 99, "build": 99, "elt": 2, "el": 2}  # the most arguments
_WORDS = {"add": ("source", "target"), "completion": tuple(_SCRIPTS)}


def _names(command: str, given: Sequence[str], session: Session) -> Iterable[str]:
    """Return the names that can be the next argument of a command."""
    if command in _NAMELESS or len(given) >= _SEVERAL.get(command, 1):
        return ()
    if command in _WORDS:
        return _WORDS[command]
    if command.startswith("runs "):
        from tapdock.runs.records import ids

        return ("latest", *ids(session.private))
    sources, mappers, targets, pipelines, jobs, tasks, commands, states = _of_project(session)
    if command in ("elt", "el"):
        return targets if given else sources
    if command == "schedule run":
        return _schedules(session)
    if command == "run":
        if given and given[-1] in sources:
            return (*mappers, *targets)
        return targets if given and given[-1] in mappers else (*pipelines, *jobs, *sources, *commands)
    if command in ("remove", "list", "config show"):
        return (*pipelines, *jobs, *sources, *mappers, *targets, *tasks)
    if command == "invoke":
        return (*sources, *mappers, *targets, *tasks, *commands)
    if command == "build":
        return (*sources, *mappers, *targets, *tasks)
    if command in _SOURCES:
        return sources
    if command in _CONNECTORS or (command.startswith("config ") and command != "config show"):
        return (*sources, *mappers, *targets)
    return (*pipelines, *states) if command.startswith("state ") else (*pipelines, *sources, *mappers, *targets)


def _of_project(session: Session) -> tuple[Sequence[str], ...]:
    """Return the names in the files, without a value of any reference: sources, mappers, targets, pipelines, jobs,
    tasks, their commands, and states.

    A reference such as `${exec:…}` may start a program, which a key press must not do.
    """
    from tapdock.errors import UsageError
    from tapdock.project import document
    from tapdock.project.load import written
    from tapdock.project.owners import trusted_users

    trusted = trusted_users(session.environ) if session.folder is None else None
    environment = _environment(session)
    try:
        tree = written(session.file, environment=environment or None, trusted=trusted).tree
    except UsageError:
        tree = document.read(session.file).tree
    pipelines = tree.get("pipelines") or {}
    states = [
        _state(name, entry, environment, row)
        for name, entry in pipelines.items()
        if isinstance(entry, dict)
        for row in (_rows(entry) if entry.get("matrix") is not None else (None,))
    ]
    rows = [f"{name}[{row}]" for name, entry in pipelines.items() for row in _rows(entry)]
    names = ([*(tree.get(group) or ())] for group in ("sources", "mappers", "targets"))
    named = ([*(tree.get(group) or ())] for group in ("jobs", "tasks"))
    tasks = (tree.get("tasks") or {}).items()
    commands = [
        f"{name}:{each}" for name, task in tasks if isinstance(task, dict) for each in task.get("commands") or ()
    ]
    return *names, [*pipelines, *rows], *named, commands, [state for state in states if "$" not in state]


def _rows(entry: Any) -> list[str]:
    """Return the names of the rows of a matrix that are in the project file."""
    matrix = entry.get("matrix") if isinstance(entry, dict) else None
    rows = matrix.get("rows") if isinstance(matrix, dict) else matrix
    named = (row.get("name") for row in (rows if isinstance(rows, list) else ()) if isinstance(row, dict))
    return [str(name) for name in named if name is not None]


def _schedules(session: Session) -> Sequence[str]:
    from tapdock.project import document

    return [*(document.read(session.file).tree.get("schedules") or ())]


def _environment(session: Session) -> str | None:
    from tapdock.project import document

    if session.chosen_environment is not None:
        return session.chosen_environment
    default = document.read(session.file).tree.get("default_environment")
    return session.variables.get("TAPDOCK_ENVIRONMENT") or (default if isinstance(default, str) else None)


def _state(name: str, entry: Mapping[str, Any], environment: str | None, row: str | None) -> str:
    from tapdock.project.model import Pipeline
    from tapdock.project.state_keys import key_of

    source, target, suffix, own = (
        str(entry.get(key) or "") for key in ("source", "target", "state_suffix", "state_id")
    )
    made = Pipeline(name=name, source=source, target=target, state_suffix=suffix, state_id=own, row=row)
    return key_of(made, environment)
