"""`tapdock search`, and how commands read the registries."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tapdock.cache import Cache, user_cache
from tapdock.cli.assembly import said
from tapdock.cli.session import Session, shared
from tapdock.connectors.registry.fetch import Reader
from tapdock.connectors.registry.found import Role
from tapdock.connectors.registry.lookup import MOST_ASKED, Match, Registries, matches
from tapdock.errors import UsageError
from tapdock.project.keys import REGISTRIES
from tapdock.text.output import print_json, print_table

__all__ = ["Refresh", "reader_of", "registries_of", "said_ages", "search"]

Refresh = Annotated[bool, typer.Option("--refresh", help="Read the registries again. They are cached for a day.")]


def search(
    ctx: typer.Context,
    word: Annotated[str, typer.Argument(help="A part of a connector's name.")],
    *,
    source: Annotated[bool, typer.Option("--source", help="Only sources.")] = False,
    target: Annotated[bool, typer.Option("--target", help="Only targets.")] = False,
    refresh: Refresh = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Search the registries of Airbyte and Meltano for connectors

    The registries are those under `registries:` in the project file, if there is a project.

    Example: tapdock search postgres --target
    """
    session = shared(ctx)
    registries = registries_of(session, refresh=refresh)
    roles: tuple[Role, ...] = ("source",) if source and not target else ("target",) if target and not source else ()
    found: list[Match] = []
    failure: UsageError | None = None
    for role in roles or ("source", "target"):
        for one in (
            msgspec.structs.replace(registries, meltanohub="none"),
            msgspec.structs.replace(registries, airbyte="none"),
        ):
            try:
                found += matches(one, word, role)
            except UsageError as error:
                failure = failure or error
    said_ages(registries.reader)
    if as_json:
        print_json([msgspec.structs.asdict(match) for match in found])
    elif found:
        columns = ("NAME", "ROLE", "KIND", "VARIANTS", "IMAGE OR PACKAGE", "LICENSE", "SUPPORT")
        print_table(columns, list(_rows(found)))
        if len([match for match in found if match.kind == "singer"]) > MOST_ASKED:
            said(f"only the packages of the first {MOST_ASKED} Singer plugins of each role are shown")
    elif failure is None:
        said(f"no registry has a connector whose name contains `{word}`")
    if failure is not None:
        raise failure


def _rows(found: list[Match]) -> Iterator[tuple[str, ...]]:
    for match in found:
        variants = ", ".join(match.variants)
        yield match.name, match.role, match.kind, variants, match.reference, match.license, match.support


def registries_of(session: Session, *, refresh: bool) -> Registries:
    """Return the registries of the project, or those that tapdock has by default if there is no project."""
    try:
        has_project = session.file is not None
    except UsageError:
        has_project = False
    places = session.project.registries if has_project else {key.name: str(key.default) for key in REGISTRIES}
    reader = reader_of(session, session.file.parent if has_project else Path.cwd(), refresh=refresh)
    return Registries(reader=reader, airbyte=places["airbyte"], meltanohub=places["meltanohub"])


def reader_of(session: Session, folder: Path, *, refresh: bool) -> Reader:
    """Return a reader whose cache is in the folder that only this user can open. Relative paths begin at `folder`."""
    cache = Cache(user_cache(session.environ))
    return Reader(cache=cache, folder=folder, now=time.time, fresh=refresh)


def said_ages(reader: Reader) -> None:
    """Report how old the cached documents are that were read."""
    for what, age in reader.ages.items():
        said(f"{what} was read {_ago(age)} ago; `--refresh` reads it again")


def _ago(age: float) -> str:
    """Return an age in words.

    >>> _ago(59), _ago(7300)
    ('59 s', '2 h')
    """
    seconds = max(0, int(age))
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"
