"""Tests a pod that was written by hand: with read-only pipes, and without `readOnly`."""

import dataclasses
import json
import subprocess

import msgspec
import pytest

from connectors.images import image
from engines.podman import loaded
from engines.test_pod import POD, events, launches, manifest, rows
from tapdock.events import Verdict
from tapdock.launch import InputFile

pytestmark = pytest.mark.docker
ATTACKS = ["swap", "nest", "fill", "records 20", "state"]


@pytest.fixture
def attack(podman, api, hostile, runner_image, tmp_path):
    """attack(read_only=…) -> a running pod whose source attacks. The pod is removed afterwards."""
    target = loaded(podman, api, image(api, "target", runs_as="1000", anybody=True))
    names = {"source": loaded(podman, api, hostile("airbyte", "0")), "target": target}
    names["relay"] = loaded(podman, api, runner_image)
    for name in ("data", "plan"):
        (tmp_path / name).mkdir()
    (tmp_path / "data").chmod(0o777)

    def play(*, read_only: bool) -> None:
        plan, source, target = launches("until users 1")
        config = InputFile("config.json", json.dumps({"victim": "/plan/plan.json", "attacks": ATTACKS}).encode())
        files = tuple(config if file.name == "config.json" else file for file in source.files)
        source = dataclasses.replace(source, files=files, entrypoint=("python3", "/usr/local/lib/attacker.py"))
        plan = msgspec.structs.replace(plan, source_files=files)
        (tmp_path / "plan" / "plan.json").write_bytes(msgspec.json.encode(plan))
        pod = manifest(source, target, names, tmp_path, read_only=read_only)
        (tmp_path / "pod.yaml").write_text(json.dumps(pod))
        podman("play", "kube", "--replace", str(tmp_path / "pod.yaml"))

    yield play
    subprocess.run(["podman", "pod", "rm", "--force", POD], env=podman.environ, capture_output=True)
    subprocess.run(["podman", "volume", "prune", "--force"], env=podman.environ, capture_output=True)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_source_harms_nobody(podman, attack, tmp_path, read_only):
    """If the source can write into the folder of the pipes, it does, and tapdock never opens its files."""
    attack(read_only=read_only)
    verdict = events(podman)[-1]
    assert isinstance(verdict, Verdict)
    assert verdict.exit_code == 0, verdict
    said = subprocess.run(["podman", "logs", f"{POD}-source"], env=podman.environ, capture_output=True, text=True)
    assert ("swapped []" in said.stderr) == read_only, said.stderr
    assert len(rows(tmp_path)) == 21
    assert json.loads((tmp_path / "plan" / "plan.json").read_bytes())["run_id"] == "pod"
