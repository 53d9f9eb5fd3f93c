"""Tests how the exit of a container is read from an engine that answers at any moment of the removal."""

import docker.errors
import pytest
import requests.exceptions

from tapdock.engines.docker.process import DockerProcess


class Engine:
    """An engine that returns the given answers of `wait` and `inspect_container`, or raises them."""

    def __init__(self, waited, inspected=None):
        self.waited, self.inspected = waited, inspected

    def wait(self, name, timeout=None):
        return told(self.waited)

    def inspect_container(self, name):
        return told(self.inspected)


def told(answer):
    if isinstance(answer, Exception):
        raise answer
    return answer


def ended(*answers):
    return DockerProcess(Engine(*answers), "name", "image", None, print).wait(1)


REMOVED = docker.errors.NotFound("no such container")


@pytest.mark.parametrize(("waited", "code"), [({"StatusCode": 137}, 137), ({"StatusCode": 0}, 0), (REMOVED, 137)])
def test_a_removed_container_ended_as_the_engine_last_said(waited, code):
    exit_ = ended(waited, REMOVED)
    assert (exit_.code, exit_.error) == (code, "the container was removed")


def test_a_container_that_runs_has_not_ended():
    assert ended(requests.exceptions.ReadTimeout()) is None
    assert ended(requests.exceptions.ConnectionError("Read timed out. (read timeout=1)")) is None


def test_an_engine_that_is_gone_reports_no_code():
    assert ended(requests.exceptions.ConnectionError("Connection refused")).code is None
