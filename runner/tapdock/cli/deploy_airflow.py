"""`tapdock deploy airflow`: write a DAG file for Airflow."""

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tapdock import __version__
from tapdock.cache import Cache
from tapdock.cli.assembly import said
from tapdock.cli.session import Session, shared
from tapdock.connectors.known_streams import KnownStreams, known_read
from tapdock.deploy.airflow import MARK, Settings, dags, pools, render
from tapdock.errors import UsageError
from tapdock.files import write_whole
from tapdock.project.blocks import Block, parse_blocks, pipelines_of
from tapdock.project.model import Project
from tapdock.text.output import out

__all__ = ["airflow"]

_NAME = re.compile(r"[A-Za-z_]\w*")


def airflow(
    ctx: typer.Context,
    blocks: Annotated[list[str], typer.Argument(help="Pipelines, jobs, or sources followed by targets: a DAG each.")],
    output: Annotated[str | None, typer.Option(metavar="FILE", help="Write this file. Default: stdout.")] = None,
    image: Annotated[str | None, typer.Option(help="The image of tapdock. Default: that of this version.")] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="CRON", help="When the DAGs run: `0 3 * * *`, or `@daily`. Default: never.")
    ] = None,
    time_zone: Annotated[str, typer.Option("--time-zone", metavar="ZONE", help="The zone of the schedule.")] = "UTC",
    retries: Annotated[int, typer.Option(min=0, help="How often Airflow tries a failed task again.")] = 2,
    retry_delay: Annotated[int, typer.Option("--retry-delay", min=0, metavar="SECONDS", help="The time between.")] = 300,
    folder: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The project's folder on the engine's machine. Default: where it is here."),
    ] = None,
    socket: Annotated[
        str, typer.Option(metavar="PATH", help="The engine's socket on its machine.")
    ] = "/var/run/docker.sock",
    variable: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=TEMPLATE]",
            help="Pass Airflow's variable NAME, or what a template such as `{{ conn.shop.host }}` gives; repeatable.",
        ),
    ] = None,
) -> None:
    """Write a DAG file for Airflow 2.11 and 3

    Each block becomes a DAG, each block of a job a task. The file needs Airflow's Docker provider and nothing of tapdock.
    It contains no secrets: variables are read from the project's `.env`, from files that are named with `--env-file`,
    and from Airflow when a task starts.

    Example: tapdock deploy airflow demo --schedule @daily --output dags/shop.py
    """
    session = shared(ctx)
    project = session.project
    wanted = parse_blocks(project, blocks)
    streams = _known(session, project, wanted)
    found = dags(project, wanted, streams, schedules={each.name: schedule for each in wanted if hasattr(each, "name")})
    settings = Settings(
        image=image or f"tapdock/runner:{__version__}",
        folder=_absolute(folder or str(project.folder), "--folder"),
        socket=_absolute(socket, "--socket"),
        environment=project.environment,
        variables=dict(_variable(text) for text in variable or ()),
        env_files=tuple(file.absolute() for file in session.env_files),
        time_zone=time_zone,
        retries=retries,
        retry_seconds=retry_delay,
    )
    text = render(found, settings, command=shlex.join(["tapdock", "deploy", "airflow", *blocks]))
    for name in (name for name, known in streams.items() if known is None):
        said(f"the streams of {name} are not known yet, so it has no assets: `tapdock run {name}`, then deploy again")
    if output is None:
        out(text.rstrip("\n"))
        return
    _write(Path(output), text)
    said(f"{output} has {len(found)} DAG{'s' * (len(found) != 1)}: {', '.join(each.dag_id for each in found)}")
    for pool in pools(found):
        said(f"its tasks wait for a pool: `airflow pools set {pool} 1 'runs of a source'`")


def _known(session: Session, project: Project, blocks: Sequence[Block]) -> dict[str, KnownStreams | None]:
    cache = Cache(session.private / "cache")
    return {each.name: known_read(cache, each, project.environment) for each in pipelines_of(blocks)}


def _absolute(path: str, option: str) -> Path:
    if not Path(path).is_absolute():
        raise UsageError(f"`{option}` is `{path}`, which is not absolute", hint="it is a path on the engine's machine")
    return Path(path)


def _variable(text: str) -> tuple[str, str]:
    name, equals, template = text.partition("=")
    if not _NAME.fullmatch(name):
        raise UsageError(f"`--variable {name}`: `{name}` is not the name of a variable")
    if equals and "{{" not in template:  # it may be a secret, which does not belong into a file
        hint = f"`--variable {name}` reads it from Airflow's variable; or put it into a file, and name it with --env-file"
        raise UsageError(f"`--variable {name}` has a value in place of a template", hint=hint)
    return name, template if equals else f"{{{{ var.value.{name} }}}}"


def _write(file: Path, text: str) -> None:
    """Write the file. A file that this command did not write is not replaced. Raises UsageError."""
    try:
        if file.exists() and MARK not in file.read_text(encoding="utf-8", errors="replace").partition("\n")[0]:
            raise UsageError(f"{file} exists and was not {MARK}`", hint="name another file with `--output`")
        write_whole(file, text.encode(), mode=0o644)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", hint="name a file in the DAGs folder") from error
