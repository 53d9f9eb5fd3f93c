"""The places in which a test runs. The default is local and beside the runner, and with `--all` also in a container.

Only the transport differs in a container, so each test of the transport itself uses `CONTAINER`. A test of what the
relay does with messages, which is the same in every place, has `anywhere`: only `--all` runs it with containers.
"""

import pytest

LOCAL = pytest.param("local", id="local")
BESIDE = pytest.param("docker-beside", id="docker-beside", marks=pytest.mark.docker)
CONTAINER = pytest.param("docker-container", id="docker-container", marks=pytest.mark.docker)
SLOW_BESIDE = pytest.param("docker-beside", id="docker-beside", marks=[pytest.mark.docker, pytest.mark.slow])
SLOW_CONTAINER = pytest.param("docker-container", id="docker-container", marks=[pytest.mark.docker, pytest.mark.slow])

local_only = pytest.mark.parametrize("place", [LOCAL])
anywhere = pytest.mark.parametrize("place", [LOCAL, SLOW_BESIDE, SLOW_CONTAINER])
docker_only = pytest.mark.parametrize("place", [BESIDE, SLOW_CONTAINER])
in_both_placements = pytest.mark.parametrize("place", [BESIDE, CONTAINER])
with_a_relay = pytest.mark.parametrize("place", [CONTAINER])
