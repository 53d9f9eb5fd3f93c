"""Where a test runs: what says nothing runs in all three places."""

import pytest

LOCAL = pytest.param("local", id="local")
BESIDE = pytest.param("docker-beside", id="docker-beside", marks=pytest.mark.docker)
CONTAINER = pytest.param("docker-container", id="docker-container", marks=pytest.mark.docker)

local_only = pytest.mark.parametrize("place", [LOCAL])
docker_only = pytest.mark.parametrize("place", [BESIDE, CONTAINER])
with_a_relay = pytest.mark.parametrize("place", [CONTAINER])
