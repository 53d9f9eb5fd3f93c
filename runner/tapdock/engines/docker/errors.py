"""The border where what docker's client raises becomes an EngineError, and other errors, with words for people."""

import contextlib
import http.client
from collections.abc import Iterator

import docker.errors
import requests.exceptions
import urllib3.exceptions

from tapdock.errors import EngineError, ImageMissing, UsageError

__all__ = ["CONNECTION", "answering", "pull_failed", "reason_of", "refused", "uncovered"]

# A stream that breaks off raises what the layers below docker's own client raise.
CONNECTION = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
)


@contextlib.contextmanager
def answering(what_failed: str) -> Iterator[None]:
    """The border where what docker's client raises becomes an EngineError."""
    try:
        yield
    except CONNECTION as error:
        raise EngineError(f"{what_failed}: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)


def pull_failed(image: str, reason: str) -> ImageMissing:
    hint = f"check the name, log in to its registry, or give a `build:` for it; `docker pull {image}` tells more"
    return ImageMissing(f"the image `{image}` is not here and cannot be pulled: {reason}", hint=hint)


def refused(image: str, error: Exception) -> EngineError:
    reason = reason_of(error)
    if "exec format error" in reason.lower():
        hint = "it was built for another kind of processor: set `platform:`, or use an image for this one"
        return EngineError(f"`{image}` cannot run on this machine: exec format error", hint=hint)
    if "/bin/sh" in reason:
        hint = "use an image that has `/bin/sh`, or make one `FROM` it that adds a static one"
        return EngineError(f"`{image}` has no shell, which tapdock starts connectors with: {reason}", hint=hint)
    return EngineError(f"a container of `{image}` could not be started: {reason}")


def uncovered(where: str, role: str) -> UsageError:
    line = f"`docker run --volume {where}:{where} …`, or `volumes: [{where}:{where}]` in compose.yaml"
    return UsageError(
        f"the {role} mounts {where}, which is inside tapdock's own container: no other container can have it",
        hint=f"mount it there from outside: {line}",
    )
