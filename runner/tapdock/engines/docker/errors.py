"""Turn errors of docker's client into EngineError and other errors, with messages for people."""

import contextlib
import http.client
from collections.abc import Iterator

import docker.errors
import requests.exceptions
import urllib3.exceptions

from tapdock.errors import EngineError, ImageMissing, UsageError

__all__ = ["CONNECTION", "answering", "hint_of", "pull_failed", "reason_of", "refused", "uncovered"]

# A lost connection raises errors of the layers below docker's own client.
CONNECTION = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
)
_BROKEN = (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError, http.client.HTTPException)


@contextlib.contextmanager
def answering(what_failed: str) -> Iterator[None]:
    """Turn errors of docker's client into an EngineError whose message begins with `what_failed`."""
    try:
        yield
    except CONNECTION as error:
        raise EngineError(f"{what_failed}: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """Return what the engine answered. For a connection that broke, that is said instead of a client's own words."""
    if explanation := getattr(error, "explanation", None):
        return str(explanation)
    if isinstance(error, requests.exceptions.Timeout):
        return "the engine did not answer in time"
    if isinstance(error, _BROKEN):
        return "the engine stopped answering"
    return str(error)


def hint_of(error: Exception) -> str | None:
    """Return what to do after a connection that broke; None for an answer of the engine."""
    if getattr(error, "explanation", None) or not isinstance(error, _BROKEN):
        return None
    return "start the engine, and run the command again; `tapdock gc` removes what is left behind"


def pull_failed(image: str, reason: str) -> ImageMissing:
    hint = f"try `docker pull {image}`; check the name, log in to its registry, or add a `build:` for it"
    return ImageMissing(f"the image `{image}` is not present and cannot be pulled: {reason}", hint=hint)


def refused(image: str, error: Exception) -> EngineError:
    reason = reason_of(error)
    if "exec format error" in reason.lower():
        hint = "it is built for another processor architecture: set `platform:`, or use an image for this one"
        return EngineError(f"`{image}` cannot run on this machine: exec format error", hint=hint)
    if "/bin/sh" in reason:
        hint = "use an image that has `/bin/sh`, or build one `FROM` it that adds a static shell"
        return EngineError(f"`{image}` has no shell, which tapdock needs to start connectors: {reason}", hint=hint)
    return EngineError(f"a container of `{image}` could not be started: {reason}")


def uncovered(where: str, place: str) -> UsageError:
    line = f"`docker run --volume {where}:{where} …`, or `volumes: [{where}:{where}]` in compose.yaml"
    return UsageError(
        f"{place}{where} is inside tapdock's own container: no other container can mount it",
        hint=f"mount it into tapdock's container: {line}",
    )
