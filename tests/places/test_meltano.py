"""Tests real Meltano with a wrapped source in the source's image, without Docker, and import and export of states."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.images import made
from places.machines import Seat, here

pytestmark = [pytest.mark.docker, pytest.mark.slow]
STATE = "dev:tap-faker-to-target-jsonl"
RECIPE = b"""\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
USER root
RUN python3 -m venv /opt/meltano && /opt/meltano/bin/pip install -q meltano==4.4.* \\
 && python3 -m venv /opt/jsonl && /opt/jsonl/bin/pip install -q target-jsonl==0.1.4 'setuptools<80.9'
COPY meltano.yml /project/
RUN chmod 0666 /project/meltano.yml && chmod 0777 /project
WORKDIR /project
ENV MELTANO_SEND_ANONYMOUS_USAGE_STATS=false PATH=/opt/meltano/bin:$PATH
USER 1000
ENTRYPOINT ["sh", "-ec"]
"""
MELTANO = b"""\
version: 1
default_environment: dev
project_id: 0e1f3a52-7a2c-4f7e-9d3a-000000000000
environments: [{name: dev}]
plugins:
  extractors:
  - name: tap-faker
    namespace: tap_faker
    executable: /opt/tapdock/tap
    capabilities: [catalog, discover, state, about]
    config: {count: 500, seed: 1, always_updated: false}
  loaders:
  - name: target-jsonl
    namespace: target_jsonl
    executable: /opt/jsonl/bin/target-jsonl
    config: {destination_path: /out, do_timestamp_file: false}
"""
OURS = """\
version: 1
sources:
  faker:
    build: {airbyte: airbyte-source-faker==7.2.1}
    config: {count: 500, seed: 1, always_updated: false}
targets:
  lines:
    build: {singer: target-jsonl==0.1.4}
    config: {destination_path: /data, do_timestamp_file: false}
    mounts: ["./lines:/data"]
"""
Meltano = Callable[[str], None]


@pytest.fixture
def out(tmp_path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    folder.chmod(0o777)
    tmp_path.chmod(0o755)
    return folder


@pytest.fixture
def meltano(api, wrapped, out) -> Meltano:
    """meltano(script) in an empty project. Files in `/out` are kept."""
    files = {"Dockerfile": RECIPE, "meltano.yml": MELTANO}
    name = made(api, "tapdock-test/meltano", files, {"BASE_IMAGE": wrapped})

    def run(script: str) -> None:
        command = ["docker", "run", "--rm", "--volume", f"{out}:/out", name, f"mkdir -p .meltano; {script}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    return run


RUN = "meltano run tap-faker target-jsonl"
GET = f"meltano state get {STATE} > /out/state.json"


def test_two_incremental_runs(meltano, out):
    meltano(f"{RUN}; wc -l < /out/users.jsonl > /out/first; {RUN}; wc -l < /out/users.jsonl > /out/second; {GET}")
    assert int((out / "first").read_text()) == 500
    assert int((out / "second").read_text()) == 500
    state = json.loads((out / "state.json").read_text())
    assert {one["stream"]["stream_descriptor"]["name"] for one in state["singer_state"]["airbyte_state"]} >= {"users"}


def test_its_state_is_taken_over_and_given_back(meltano, out, tmp_path):
    """The next run is incremental, in tapdock and in Meltano."""
    meltano(f"{RUN}; {GET}")
    project = tmp_path / "project"
    project.mkdir()
    (project / "tapdock.yaml").write_text(OURS)
    seat = Seat(here(project), "beside", "")
    seat.well("tapdock", "state", "import", str(out / "state.json"), "faker-to-lines", "--format", "meltano")
    assert {stream["records"] for stream in seat.record("faker", "lines")["streams"]} == {0}

    first = seat.record("faker", "lines", "--full-refresh")
    assert sum(stream["records"] for stream in first["streams"]) == 500 + 500 + 100
    exported = seat.well("tapdock", "state", "export", "faker-to-lines", "--format", "meltano")
    (out / "exported.json").write_text(exported)
    (out / "exported.json").chmod(0o644)
    for file in out.glob("*.jsonl"):
        file.unlink()
    meltano(f"meltano state set --force {STATE} --input-file /out/exported.json; {RUN}")
    assert [file.name for file in out.glob("*.jsonl") if file.read_text()] == []
