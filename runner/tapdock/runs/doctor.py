"""Check everything that a run needs, and say how to fix what is missing."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from tapdock.connectors import images
from tapdock.connectors.images import Making
from tapdock.connectors.paths import unmounted
from tapdock.engines.base import Engine, EngineFacts
from tapdock.errors import Conflict, StateError, UsageError
from tapdock.files import is_missing
from tapdock.launch import Launch
from tapdock.project.model import Connector, Pipeline, Project
from tapdock.project.named import sides
from tapdock.project.rows import is_row_key, row_of_key
from tapdock.project.state_keys import key_of, own_ids, source_of, target_of
from tapdock.project.used import is_used
from tapdock.runs import needs
from tapdock.runs.data_path import data_path
from tapdock.runs.findings import Finding, looked_at
from tapdock.runs.matrices import of_matrices
from tapdock.runs.new_target import why_new
from tapdock.state import store
from tapdock.state.backends.base import Backend
from tapdock.state.envelope import Envelope

__all__ = ["of_connectors", "of_engine", "of_project", "of_state"]

_FULL, _NEARLY_FULL = 64 << 20, 1 << 30
_CLOCK_SECONDS = 30.0


def of_engine(engine: Engine, *, now: float) -> Iterator[Finding]:
    """Check the engine: its kind, our own container in it, its limits, its clock and its leftovers.

    A remembered failure to share a folder is reported and forgotten, so the next run tries again.
    """
    facts = engine.facts()
    kind = f"{facts}, rootless" if facts.rootless else str(facts)
    yield Finding(what="engine", found=kind)
    yield from _own_container(facts)
    if not facts.limits_memory:
        fix = "`memory` of a connector has no effect: a rootless engine needs cgroup v2 for it"
        yield Finding(what="memory limits", level="warning", found="this engine ignores them", fix=fix)
    yield from _clock(facts, now)
    for missing in engine.forget():
        found = f"in the last hour, a container of this engine could not use {missing}"
        fix = "the next run tries again"
        yield Finding(what="shared folders", level="warning", found=found, fix=fix)
    left = engine.leftovers()
    if left:
        found = f"{len(left)} of dead runs: {', '.join(left[:3])}"
        yield Finding(
            what="leftovers", level="warning", found=found, fix="run `tapdock gc`; the next run removes them too"
        )


def _own_container(facts: EngineFacts) -> Iterator[Finding]:
    if facts.own is None:
        return
    own = facts.own
    mounted = ", ".join(mount.target for mount in own.shared) or "nothing"
    networks = f"; connectors join {', '.join(own.networks)}" if own.networks else ""
    yield Finding(what="container", found=f"tapdock runs in `{own.name}`; mounted there: {mounted}{networks}")


def _clock(facts: EngineFacts, now: float) -> Iterator[Finding]:
    if facts.time is None:
        return
    apart = abs(datetime.fromisoformat(facts.time).timestamp() - now)
    if apart > _CLOCK_SECONDS:
        fix = "synchronize both clocks with NTP: tokens and leases depend on them"
        found = f"the engine's clock differs from this machine's by {apart:.0f} s"
        yield Finding(what="clock", level="warning", found=found, fix=fix)


def of_state(backend: Backend, project: Project) -> Iterator[Finding]:
    """Check that the backend can be written, that every state can be read, and that no state has a target that is new.

    A small object is written and removed, because with a read-only backend a run would fail after it moved all rows.
    A state that is damaged, or was copied from another pipeline, would end its run.
    """
    name = f"doctor/{secrets.token_hex(8)}"
    backend.put(name, b"{}", expected=None)
    try:
        backend.put(name, b"[]", expected=None)
    except Conflict:
        yield Finding(what="state", found=f"{backend.uri} can be written")
    else:
        fix = "start only one run per state at a time, or use another state backend"
        found = f"{backend.uri} can be written, but does not support conditional writes"
        yield Finding(what="state", level="warning", found=found, fix=fix)
    backend.delete(name)
    if name in backend.names():
        raise StateError(f"{backend.uri} still lists an object after its deletion")
    for key in store.keys(backend):
        try:
            envelope = store.read(backend, key)
        except StateError as error:
            yield Finding(what="state", level="error", found=error.message, fix=error.hint)
        else:
            yield from _new_target(project, key, envelope) if envelope and envelope.state else ()


def _new_target(project: Project, key: str, envelope: Envelope) -> Iterator[Finding]:
    target = project.targets.get(target_of(key, project.pipelines))
    is_of_environment = key.partition(":")[0] == (project.environment or "default")
    if target is None or not (is_of_environment or key in own_ids(project.pipelines)):
        return
    if is_row_key(project, key):
        row = row_of_key(project, key)
        if row is None or row.variant is None:
            return
        project, target = row.variant, row.variant.targets[row.target]
    with suppress(UsageError) if project.rows else nullcontext():  # the target of a row, without a row
        yield from _of_new_target(project, target, key, envelope)


def _of_new_target(project: Project, target: Connector, key: str, envelope: Envelope) -> Iterator[Finding]:
    if reason := why_new(_of_state(project, target, key), project, envelope):
        found = f"{reason}, but there is a state `{key}`"
        fix = f"if earlier rows are missing there, `tapdock state clear {key}` lets the next run read them all"
        yield Finding(what="state", level="warning", found=found, fix=fix)


def _of_state(project: Project, target: Connector, key: str) -> Connector:
    """Return the target with the built-in variables of the pipeline that has this state."""
    source = source_of(key, project.pipelines)
    users = [each for each in project.pipelines.values() if each.target == target.name]
    if source not in project.sources:
        return target
    unnamed = Pipeline(name=f"{source}-to-{target.name}", source=source, target=target.name)
    pipeline = next((one for one in users if key_of(one, project.environment) == key), unnamed)
    return sides(project, pipeline, now=0.0)[1]


def of_connectors(project: Project) -> Iterator[Finding]:
    """Check the variables and the mounted files and folders of each connector, which needs no engine."""
    for connector in project.connectors:
        for found in (*needs.of_variables(connector), *needs.of_mounts(connector), *needs.of_host(connector)):
            yield _needed(project, connector, found)
    yield from of_matrices(project)


def _needed(project: Project, connector: Connector, finding: Finding) -> Finding:
    """Return an error of a connector that nothing uses as a warning: the pipelines can start."""
    if finding.level != "error" or is_used(project, connector):
        return finding
    return msgspec.structs.replace(
        finding, level="warning", found=f"{finding.found} (no pipeline and no job uses {connector.name})"
    )


def of_project(
    project: Project, engine: Engine, *, making: Making, relay_image: Callable[[], str]
) -> Iterator[Finding]:
    """Check disk and memory, and for each connector its network, its image, its platform and its mounts."""
    yield from _disk(project.private)
    connectors = list(project.in_containers)
    yield from _memory(connectors, engine.facts())
    for connector in connectors:
        found = looked_at(f"network of {connector.name}", lambda c=connector: needs.of_network(engine, c))  # type: ignore[misc]
        found += looked_at(f"image of {connector.name}", lambda c=connector: _image(engine, c, making))  # type: ignore[misc]
        yield from (_needed(project, connector, each) for each in found)
    here = [connector for connector in connectors if engine.inspect(connector.image)]
    for connector in here:
        found = looked_at(f"mounts of {connector.name}", lambda c=connector: _mounts(engine, c))  # type: ignore[misc]
        yield from (_needed(project, connector, each) for each in found)
    for connector in connectors:
        yield from _paths(engine, connector)
    if here:
        yield from looked_at("data path", lambda: data_path(engine, here[0].image, relay_image))


def _disk(folder: Path) -> Iterator[Finding]:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    level: Literal["ok", "warning", "error"] = "ok" if free > _NEARLY_FULL else "warning" if free > _FULL else "error"
    fix = None if level == "ok" else "free disk space, or set TAPDOCK_HOME to another folder"
    yield Finding(what="disk", level=level, found=f"{free / 1e9:.1f} GB free for states, caches and logs", fix=fix)


def _memory(connectors: list[Connector], facts: EngineFacts) -> Iterator[Finding]:
    if facts.memory is None:
        return
    total = facts.memory
    for connector in connectors:
        if connector.memory and connector.memory > total:
            found = f"{connector.name} may use {connector.memory / 1e9:.1f} GB of {total / 1e9:.1f} GB"
            yield Finding(what="memory", level="warning", found=found, fix=f"lower `memory` of {connector.name}")


def _image(engine: Engine, connector: Connector, making: Making) -> Iterator[Finding]:
    what, image = f"image of {connector.name}", connector.image
    facts = engine.inspect(image)
    if connector.build and not (facts and images.is_current(engine, connector, making=making)):
        yield _to_be_built(
            engine, connector, making, what, "again, because its recipe or its base changed" if facts else ""
        )
    elif facts:
        yield Finding(what=what, found=f"{image} is available")
        yield from _platform(what, connector, facts.architecture, engine.facts().architecture)
    elif connector.pull == "never":
        fix = f"`docker pull {image}`, or remove `pull: never`"
        yield Finding(what=what, level="error", found=f"{image} does not exist on this engine", fix=fix)
    elif refusal := engine.refusal(image):
        fix = f"check the name, run `docker login` for its registry, or set `build:` for {connector.name}"
        yield Finding(what=what, level="error", found=f"{image} cannot be pulled: {refusal}", fix=fix)
    else:
        fix = f"`docker pull {image}` pulls it now"
        yield Finding(what=what, found=f"{image} is not pulled yet; the first run pulls it", fix=fix)


def _to_be_built(engine: Engine, connector: Connector, making: Making, what: str, why: str) -> Finding:
    assert connector.build is not None, "only called for connectors with `build`"
    making = images.with_base(engine, connector.build.family, making, lambda _: None, python=connector.build.python)
    base = images.base_of(connector.build, making)
    if engine.inspect(base) is None and (refusal := engine.refusal(base)):
        found = f"{connector.image} cannot be built, because its base {base} cannot be pulled: {refusal}"
        version = connector.build.python or "3.10 to 3.12"
        fix = f"set TAPDOCK_BASE_IMAGE to another base: an image with Python {version}"
        return Finding(what=what, level="error", found=found, fix=fix)
    on = f"on {base}" if base == images.LOCAL_BASE else ""
    found = " ".join(f"the next run builds {connector.image} {why} {on}".split())
    return Finding(what=what, found=found, fix=f"`tapdock build {connector.name}` builds it now")


def _platform(what: str, connector: Connector, built_for: str, machine: str) -> Iterator[Finding]:
    if not built_for or not machine or built_for == machine or connector.platform:
        return
    fix = f"`docker pull --platform linux/{machine} {connector.image}`, or `platform:` if the engine can emulate it"
    yield Finding(what=what, level="error", found=f"built for {built_for}, but the engine is {machine}", fix=fix)


def _mounts(engine: Engine, connector: Connector) -> Iterator[Finding]:
    launch = Launch(role=connector.role, image=connector.image, entrypoint=(), mounts=connector.mounts)
    placed = engine.placed(launch)
    pairs = [
        f"{mine.source} is {theirs.source}" if mine.source != theirs.source else mine.source
        for mine, theirs in zip(launch.mounts, placed.mounts, strict=True)
        if mine.source != theirs.source or mine.is_volume or not is_missing(mine.source)  # `needs` reports the others
    ]
    if pairs:
        yield Finding(what=f"mounts of {connector.name}", found=f"the engine has {', '.join(pairs)}")


def _paths(engine: Engine, connector: Connector) -> Iterator[Finding]:
    for each in unmounted(engine, connector):
        yield Finding(what=f"paths of {connector.name}", level="warning", found=each.found, fix=each.fix)
