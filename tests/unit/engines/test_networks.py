"""Tests whether an engine has the network of a connector."""

import docker.errors
import pytest

from tapdock.engines.docker.networks import exists
from tapdock.errors import EngineError
from tapdock.project.model import Connector
from tapdock.runs.needs import of_network


class Api:
    def inspect_network(self, name: str) -> None:
        if name == "broken":
            raise docker.errors.APIError("the daemon is ill")
        if name != "shop":
            raise docker.errors.NotFound("no such network")


class Engine:
    def has_network(self, name: str) -> bool:
        return exists(Api(), name)


def found(network: str | None) -> list[str]:
    connector = Connector(name="lake", role="target", image="x", network=network)
    return [finding.found for finding in of_network(Engine(), connector) if finding.level == "error"]  # type: ignore[arg-type]


@pytest.mark.parametrize("network", [None, "shop", "host", "none", "bridge", "container:db"])
def test_networks_that_exist(network: str | None) -> None:
    assert found(network) == []


def test_a_network_that_does_not_exist() -> None:
    assert found("shpo") == ["there is no network `shpo` on this engine"]


def test_an_engine_that_does_not_answer() -> None:
    with pytest.raises(EngineError, match="the network `broken` could not be inspected: the daemon is ill"):
        found("broken")
