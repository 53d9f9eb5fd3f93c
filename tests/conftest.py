"""What every folder of tests shares: an engine, or the reason why there is none."""

import docker
import docker.errors
import pytest


@pytest.fixture(scope="session")
def api():
    """A client of the Docker Engine that answers here; skips where none does."""
    try:
        client = docker.APIClient(**docker.utils.kwargs_from_env(), version="auto", timeout=60)
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker Engine answers (`scripts/engine` starts one): {error}")
    with client:
        yield client
