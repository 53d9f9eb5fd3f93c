"""What every folder of tests shares: an engine, or the reason why there is none."""

import docker
import docker.errors
import pytest


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left():
    """After all tests no container and no volume of tapdock's, or of a test's, is there that was not there before."""
    before = _ours()
    yield
    assert _ours() - before == set()


def _ours() -> set[str]:
    try:
        client = docker.APIClient(**docker.utils.kwargs_from_env(), version="auto", timeout=60)
    except docker.errors.DockerException:
        return set()
    with client:
        found: set[str] = set()
        for label in ("io.tapdock.run", "io.tapdock.test"):
            found |= {container["Id"] for container in client.containers(all=True, filters={"label": label})}
            found |= {volume["Name"] for volume in client.volumes(filters={"label": label})["Volumes"] or []}
        return found


@pytest.fixture(scope="session")
def api():
    """A client of the Docker Engine that answers here; skips where none does."""
    try:
        client = docker.APIClient(**docker.utils.kwargs_from_env(), version="auto", timeout=60)
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker Engine answers (`scripts/engine` starts one): {error}")
    with client:
        yield client
