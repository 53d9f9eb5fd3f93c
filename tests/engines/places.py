"""The places in which a test runs. The default is without containers, and with `--all` also in both kinds of them.

What the relay does with messages is the same in every place. A test of what containers do differently, such as how they
start, end and are removed, has `with_containers`; a test of the transport of a relay in a container uses `CONTAINER`.
"""

import pytest

LOCAL = pytest.param("local", id="local")
BESIDE = pytest.param("docker-beside", id="docker-beside", marks=pytest.mark.docker)
CONTAINER = pytest.param("docker-container", id="docker-container", marks=pytest.mark.docker)
SLOW_BESIDE = pytest.param("docker-beside", id="docker-beside", marks=[pytest.mark.docker, pytest.mark.slow])
SLOW_CONTAINER = pytest.param("docker-container", id="docker-container", marks=[pytest.mark.docker, pytest.mark.slow])

local_only = pytest.mark.parametrize("place", [LOCAL])
with_containers = pytest.mark.parametrize("place", [LOCAL, BESIDE, SLOW_CONTAINER])
docker_only = pytest.mark.parametrize("place", [BESIDE, SLOW_CONTAINER])
in_both_placements = pytest.mark.parametrize("place", [BESIDE, CONTAINER])
with_a_relay = pytest.mark.parametrize("place", [CONTAINER])
