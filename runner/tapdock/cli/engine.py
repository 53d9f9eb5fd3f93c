"""`tapdock doctor`, `gc`, `build`, `wrap` and `lock`: commands about the engine and its images."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Annotated

import msgspec
import typer

from tapdock.cli.assembly import engine_of, not_removed, operations_of, relay_image, said
from tapdock.cli.session import Session, shared
from tapdock.connectors import images, lockfile, masking
from tapdock.connectors.wrap import build as wrap_
from tapdock.engines.base import Engine
from tapdock.errors import EngineError, UsageError
from tapdock.project.model import Connector, Project
from tapdock.relay.signals import Signals
from tapdock.runs import doctor as doctor_
from tapdock.runs.findings import Finding, looked_at
from tapdock.text.output import out, print_json, print_table, said_at_once

__all__ = ["build", "doctor", "gc", "lock_images", "wrap"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def build(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Connectors. Default: all that have `build`.")] = None,
) -> None:
    """Build the images of connectors that have `build`

    An image is rebuilt only when its recipe, its package or its base changed. `run` builds missing images by itself.

    Example: tapdock build lake
    """
    session = shared(ctx)
    with Signals(said_at_once) as signals:
        needed = operations_of(session, signals)
        for connector in _to_build(session.project, names or []):
            needed.redactor.learn(masking.connector_secrets(connector))
            facts = images.build(needed.engine, connector, making=needed.making, progress=needed.say)
            out(f"{connector.name}  {facts.image}  {facts.digest}")


def _to_build(project: Project, names: list[str]) -> list[Connector]:
    buildable = {connector.name: connector for connector in _connectors(project) if connector.build}
    for name in names:
        if name not in buildable:
            hint = f"connectors with `build`: {', '.join(buildable) or 'none'}"
            raise UsageError(f"`{name}` has no `build` in {project.file.name}", hint=hint)
    return [connector for name, connector in buildable.items() if not names or name in names]


def _connectors(project: Project) -> list[Connector]:
    return list(project.in_containers)


def wrap(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(help="An Airbyte source's image.")],
    tag: Annotated[str, typer.Option("--tag", "-t", help="The name of the new image.")],
) -> None:
    """Build a Singer tap image from an Airbyte source image

    The new image is a Singer tap for any runner and needs no Docker inside: `--config --catalog --state --discover
    --test --about`. Its program is /opt/tapdock/tap. Most of Airbyte's connectors are under the Elastic License
    (ELv2): build such images for yourself, and do not publish them.

    Example: tapdock wrap airbyte/source-faker:7.2.1 -t tap-faker:7.2.1
    """
    session = shared(ctx)
    making = images.making(session.variables)
    facts = wrap_.wrap(
        engine_of(session), image, tag=tag, making=making, progress=lambda line: said(session.redacted(line))
    )
    out(f"{facts.image}  {facts.digest}")


def lock_images(ctx: typer.Context) -> None:
    """Write the digests of all images to tapdock.lock

    `tapdock run --locked` then refuses all other images.

    If the engine runs the relay in a container, the file also lists tapdock's own image.

    Example: tapdock lock
    """
    session = shared(ctx)
    with Signals(said_at_once) as signals:
        needed = operations_of(session, signals)
        digests, starts = {}, list[str]()
        for connector in _connectors(session.project):
            needed.redactor.learn(masking.connector_secrets(connector))
            facts = images.obtain(needed.engine, connector, making=needed.making, progress=needed.say)
            digests[facts.image] = lockfile.identity(facts)
            starts.append(facts.id or facts.image)
        if starts and _relays_in_a_container(needed.engine, starts[0]):
            relay = needed.engine.inspect(needed.relay_image())
            assert relay is not None, "`relay_image` pulls the image or raises"
            digests[relay.image] = lockfile.identity(relay)
    file = lockfile.write(session.project.folder, digests)
    print_table(["image", "digest"], sorted(digests.items()))
    said(f"wrote {file}")


def _relays_in_a_container(engine: Engine, image: str) -> bool:
    with engine.run("lock", image=image) as run:
        return run.folder is None


def gc(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Remove what killed runs and builds left behind

    Of killed runs, this removes containers, volumes, networks and folders. Live runs are not touched. Of builds, it
    removes containers, and images whose history contains the address of a package index, and so possibly a password.

    Example: tapdock gc
    """
    engine = engine_of(shared(ctx))
    swept = engine.sweep() + images.swept(engine)
    if as_json:
        kept = [{"name": name, "reason": reason} for name, reason in swept.kept]
        print_json({"removed": list(swept.removed), "kept": kept})
    elif swept.removed or not swept.kept:
        out("\n".join(f"removed {name}" for name in swept.removed) or "nothing to remove")
    for name, reason in swept.kept:
        said(not_removed(name, reason))


def doctor(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check that everything that a run needs is available

    The exit code is 0 only if a run would start.

    Example: tapdock doctor --json
    """
    session = shared(ctx)
    findings = [
        msgspec.structs.replace(each, found=session.redacted(each.found), fix=each.fix and session.redacted(each.fix))
        for each in _findings(session)
    ]
    healthy = all(finding.level != "error" for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [msgspec.structs.asdict(finding) for finding in findings]})
    else:
        print_table(["", "what", "found"], [[_MARKS[f.level], f.what, f.found] for f in findings])
        for finding in findings:
            if finding.fix:
                said(f"hint: {finding.what}: {finding.fix}")
    raise typer.Exit(0 if healthy else EngineError.exit_code)


_MARKS = {"ok": "ok", "warning": "--", "error": "NO"}


def _findings(session: Session) -> list[Finding]:
    findings = looked_at("project file", lambda: [Finding(what="project file", found=str(session.project.file))])
    project = session.project if findings[0].level == "ok" else None
    engines: list[Engine] = []

    def engine() -> Iterator[Finding]:
        engines.append(engine_of(session))
        yield from doctor_.of_engine(engines[0], now=time.time())

    findings += looked_at("engine", engine)
    if project:
        findings += looked_at("connectors", lambda: doctor_.of_connectors(project))
        findings += looked_at("state", lambda: doctor_.of_state(session.backend, project))
    if project and engines:
        relay = partial(relay_image, engines[0], session.variables)
        making = images.making(session.variables)
        look = partial(doctor_.of_project, project, engines[0], making=making, relay_image=relay)
        findings += looked_at("project", look)
    return findings
