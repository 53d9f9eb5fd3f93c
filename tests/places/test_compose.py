"""Tests compose.yaml with a user's commands: the demo, and a PostgreSQL server and three kinds of object stores."""

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import compose as package
import pytest

from connectors.images import CHECKOUT, base_image
from places.machines import DEMO

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a project of somebody else"),
]
SERVICES = ("warehouse", "s3", "azure", "gcs")
WAREHOUSE = """\
version: 1
sources:
  faker:
    build: {airbyte: airbyte-source-faker==7.2.1}
    config: {count: 100, seed: 42, always_updated: false}
targets:
  base:
    build: {singer: meltanolabs-target-postgres==0.8.1, executable: target-postgres}
    config:
      host: warehouse
      port: 5432
      user: tapdock
      password: ${WAREHOUSE_PASSWORD}
      database: warehouse
      default_target_schema: public
"""


class Compose:
    """compose(*words), for a project of one test."""

    def __init__(self, project: Path, password: Path) -> None:
        self.name = f"tapdock-test-{uuid.uuid4().hex[:8]}"
        self._program = Path(package.__file__).with_name("docker-compose")
        self._environ = {
            "PATH": os.environ["PATH"],
            "TAPDOCK_PROJECT": str(project),
            "TAPDOCK_BASE_IMAGE": base_image(),
            "WAREHOUSE_PASSWORD_FILE": str(password),
            "DOCKER_BUILDKIT": "0",
        }

    def __call__(self, *words: str, project: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command, by default with the project of the test."""
        command = [self._program, "--file", CHECKOUT / "compose.yaml", "--project-name", self.name, *words]
        environ = self._environ | ({"TAPDOCK_PROJECT": str(project)} if project else {})
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300)

    def well(self, *words: str) -> str:
        ended = self(*words)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return ended.stdout

    def counts(self, *words: str) -> dict[str, int]:
        """Return the number of records by stream, from the output of `run`."""
        record = json.loads(self.well("run", "--rm", "runner", "run", *words, "--json"))
        return {stream["stream"]: stream["records"] for stream in record["streams"]}


@pytest.fixture
def compose(api, runner_image, project, tmp_path) -> Iterator[Compose]:
    """Yield a compose project. Its services and their volumes are removed afterwards."""
    (tmp_path / "password").write_text("correct horse\n")
    made = Compose(project, tmp_path / "password")
    yield made
    profiles = [word for service in SERVICES for word in ("--profile", service)]
    made.well(*profiles, "down", "--volumes", "--timeout", "5")
    assert api.containers(all=True, filters={"label": f"com.docker.compose.project={made.name}"}) == []


def test_the_demo(compose, project):
    (project / "tapdock.yaml").unlink()
    compose.well("run", "--rm", "runner", "init")
    assert compose.counts("demo") == DEMO
    assert set(compose.counts("demo").values()) == {0}
    assert {path.stat().st_uid for path in project.rglob("*")} == {1234}


def test_projects_with_the_same_names_have_their_own_states(compose, project, tmp_path):
    """The second project belongs to another user. It reads everything, and uses nothing of the first one."""
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(project / "tapdock.yaml", other)
    for path in (other, other / "tapdock.yaml"):
        shutil.chown(path, 4321, 4321)
    assert compose.counts("demo") == DEMO
    ended = compose("run", "--rm", "runner", "run", "demo", "--json", project=other)
    assert ended.returncode == 0, ended.stderr
    assert {one["stream"]: one["records"] for one in json.loads(ended.stdout)["streams"]} == DEMO
    assert {path.stat().st_uid for path in other.rglob("*")} == {4321}
    for folder in (project, other):
        assert list((folder / ".tapdock" / "state").glob("*.json"))


def test_a_project_that_does_not_exist_is_an_error(compose, tmp_path):
    """Nothing is created, and the example does not run in its place."""
    missing = tmp_path / "shpo"
    ended = compose("run", "--rm", "runner", "run", "demo", project=missing)
    assert ended.returncode != 0
    assert "shpo" in ended.stderr
    assert not missing.exists()


def test_a_folder_without_a_project_is_an_error(compose, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    ended = compose("run", "--rm", "runner", "run", "demo", project=empty)
    assert (ended.returncode, "there is no tapdock.yaml in /project" in ended.stderr) == (2, True)
    assert not list(empty.iterdir())


def test_services_beside_it(compose, project, tmp_path):
    """All services become healthy. A connector finds a service by its name, with a password from a file."""
    subprocess.run([CHECKOUT / "scripts" / "images", *SERVICES], check=True, capture_output=True)
    profiles = [word for service in SERVICES for word in ("--profile", service)]
    compose.well(*profiles, "up", "--detach", "--wait", *SERVICES)
    (project / "tapdock.yaml").write_text(WAREHOUSE)
    shutil.chown(project / "tapdock.yaml", 1234, 1234)
    assert compose.counts("faker", "base")["users"] == 100
    query = ("psql", "--username=tapdock", "--dbname=warehouse", "--no-align", "--tuples-only", "--command")
    counted = compose.well("exec", "warehouse", *query, "SELECT count(*), count(DISTINCT id) FROM users")
    assert counted.strip() == "100|100"
    doctor = json.loads(compose.well("run", "--rm", "runner", "doctor", "--json"))
    found = {finding["what"]: finding["found"] for finding in doctor["findings"]}
    assert f"connectors join {compose.name}_default" in found["container"]
    assert "correct horse" not in json.dumps(doctor)


def test_a_warehouse_without_a_password(compose, tmp_path):
    (tmp_path / "password").write_text("")
    subprocess.run([CHECKOUT / "scripts" / "images", "warehouse"], check=True, capture_output=True)
    ended = compose("--profile", "warehouse", "up", "--detach", "--wait", "warehouse")
    assert ended.returncode != 0
    assert "WAREHOUSE_PASSWORD_FILE" in compose.well("--profile", "warehouse", "logs", "warehouse")
