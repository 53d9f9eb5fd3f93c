"""Names of states in the arguments of commands, checked against the project: no run uses a misspelled one."""

import shlex
from contextlib import suppress
from typing import Annotated

import typer

from tapdock.cache import Cache
from tapdock.cli.session import Session
from tapdock.connectors.known_specs import remembered_kind
from tapdock.errors import StateError, UsageError
from tapdock.project.fields import did_you_mean
from tapdock.project.include import read_included
from tapdock.project.load import load
from tapdock.project.model import Pipeline, Project
from tapdock.project.row import split_name
from tapdock.project.rows import is_row_key, named_pipeline
from tapdock.project.state_keys import key_of, own_ids, source_of, state_key
from tapdock.state import store, versions
from tapdock.state.envelope import Dialect, a_kind

__all__ = ["AnyName", "dialect_of_source", "is_used", "keys_of_pipelines", "known_id", "require_dialect", "state_id"]

_DEFAULT = "default"
_FLAG = "`--any-name` accepts a name that the project does not have"
AnyName = Annotated[bool, typer.Option("--any-name", help="Accept a name that no pipeline of the project uses.")]


def state_id(session: Session, name: str) -> str:
    """Return the key of a state. `name` is a key (`prod:faker-to-lake`), a key without environment, or a pipeline."""
    pipeline = named_pipeline(session.project, name)
    if pipeline:
        return key_of(pipeline, session.project.environment)
    if name in own_ids(session.project.pipelines):
        return name
    head, colon, rest = name.partition(":")
    has_environment = colon and ("-to-" in rest or "-to-" not in head)  # `faker-to-lake:eu` has a suffix instead
    return name if has_environment else f"{session.project.environment or _DEFAULT}:{name}"


def known_id(session: Session, name: str, *, any_name: bool | None = None) -> str:
    """Return the key of a state that a pipeline of the project can use, or that is saved.

    `any_name` is the user's option to accept all names, None for a command without it. Raises UsageError for all other
    names, StateError of the backend.
    """
    key = state_id(session, name)
    if any_name or split_name(name)[0] in session.project.pipelines or _is_saved(session, key):
        return key
    project = _project_of(session, key, hint=None if any_name is None else _FLAG)
    if project.state_uri != session.project.state_uri:
        there = f"tapdock state set {name} --environment {shlex.quote(project.environment or '')}"
        hint = f"`tapdock state get STATE | {there}` sets it there"
        raise UsageError(f"the environment of `{key}` keeps its states in another place", hint=hint)
    keys = _keys(project)
    if key in keys or is_row_key(project, key):
        return key
    short = (each.partition(":")[2] for each in keys)
    near = did_you_mean(name, (*session.project.pipelines, *short, *keys, *store.keys(session.backend)))
    found = near or "`tapdock state list` lists the saved states, `tapdock config show` the pipelines"
    raise UsageError(
        f"there is neither a pipeline nor a state `{name}`",
        hint=found if any_name is None else f"{found}; {_FLAG}",
    )


def is_used(session: Session, key: str) -> bool:
    """Return True if a pipeline of the project can use the state."""
    try:
        project = _project_of(session, key)
        return project.state_uri == session.project.state_uri and (key in _keys(project) or is_row_key(project, key))
    except UsageError:
        return False


def require_dialect(session: Session, key: str, found: Dialect | None, *, is_guess: bool = False) -> None:
    """Raise UsageError if the source of the state `key` speaks the other protocol: its next run would fail.

    `is_guess`: an object was found to be a Singer state by its content.
    """
    kind = dialect_of_source(session, key)
    if kind and found and found != kind:
        legacy = "; if this is a LEGACY Airbyte state, add `--dialect airbyte`" if is_guess else ""
        hint = f"check the name of the state, and `kind` of the source{legacy}"
        raise UsageError(
            f"this is {a_kind(found)} state, but the source of `{key}` needs {a_kind(kind)} state", hint=hint
        )


def dialect_of_source(session: Session, key: str) -> Dialect | None:
    """Return the kind of the source whose state this is, also as its last use has shown it; None if it is unknown."""
    try:
        project = _project_of(session, key)
    except UsageError:
        return None  # a state of another project
    source = project.sources.get(source_of(key, project.pipelines))
    if source is None:
        return None
    if source.kind is None and source.build is not None:
        return "singer" if source.build.family == "singer" else "airbyte"
    return source.kind or remembered_kind(Cache(project.private / "cache"), source)


def _project_of(session: Session, key: str, *, hint: str | None = None) -> Project:
    """Return the project in the environment of a key. Raises UsageError if it has no such environment."""
    environment = key.partition(":")[0]
    if environment == (session.project.environment or _DEFAULT) or key in own_ids(session.project.pipelines):
        return session.project
    try:
        named = "" if environment == _DEFAULT else environment
        return load(session.file, environment=named, environ=session.environ, env_files=session.env_files)
    except UsageError as error:
        hints = [each for each in (error.hint, hint) if each]
        raise UsageError(f"state `{key}`: {error.message}", hint="; ".join(hints)) from error


def _keys(project: Project) -> set[str]:
    """Return the keys of the project's pipelines, and of each source with each target: `run` accepts these, too."""
    environment = project.environment
    keys = {key_of(each, environment) for each in project.pipelines.values() if not each.is_template}
    pairs = ((source, target) for source in project.sources for target in project.targets)
    return keys | {state_key(source, target, environment=environment) for source, target in pairs}


def keys_of_pipelines(session: Session) -> dict[str, Pipeline]:
    """Return the pipelines by the keys of their states, in every environment that can be loaded."""
    tree = read_included(session.file, trusted=None).tree
    found: dict[str, Pipeline] = {}
    for environment in ("", *(tree.get("environments") or {})):
        with suppress(UsageError):
            project = load(session.file, environment=environment, environ=session.environ, env_files=session.env_files)
            plain = [each for each in project.pipelines.values() if not each.is_template]
            found |= {key_of(each, project.environment): each for each in plain}
    return found


def _is_saved(session: Session, key: str) -> bool:
    """Return True if there is a state, damaged or not, a previous version of it, or a run that holds it."""
    backend = session.backend
    if backend.get(key) is not None or versions.numbers(backend, key):
        return True
    with suppress(StateError):
        return backend.holder(key) is not None
    return True  # a lease that cannot be read
