"""`tapdock init`: create a project file."""

import json
import os
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from tapdock.cli.assembly import said
from tapdock.cli.session import shared
from tapdock.errors import UsageError
from tapdock.project.home import FILE
from tapdock.project.schema import json_schema
from tapdock.text.clean import one_line

__all__ = ["init"]

IGNORED = (".tapdock/", ".env", "data/")
SCHEMA = "tapdock.schema.json"
FIRST_LINE = f"# yaml-language-server: $schema={SCHEMA}\n".encode()


def init(
    ctx: typer.Context,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing if the project exists already.")] = False,
    from_meltano: Annotated[
        Path | None, typer.Option(help="Convert this `meltano.yml` instead of writing the example.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Write nothing; compare the pipelines of `--from-meltano` with Meltano's.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --compare: print JSON.")] = False,
) -> None:
    """Create a project with an example that runs

    The example moves users from Airbyte's faker source into a DuckDB file: `tapdock run demo`. Adapt it to your needs.
    A `.gitignore` is written too, if the folder has none, and a JSON schema with which editors complete and check the
    project file.

    From a Meltano project, tapdock converts extractors, loaders, mappers, utilities, their settings and selection,
    environments, jobs and schedules. Everything else is reported, and listed at the top of the new file.

    `--compare` prints for each pipeline whether Meltano has its state, the schema in the target and the selection for
    Meltano and here, and what is not carried over.

    Example: tapdock init --project shop

    Example: tapdock init --from-meltano . --compare
    """
    if compare or as_json:
        _compare(ctx, from_meltano, compare=compare, as_json=as_json)
        return
    file = (shared(ctx).folder or Path.cwd()) / FILE
    content, left, mode = _of_meltano(from_meltano, file.parent) if from_meltano else (_example(), [], 0o666)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        if if_missing:
            return
        raise UsageError(f"{file} exists already", hint="`tapdock config show` shows its values") from None
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}", hint="choose another folder with `--project`"
        ) from None
    with os.fdopen(made, "wb") as project:
        project.write(FIRST_LINE + content)
    _add(file.parent / ".gitignore", "".join(f"{name}\n" for name in IGNORED))
    _add(file.parent / SCHEMA, json.dumps(json_schema(), indent=1) + "\n")
    if from_meltano:
        for line in left:
            said(f"not carried over: {line}")
        said(f"wrote the project to {file}; `tapdock state import --help` shows how to import its states")
    else:
        said(f"wrote an example project to {file}; run it with `tapdock run demo`")


def _compare(ctx: typer.Context, file: Path | None, *, compare: bool, as_json: bool) -> None:
    from tapdock.cli import comparing
    from tapdock.project.meltano_files import read_files

    if file is None or not compare:
        raise UsageError(
            f"`--{'compare' if compare else 'json'}` needs `--{'from-meltano FILE' if compare else 'compare'}`",
            hint="`tapdock init --from-meltano . --compare` compares the project of this folder",
        )
    session = shared(ctx)
    folder = session.folder or Path.cwd()
    content, left, _ = _of_meltano(file, folder)
    environment = session.chosen_environment or session.environ.get("TAPDOCK_ENVIRONMENT") or None
    found = comparing.compare(
        read_files(file / "meltano.yml" if file.is_dir() else file),
        left,
        content.decode(),
        folder,
        environment=environment,
        environ=session.environ,
        env_files=session.env_files,
    )
    comparing.show(found, left, as_json=as_json)


def _add(file: Path, text: str) -> None:
    """Write a file that belongs to a project, unless there is one."""
    with suppress(OSError), file.open("x", encoding="utf-8") as made:
        made.write(text)


def _example() -> bytes:
    return (files("tapdock.cli") / "example.yaml").read_bytes()


def _of_meltano(file: Path, folder: Path) -> tuple[bytes, list[str], int]:
    import yaml

    class Plain(yaml.SafeDumper):
        """A dumper that repeats a value instead of writing a reference (`*id001`) to it."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    from tapdock.project import meltano

    file = file / "meltano.yml" if file.is_dir() else file
    found = meltano.read(file, folder)
    head = "".join(f"# not carried over: {one_line(line)}\n" for line in found.left)
    text = yaml.dump(found.project, Dumper=Plain, sort_keys=False, allow_unicode=True, width=120)
    return (head + text).encode(), found.left, meltano.permissions(file)
