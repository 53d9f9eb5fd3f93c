"""Tests the user data of scripts/ec2 on an instance: the first boot, and who can read the profile's credentials."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.images import CHECKOUT, base_image
from engines.project import wait_for
from places.machines import IMAGES, Seat, answering, filled, instance
from tapdock.engines import owner

pytestmark = pytest.mark.docker
EC2 = CHECKOUT / "scripts" / "ec2"
SECRETS = "/tapdock/test"
PASSPHRASE = "correct-horse-730194526"
PROJECT = """\
version: 1
sources:
  faker:
    build: {airbyte: airbyte-source-faker==7.2.1}
    config: {count: 50, seed: 1, always_updated: false}
    env: {PASSPHRASE: "${PASSPHRASE}"}
targets:
  lake:
    build: {singer: target-duckdb==0.8.0}
    config: {filepath: /data/lake.duckdb, default_target_schema: main}
    mounts: ["./data:/data"]
pipelines:
  nightly: {source: faker, target: lake}
"""


def user_data(*options: str, project: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([EC2, "--project", project, *options], capture_output=True, text=True)


@pytest.fixture
def written(tmp_path) -> Path:
    (tmp_path / "tapdock.yaml").write_text(PROJECT)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ((), "--install"),
        (("--install", "tapdock", "--secrets", SECRETS), "tapdock[s3]"),
        (("--install", "tapdock", "--project", "/nowhere"), "--project"),
        (("--install",), "the top of"),
        (("--weekly", "yes"), "the top of"),
    ],
)
def test_what_is_missing_is_said(written, options, hint):
    ended = user_data(*options, project=written)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert hint in ended.stderr


def test_more_than_an_instance_takes(written):
    (written / "tapdock.yaml").write_text(PROJECT + "# löng\n" * 2000)
    ended = user_data("--install", "tapdock", project=written)
    assert ended.returncode == 2
    assert "EC2 accepts only 16384" in ended.stderr


@pytest.mark.parametrize("text", ["  # indented\n" + PROJECT, PROJECT.rstrip("\n"), PROJECT + "# ä\n"])
def test_the_project_file_is_the_same_there(tmp_path, text):
    (tmp_path / "tapdock.yaml").write_text(text)
    files = yaml.safe_load(user_data("--install", "tapdock", project=tmp_path).stdout)["write_files"]
    assert {file["path"]: file["content"].rstrip("\n") for file in files}["/srv/tapdock/tapdock.yaml"] == text.rstrip(
        "\n"
    )
    assert [file["path"] for file in files][1] == "/etc/default/tapdock"


@pytest.fixture
def parameters(api) -> Iterator[str]:
    """Return the address of a Systems Manager with one parameter."""
    image = subprocess.run([CHECKOUT / "scripts" / "images", "s3"], check=True, capture_output=True, text=True).stdout
    labels = {"io.tapdock.test": "ec2", "io.tapdock.owner": owner.mine()}
    container = api.create_container(image.strip(), labels=labels)
    try:
        api.start(container)
        wait_for(lambda: api.inspect_container(container)["State"]["Health"]["Status"] == "healthy", "moto")
        _put(api, container, "PASSPHRASE", PASSPHRASE)
        yield f"http://{api.inspect_container(container)['NetworkSettings']['IPAddress']}:5000"
    finally:
        api.remove_container(container, force=True)


def _put(api: Any, container: Any, name: str, value: str) -> None:
    where = "endpoint_url='http://127.0.0.1:5000', region_name='eu-west-1'"
    what = f"Name='{SECRETS}/{name}', Value='{value}', Type='SecureString'"
    script = f"import boto3; boto3.client('ssm', {where}).put_parameter({what})"
    anybody = {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "anything"}
    started = api.exec_create(container, ["/opt/s3/bin/python", "-c", script], environment=anybody)
    said = api.exec_start(started)
    assert api.exec_inspect(started)["ExitCode"] == 0, said


@pytest.fixture
def booted(api, demo, written, parameters, tmp_path) -> Iterator[Seat]:
    """Return root's shell on an instance that booted with the user data and has finished its first run."""
    options = ("--install", "/opt/source[s3]", "--secrets", SECRETS, "--schedule", "*-*-* 03:00")
    folders = {
        "/var/lib/cloud/seed/nocloud": {
            "meta-data": "instance-id: i-0123456789\n",
            "user-data": user_data(*options, project=written).stdout,
        },
        "/etc/systemd/system/tapdock.service.d": {
            "test.conf": f"[Service]\nEnvironment=TAPDOCK_BASE_IMAGE={base_image()} AWS_ENDPOINT_URL_SSM={parameters}\n"
        },
    }
    mounts = [f"--volume={CHECKOUT}:/opt/source:ro"]
    for place, files in folders.items():
        folder = tmp_path / place.replace("/", "-")
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)
        mounts.append(f"--volume={folder}:{place}:ro")
    with instance(api, *mounts) as machine:
        seat = Seat(machine.prefix("/srv/tapdock"), "beside", "instance")
        answering(seat)
        machine.begin("metadata-network")
        filled(seat, *IMAGES)
        for stage in (("init", "--local"), ("init",), ("modules", "--mode=config"), ("modules", "--mode=final")):
            seat.well("cloud-init", *stage)
        try:
            wait_for(lambda: _property(seat, "ExecMainExitTimestamp"), "the first run", seconds=120)
        except AssertionError as error:
            status = seat("systemctl", "status", "tapdock.service").stdout
            raise AssertionError(f"{error}: {status}{_log(seat)}") from None
        yield seat


def _property(seat: Seat, name: str) -> str:
    return seat.well("systemctl", "show", "--value", "--property", name, "tapdock.service").strip()


def _log(seat: Seat) -> str:
    return seat.well("journalctl", "--unit=tapdock", "--no-pager", "--output=cat")


def test_an_instance_boots_and_runs(booted):
    assert _property(booted, "Result") == "success", _log(booted)
    assert "nightly succeeded" in _log(booted)
    assert booted.well("stat", "--format=%U", "/srv/tapdock/data/lake.duckdb").strip() == "tapdock"
    assert "03:00:00" in booted.well("systemctl", "list-timers", "--no-pager", "tapdock.timer")
    booted.well("systemctl", "start", "tapdock.service")
    assert "nightly succeeded in" in _log(booted).rpartition("run started")[2]
    assert ": 0 records;" in _log(booted).rpartition("run started")[2]
    for where in ("/srv", "/etc", "/run", "/var/log"):
        assert booted("grep", "--recursive", "--files-with-matches", PASSPHRASE, where).stdout == ""
    assert _who_gets_the_profile(booted) == {"tapdock"}
    booted.well("systemctl", "restart", "docker.service")
    assert _who_gets_the_profile(booted) == {"tapdock"}
    booted.well("systemctl", "stop", "tapdock-metadata.service")
    assert _who_gets_the_profile(booted) == {"tapdock", "bridge", "other"}, "what keeps connectors from it is that unit"


def _who_gets_the_profile(seat: Seat) -> set[str]:
    """Check that tapdock gets the profile's credentials, and a connector gets none on either kind of network."""
    script = "import boto3; print(boto3.Session().get_credentials().access_key)"
    asked = {"tapdock": seat("setpriv", "--reuid=tapdock", "--clear-groups", "/opt/tapdock/bin/python", "-c", script)}
    request = "import urllib.request as u; print(u.urlopen(u.Request(%r, method='PUT'), timeout=3).read())"
    script = request % "http://169.254.169.254/latest/api/token"
    seat("docker", "network", "create", "other")
    for network in ("bridge", "other"):
        options = ("--rm", f"--network={network}", "--entrypoint=python3")
        asked[network] = seat("docker", "run", *options, IMAGES[0], "-c", script)
    return {who for who, ended in asked.items() if ended.returncode == 0}
