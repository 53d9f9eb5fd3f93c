"""Read and write `tapdock.lock`: the digests of images, so that later runs use the same images."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from tapdock.errors import EngineError, UsageError
from tapdock.files import write_whole

if TYPE_CHECKING:  # `tapdock list` does not need it
    from tapdock.launch import ImageFacts

__all__ = ["FILE", "LABEL_RECIPE", "identity", "is_moving", "read", "read_if_present", "verify", "write"]

FILE = "tapdock.lock"
LABEL_RECIPE = "io.tapdock.recipe"


def read(folder: Path) -> dict[str, str]:
    """Return digests by image name. Raises UsageError if the lock file is missing or damaged."""
    try:
        images = orjson.loads((folder / FILE).read_bytes())["images"].items()
    except FileNotFoundError as error:
        raise UsageError(f"there is no {FILE} in {folder}", hint="create it with `tapdock lock`") from error
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{FILE} cannot be read: {error}", hint="replace it with `tapdock lock`") from error
    return {str(name): str(digest) for name, digest in images}


def read_if_present(folder: Path) -> dict[str, str]:
    """Return digests by image name, none without a lock file. Raises UsageError if it is damaged."""
    return read(folder) if (folder / FILE).exists() else {}


def write(folder: Path, digests: Mapping[str, str]) -> Path:
    content = {"version": 1, "images": dict(sorted(digests.items()))}
    file = folder / FILE
    text = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    write_whole(file, text, mode=0o666, durable=False)  # it belongs to the project: its mode is the umask's
    return file


def verify(locked: Mapping[str, str], facts: "ImageFacts") -> None:
    """Raise EngineError if an image is not the locked one."""
    wanted, found = locked.get(facts.image), identity(facts)
    if wanted is None:
        raise EngineError(f"`{facts.image}` is not in {FILE}", hint="add it with `tapdock lock`")
    if wanted != found:
        hint = "accept the image that is present with `tapdock lock`"
        if wanted.startswith("sha256:") and found.startswith("sha256:") and found != facts.id:
            hint = f"`docker pull {facts.image.partition('@')[0]}@{wanted}`, or {hint}"
        raise EngineError(f"`{facts.image}` is {found}, but {FILE} has {wanted}", hint=hint)


def identity(facts: "ImageFacts") -> str:
    """Return what identifies an image's content: its digest, its id if it has no digest, or its recipe.

    Each build results in another digest, so the digest of a built image would match on no other machine. The recipe is
    used only for the images of a `build:`, because anybody can put the label of a recipe on an image.
    """
    return f"recipe:{facts.recipe}" if facts.recipe else facts.digest


def is_moving(image: str) -> bool:
    """Return True if an image is not pinned: its name has no tag, or `latest`. The path of a program is pinned.

    >>> is_moving("airbyte/source-faker"), is_moving("localhost:5000/tap:1.0")
    (True, False)
    """
    if "@" in image or image.startswith("/"):
        return False
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return not colon or tag == "latest"
