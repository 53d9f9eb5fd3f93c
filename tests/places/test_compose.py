"""Tests compose.yaml with a user's commands: those of its page, projects of different owners, and mistakes."""

import json
import os
import re
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from connectors.images import CHECKOUT, base_image
from places.conftest import COMPOSE
from places.machines import DEMO
from support.pages import PAGES, Step, page_steps, services

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a project of somebody else"),
]
SERVICES = ("warehouse", "s3", "azure", "gcs")


class Compose:
    """compose(*words), for a project of one test."""

    def __init__(self, project: Path, password: Path) -> None:
        self.name = f"tapdock-test-{uuid.uuid4().hex[:8]}"
        self._environ = {
            "PATH": os.environ["PATH"],
            "TAPDOCK_PROJECT": str(project),
            "TAPDOCK_BASE_IMAGE": base_image(),
            "WAREHOUSE_PASSWORD_FILE": str(password),
            "DOCKER_BUILDKIT": "0",
        }

    def __call__(self, *words: str, project: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command, by default with the project of the test."""
        command = [COMPOSE, "--file", CHECKOUT / "compose.yaml", "--project-name", self.name, *words]
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
    made.well("--profile", "*", "down", "--volumes", "--timeout", "5")
    assert api.containers(all=True, filters={"label": f"com.docker.compose.project={made.name}"}) == []


@pytest.mark.slow
def test_projects_with_the_same_names_have_their_own_states(compose, project, tmp_path):
    """The second project belongs to another user. It reads everything, and uses nothing of the first one."""
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(project / "tapdock.yaml", other)
    for path in (other, other / "tapdock.yaml"):
        shutil.chown(path, 4321, 4321)
    assert compose.counts("demo") == DEMO
    assert set(compose.counts("demo").values()) == {0}
    assert {path.stat().st_uid for path in project.rglob("*")} == {1234}
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


CONNECTS = """\
import os, sys
import boto3, psycopg
from azure.storage.blob import BlobServiceClient
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
host, port, user, password, database = sys.argv[1:]
address = f"http://{host}:{port}"
if host == "warehouse":
    word = open(os.environ["WAREHOUSE_PASSWORD_FILE"]).readline().strip()
    psycopg.connect(host=host, port=port, user=user, password=word, dbname=database).execute("SELECT 1")
elif host == "s3":
    login = {"aws_access_key_id": user, "aws_secret_access_key": password}
    boto3.client("s3", "us-east-1", endpoint_url=address, **login).create_bucket(Bucket="rows")
elif host == "azure":
    text = f"DefaultEndpointsProtocol=http;AccountName={user};AccountKey={password};BlobEndpoint={address}/{user};"
    BlobServiceClient.from_connection_string(text).create_container("rows")
else:
    client = storage.Client("any", AnonymousCredentials(), client_options={"api_endpoint": address})
    client.create_bucket("rows")
print("connected to", host)
"""


def connection(host: str, port: str, user: str, password: str, database: str, *_: str) -> Step:
    """Return a command that connects to a server, with the values of its row."""
    words = shlex.join((CONNECTS, host, port, user, password, database))
    return Step("compose.md", host, f"docker compose run --rm --entrypoint python runner -c {words}")


def example(section: str) -> Step:
    """Return the example project with the target of that section, and with fewer records."""
    text = PAGES["compose.md"].read_text().partition(f"## {section}\n")[2]
    shown = yaml.safe_load(re.findall(r"^```yml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[0])
    whole = yaml.safe_load((CHECKOUT / "runner" / "tapdock" / "cli" / "example.yaml").read_text())
    whole["sources"]["faker"]["config"]["count"] = 100
    whole["targets"] |= shown["targets"]
    return Step("compose.md", section, yaml.safe_dump(whole), file="../shop/tapdock.yaml")


@pytest.mark.slow
def test_the_commands_of_the_page(clone, runner_image):
    """All servers become healthy. A connector, a client of each server and the machine reach them as the page says."""
    subprocess.run([CHECKOUT / "scripts" / "images", *SERVICES], check=True, capture_output=True)
    found = page_steps("compose.md")
    at = next(number for number, step in enumerate(found) if step.section == "From a connector")
    found[at:at] = [example("From a connector"), *(connection(name, *services()[name]) for name in SERVICES)]
    ended = clone.follow(found, timeout=600)
    said = {one.step.text: one.output for one in ended}
    assert "demo succeeded" in said["docker compose run --rm runner run demo"]
    assert [one.step.section for one in ended if f"connected to {one.step.section}\n" in one.output] == list(SERVICES)
    assert [output.split()[2] for text, output in said.items() if "SELECT count" in text] == ["100"]
    assert "127.0.0.1:" in said["docker compose port warehouse 5432"]


def test_up_without_a_profile_says_so(compose):
    ended = compose("up", "--detach", "--wait")
    assert "no service selected" in ended.stderr


def test_a_warehouse_without_a_password(compose, tmp_path):
    (tmp_path / "password").write_text("")
    subprocess.run([CHECKOUT / "scripts" / "images", "warehouse"], check=True, capture_output=True)
    ended = compose("--profile", "warehouse", "up", "--detach", "--wait", "warehouse")
    assert ended.returncode != 0
    assert "WAREHOUSE_PASSWORD_FILE" in compose.well("--profile", "warehouse", "logs", "warehouse")
