"""Tests what a connector reaches by the network, and what it leaves behind after a crash."""

import pytest

from connectors.images import base_image
from hostile.conftest import one_place, reports

pytestmark = pytest.mark.docker
METADATA = ("169.254.169.254:80", "169.254.170.2:80", "169.254.170.23:80")


@pytest.fixture
def neighbour(api):
    """Return the address of another container on the default bridge, which answers on port 8000."""
    command = ["python3", "-m", "http.server", "8000"]
    name = api.create_container(base_image(), command, labels={"io.tapdock.test": "neighbour"})["Id"]
    try:
        api.start(name)
        yield api.inspect_container(name)["NetworkSettings"]["IPAddress"]
    finally:
        api.remove_container(name, force=True)


def test_a_run_has_a_network_of_its_own(attacked, neighbour):
    project = attacked(source=[f"connect {' '.join(METADATA)} {neighbour}:8000", "records 1", "state"])
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert [line.split()[:2] for line in reports(ended)] == [
        ["refused", each] for each in (*METADATA, f"{neighbour}:8000")
    ]


@pytest.mark.slow
@one_place
def test_a_user_chooses_another_network(attacked, neighbour):
    project = attacked(source=[f"connect {neighbour}:8000", "records 1", "state"])
    project.source_keys = {"network": "bridge"}
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert reports(ended) == [f"reached {neighbour}:8000"]


@pytest.mark.slow
@one_place
def test_a_crash_leaves_no_core_file(attacked, next_run):
    project = attacked(source=["records 1", "core"])
    project.source_keys = {"mounts": ["./data:/tmp"]}
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source"), ended.stderr
    assert {path.name for path in project.data.iterdir()} <= {"rows.jsonl"}
    next_run()
