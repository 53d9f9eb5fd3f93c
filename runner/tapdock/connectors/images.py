"""Images: found, pulled, or built from `images/`, cached by content."""

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, cast

from tapdock.connectors.lockfile import LABEL_RECIPE
from tapdock.engines.base import Engine, Logs, Swept
from tapdock.errors import EngineError, ImageMissing
from tapdock.launch import ImageFacts
from tapdock.project.model import Build, Connector

__all__ = [
    "BuildPlan",
    "Builder",
    "Making",
    "base_digest",
    "base_of",
    "build",
    "build_plan",
    "images_folder",
    "is_current",
    "made",
    "making",
    "obtain",
    "package_folder",
    "recipe_of",
    "swept",
]

INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")


class Builder(Protocol):
    """What an engine that can build offers beside running."""

    def building(self, progress: Logs) -> AbstractContextManager[None]:
        """Held while one image is built: another build of the same one waits, and then finds it made."""
        ...

    def build(
        self,
        context: Path,
        *,
        tag: str,
        args: Mapping[str, str],
        indexes: Mapping[str, str],
        labels: Mapping[str, str],
        progress: Logs,
    ) -> None: ...

    def sweep_builds(self) -> Swept:
        """Remove what killed builds left: anything that may have a credential of a package index in it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Making:
    """What the user's machine gives to builds; `indexes` are package index addresses, which may carry credentials."""

    base_image: str | None = None
    indexes: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """One image to be built; `recipe` names all that goes into it, so that an image with that label is up to date."""

    context: Path
    tag: str
    args: dict[str, str]
    recipe: str


def making(environ: Mapping[str, str]) -> Making:
    """What an environment says of builds."""
    return Making(
        base_image=environ.get("TAPDOCK_BASE_IMAGE") or None,
        indexes={name: environ[name] for name in INDEXES if environ.get(name)},
    )


def package_folder() -> Path:
    """Where tapdock's own code is installed."""
    return Path(__file__).parents[1]


def images_folder() -> Path:
    """The project's `images/`: inside the installed package, or beside it in a checkout."""
    package = package_folder()
    inside = package / "images"
    return inside if inside.is_dir() else package.parent.parent / "images"


def build_plan(build: Build, *, tag: str, base_image: str | None, base_digest: str | None) -> BuildPlan:
    """Pure but for reading the recipe's files. `base_image` None leaves the recipe's own default."""
    context = images_folder() / build.family
    args = _args(build)
    if base_image:
        args["BASE_IMAGE"] = base_image
    return BuildPlan(context=context, tag=tag, args=args, recipe=recipe_of(context, args, base_digest))


def recipe_of(context: Path, args: Mapping[str, str], *bases: str | None) -> str:
    """A name for all that goes into an image: its folder's files, its arguments, and the images that it starts from."""
    sha = hashlib.sha256(repr((sorted(args.items()), *bases)).encode())
    for file in sorted(path for path in context.rglob("*") if path.is_file()):
        sha.update(str(file.relative_to(context)).encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()[:24]


def _args(build: Build) -> dict[str, str]:
    """The recipe's arguments; an Airbyte image is labelled with its program and version, as Airbyte's own are."""
    args = {"PACKAGE": build.package}
    if build.family == "airbyte-python":
        known = {"EXECUTABLE": build.program, "VERSION": build.version}
        return args | {name: value for name, value in known.items() if value}
    return args | ({"EXECUTABLE": build.executable} if build.executable else {})


def obtain(engine: Engine, connector: Connector, *, making: Making, progress: Logs) -> ImageFacts:
    """The facts of a connector's image, which is here afterwards. Raises ImageMissing, or EngineError from a build."""
    if connector.build:
        return build(engine, connector, making=making, progress=progress)
    facts = None if connector.pull == "always" else engine.inspect(connector.image)
    if facts is None:
        if connector.pull == "never":
            hint = f"`docker pull {connector.image}`, or leave out `pull: never`"
            raise ImageMissing(f"the image `{connector.image}` is not here", hint=hint)
        engine.pull(connector.image, platform=connector.platform, progress=progress)
        facts = engine.inspect(connector.image)
    if facts is None:
        raise ImageMissing(f"the image `{connector.image}` was pulled but is not here")
    return facts


def build(engine: Engine, connector: Connector, *, making: Making, progress: Logs) -> ImageFacts:
    """Build unless the image that is here came from the very same recipe."""
    plan = _plan_of(connector, making, base_digest(engine, making.base_image, progress))
    return made(engine, plan, making=making, progress=progress)


def _plan_of(connector: Connector, making: Making, base: str | None) -> BuildPlan:
    assert connector.build is not None, "asked only for such"
    return build_plan(connector.build, tag=connector.image, base_image=making.base_image, base_digest=base)


def swept(engine: Engine) -> Swept:
    """Remove what killed builds left on an engine that can build."""
    return cast(Builder, engine).sweep_builds() if hasattr(engine, "build") else Swept(())


def base_of(build: Build, making: Making) -> str:
    """What a build starts from: what the user says, else what the recipe does."""
    recipe = (images_folder() / build.family / "Dockerfile").read_text("utf-8")
    return making.base_image or recipe.partition("ARG BASE_IMAGE=")[2].partition("\n")[0]


def is_current(engine: Engine, connector: Connector, *, making: Making) -> bool:
    """Whether the image of a `build:` is here, from the very recipe that the next run would follow."""
    base = engine.inspect(making.base_image) if making.base_image else None
    return _current(engine, _plan_of(connector, making, base.digest if base else None)) is not None


def made(engine: Engine, plan: BuildPlan, *, making: Making, progress: Logs) -> ImageFacts:
    """The image of a plan, built unless it is here already. Raises EngineError."""
    facts = _current(engine, plan)
    if facts is None:
        builder = _builder(engine)
        with builder.building(progress):
            facts = _current(engine, plan) or _built(engine, builder, plan, making.indexes, progress)
    return facts


def base_digest(engine: Engine, base_image: str | None, progress: Logs) -> str | None:
    """A newer base makes a new image. It is pulled first, or the first build would know less than the second."""
    if base_image is None:
        return None
    facts = engine.inspect(base_image)
    if facts is None:
        engine.pull(base_image, platform=None, progress=progress)
        facts = engine.inspect(base_image)
    return facts.digest if facts else None


def _current(engine: Engine, plan: BuildPlan) -> ImageFacts | None:
    facts = engine.inspect(plan.tag)
    return replace(facts, recipe=plan.recipe) if facts and facts.labels.get(LABEL_RECIPE) == plan.recipe else None


def _built(engine: Engine, builder: Builder, plan: BuildPlan, indexes: Mapping[str, str], progress: Logs) -> ImageFacts:
    labels = {LABEL_RECIPE: plan.recipe}
    builder.build(plan.context, tag=plan.tag, args=plan.args, indexes=indexes, labels=labels, progress=progress)
    facts = engine.inspect(plan.tag)
    if facts is None:
        raise ImageMissing(f"the image `{plan.tag}` was built but is not here")
    return replace(facts, recipe=plan.recipe)


def _builder(engine: Engine) -> Builder:
    if not hasattr(engine, "build"):
        raise EngineError(f"the {engine.name} engine cannot build images", hint="use a Docker Engine")
    return cast(Builder, engine)  # `build` is what tells an engine that can
