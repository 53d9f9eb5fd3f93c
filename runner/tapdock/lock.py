"""`tapdock.lock`: the digests of images, so that a later run has the very same ones."""

from collections.abc import Mapping
from pathlib import Path

import orjson

from tapdock.errors import EngineError, UsageError
from tapdock.launch import ImageFacts

__all__ = ["FILE", "is_moving", "read", "verify", "write"]

FILE = "tapdock.lock"


def read(folder: Path) -> dict[str, str]:
    """Digests by image name. Raises UsageError when there is no readable lock."""
    try:
        images = orjson.loads((folder / FILE).read_bytes())["images"]
    except FileNotFoundError as error:
        raise UsageError(f"there is no {FILE} in {folder}", hint="make one with `tapdock lock`") from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise UsageError(f"{FILE} cannot be read: {error}", hint="make it anew with `tapdock lock`") from error
    return {str(name): str(digest) for name, digest in images.items()}


def write(folder: Path, digests: Mapping[str, str]) -> Path:
    content = {"version": 1, "images": dict(sorted(digests.items()))}
    file = folder / FILE
    file.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return file


def verify(locked: Mapping[str, str], facts: ImageFacts) -> None:
    """Raises EngineError when an image is not the locked one."""
    wanted = locked.get(facts.image)
    if wanted is None:
        raise EngineError(f"`{facts.image}` is not in {FILE}", hint="take it in with `tapdock lock`")
    if wanted != facts.digest:
        hint = f"`docker pull {facts.image}@{wanted}`, or accept what is here with `tapdock lock`"
        raise EngineError(f"`{facts.image}` is {facts.digest}, but {FILE} says {wanted}", hint=hint)


def is_moving(image: str) -> bool:
    """Whether this name may stand for something else tomorrow: no tag, or `latest`; a path is no such name.

    >>> is_moving("airbyte/source-faker"), is_moving("localhost:5000/tap:1.0")
    (True, False)
    """
    if "@" in image or image.startswith("/"):
        return False
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return not colon or tag == "latest"
