"""The border where what docker's client raises becomes an EngineError, with words for people."""

import contextlib
import http.client
from collections.abc import Iterator

import docker.errors
import requests.exceptions
import urllib3.exceptions

from tapdock.errors import EngineError

__all__ = ["CONNECTION", "answering", "reason_of", "refused"]

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


def refused(image: str, error: Exception) -> EngineError:
    reason = reason_of(error)
    if "exec format error" in reason.lower():
        hint = "it was built for another kind of processor: set `platform:`, or use an image for this one"
        return EngineError(f"`{image}` cannot run on this machine: exec format error", hint=hint)
    if "/bin/sh" in reason:
        hint = "use an image that has `/bin/sh`, or make one `FROM` it that adds a static one"
        return EngineError(f"`{image}` has no shell, which tapdock starts connectors with: {reason}", hint=hint)
    return EngineError(f"a container of `{image}` could not be started: {reason}")
