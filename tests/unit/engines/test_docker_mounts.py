"""Tests how mounts are described to the engine."""

from typing import Any

import pytest

from tapdock.engines.docker.container_spec import container_spec
from tapdock.launch import Launch
from tapdock.project.connector_values import Mount


def host(mount: Mount) -> tuple[list[str], list[dict[str, Any]]]:
    launch = Launch(role="target", image="x", entrypoint=("x",), mounts=(mount,))
    found = container_spec(launch, pipes="/p")["host"]
    return found["binds"][1:], [dict(each) for each in found["mounts"]]


@pytest.mark.parametrize(
    ("mount", "bind"),
    [
        (Mount("/a", "/b"), "/a:/b"),
        (Mount("data", "/b", read_only=True), "data:/b:ro"),
        (Mount("/a", "/b", read_only=True, options=("z",)), "/a:/b:ro,z"),
        (Mount("/a", "/b", options=("rslave",)), "/a:/b:rslave"),
    ],
)
def test_a_folder_that_a_run_has_made_is_a_bind(mount, bind):
    assert host(mount) == ([bind], [])


@pytest.mark.parametrize(
    ("mount", "kind"),
    [
        (Mount("/key.json", "/k", read_only=True), "bind"),
        (Mount("/a:b", "/c"), "bind"),
        (Mount("/a", "/b:c"), "bind"),
        (Mount("data", "/b:c"), "volume"),
    ],
)
def test_a_path_with_a_colon_or_a_source_that_must_exist_is_described_in_parts(mount, kind):
    binds, mounts = host(mount)
    assert binds == []
    assert len(mounts) == 1
    (found,) = mounts
    assert (found["Source"], found["Target"], found["Type"]) == (mount.source, mount.target, kind)
    assert bool(found.get("ReadOnly")) is mount.read_only


def test_propagation_is_kept():
    _, (found,) = host(Mount("/a", "/b", read_only=True, options=("rslave",)))
    assert found["BindOptions"] == {"Propagation": "rslave"}
