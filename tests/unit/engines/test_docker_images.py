"""Tests the identity of an image, as reported by its inspection."""

from pathlib import Path

import pytest

from tapdock.engines.docker.engine import DockerEngine

ID = "sha256:id"
TWO = ["mirror/x@sha256:m", "own/x@sha256:o"]


class Api:
    def __init__(self, *digests: str) -> None:
        self.digests = digests

    def inspect_image(self, image: str) -> dict[str, object]:
        return {"Id": ID, "RepoDigests": list(self.digests)}


@pytest.mark.parametrize(
    ("image", "digests", "digest"),
    [
        ("own/x:1", [], ID),
        ("own/x:1", TWO, "sha256:o"),
        ("mirror/x", TWO, "sha256:m"),
        ("docker.io/own/x:1", TWO, "sha256:m"),
        ("localhost:5000/x:1", ["a/x@sha256:a", "localhost:5000/x@sha256:l"], "sha256:l"),
        ("own/x@sha256:2", ["own/x@sha256:1", "own/x@sha256:2"], "sha256:2"),
    ],
)
def test_the_digest_is_that_of_the_repository_in_the_name(image, digests, digest):
    engine = DockerEngine(Api(*digests), address="", cache=Path("x"), relay="auto", homes=())
    facts = engine.inspect(image)
    assert (facts.digest, facts.id) == (digest, ID)
