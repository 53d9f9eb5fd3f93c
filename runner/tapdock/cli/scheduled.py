"""The schedules of a project, and the projects in the environments in which they run."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tapdock.cli.session import Session
from tapdock.errors import UsageError
from tapdock.project.blocks import parse_blocks
from tapdock.project.fields import did_you_mean
from tapdock.project.load import load
from tapdock.project.model import Project
from tapdock.project.owners import trusted_users
from tapdock.project.steps import Schedule

__all__ = ["THIS", "program", "project_of", "projects_of", "schedule_of"]

THIS = (sys.executable, "-P", "-m", "tapdock")
"""The words that start this tapdock. Without `-P`, a file `queue.py` in the current folder would replace Python's."""


def program() -> tuple[str, ...]:
    """Return the words that start this tapdock from any program: the command if it is installed, else the module."""
    beside = Path(sys.executable).with_name("tapdock")
    found = str(beside) if beside.is_file() else None
    if Path(sys.argv[0]).name == "tapdock" and found is None:
        found = shutil.which(sys.argv[0])
    return (str(Path(found).absolute()),) if found else THIS


def schedule_of(project: Project, name: str) -> Schedule:
    """Return a schedule of the project. Raises UsageError if there is none of this name."""
    if name in project.schedules:
        return project.schedules[name]
    known = ", ".join(project.schedules)
    hint = did_you_mean(name, project.schedules) or (f"known: {known}" if known else "add it under `schedules:`")
    raise UsageError(f"the project has no schedule `{name}`", hint=hint)


def project_of(session: Session, schedule: Schedule) -> Project:
    """Return the project in the environment of a schedule. Raises UsageError if it does not have what is to run."""
    project = session.project
    if schedule.environment not in (None, project.environment):
        trusted = trusted_users(session.environ) if session.folder is None else None
        project = load(
            session.file,
            environment=schedule.environment,
            environ=session.environ,
            trusted=trusted,
            env_files=session.env_files,
        )
    try:
        parse_blocks(project, schedule.run)
    except UsageError as error:
        where = f"`schedules.{schedule.name}.run` in the environment `{project.environment}`"
        raise UsageError(f"{where}: {error.message}", hint=error.hint) from None
    return project


def projects_of(session: Session) -> Mapping[str, tuple[Schedule, Project]]:
    """Return all schedules by name, each with the project in its environment."""
    return {name: (each, project_of(session, each)) for name, each in session.project.schedules.items()}
