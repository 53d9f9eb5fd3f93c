"""`tapdock add`: write a connector into the project file."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from tapdock.cli.assembly import engine_of, said
from tapdock.cli.registries import Refresh, reader_of, registries_of, said_ages
from tapdock.cli.session import Session, shared
from tapdock.connectors import lockfile
from tapdock.connectors.registry.found import Found, Role, plain_name
from tapdock.connectors.registry.lookup import Ambiguous, described
from tapdock.connectors.registry.write import Written, written
from tapdock.errors import TapdockError, UsageError
from tapdock.project import document
from tapdock.project.dotenv import parse_dotenv
from tapdock.project.files import text_of
from tapdock.project.load import NAME, load
from tapdock.project.model import Build, Connector
from tapdock.project.rewrite import rewrite
from tapdock.text.output import err

__all__ = ["add"]

_GROUPS = ("sources", "mappers", "targets", "pipelines")


def add(
    ctx: typer.Context,
    role: Annotated[Role, typer.Argument(help="`source` or `target`.")],
    name: Annotated[str, typer.Argument(help="The connector's name: `github`, `source-github`, `tap-github`.")],
    *,
    as_name: Annotated[str | None, typer.Option("--as", help="Its name in the project.")] = None,
    airbyte: Annotated[bool, typer.Option("--airbyte", help="The connector of Airbyte's registry.")] = False,
    variant: Annotated[
        str | None, typer.Option(help="This variant of the Singer plugin in MeltanoHub, or `default`.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Use this image. No registry is asked.")] = None,
    singer: Annotated[str | None, typer.Option(help="Build this Python package. No registry is asked.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="Use this manifest of a low-code source.")] = None,
    from_ref: Annotated[
        str | None, typer.Option(help="The address or file of a definition of MeltanoHub, or of Airbyte's registry.")
    ] = None,
    refresh: Refresh = False,
) -> None:
    """Add a source or a target to the project, by its name in a registry

    tapdock looks the name up in Airbyte's registry and in MeltanoHub, and writes the connector into the project file:
    its image or package, and the settings that it requires, with their descriptions. Everything else in the file stays
    as it is. If the connector is in the project already, nothing changes.

    Example: tapdock add source github --airbyte

    Example: tapdock add target postgres --variant default --as warehouse
    """
    session = shared(ctx)
    _require_one(airbyte=airbyte, variant=variant, image=image, singer=singer, manifest=manifest, from_ref=from_ref)
    project = session.project
    if as_name is not None:
        _require_free_form(as_name)
    try:
        if image or singer or manifest:
            found = _given(session, role, name, image=image, singer=singer, manifest=manifest)
        elif from_ref is not None:
            found = _referred(session, role, name, from_ref)
        else:
            registries = registries_of(session, refresh=refresh)
            found = registries.one(role, name, airbyte_only=airbyte, variant=variant)
            said_ages(registries.reader)
    except Ambiguous as error:
        kept = f" --as {shlex.quote(as_name)}" if as_name else ""
        for choice in error.choices:
            words = " ".join(shlex.quote(word) for word in choice.arguments)
            err(f"{choice.what}: tapdock add {role} {words}{kept}")
        raise
    chosen = as_name or found.name
    _require_free_form(chosen)
    if _is_there(session, role, chosen, found):
        said(f"{project.file.name} has the {role} `{chosen}` already; nothing was changed")
        return
    before = text_of(project.file)
    new = written(before, found, role=role, name=chosen, folder=project.folder, label=project.file.name)
    load(
        project.file,
        environment=project.environment or "",
        environ=session.environ,
        texts={project.file.resolve(): new.text},
        env_files=session.env_files,
    )
    rewrite(project.file, new.text, before=before)
    _told(session, role, chosen, found, new)


def _require_one(**given: Any) -> None:
    chosen = [f"--{name.replace('_', '-')}" for name, value in given.items() if value not in (None, False)]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]} cannot be used together", hint="see `tapdock add --help`")


def _require_free_form(name: str) -> None:
    if not NAME.fullmatch(name) or "-to-" in name:
        hint = "use letters, digits, `-`, `_` and `.`, but not `-to-`: `--as NAME`"
        raise UsageError(f"`{name}` is not a valid name in a project", hint=hint)


def _given(
    session: Session, role: Role, name: str, *, image: str | None, singer: str | None, manifest: Path | None
) -> Found:
    """Return a connector that the user has described."""
    if manifest is not None:
        if role == "target":
            raise UsageError("a target has no manifest", hint="`tapdock add source NAME --manifest FILE`")
        path = _relative(manifest, session.project.folder)
        return Found(kind="airbyte", name=name, what=path, same=path, entry={"manifest": path})
    if singer is not None:
        words = " ".join(singer.split())
        entry: dict[str, Any] = {"build": {"singer": words}}
        if Build(family="singer", package=words).program is None:  # the image cannot have the name of the package
            entry = {"image": f"tapdock/{plain_name(name)}:latest", **entry}
        return Found(kind="singer", name=name, what=words, same=words, entry=entry)
    assert image is not None, "one of the three is given"
    same = _repository(image)
    return Found(kind="airbyte", name=name, what=image, same=same, entry={"image": image})


def _relative(file: Path, folder: Path) -> str:
    """Return a path of the command line as the project file has it: relative to the project, if it is in there."""
    whole = file.expanduser().absolute()
    return f"./{whole.relative_to(folder)}" if whole.is_relative_to(folder) else str(whole)


def _referred(session: Session, role: Role, name: str, place: str) -> Found:
    reader = reader_of(session, Path.cwd(), refresh=True)
    found = reader.read("the definition", place, lambda content: described(content, role))
    if plain_name(name) != found.name:
        hint = f"`tapdock add {role} {found.name} --from-ref {shlex.quote(place)}`; `--as` names it in the project"
        raise UsageError(f"{place} describes `{found.name}`, not `{name}`", hint=hint)
    return found


def _is_there(session: Session, role: Role, name: str, found: Found) -> bool:
    """Return True if the project has the connector under this name. Raises UsageError if something else has the name.

    Names in all environments count, not only those in the chosen one.
    """
    project = session.project
    named = (project.sources if role == "source" else project.targets).get(name)
    if named is not None and _is_same(named, found, project.folder):
        if "build" not in found.entry and "image" in found.entry and named.image != found.what:
            said(f"note: the project has {named.image}, not {found.what}; change `image` of `{name}` to use that one")
        return True
    tree = document.read(project.file).tree
    environments = tree.get("environments")
    blocks = {"": tree} | {
        f"environments.{each}.": block
        for each, block in (environments if isinstance(environments, dict) else {}).items()
        if isinstance(block, dict)
    }
    taken = [f"{at}{group}" for at, block in blocks.items() for group in _GROUPS if name in (block.get(group) or ())]
    known = {
        "sources": project.sources,
        "mappers": project.mappers,
        "targets": project.targets,
        "pipelines": project.pipelines,
    }
    taken += [group for group, entries in known.items() if name in entries and group not in taken]
    if taken:
        hint = f"choose another name: `--as {name}-{2 if taken[0] == f'{role}s' else role}`"
        raise UsageError(f"{project.file.name} has another connector or pipeline `{taken[0]}.{name}`", hint=hint)
    return False


def _is_same(named: Connector, found: Found, folder: Path) -> bool:
    if "manifest" in found.entry:
        return named.manifest is not None and named.manifest.file.resolve() == (folder / found.same).resolve()
    if "build" in found.entry:
        return named.build is not None and _package(named.build.package) == _package(found.what)
    return named.build is None and _repository(named.image) == found.same


def _package(requirements: str) -> str:
    """Return the name of the first package, or its address without a revision."""
    first = requirements.split()[0].lower().replace("_", "-")
    scheme, separator, rest = first.partition("://")
    if separator:
        address, _, part = rest.partition("#")
        return f"{scheme}://{address.rpartition('@')[0] or address}#{part}"
    for sign in "[=<>~!":
        first = first.partition(sign)[0]
    return first


def _repository(image: str) -> str:
    """Return an image's name without tag and digest.

    >>> _repository("localhost:5000/tap:1.0@sha256:0a"), _repository("docker.io/airbyte/source-faker:1")
    ('localhost:5000/tap', 'airbyte/source-faker')
    """
    name = image.partition("@")[0].removeprefix("docker.io/")
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _told(session: Session, role: Role, name: str, found: Found, new: Written) -> None:
    file = session.project.file.name
    said(f"added the {role} `{name}` to {file}: {found.what}")
    for remark in found.remarks:
        said(f"note: {remark}")
    if "image" in found.entry and "build" not in found.entry:
        _lock(session, found.entry["image"])
    for line in new.left_out:
        said(f"note: {line}")
    known = _variables(session)
    for variable in new.variables:
        there = f"; it is set already, in {known[variable]}" if variable in known else ""
        said(f"needs {variable}: set it in `.env` or in the environment, or write the value into {file}{there}")
    said(f"next: `tapdock config set {name} --interactive` asks for its settings, `tapdock check {name}` tests them")


def _variables(session: Session) -> dict[str, str]:
    """Return where each variable is set: in the environment, in a file of `--env-file` or in the project's `.env`."""
    file = session.project.folder / ".env"
    found: dict[str, str] = {}
    for each in (*([file] if file.is_file() else []), *session.env_files):
        found |= dict.fromkeys(parse_dotenv(text_of(each), str(each)), "`.env`" if each == file else str(each))
    return {**found, **dict.fromkeys(session.environ, "the environment")}


def _lock(session: Session, image: str) -> None:
    """Write the digest of an image into tapdock.lock if the image is present. Else report how to get it there."""
    folder = session.project.folder
    try:
        facts = engine_of(session).inspect(image)
        if facts is None:
            said(
                "note: no digest was recorded: the image is not present; `tapdock lock` pulls it and records its digest"
            )
            return
        known = lockfile.read(folder) if (folder / lockfile.FILE).exists() else {}
        lockfile.write(folder, {**known, facts.image: lockfile.identity(facts)})
    except TapdockError as error:
        said(f"note: no digest was recorded: {error.message}; `tapdock lock` records it")
    except OSError as error:
        said(f"note: no digest was recorded: {lockfile.FILE} cannot be written: {error.strerror}")
    else:
        said(f"recorded its digest in {lockfile.FILE}")
