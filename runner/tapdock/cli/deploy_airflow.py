"""`tapdock deploy airflow`: write a DAG file for Airflow."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tapdock import __version__
from tapdock.cache import Cache
from tapdock.cli.assembly import said
from tapdock.cli.session import Session, shared
from tapdock.connectors.known_streams import KnownStreams, known_read
from tapdock.deploy.airflow import Settings, When, dags, pools, render
from tapdock.deploy.airflow_tasks import title_of
from tapdock.deploy.place import write_files
from tapdock.errors import UsageError
from tapdock.project.blocks import Block, Group, block_of, parse_blocks, pipelines_of
from tapdock.project.cron import BY_HAND, BadCron, require_cron, require_zone
from tapdock.project.model import Pipeline, Project
from tapdock.text.output import out

__all__ = ["airflow"]

_NAME = re.compile(r"[A-Za-z_]\w*")


def airflow(
    ctx: typer.Context,
    blocks: Annotated[list[str], typer.Argument(help="Pipelines, jobs, or sources followed by targets: a DAG each.")],
    output: Annotated[str | None, typer.Option(metavar="FILE", help="Write this file. Default: stdout.")] = None,
    image: Annotated[str | None, typer.Option(help="The image of tapdock. Default: that of this version.")] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            metavar="CRON", help="When the DAGs run: `0 3 * * *`, or `@daily`. Default: the project's schedule."
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option("--time-zone", metavar="ZONE", help="The time zone of the schedule. Default: its own, or UTC."),
    ] = None,
    retries: Annotated[int, typer.Option(min=0, help="How often Airflow tries a failed task again.")] = 2,
    retry_delay: Annotated[
        int, typer.Option("--retry-delay", min=0, metavar="SECONDS", help="The time between.")
    ] = 300,
    folder: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The project's folder on the engine's machine. Default: where it is here."),
    ] = None,
    socket: Annotated[
        str, typer.Option(metavar="PATH", help="The engine's socket on its machine.")
    ] = "/var/run/docker.sock",
    window: Annotated[
        bool,
        typer.Option("--window/--no-window", help="Read the data interval of each run, if the source has a `window`."),
    ] = True,
    variable: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=TEMPLATE]",
            help="Pass Airflow's variable NAME, or what a template such as `{{ conn.shop.host }}` gives; repeatable.",
        ),
    ] = None,
) -> None:
    """Write a DAG file for Airflow 2.11 and 3

    Each block becomes a DAG, each block of a job a task. A DAG runs at the times of the schedule that runs the same
    block. The file needs Airflow's Docker provider, and nothing of tapdock.

    The file contains no secrets: variables are read from the project's `.env`, from files that are named with
    `--env-file`, and from Airflow when a task starts.

    Example: tapdock deploy airflow demo --schedule @daily --output dags/shop.py
    """
    session = shared(ctx)
    project = session.project
    wanted = parse_blocks(project, blocks)
    streams = _known(session, project, wanted)
    when = {_name(each): _when(project, each, schedule, time_zone) for each in wanted}
    found = dags(project, wanted, streams, when=when, windows=window)
    settings = Settings(
        image=image or f"tapdock/runner:{__version__}",
        folder=_absolute(folder or str(project.folder), "--folder"),
        file=session.file.name,
        socket=_absolute(socket, "--socket"),
        environment=project.environment,
        variables=dict(_variable(text) for text in variable or ()),
        env_files=tuple(file.absolute() for file in session.env_files),
        retries=retries,
        retry_seconds=retry_delay,
    )
    text = render(found, settings, command=shlex.join(["tapdock", *_globals(session), *_words(ctx, blocks)]))
    for name in (name for name, known in streams.items() if known is None):
        run = f"`tapdock run {shlex.quote(name)}`"
        said(f"the streams of {name} are not known yet, so it has no assets: {run}, then deploy again")
    if output is None:
        out(text.rstrip("\n"))
        return
    file = Path(output)
    write_files(file.parent, {file.name: text})
    said(f"{output} has {len(found)} DAG{'s' * (len(found) != 1)}: {', '.join(each.dag_id for each in found)}")
    for pool in pools(found):
        said(f"its tasks wait for a pool: `airflow pools set {pool} 1 'runs of a source'`")


def _globals(session: Session) -> list[str]:
    """Return the options before the command that change what is written."""
    environment = session.project.environment
    chosen = ["--environment", environment] if environment else []
    return [*chosen, *(word for file in session.env_files for word in ("--env-file", str(file.absolute())))]


def _words(ctx: typer.Context, blocks: Sequence[str]) -> list[str]:
    """Return the words of this command, with the options that were given."""
    words = ["deploy", "airflow", *blocks]
    for option in ctx.command.params:
        source = ctx.get_parameter_source(option.name or "")
        if option.param_type_name != "option" or source is None or source.name == "DEFAULT":
            continue
        value = ctx.params[option.name or ""]
        if isinstance(value, bool):
            words.append((option.opts if value else option.secondary_opts)[0])
        else:
            each = value if isinstance(value, list | tuple) else [value]
            words += [word for one in each for word in (option.opts[0], str(one))]
    return words


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
        hint = (
            f"`--variable {name}` reads it from Airflow's variable; or put it into a file, and name it with --env-file"
        )
        raise UsageError(f"`--variable {name}` has a value in place of a template", hint=hint)
    return name, template if equals else f"{{{{ var.value.{name} }}}}"


def _when(project: Project, block: Block, cron: str | None, zone: str | None) -> When:
    """Return when a DAG runs: as the option says, else as the schedule of the project that runs the same block.

    Raises UsageError for several such schedules, and for one whose `env` would be lost.
    """
    if cron is not None:
        return When(cron=_cron(cron, zone or "UTC"), time_zone=zone or "UTC")
    words = tuple(block_of(project, block).split() if isinstance(block, Pipeline) else _name(block).split())
    found = [
        each
        for each in project.schedules.values()
        if each.run == words and each.enabled and each.environment in (None, project.environment)
    ]
    if len(found) > 1:
        names = " and ".join(f"`{each.name}`" for each in found)
        raise UsageError(f"the schedules {names} run the same", hint="choose one time with `--schedule`")
    if not found:
        return When(time_zone=zone or "UTC")
    (schedule,) = found
    if schedule.env:
        hint = f"`--schedule '{schedule.cron}'`, and `--variable {next(iter(schedule.env))}` for each variable"
        raise UsageError(f"schedule `{schedule.name}` sets `env`, which a DAG file must not contain", hint=hint)
    cron = None if schedule.cron in BY_HAND else schedule.cron
    return When(cron=cron, time_zone=zone or schedule.timezone, options=schedule.options)


def _cron(text: str, zone: str) -> str:
    """Return a cron line for Airflow. Raises UsageError."""
    try:
        require_zone(zone)
        require_cron(text)
    except BadCron as bad:
        raise UsageError(f"`--schedule {text}` in time zone {zone} {bad.problem}", hint=bad.hint) from None
    return text


def _name(block: Block) -> str:
    return "" if isinstance(block, Group) else title_of(block)
