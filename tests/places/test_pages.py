"""Follows the pages whose commands need an engine, as written there. Built images stand in for those of a registry."""

import json
import uuid

import pytest

from connectors.images import base_image
from places.conftest import WRAPPED
from places.machines import IMAGES
from support.pages import Shell, Step, page_steps
from tapdock.engines import owner

pytestmark = pytest.mark.docker


@pytest.mark.slow
def test_the_example_of_the_readme(demo, tmp_path):
    names = {"airbyte/source-faker:7.2.1": IMAGES[0]}
    shell = Shell(tmp_path, names=names, TAPDOCK_BASE_IMAGE=base_image())
    said = {one.step.command: one.output for one in shell.follow(page_steps("README.md", "An example"))}
    assert "faker works" in said["tapdock check faker"]
    assert "purchases" in said["tapdock discover faker"]
    assert "demo succeeded" in said["tapdock run demo"]
    assert "users" in said["tapdock state show demo"]
    assert (tmp_path / "data" / "lake.duckdb").exists()


@pytest.mark.slow
def test_the_schedules_of_a_project(demo, tmp_path):
    names = {"airbyte/source-faker:7.2.1": IMAGES[0]}
    shell = Shell(tmp_path, names=names, TAPDOCK_BASE_IMAGE=base_image(), TZ="UTC")
    said = {one.step.command: one.output for one in shell.follow(page_steps("schedules.md"))}
    assert "demo succeeded" in said["tapdock schedule run nightly"]
    assert (tmp_path / "deploy" / "crontab").exists()
    assert (tmp_path / "deploy" / "tapdock-nightly.timer").exists()
    assert (tmp_path / ".github" / "workflows" / "tapdock-nightly.yml").exists()


@pytest.mark.slow
def test_the_scripts_of_tasks(demo, tmp_path):
    sections = page_steps("tasks.md", "A script", "A command of a shell", "By hand")
    shell = Shell(tmp_path, TAPDOCK_BASE_IMAGE=base_image())
    said = {one.step.command: one.output for one in shell.follow(sections)}
    assert "report: make --day yesterday without a key" in said["tapdock run report:make"]
    assert "report: clean" in said["tapdock run report:make report:clean"]
    assert "task | report.py" in said["tapdock run shell:ls"]
    assert said["tapdock invoke report:make -- --verbose"] == "report: make --day yesterday --verbose without a key\n"
    assert said["tapdock invoke report -- -c 'print(6 * 7)'"] == "42\n"


@pytest.mark.slow
def test_a_script_of_a_task_with_packages(demo, tmp_path):
    (_, _, ran) = Shell(tmp_path, TAPDOCK_BASE_IMAGE=base_image()).follow(
        page_steps("tasks.md", "A script with packages")
    )
    assert "settings: acme" in ran.output


@pytest.mark.slow
def test_the_networks_of_a_container(api, tmp_path):
    name = f"tapdock-test-{uuid.uuid4().hex[:8]}"
    labels = {"io.tapdock.test": "places", "io.tapdock.owner": owner.mine()}
    container = api.create_container(base_image(), name=name, labels=labels)
    try:
        (ended,) = Shell(tmp_path, names={"my-postgres": name}).follow(page_steps("networks.md"))
    finally:
        api.remove_container(container)
    assert ended.output.split() == ["bridge"]


@pytest.mark.slow
def test_an_image_of_a_connector_of_your_own(api, tmp_path):
    """The image finds its streams when tapdock asks it."""
    image = f"tapdock-test/numbers:{uuid.uuid4().hex[:8]}"
    names = {"python:3.12-slim": base_image(), "tap-numbers:1": image}
    shell = Shell(tmp_path, names=names, DOCKER_BUILDKIT="0")
    found = page_steps("own-connector.md")
    discover = "unset TAPDOCK_ENGINE; TAPDOCK_SOURCES__NUMBERS__IMAGE=tap-numbers:1 tapdock discover numbers --json"
    try:
        *_, asked = shell.follow([*found, Step("own-connector.md", "As an image", discover)])
        assert '"users"' in asked.output
    finally:
        api.remove_image(image)


@pytest.mark.slow
def test_a_wrapped_tap(wrapped, tmp_path):
    """A program that keeps its input stands in for the target."""
    tmp_path.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"count": 10, "seed": 1}))
    names = {"airbyte/source-faker:7.2.1": IMAGES[0], "tap-faker:7.2.1": WRAPPED}
    shell = Shell(tmp_path, names=names, TAPDOCK_BASE_IMAGE=base_image())
    shell.program("target-jsonl", "exec cat >messages.jsonl")
    shell.follow(page_steps("wrapped-taps.md"))
    messages = [json.loads(line) for line in (tmp_path / "messages.jsonl").read_text().splitlines()]
    assert [message["stream"] for message in messages if message["type"] == "RECORD"].count("users") == 10
    assert messages[-1]["type"] == "STATE"
