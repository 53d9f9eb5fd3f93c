"""Tests the same attacks on other kinds of engines: what each engine mounts read-only, and what it blocks."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.images import image
from engines.podman import loaded
from hostile.conftest import messages_of
from places.machines import Seat, answering, filled, here, machine

pytestmark = pytest.mark.docker


@pytest.fixture
def victim() -> str:
    """The files of this engine cannot be checked here. The attacker itself reports that its attack failed."""
    return "/var/tmp/tapdock-test-victim"


@pytest.fixture
def podman_seat(api, podman, runner_image, hostile, tmp_path) -> Iterator[tuple[Seat, Any]]:
    with podman.serving(tmp_path / "podman.sock") as address:
        seat = Seat(here(tmp_path / "project", DOCKER_HOST=address), "beside", "Podman")
        loaded(podman, api, runner_image)
        yield seat, lambda name: loaded(podman, api, name)


@pytest.fixture
def rootless_seat(api, runner_image, hostile) -> Iterator[tuple[Seat, Any]]:
    with machine(api, runner_image) as made:
        environ = {"HOME": "/home/user", "DOCKER_HOST": "unix:///run/user/1000/docker.sock"}
        seat = Seat(made.prefix("/home/user/project", user="1000", **environ), "beside", "rootless")
        made.begin("start-rootless")
        answering(seat)

        def filled_with(name: str) -> str:
            filled(seat, name)
            return name

        filled(seat, runner_image)
        yield seat, filled_with


@pytest.mark.parametrize("kind", ["podman", "rootless"])
@pytest.mark.parametrize("relay", ["beside", "container"])
def test_a_connector_finds_nothing_to_swap(request, api, hostile, victim, runner_image, kind, relay):
    seat, there = request.getfixturevalue(f"{kind}_seat")
    attacks = ["swap", "nest", "fill", "connect 169.254.169.254:80", "records 20", "state"]
    source = {
        "image": there(hostile("airbyte", "0")),
        "kind": "airbyte",
        "config": {"victim": victim, "attacks": attacks},
    }
    target = {
        "image": there(image(api, "target", runs_as="1000", anybody=True)),
        "kind": "singer",
        "mounts": ["rows:/data"],
    }
    target["config"] = {"path": "/data/rows.jsonl", "password": "s3cret"}
    target["user"] = "0:0"  # the volume belongs to its root
    text = json.dumps({"version": 1, "sources": {"source": source}, "targets": {"target": target}})
    seat.well("sh", "-c", 'mkdir -p "$TAPDOCK_PROJECT" && printf %s "$1" >"$TAPDOCK_PROJECT/tapdock.yaml"', "sh", text)
    environ = (f"TAPDOCK_RELAY={relay}", f"TAPDOCK_RELAY_IMAGE={runner_image}")
    ended = seat(*environ, "tapdock", "run", "source", "target", "--json", "--log-format", "json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["relay"] == relay
    *swapped, connected = messages_of(ended.stderr)
    assert swapped == ["swapped []", "nested 0", "filled 0"]
    blocked = connected.startswith("refused 169.254.169.254:80 111")  # only the container itself answers
    assert blocked == (kind != "podman"), connected
    assert seat.leftovers() == ""
