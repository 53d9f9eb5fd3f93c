"""`tapdock init`."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from tapdock.cli.assembly import said
from tapdock.cli.context import shared
from tapdock.errors import UsageError
from tapdock.load import FILE

__all__ = ["init"]


def init(
    ctx: typer.Context,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Leave a project that is there as it is.")] = False,
) -> None:
    """Begin a project with an example that runs

    It moves users of Airbyte's faker source into a DuckDB file: `tapdock run demo`. Change it into yours.

    Example: tapdock init --project shop
    """
    file = (shared(ctx).folder or Path.cwd()) / FILE
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        if if_missing:
            return
        raise UsageError(f"{file} is there already", hint="`tapdock config show` tells what it says") from None
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}", hint="`--project` names another folder"
        ) from None
    with os.fdopen(made, "wb") as example:
        example.write((files("tapdock") / "example.yaml").read_bytes())
    said(f"an example project is in {file}; `tapdock run demo` runs it")
