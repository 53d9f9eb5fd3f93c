"""What killed builds left on an engine: containers, and images whose history has the address of a package index."""

import re
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import docker.errors

from tapdock.engines.base import Swept
from tapdock.engines.docker.sweep import Leftover

__all__ = ["found", "is_building", "kept"]

_STAGE = "io.tapdock.stage=build"
_RECIPE = "io.tapdock.recipe"
_NOT_RUN = "#(nop)"
"""In the command of a container that a build makes for a step that runs nothing."""
_OVER = 60
"""Seconds: such a step takes none."""
_ADDRESS = re.compile(r"""(?:INDEX_URL|NPM_CONFIG_REGISTRY)='?[^\s'"$]""")
"""An index that has a value: the commands of our recipes name them with quotes or without one."""


def is_building(api: Any) -> bool:
    """Whether a step of a build stage runs on this engine."""
    return any(container["State"] == "running" for container in _containers(api))


def found(api: Any) -> Iterator[Leftover]:
    """Containers first: each has the image of the step before.

    An image that has no address stays: the next build of a similar image begins from it.
    """
    for container in _containers(api):
        if container["State"] != "running":
            remove = partial(api.remove_container, container["Id"], v=True)
            yield Leftover(f"container {container['Id'][:12]} of a build", remove)
    for image in api.images(filters={"label": _STAGE, "dangling": True}, quiet=True):
        if _has_address(api, image):
            yield Leftover(f"image {image.removeprefix('sha256:')[:12]} of a build", partial(api.remove_image, image))


def kept(api: Any) -> Swept:
    """All of it, because a build is under way."""
    return Swept((), tuple((leftover.name, "a build is under way") for leftover in found(api)))


def _containers(api: Any) -> list[Any]:
    """Those of a build stage have images without names; those that label the last stage never start."""
    stage = api.containers(all=True, filters={"label": _STAGE})
    last = api.containers(all=True, filters={"label": _RECIPE, "status": "created"})
    return [
        *(each for each in stage if each["Image"] == each["ImageID"] or each["ImageID"][7:].startswith(each["Image"])),
        *(each for each in last if _NOT_RUN in each["Command"] and time.time() - each["Created"] > _OVER),
    ]


def _has_address(api: Any, image: str) -> bool:
    try:
        return any(_ADDRESS.search(str(layer["CreatedBy"])) for layer in api.history(image))
    except docker.errors.ImageNotFound:
        return False  # somebody else removed it
