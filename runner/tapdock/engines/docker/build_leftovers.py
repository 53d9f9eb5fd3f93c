"""Find leftovers of killed builds: containers, and images whose history contains the address of a package index."""

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
"""The mark in the command of a container for a build step that runs no program."""
_OVER = 60
"""Seconds after which such a container is a leftover: its step takes less than one."""
_ADDRESS = re.compile(r"""(?:INDEX_URL|NPM_CONFIG_REGISTRY)='?[^\s'"$]""")
"""A package index with a value. The commands of tapdock's recipes also name them with quotes, or without a value."""


def is_building(api: Any) -> bool:
    """Return True if a step of a build stage runs on this engine."""
    return any(container["State"] == "running" for container in _containers(api))


def found(api: Any) -> Iterator[Leftover]:
    """Yield leftovers, containers first: each uses the image of the step before.

    Images without an address of an index are kept, because they are the cache for the next build.
    """
    for container in _containers(api):
        if container["State"] != "running":
            remove = partial(api.remove_container, container["Id"], v=True)
            yield Leftover(f"container {container['Id'][:12]} of a build", remove)
    for image in api.images(filters={"label": _STAGE, "dangling": True}, quiet=True):
        if _has_address(api, image):
            yield Leftover(f"image {image.removeprefix('sha256:')[:12]} of a build", partial(api.remove_image, image))


def kept(api: Any) -> Swept:
    """Return all leftovers as kept, because a build is running."""
    return Swept((), tuple((leftover.name, "a build is running") for leftover in found(api)))


def _containers(api: Any) -> list[Any]:
    """Return the containers of builds: those of a build stage have images without names; others were never started."""
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
        return False  # already removed
