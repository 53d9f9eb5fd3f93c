"""`tapdock deploy`: write what other schedulers need to start runs."""

import grp
import os
import pwd
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tapdock import __version__
from tapdock.cli.scheduled import program, projects_of
from tapdock.cli.session import Session, shared
from tapdock.deploy.cron import crontab
from tapdock.deploy.github import Checkout, workflows
from tapdock.deploy.place import Place, left_files, write_files
from tapdock.deploy.systemd import units
from tapdock.errors import UsageError
from tapdock.project.blocks import parse_blocks, pipelines_of
from tapdock.project.cron import BY_HAND, BadCron, require_zone
from tapdock.project.home import FILE
from tapdock.project.load import written
from tapdock.project.model import Project
from tapdock.project.owners import trusted_users
from tapdock.project.row import split_name
from tapdock.project.schedules import is_one_pipeline
from tapdock.project.state_keys import key_of
from tapdock.project.steps import Schedule
from tapdock.project.used_variables import used_variables
from tapdock.state.backends.base import extra_of
from tapdock.text.output import err, out

__all__ = ["cron", "github_actions", "systemd", "written_files"]

_SOCKET = Path("/var/run/docker.sock")
Output = Annotated[str | None, typer.Option("--output", metavar="DIR", help="The folder for the files.")]


def cron(
    ctx: typer.Context,
    *,
    output: Output = None,
    cron_tz: Annotated[
        bool, typer.Option("--cron-tz", help="Write `CRON_TZ`, for a cron that reads it, such as cronie.")
    ] = False,
) -> None:
    """Write a crontab with the schedules of the project

    It is for a machine in the time zone of this one, or in that of the variable TZ. The default folder is `deploy`.

    Example: tapdock deploy cron --output /etc/tapdock
    """
    session = shared(ctx)
    chosen = [schedule for schedule, _ in _enabled(session).values()]
    place = _place(session)
    machine = _machine_zone(session.environ)
    path = str(Path(place.program[0]).parent)
    text = crontab(place, chosen, machine=machine, has_zones=cron_tz, path=path, now=time.time())
    written_files(session, output, "deploy", {"crontab": text})


def systemd(
    ctx: typer.Context,
    *,
    output: Output = None,
) -> None:
    """Write a service and a timer of systemd for each schedule

    Copy them to `/etc/systemd/system`, and enable the timers. The default folder is `deploy`.

    Example: tapdock deploy systemd --output units
    """
    session = shared(ctx)
    chosen = [(each, is_one_pipeline(its, each)) for each, its in _enabled(session).values()]
    folder = session.file.parent
    owner = pwd.getpwuid(folder.stat().st_uid)
    writable = [folder, session.private, Path(tempfile.gettempdir()), Path(owner.pw_dir, ".cache", "tapdock")]
    scheme, _ = extra_of(session.project.state_uri)
    writable += [folder / session.project.state_uri] if scheme == "file" else []
    files = units(_place(session), chosen, user=owner.pw_name, group=_engine_group(), writable=writable)
    written_files(session, output, "deploy", files)


def github_actions(
    ctx: typer.Context,
    *,
    output: Output = None,
) -> None:
    """Write a workflow of GitHub Actions for each schedule

    The variables to which the project refers become secrets of the repository. The default folder is
    `.github/workflows` of the repository.

    Example: tapdock deploy github-actions
    """
    session = shared(ctx)
    found = _enabled(session)
    root = _repository(session.file.parent)
    named = session.file.parent if session.file.name == FILE else session.file
    project = session.project
    scheme, extra = extra_of(project.state_uri)
    extras = ",".join(name for name in (extra, "encryption") if name)
    states = None
    if scheme == "file":
        place = (project.folder / project.state_uri).absolute()
        if not place.is_relative_to(root):
            hint = "keep states in a bucket or a database: see the guide about state"
            raise UsageError(f"states are in {place}, outside of the repository {root}", hint=hint)
        states = place.relative_to(root).as_posix()
        _require_own_states(found)
        err("states are kept in the cache of each workflow; a bucket or a database is safer: see guides/state.md")
    checkout = Checkout(
        project=named.relative_to(root).as_posix(),
        requirement=f"tapdock[{extras}]=={__version__}",
        environment=project.environment,
        states=states,
    )
    chosen = [(each, _secrets(session, each, its), is_one_pipeline(its, each)) for each, its in found.values()]
    files = workflows(checkout, chosen, now=time.time())
    written_files(session, output, root / ".github" / "workflows", files, own=checkout.line)


def written_files(
    session: Session, output: str | None, default: str | Path, files: Mapping[str, str], *, own: str = ""
) -> None:
    """Write files below the project's folder, or into `output`, and print their paths.

    Warn about files of schedules that were removed or disabled: what starts them still does. Files of this project
    contain `own`.
    """
    folder = Path(output) if output is not None else session.file.parent / default
    for path in write_files(folder, files, own=own):
        out(str(path))
    for path in left_files(folder, files, own=own):
        err(f"warning: {path} was written by an earlier call, for a schedule that is removed or disabled: remove it")


def _enabled(session: Session) -> dict[str, tuple[Schedule, Project]]:
    found = {
        name: pair for name, pair in projects_of(session).items() if pair[0].enabled and pair[0].cron not in BY_HAND
    }
    if not found:
        hint = "add one under `schedules:`, and remove what an earlier call has written"
        raise UsageError("the project has no schedule that runs by itself", hint=hint)
    return found


def _place(session: Session) -> Place:
    chosen = session.chosen_environment
    environment = session.project.environment or ("" if chosen == "" else None)
    return Place(program=program(), file=session.file, environment=environment, env_files=session.env_files)


def _machine_zone(environ: Mapping[str, str]) -> str:
    """Return the time zone of this machine, as cron uses it. Raises UsageError if its name is not known."""
    given = environ.get("TZ", "").removeprefix(":")
    link = os.path.realpath("/etc/localtime")
    found = given or (link.partition("/zoneinfo/")[2] if "/zoneinfo/" in link else "UTC")
    found = "UTC" if found in ("Etc/UTC", "Etc/UCT", "Universal", "Zulu", "Etc/Universal", "Etc/Zulu") else found
    try:
        require_zone(found)
    except BadCron as bad:
        raise UsageError(f"the time zone of this machine is `{found}`, which {bad.problem}", hint=bad.hint) from None
    return found


def _engine_group() -> str | None:
    """Return the group that may use the engine's socket, unless it is that of root."""
    try:
        found = grp.getgrgid(_SOCKET.stat().st_gid).gr_name
    except (OSError, KeyError):
        return None
    return None if found == "root" else found


def _repository(folder: Path) -> Path:
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


def _require_own_states(found: Mapping[str, tuple[Schedule, Project]]) -> None:
    """Raise UsageError if two schedules use one state: each workflow would have an own copy of it in its cache."""
    users: dict[str, str] = {}
    for name, (schedule, project) in found.items():
        for pipeline in pipelines_of(parse_blocks(project, schedule.run)):
            other = users.setdefault(key_of(pipeline, project.environment), name)
            if other != name:
                what = f"schedules `{other}` and `{name}` both run `{pipeline.name}`"
                hint = "keep states in a bucket or a database, with `state_backend`"
                raise UsageError(f"{what}, but a cache of a workflow is not shared", hint=hint)


def _secrets(session: Session, schedule: Schedule, project: Project) -> tuple[str, ...]:
    """Return the variables that a schedule needs."""
    trusted = trusted_users(session.environ) if session.folder is None else None
    tree = written(session.file, environment=project.environment, trusted=trusted).tree
    return used_variables(tree, names_in(project, schedule))


def names_in(project: Project, schedule: Schedule) -> set[str]:
    """Return the names of all entries that take part in a schedule."""
    blocks = parse_blocks(project, schedule.run)
    found = {schedule.name, *(word.partition(":")[0] for word in schedule.run)}
    for pipeline in pipelines_of(blocks):
        found |= {split_name(pipeline.name)[0], pipeline.source, pipeline.target, *pipeline.mappers}
        found |= {word.partition(":")[0] for word in pipeline.tasks}
    found |= {owner.name for owner in project.mappers.values() if not found.isdisjoint(owner.mappings)}
    found |= set(project.tasks) if set(schedule.run) & set(project.jobs) else set()
    return found
