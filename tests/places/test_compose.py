"""Tests compose.yaml with a user's commands: those of its page, projects of different owners, and mistakes."""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.images import CHECKOUT, base_image, image
from engines.project import wait_for
from places.conftest import COMPOSE
from places.machines import DEMO
from support.pages import PAGES, Step, page_steps, services
from support.schedules import events_of, minutes_of

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a project of somebody else"),
]
SERVICES = ("warehouse", "s3", "azure", "gcs")


class Compose:
    """compose(*words), for a project of one test."""

    def __init__(self, project: Path, password: Path, version: str) -> None:
        self.name = f"tapdock-test-{uuid.uuid4().hex[:8]}"
        self._environ = {
            "PATH": os.environ["PATH"],
            "TAPDOCK_PROJECT": str(project),
            "TAPDOCK_BASE_IMAGE": base_image(),
            "TAPDOCK_VERSION": version,
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
    made = Compose(project, tmp_path / "password", runner_image.rpartition(":")[2])
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


class Scheduler:
    """The service `scheduler`, with two schedules of one minute. The runs of `slow` do not end by themselves."""

    def __init__(self, api, compose: Compose, folder: Path) -> None:
        self._api, self._compose, self.folder = api, compose, folder
        sides = {"image": image(api, "source"), "kind": "airbyte"}, {"image": image(api, "target"), "kind": "singer"}
        whole: dict[str, Any] = {"version": 1, "sources": {}, "targets": {}, "pipelines": {}, "schedules": {}}
        steps = ["until users 9", "state"]
        for name, its in {"quick": steps, "slow": [*steps, "silent"]}.items():
            whole["sources"][f"from-{name}"] = {**sides[0], "config": {"token": "x", "steps": its}, "exit_grace": "10s"}
            config = {"path": f"/data/{name}.jsonl", "password": "x"}
            whole["targets"][f"into-{name}"] = {**sides[1], "config": config, "mounts": ["./data:/data"]}
            whole["pipelines"][name] = {"source": f"from-{name}", "target": f"into-{name}"}
            whole["schedules"][name] = {"run": name, "cron": "* * * * *"}
        (folder / "tapdock.yaml").write_text(json.dumps(whole))
        (folder / ".env").write_text("TAPDOCK_LOG_FORMAT=json\n")
        shutil.chown(folder / ".env", 1234, 1234)

    @property
    def container(self) -> str:
        return self._compose.well("--profile", "scheduler", "ps", "--all", "--quiet", "scheduler").strip()

    def up(self) -> None:
        self._compose.well("--profile", "scheduler", "up", "--detach", "scheduler")

    @property
    def said(self) -> str:
        return self._compose.well("--profile", "scheduler", "logs", "--no-log-prefix", "scheduler")

    def wait(self, schedule: str, words: str, count: int = 1) -> dict[str, Any]:
        """Wait for the event with this number, and return it."""

        def has_happened() -> bool:
            return len(events_of(self.said, schedule, words)) >= count

        wait_for(has_happened, f"`{words}` of {schedule} ({count})", seconds=200)
        return events_of(self.said, schedule, words)[count - 1]

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob(".tapdock/runs/*/record.json"))]

    def connectors(self, *run_ids: str) -> list[str]:
        """Return the names of the containers of these runs that are there, running or not."""
        names = [name for one in self._api.containers(all=True) for name in one["Names"]]
        return [name for name in names if any(run_id in name for run_id in run_ids)]

    def rows(self, name: str) -> list[int]:
        lines = (self.folder / "data" / f"{name}.jsonl").read_text().splitlines()
        return [json.loads(line)["record"]["id"] for line in lines if line != '"done"']


@pytest.mark.slow
def test_two_schedules_a_kill_and_a_run_that_overlaps(api, compose, project):
    """Each minute is run, skipped or reported as missed, and none of them twice. Connectors end with a killed run.

    First, the processes in the container are killed: it starts again by itself. Then the container is killed.
    """
    (project / "data").mkdir()
    os.chown(project / "data", 1234, 1234)
    service = Scheduler(api, compose, project)
    service.up()
    service.wait("quick", "succeeded")
    service.wait("slow", "started")
    service.wait("slow", "skipped: the run before it goes on")
    service.wait("quick", "succeeded", 2)
    wait_for(lambda: list(project.glob(".tapdock/state/*slow*")), "the saved state of the slow run")
    first = [each["run_id"] for each in service.records() if each["pipeline"] == "slow"]
    wait_for(lambda: len(service.connectors(*first)) == 2, "the connectors of the first run")
    inside = api.exec_create(service.container, ["sh", "-c", "kill -9 -1"], user="1234")
    api.exec_start(inside)
    service.wait("slow", "ended while no scheduler ran: killed")
    service.wait("slow", "started", 2)
    wait_for(lambda: not service.connectors(*first), "the removal of the killed run's connectors")
    service.wait("quick", "succeeded", 3)
    second = [each["run_id"] for each in service.records() if each["pipeline"] == "slow"][1:]
    wait_for(lambda: len(service.connectors(*second)) == 2, "the connectors of the second run")
    api.kill(service.container)
    time.sleep(125)  # two times are missed
    assert api.inspect_container(service.container)["State"]["Running"] is False
    service.up()
    service.wait("slow", "ended while no scheduler ran: killed", 2)
    service.wait("quick", "runs were missed")
    service.wait("slow", "started", 3)
    wait_for(lambda: not service.connectors(*second), "the removal of the killed run's connectors")
    service.wait("quick", "succeeded", 4)
    compose.well("--profile", "scheduler", "stop", "scheduler")
    assert api.inspect_container(service.container)["State"]["ExitCode"] == 0
    assert "the scheduler has stopped" in service.said
    records = service.records()
    runs = [(each["schedule"], each["scheduled_for"]) for each in records]
    assert len(runs) == len(set(runs)), "no time runs twice"
    assert {each["status"] for each in records if each["pipeline"] == "quick"} <= {"succeeded", "stopped"}
    for name in ("quick", "slow"):
        found = minutes_of(events_of(service.said, name, "started|skipped|runs were"))
        times = [datetime.fromisoformat(text) for text in found]
        assert times == [times[0] + timedelta(minutes=number) for number in range(len(times))], found
        assert service.rows(name) == list(range(1, 10)), "nothing is written twice, and nothing is lost"
    assert not service.connectors(*(each["run_id"] for each in records))
