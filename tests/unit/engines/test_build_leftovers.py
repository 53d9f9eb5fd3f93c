"""Tests how leftovers of killed builds on an engine are distinguished from containers and images in use."""

import time

from tapdock.engines.docker.build_leftovers import found

LABEL = "/bin/sh -c '#(nop) LABEL io.tapdock.recipe=abc'"


class Api:
    def __init__(self, **changes):
        self.container = {
            "Id": "0123456789abcdef",
            "Command": LABEL,
            "Created": time.time() - 3600,
            "State": "created",
            **changes,
        }

    def containers(self, all, filters):  # noqa: A002 - the engine's own name
        assert all
        return [self.container] if filters == {"label": "io.tapdock.recipe", "status": "created"} else []

    def remove_container(self, container, *, v):
        assert (container, v) == ("0123456789abcdef", True)
        self.removed = True

    def images(self, filters, quiet):
        return []


def test_a_container_that_wrote_a_label_of_the_last_stage():
    api = Api()
    (leftover,) = found(api)
    assert leftover.name == "container 0123456789ab of a build"
    leftover.remove()
    assert api.removed


def test_one_that_was_created_a_moment_ago():
    assert list(found(Api(Created=time.time()))) == []


def test_one_of_a_connector():
    assert list(found(Api(Command="sleep 9"))) == []
