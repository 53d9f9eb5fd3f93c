"""`tapdock remove`: take a connector, a pipeline or a job out of the project file."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from difflib import SequenceMatcher
from typing import Annotated, Any

import typer

from tapdock.cli.assembly import said
from tapdock.cli.session import Session, shared
from tapdock.cli.state import Yes, asked
from tapdock.errors import StateError, UsageError
from tapdock.project import document, edit
from tapdock.project.fields import did_you_mean
from tapdock.project.files import text_of
from tapdock.project.include import read_included
from tapdock.project.layers import Path, dotted
from tapdock.project.load import load
from tapdock.project.rewrite import rewrite
from tapdock.project.state_keys import key_of
from tapdock.state import store
from tapdock.text.output import err

__all__ = ["remove"]

_GROUPS = ("sources", "mappers", "targets", "tasks", "pipelines", "jobs")


def remove(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A source, a mapper, a target, a task, a pipeline or a job.")],
    *,
    yes: Yes = False,
) -> None:
    """Remove a connector, a pipeline or a job from the project

    The entry is removed from the project file, with its comments and with its blocks in environments. Saved states are
    kept. What a pipeline or a job uses is not removed.

    Example: tapdock remove github --yes
    """
    session = shared(ctx)
    file = session.file
    before = text_of(file)
    tree = document.parse(before, file.name).tree
    places = [(*at, group, name) for at, block in _blocks(tree) for group in _GROUPS if name in _entries(block, group)]
    if not places:
        raise _unknown(session, tree, name)
    _require_unused(tree, name, file.name)
    _require_own_file(session, name, places)
    text = before
    for place in reversed(places):
        text = edit.remove(text, place, label=file.name, keep_comments=False)
    lost = Counter(each for _, each in edit.comments(before)) - Counter(each for _, each in edit.comments(text))
    lost_count = lost.total()
    gone = _changed_lines(before, text)
    for line, comment in edit.comments(before):
        if lost[comment] > 0 and line in gone:
            lost[comment] -= 1
            err(f"{file.name}:{line}: this comment is removed too: {comment}")
    if lost and not yes:
        hint = f"`tapdock remove {name} --yes` removes it with them"
        raise UsageError(f"the entry of `{name}` has {lost_count} comments, which would be lost", hint=hint)
    asked(f"Remove {' and '.join(dotted(place) for place in places)} from {file.name}?", yes=yes)
    _require_loadable(session, text)
    states = list(_states(session, name))
    rewrite(file, text, before=before)
    said(f"removed {' and '.join(dotted(place) for place in places)} from {file.name}")
    for key in states:
        said(f"kept the state {key}: `tapdock state clear {key}` removes it")


def _changed_lines(before: str, after: str) -> set[int]:
    """Return the numbers of the lines that are not in the new text."""
    changes = SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False).get_opcodes()
    return {line for tag, first, end, _, _ in changes if tag != "equal" for line in range(first + 1, end + 1)}


def _blocks(tree: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the file's own entries and those of each environment, each with its path."""
    yield (), tree
    environments = tree.get("environments")
    for name, block in environments.items() if isinstance(environments, dict) else ():
        if isinstance(block, dict):
            yield ("environments", name), block


def _entries(block: dict[str, Any], group: str) -> dict[str, Any]:
    found = block.get(group)
    return found if isinstance(found, dict) else {}


def _require_unused(tree: dict[str, Any], name: str, label: str) -> None:
    """Raise UsageError if a job, a pipeline or another connector needs what has this name, in any environment."""
    users: dict[str, None] = {}
    for at, block in _blocks(tree):
        for group in _GROUPS:
            for key, entry in _entries(block, group).items():
                words = entry if isinstance(entry, dict) else {}
                parents = words.get("extends")
                given = parents if isinstance(parents, list) else [parents]
                if group == "pipelines":
                    given = _texts([words.get(part) for part in ("source", "target", "mappers", "before", "after")])
                elif group == "jobs":
                    given = _texts(entry)
                if name in given:
                    users[dotted((*at, group, key))] = None
    if users:
        hint = "remove them first, or change them in the file: `tapdock remove PIPELINE`"
        raise UsageError(f"{label}: `{name}` is used by {', '.join(users)}", hint=hint)


def _texts(value: Any) -> list[str]:
    """Return the names in steps and hooks, without the commands of tasks."""
    if isinstance(value, dict):
        return [name for inner in value.values() for name in _texts(inner)]
    if isinstance(value, list):
        return [name for inner in value for name in _texts(inner)]
    return [word.partition(":")[0] for word in value.split()] if isinstance(value, str) else []


def _require_loadable(session: Session, text: str) -> None:
    """Raise UsageError if the project can be loaded as it is, but not with this text: another file uses the entry."""
    try:
        environment = session.project.environment or ""
    except UsageError:
        return
    try:
        texts = {session.file.resolve(): text}
        load(session.file, environment=environment, environ=session.environ, texts=texts, env_files=session.env_files)
    except UsageError as error:
        raise UsageError(
            f"without the entry, the project cannot be loaded: {error.message}", hint=error.hint
        ) from error


def _require_own_file(session: Session, name: str, places: list[Path]) -> None:
    """Raise UsageError if an included file has a part of the entry, which would stay without the parts that go."""
    try:
        layer = read_included(session.file, trusted=None)
    except UsageError:
        return  # the project cannot be loaded, and this entry may be the reason
    for at, block in _blocks(layer.tree):
        for place in ((*at, group, name) for group in _GROUPS if name in _entries(block, group)):
            if place not in places:
                raise _elsewhere(place, layer.origins.get(place, "another file"))


def _elsewhere(place: Path, origin: str) -> UsageError:
    return UsageError(f"{origin}: `{dotted(place)}` is in another file", hint="edit that file by hand")


def _unknown(session: Session, tree: dict[str, Any], name: str) -> UsageError:
    """Return the error for a name that is not in the file. It may be in a file that this one includes."""
    known = [each for _, block in _blocks(tree) for group in _GROUPS for each in _entries(block, group)]
    project = session.project
    for group, entries in (
        ("sources", project.sources),
        ("mappers", project.mappers),
        ("targets", project.targets),
        ("tasks", project.tasks),
        ("pipelines", project.pipelines),
        ("jobs", project.jobs),
    ):
        if name in entries:
            origin = project.origins.get(dotted((group, name)), "another file")
            return _elsewhere((group, name), origin)
    hint = did_you_mean(name, known) or f"known: {', '.join(known) or 'none'}"
    return UsageError(f"{session.file.name} has no `{name}`", hint=hint)


def _states(session: Session, name: str) -> Iterator[str]:
    """Yield the states of runs with a connector or a pipeline. A state backend that cannot be read has none."""
    with suppress(StateError, UsageError):
        pipeline = session.project.pipelines.get(name)
        pair = (pipeline.source, pipeline.target) if pipeline else None
        for key in store.keys(session.backend):
            source, _, target = key.partition(":")[2].partition(":")[0].partition("-to-")
            if pipeline and pipeline.state_id:
                if key == key_of(pipeline, session.project.environment):
                    yield key
            elif (source, target) == pair or (pair is None and name in (source, target)):
                yield key
