"""`tapdock.lock`: the digests of images, so that a later run has the very same ones."""

from collections.abc import Mapping
from pathlib import Path

import orjson

from tapdock.errors import EngineError, UsageError
from tapdock.files import write_whole
from tapdock.launch import ImageFacts

__all__ = ["FILE", "LABEL_RECIPE", "identity", "is_moving", "read", "verify", "write"]

FILE = "tapdock.lock"
LABEL_RECIPE = "io.tapdock.recipe"


def read(folder: Path) -> dict[str, str]:
    """Digests by image name. Raises UsageError when there is no readable lock."""
    try:
        images = orjson.loads((folder / FILE).read_bytes())["images"].items()
    except FileNotFoundError as error:
        raise UsageError(f"there is no {FILE} in {folder}", hint="make one with `tapdock lock`") from error
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{FILE} cannot be read: {error}", hint="make it anew with `tapdock lock`") from error
    return {str(name): str(digest) for name, digest in images}


def write(folder: Path, digests: Mapping[str, str]) -> Path:
    content = {"version": 1, "images": dict(sorted(digests.items()))}
    file = folder / FILE
    text = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    write_whole(file, text, mode=0o666, durable=False)  # it belongs to the project: its mode is the umask's
    return file


def verify(locked: Mapping[str, str], facts: ImageFacts) -> None:
    """Raises EngineError when an image is not the locked one."""
    wanted, found = locked.get(facts.image), identity(facts)
    if wanted is None:
        raise EngineError(f"`{facts.image}` is not in {FILE}", hint="take it in with `tapdock lock`")
    if wanted != found:
        hint = "accept what is here with `tapdock lock`"
        if wanted.startswith("sha256:") and found.startswith("sha256:") and found != facts.id:
            hint = f"`docker pull {facts.image.partition('@')[0]}@{wanted}`, or {hint}"
        raise EngineError(f"`{facts.image}` is {found}, but {FILE} says {wanted}", hint=hint)


def identity(facts: ImageFacts) -> str:
    """What names an image's content: its digest, for one without a digest its id, or the recipe that it was built from.

    A build gives another digest on every machine, so that of an image of ours would fit nowhere else. Only what a
    `build:` made counts as built: anybody can put the label of a recipe on an image.
    """
    return f"recipe:{facts.recipe}" if facts.recipe else facts.digest


def is_moving(image: str) -> bool:
    """Whether this name may stand for something else tomorrow: no tag, or `latest`; a path is no such name.

    >>> is_moving("airbyte/source-faker"), is_moving("localhost:5000/tap:1.0")
    (True, False)
    """
    if "@" in image or image.startswith("/"):
        return False
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return not colon or tag == "latest"
