"""Find, pull or build images. Recipes are in `images/`; an image is built again only if its recipe changed."""

import hashlib
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, cast

import msgspec

from tapdock.connectors.lockfile import LABEL_RECIPE
from tapdock.engines.base import Engine, Logs, Swept
from tapdock.errors import EngineError, ImageMissing
from tapdock.launch import ImageFacts
from tapdock.project.model import Build, Connector

__all__ = [
    "LOCAL_BASE",
    "BuildPlan",
    "Builder",
    "Making",
    "base_digest",
    "base_image",
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
    "with_base",
]

LOCAL_BASE = "tapdock/base:local"
"""The base image that `scripts/base-image` makes where no registry can be reached."""
_PYTHON = "3.12"
"""The version of Python of builds that do not name one."""
INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")


class Builder(Protocol):
    """The interface of an engine that can build images."""

    def building(self, progress: Logs) -> AbstractContextManager[None]:
        """Return a lock for the build of an image: another build waits, and then finds the image present."""
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
        """Remove leftovers of killed builds that may contain a credential of a package index."""
        ...


@dataclass(frozen=True, kw_only=True)
class Making:
    """Settings for builds from the environment; `indexes` are package index addresses, maybe with credentials."""

    base_image: str | None = None
    indexes: Mapping[str, str] = field(default_factory=dict, repr=False)


class BuildPlan(msgspec.Struct, frozen=True, kw_only=True):
    """An image to be built. `recipe` is a hash of all its inputs; an image with that label is up to date."""

    context: Path
    tag: str
    args: dict[str, str]
    recipe: str


def making(environ: Mapping[str, str]) -> Making:
    """Return the settings for builds from environment variables."""
    return Making(
        base_image=environ.get("TAPDOCK_BASE_IMAGE") or None,
        indexes={name: environ[name] for name in INDEXES if environ.get(name)},
    )


def package_folder() -> Path:
    """Return the folder in which tapdock's code is installed."""
    return Path(__file__).parents[1]


def images_folder() -> Path:
    """Return the folder `images/`: inside the installed package, or in the root of a checkout."""
    package = package_folder()
    inside = package / "images"
    return inside if inside.is_dir() else package.parent.parent / "images"


def build_plan(build: Build, *, tag: str, base_image: str | None, base_digest: str | None) -> BuildPlan:
    """Return the plan for a build. If `base_image` is None, the default in the recipe is used."""
    context = images_folder() / build.family
    args = _args(build)
    if base_image or build.python:
        args["BASE_IMAGE"] = base_image or _default_base(build.family, build.python)
    return BuildPlan(context=context, tag=tag, args=args, recipe=recipe_of(context, args, base_digest))


def recipe_of(context: Path, args: Mapping[str, str], *bases: str | None) -> str:
    """Return a hash of all inputs of an image: its folder's files, its arguments, and its base images.

    Bytecode is no input: pip writes it beside the programs of a recipe, and it is different after each installation.
    """
    sha = hashlib.sha256(repr((sorted(args.items()), *bases)).encode())
    files = (path for path in context.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    for file in sorted(files):
        sha.update(str(file.relative_to(context)).encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()[:24]


def _args(build: Build) -> dict[str, str]:
    """Return the arguments of a recipe. An Airbyte image gets the labels that Airbyte's own images have.

    The lists of requirements have one on each line, because a requirement may contain spaces.
    """
    labels = {"NAME": build.program, "VERSION": build.version} if build.family == "airbyte-python" else {}
    args = {
        "PACKAGE": build.package,
        "EXECUTABLE": build.executable,
        **labels,
        "PYTHON": build.python,
        "APT": " ".join(build.apt),
        "WITH": "\n".join(build.with_),
        "CONSTRAINTS": "\n".join(build.constraints),
        "OVERRIDES": "\n".join(build.overrides),
        "BEFORE": build.before,
    }
    return {name: value for name, value in args.items() if value}


def obtain(engine: Engine, connector: Connector, *, making: Making, progress: Logs) -> ImageFacts:
    """Pull or build a connector's image if necessary, and return its facts. Raises ImageMissing, EngineError."""
    if connector.build:
        return build(engine, connector, making=making, progress=progress)
    facts = None if connector.pull == "always" else engine.inspect(connector.image)
    if facts is None:
        if connector.pull == "never":
            hint = f"run `docker pull {connector.image}`, or remove `pull: never`"
            raise ImageMissing(f"the image `{connector.image}` is not present", hint=hint)
        engine.pull(connector.image, platform=connector.platform, progress=progress)
        facts = engine.inspect(connector.image)
    if facts is None:
        raise ImageMissing(f"the image `{connector.image}` was pulled but is not present")
    return facts


def build(engine: Engine, connector: Connector, *, making: Making, progress: Logs) -> ImageFacts:
    """Build the image unless it is present from the same recipe, and return its facts. Raises EngineError."""
    assert connector.build is not None, "called only for such"
    if not is_current(engine, connector, making=making):
        making = with_base(engine, connector.build.family, making, progress, python=connector.build.python)
    elif not _is_built_on(engine, connector, making):
        making = replace(making, base_image=LOCAL_BASE)
    base = base_digest(engine, base_image(making, connector.build.python), progress)
    plan = _plan_of(connector, making, base)
    return made(engine, plan, making=making, progress=progress)


def _plan_of(connector: Connector, making: Making, base: str | None) -> BuildPlan:
    assert connector.build is not None, "called only for such"
    given = base_image(making, connector.build.python)
    return build_plan(connector.build, tag=connector.image, base_image=given, base_digest=base)


def swept(engine: Engine) -> Swept:
    """Remove leftovers of killed builds, if the engine can build."""
    return cast(Builder, engine).sweep_builds() if hasattr(engine, "build") else Swept(())


def with_base(engine: Engine, folder: str, making: Making, progress: Logs, *, python: str | None = None) -> Making:
    """Return the settings with the base image for a recipe's folder, and for the version of Python that a build needs.

    If TAPDOCK_BASE_IMAGE is not set, and the recipe's default is not present and cannot be pulled, this is the base
    image that `scripts/base-image` made, if it is present.
    """
    if making.base_image or engine.inspect(LOCAL_BASE) is None:
        return making
    default = _default_base(folder, python)
    if engine.inspect(default) or not (refusal := engine.refusal(default)):
        return making
    used = f"using `{LOCAL_BASE}`, as TAPDOCK_BASE_IMAGE is not set"
    progress(f"the base image `{default}` cannot be pulled ({refusal}): {used}")
    return replace(making, base_image=LOCAL_BASE)


def base_of(build: Build, making: Making) -> str:
    """Return the base image of a build: the user's TAPDOCK_BASE_IMAGE, else Docker's image of Python."""
    return base_image(making, build.python) or _default_base(build.family, build.python)


def base_image(making: Making, python: str | None = None) -> str | None:
    """Return the user's TAPDOCK_BASE_IMAGE, if it is set; `{python}` in it is the version of Python that a build needs.

    >>> base_image(Making(base_image="registry.example.com/python:{python}-slim"), "3.10")
    'registry.example.com/python:3.10-slim'
    """
    return making.base_image and making.base_image.replace("{python}", python or _PYTHON)


def _default_base(folder: str, python: str | None) -> str:
    """Return the default in a recipe's folder, with the version of Python that the build needs."""
    recipe = (images_folder() / folder / "Dockerfile").read_text("utf-8")
    base = recipe.partition("ARG BASE_IMAGE=")[2].partition("\n")[0]
    return re.sub(r"(?<=:)[0-9.]+", python, base) if python else base


def is_current(engine: Engine, connector: Connector, *, making: Making) -> bool:
    """Return True if the image of a `build:` is present and was built from the recipe that the next run would use.

    Without TAPDOCK_BASE_IMAGE, the base may also be the one that `scripts/base-image` made.
    """
    if _is_built_on(engine, connector, making):
        return True
    local = replace(making, base_image=LOCAL_BASE)
    return not making.base_image and engine.inspect(LOCAL_BASE) is not None and _is_built_on(engine, connector, local)


def _is_built_on(engine: Engine, connector: Connector, making: Making) -> bool:
    given = base_image(making, connector.build.python if connector.build else None)
    base = engine.inspect(given) if given else None
    return _current(engine, _plan_of(connector, making, base.digest if base else None)) is not None


def made(engine: Engine, plan: BuildPlan, *, making: Making, progress: Logs) -> ImageFacts:
    """Return the facts of a plan's image, and build it if it is not present. Raises EngineError, ImageMissing."""
    facts = _current(engine, plan)
    if facts is None:
        builder = _builder(engine)
        with builder.building(progress):
            facts = _current(engine, plan) or _built(engine, builder, plan, making.indexes, progress)
    return facts


def base_digest(engine: Engine, base_image: str | None, progress: Logs) -> str | None:
    """Return the digest of the base image, which is an input of the recipe; None without one.

    The base image is pulled if it is not present. Otherwise the first build and the second would have different
    recipes.
    """
    if base_image is None:
        return None
    facts = engine.inspect(base_image)
    if facts is None:
        engine.pull(base_image, platform=None, progress=progress)
        facts = engine.inspect(base_image)
    return facts.digest if facts else None


def _current(engine: Engine, plan: BuildPlan) -> ImageFacts | None:
    facts = engine.inspect(plan.tag)
    if facts is None or facts.labels.get(LABEL_RECIPE) != plan.recipe:
        return None
    return msgspec.structs.replace(facts, recipe=plan.recipe)


def _built(engine: Engine, builder: Builder, plan: BuildPlan, indexes: Mapping[str, str], progress: Logs) -> ImageFacts:
    labels = {LABEL_RECIPE: plan.recipe}
    builder.build(plan.context, tag=plan.tag, args=plan.args, indexes=indexes, labels=labels, progress=progress)
    facts = engine.inspect(plan.tag)
    if facts is None:
        raise ImageMissing(f"the image `{plan.tag}` was built but is not present")
    return msgspec.structs.replace(facts, recipe=plan.recipe)


def _builder(engine: Engine) -> Builder:
    if not hasattr(engine, "build"):
        raise EngineError(f"the {engine.name} engine cannot build images", hint="use a Docker Engine")
    return cast(Builder, engine)  # an engine that has `build` is a Builder
