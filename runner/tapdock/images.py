"""Images: found, pulled, or built from `images/`, cached by content."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tapdock.config import Build, Connector
from tapdock.engines.base import Engine, Logs
from tapdock.errors import EngineError, ImageMissing
from tapdock.launch import ImageFacts

__all__ = ["BuildPlan", "Builder", "build", "build_plan", "images_folder", "obtain"]

LABEL_RECIPE = "io.tapdock.recipe"


class Builder(Protocol):
    """What an engine that can build offers beside running."""

    def build(
        self, context: Path, *, tag: str, args: dict[str, str], labels: dict[str, str], progress: Logs
    ) -> None: ...


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """One image to be built; `recipe` names all that goes into it, so that an image with that label is up to date."""

    context: Path
    tag: str
    args: dict[str, str]
    recipe: str


def images_folder() -> Path:
    """The project's `images/`: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "images"
    return inside if inside.is_dir() else package.parent.parent / "images"


def build_plan(build: Build, *, tag: str, base_image: str | None, base_digest: str | None) -> BuildPlan:
    """Pure but for reading the recipe's files. `base_image` None leaves the recipe's own default."""
    context = images_folder() / build.family
    args = {"PACKAGE": build.package}
    if build.executable:
        args["EXECUTABLE"] = build.executable
    if base_image:
        args["BASE_IMAGE"] = base_image
    sha = hashlib.sha256(repr((sorted(args.items()), base_digest)).encode())
    for file in sorted(path for path in context.rglob("*") if path.is_file()):
        sha.update(file.name.encode() + b"\0" + file.read_bytes())
    return BuildPlan(context=context, tag=tag, args=args, recipe=sha.hexdigest()[:24])


def obtain(engine: Engine, connector: Connector, *, base_image: str | None, progress: Logs) -> ImageFacts:
    """The facts of a connector's image, which is here afterwards. Raises ImageMissing, or EngineError from a build."""
    if connector.build:
        return build(engine, connector, base_image=base_image, progress=progress)
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


def build(engine: Engine, connector: Connector, *, base_image: str | None, progress: Logs) -> ImageFacts:
    """Build unless the image that is here came from the very same recipe."""
    assert connector.build is not None, "asked only for such"
    base = engine.inspect(base_image) if base_image else None
    plan = build_plan(
        connector.build, tag=connector.image, base_image=base_image, base_digest=base.digest if base else None
    )
    facts = engine.inspect(plan.tag)
    if facts is None or facts.labels.get(LABEL_RECIPE) != plan.recipe:
        builder: Builder = _builder(engine)
        progress(f"building {plan.tag}")
        labels = {LABEL_RECIPE: plan.recipe}
        builder.build(plan.context, tag=plan.tag, args=plan.args, labels=labels, progress=progress)
        facts = engine.inspect(plan.tag)
    if facts is None:
        raise ImageMissing(f"the image `{plan.tag}` was built but is not here")
    return facts


def _builder(engine: Engine) -> Builder:
    build: Callable[..., None] | None = getattr(engine, "build", None)
    if build is None:
        raise EngineError(f"the {engine.name} engine cannot build images", hint="use a Docker Engine")
    return engine  # type: ignore[return-value] # it has `build`, which is all that Builder asks
