"""`tapdock doctor`, `gc`, `build` and `lock`."""

import secrets
from collections.abc import Callable, Iterator
from typing import Annotated, NamedTuple

import typer

from tapdock import images, lock
from tapdock.cli.assembly import engine_of, operations_of, said
from tapdock.cli.context import Context, print_json, print_table, shared
from tapdock.config import Connector, Project
from tapdock.engines.base import Engine
from tapdock.errors import EngineError, StateError, TapdockError, UsageError
from tapdock.signals import Signals

__all__ = ["build", "doctor", "gc", "lock_images"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def build(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Connectors; else all that have `build`.")] = None,
) -> None:
    """Make the images of connectors that have `build`

    An image is made again only when its recipe, its package or its base changed. `run` makes what it needs by itself.

    Example: tapdock build lake
    """
    context = shared(ctx)
    with Signals(said) as signals:
        needed = operations_of(context, signals)
        for connector in _to_build(context.project, names or []):
            facts = images.build(needed.engine, connector, making=needed.making, progress=said)
            typer.echo(f"{connector.name}  {facts.image}  {facts.digest}")


def _to_build(project: Project, names: list[str]) -> list[Connector]:
    buildable = {connector.name: connector for connector in _connectors(project) if connector.build}
    for name in names:
        if name not in buildable:
            hint = f"with one: {', '.join(buildable) or 'none'}"
            raise UsageError(f"`{name}` has no `build` in {project.file.name}", hint=hint)
    return [connector for name, connector in buildable.items() if not names or name in names]


def _connectors(project: Project) -> list[Connector]:
    return [*project.sources.values(), *project.targets.values()]


def lock_images(ctx: typer.Context) -> None:
    """Write down the digests of all images

    `tapdock run --locked` then refuses any other.

    Example: tapdock lock
    """
    context = shared(ctx)
    with Signals(said) as signals:
        needed = operations_of(context, signals)
        digests = {}
        for connector in _connectors(context.project):
            facts = images.obtain(needed.engine, connector, making=needed.making, progress=said)
            digests[facts.image] = lock.identity(facts)
    file = lock.write(context.project.folder, digests)
    print_table(["image", "digest"], sorted(digests.items()))
    said(f"written to {file}")


def gc(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Remove what killed runs left behind

    Containers, volumes and folders of runs whose process is gone; what lives is left alone.

    Example: tapdock gc
    """
    removed = engine_of(shared(ctx)).sweep()
    if as_json:
        print_json({"removed": list(removed)})
    else:
        typer.echo("\n".join(f"removed {name}" for name in removed) or "nothing was left behind")


class Finding(NamedTuple):
    """One thing that doctor looked at."""

    what: str
    ok: bool
    found: str
    fix: str | None = None


def doctor(ctx: typer.Context, as_json: AsJson = False) -> None:
    """See whether everything that a run needs is there

    Exit code 0 only if a run would start.

    Example: tapdock doctor --json
    """
    context = shared(ctx)
    findings = list(_findings(context))
    healthy = all(finding.ok for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [finding._asdict() for finding in findings]})
    else:
        print_table(["", "what", "found"], [["ok" if f.ok else "NO", f.what, f.found] for f in findings])
        for finding in findings:
            if finding.fix:
                said(f"hint: {finding.what}: {finding.fix}")
    raise typer.Exit(0 if healthy else EngineError.exit_code)


def _findings(context: Context) -> Iterator[Finding]:
    yield from _looked_at("project file", lambda: (str(context.project.file), None))
    engine: list[Engine] = []

    def reached() -> tuple[str, str | None]:
        engine.append(engine_of(context))
        return str(engine[0].facts()), None

    yield from _looked_at("engine", reached)
    try:
        project = context.project
    except TapdockError:
        return  # said above
    yield from _looked_at("state", lambda: (_probed_state(context), None))
    for connector in _connectors(project) if engine else []:
        yield from _looked_at(f"image of {connector.name}", lambda c=connector: _image(engine[0], c))  # type: ignore[misc]
    usable = [c.image for c in _connectors(project) if engine and engine[0].inspect(c.image)]
    if usable:
        yield from _looked_at("data path", lambda: _data_path(engine[0], usable[0]))


def _looked_at(what: str, look: Callable[[], tuple[str, str | None]]) -> Iterator[Finding]:
    try:
        found, fix = look()
    except TapdockError as error:
        yield Finding(what, False, error.message, error.hint)
    else:
        yield Finding(what, True, found, fix)


def _probed_state(context: Context) -> str:
    """A small object is written and removed: a backend that only reads would fail after all rows were moved."""
    backend, name = context.backend, f"doctor-{secrets.token_hex(8)}"
    version = backend.put(name, b"{}", expected=None)
    backend.delete(name, expected=version)
    if name in backend.names():
        raise StateError(f"{backend.uri} does not remove what is deleted")
    return f"{backend.uri} can be written"


def _image(engine: Engine, connector: Connector) -> tuple[str, str | None]:
    facts = engine.inspect(connector.image)
    if facts:
        return f"{connector.image} is here", None
    if connector.build:
        return f"{connector.image} will be built by the first run", f"`tapdock build {connector.name}` does it now"
    return f"{connector.image} is not here; the first run pulls it", f"`docker pull {connector.image}` does it now"


def _data_path(engine: Engine, image: str) -> tuple[str, str | None]:
    with engine.run("doctor", image=image) as run:
        if run.folder:
            return "pipes in a folder that the engine shares", None
    return "pipes in volumes, through a container of tapdock's own image", None
