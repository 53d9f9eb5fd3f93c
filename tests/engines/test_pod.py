"""Tests source, relay and target in a Pod that another scheduler starts.

No process of tapdock is outside of the Pod.
"""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from engines.podman import loaded
from engines.project import CONNECTORS, wait_for
from tapdock.connectors.kinds import airbyte, singer
from tapdock.connectors.selection import select_streams
from tapdock.engines.launcher import command
from tapdock.events import Committed, Event, Verdict
from tapdock.launch import ImageFacts, Launch
from tapdock.project.model import Connector
from tapdock.protocol.catalog import configured_catalog, parse_catalog
from tapdock.relay.plan import RelayPlan

POD = "tapdock-test"
PIPES, MEMORY = "/tapdock/pipes", "/tapdock/files"
# The containers of a pod start in any order. When the last pipe of the relay has its name, all containers run.
WAIT = 'until [ -p "$0" ]; do sleep 0.1; done; exec "$@"'
pytestmark = pytest.mark.docker


@pytest.fixture
def pod(podman, api, images, runner_image, tmp_path):
    """pod(*steps) -> a running pod whose source executes these steps. The pod is removed afterwards."""
    names = {program: loaded(podman, api, images[program]) for program in ("source", "target")}
    names["relay"] = loaded(podman, api, runner_image)
    for name in ("data", "plan"):
        (tmp_path / name).mkdir()
    (tmp_path / "data").chmod(0o777)

    def play(*steps: str) -> None:
        plan, source, target = launches(*steps)
        (tmp_path / "plan" / "plan.json").write_bytes(msgspec.json.encode(plan))
        (tmp_path / "pod.yaml").write_text(json.dumps(manifest(source, target, names, tmp_path)))
        podman("play", "kube", "--replace", str(tmp_path / "pod.yaml"))

    yield play
    subprocess.run(["podman", "pod", "rm", "--force", POD], env=podman.environ, capture_output=True)
    volumes = subprocess.run(["podman", "volume", "prune", "--force"], env=podman.environ, capture_output=True)
    assert volumes.returncode == 0


def events(podman) -> list[Event]:
    """Return the events that the relay emitted, after the pod has ended."""
    ended(podman)
    return [msgspec.json.decode(line, type=Event) for line in podman("logs", f"{POD}-relay").splitlines()]


def ended(podman) -> None:
    wait_for(lambda: states(podman) == {"Exited"}, "the end of the pod")


def rows(folder: Path) -> list[str]:
    file = folder / "data" / "rows.jsonl"
    return file.read_text().splitlines() if file.exists() else []


def states(podman) -> set[str]:
    """Return the `State` of the three containers, as reported by podman."""
    containers = json.loads(podman("ps", "--all", "--format", "json", "--filter", f"pod={POD}"))
    mine = [each for each in containers if each["Names"][0].rpartition("-")[2] in ("source", "relay", "target")]
    return {each["State"].capitalize() for each in mine} if len(mine) == 3 else {"Absent"}


def launches(*steps: str) -> tuple[RelayPlan, Launch, Launch]:
    """Return the launches that `tapdock run` makes of a project, as values."""
    config = {"token": "t", "steps": steps}
    program = [sys.executable, CONNECTORS / "source.py", "discover", "--config", "/dev/stdin"]
    said = subprocess.run(program, input=json.dumps(config).encode(), check=True, stdout=subprocess.PIPE).stdout
    offered = parse_catalog(json.dumps(json.loads(said)["catalog"]).encode())
    streams = select_streams(offered, (), {})
    facts = ImageFacts(image="", digest="", entrypoint=("connector",))
    source = airbyte.read(
        Connector(name="source", role="source", image=""),
        facts,
        config=config,
        catalog=configured_catalog(streams),
        state=None,
    )
    target = singer.write(Connector(name="target", role="target", image=""), facts, config={"path": "/data/rows.jsonl"})
    files = {"source_files": source.files, "target_files": target.files}
    plan = RelayPlan(run_id="pod", route="airbyte-singer", streams=streams, **files)
    return plan, source, target


def connector(launch: Launch, image: str, mounts: list[dict], *, read_only: bool = True) -> dict:
    """Return a connector's container. It waits for its pipes, and then its launcher starts as in every other place."""
    started = command(launch, pipes=PIPES, memory=MEMORY)
    side = launch.role
    return {
        "name": side,
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", WAIT, f"{PIPES}/orders", *started],
        "env": [{"name": name, "value": value} for name, value in launch.env.items()],
        "volumeMounts": [
            {"name": f"{side}-pipes", "mountPath": PIPES, "readOnly": read_only},
            {"name": f"{side}-files", "mountPath": MEMORY},
            *mounts,
        ],
    }


def manifest(source: Launch, target: Launch, names: dict[str, str], folder: Path, *, read_only: bool = True) -> dict:
    """Return the manifest of the pod, as a user would write it."""
    shared = [f"{side}-{what}" for side in ("source", "target") for what in ("pipes", "files")]
    data = {"name": "data", "mountPath": "/data"}
    permissions = {
        "name": "permissions",
        "image": names["source"],
        "imagePullPolicy": "Never",
        "securityContext": {"runAsUser": 0},
        "command": ["/bin/sh", "-c", "chmod 0777 /made/*"],
        "volumeMounts": [{"name": name, "mountPath": f"/made/{name}"} for name in shared],
    }
    relay = {
        "name": "relay",
        "image": names["relay"],
        "imagePullPolicy": "Never",
        "args": ["relay", PIPES, "--plan", "/plan/plan.json"],
        "volumeMounts": [
            *({"name": f"{side}-pipes", "mountPath": f"{PIPES}/{side}"} for side in ("source", "target")),
            {"name": "plan", "mountPath": "/plan"},
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD},
        "spec": {
            "restartPolicy": "Never",
            "hostNetwork": True,
            "initContainers": [permissions],
            "containers": [
                connector(source, names["source"], [], read_only=read_only),
                relay,
                connector(target, names["target"], [data], read_only=read_only),
            ],
            "volumes": [
                *({"name": name, "emptyDir": {}} for name in shared),
                {"name": "data", "hostPath": {"path": str(folder / "data"), "type": "Directory"}},
                {"name": "plan", "hostPath": {"path": str(folder / "plan"), "type": "Directory"}},
            ],
        },
    }


@pytest.mark.slow
def test_a_pod_moves_the_data_all_by_itself(podman, pod, tmp_path):
    pod("until users 50", "state", "until users 60")
    told = events(podman)
    verdict = told[-1]
    assert isinstance(verdict, Verdict)
    assert verdict.exit_code == 0, verdict
    assert [(report.stream, report.records) for report in verdict.streams] == [("users", 60)]
    *records, last = [json.loads(row) for row in rows(tmp_path)]
    assert [record["record"]["id"] for record in records] == list(range(1, 61))
    assert last == "done"
    states = [json.loads(event.state) for event in told if isinstance(event, Committed)]
    assert states[-1][0]["stream"]["stream_state"] == {"id": 50}


@pytest.mark.slow
def test_the_relay_is_killed_and_both_connectors_end(podman, pod, tmp_path):
    """A target must not treat a dead relay as the end of its input."""
    pod("until users 20", "state", "forever users")
    wait_for(lambda: rows(tmp_path), "the first rows")
    podman("kill", f"{POD}-relay")
    ended(podman)
    assert '"done"' not in rows(tmp_path)
