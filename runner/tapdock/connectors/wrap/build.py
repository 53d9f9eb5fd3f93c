"""Build a Singer tap image from an Airbyte source image."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from tapdock.connectors import images
from tapdock.connectors.images import BuildPlan, Making
from tapdock.connectors.kinds.base import entrypoint_of, kind_of
from tapdock.engines.base import Engine, Logs
from tapdock.errors import UsageError
from tapdock.launch import ImageFacts
from tapdock.project.model import Connector

__all__ = ["wrap"]

_PACKAGES = ("msgspec", "orjson")
"""The packages that the program inside the image imports."""


def wrap(engine: Engine, image: str, *, tag: str, making: Making, progress: Logs) -> ImageFacts:
    """Build `tag` from `image`, unless it is present from the same recipe, and return its facts.

    Raises UsageError for an image that is not an Airbyte source or cannot take arguments, ImageMissing, EngineError.
    """
    connector = Connector(name=tag, role="source", image=image)
    facts = images.obtain(engine, connector, making=making, progress=progress)
    if kind_of(connector, facts) == "singer":
        hint = "use it directly; images of Airbyte have the label `io.airbyte.name` or the variable AIRBYTE_ENTRYPOINT"
        raise UsageError(f"`{image}` is already a Singer image", hint=hint)
    _require_same_machine(engine, facts)
    making = images.with_base(engine, "wrapper", making, progress)
    base_image = images.base_image(making)
    base = images.base_digest(engine, base_image, progress)
    with _context(entrypoint_of(connector, facts)) as context:
        args = {"IMAGE": image, "REQUIREMENTS": " ".join(f"{name}=={version(name)}" for name in _PACKAGES)}
        args["PACKAGES"] = " ".join(_PACKAGES)
        args |= {"BASE_IMAGE": base_image} if base_image else {}
        plan = BuildPlan(
            context=context, tag=tag, args=args, recipe=images.recipe_of(context, args, base, facts.digest)
        )
        return images.made(engine, plan, making=making, progress=progress)


def _require_same_machine(engine: Engine, facts: ImageFacts) -> None:
    machine = engine.facts().architecture
    if facts.architecture and machine and facts.architecture != machine:
        raise UsageError(
            f"`{facts.image}` is built for {facts.architecture}, but this engine builds for {machine}",
            hint=f"`docker pull --platform linux/{machine} {facts.image}`, or wrap it on {facts.architecture}",
        )


@contextmanager
def _context(command: tuple[str, ...]) -> Iterator[Path]:
    """Yield a temporary folder with the recipe, tapdock's own code, and the command that starts the connector."""
    with TemporaryDirectory(prefix="tapdock-wrap-") as folder:
        context = Path(folder)
        for part in ("wrapper/Dockerfile", "licenses.py"):
            shutil.copy(images.images_folder() / part, context)
        package = images.package_folder()
        shutil.copytree(package, context / "tapdock", ignore=shutil.ignore_patterns("__pycache__", "images", "cli"))
        (context / "command.json").write_text(json.dumps(command))
        yield context
