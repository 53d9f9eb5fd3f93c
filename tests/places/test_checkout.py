"""Tests the commands in the repository's files for other places: unchanged, with an engine on the machine."""

import json
import re
import subprocess

import pytest
import yaml

from connectors.images import CHECKOUT, base_image
from places.machines import DEMO, IMAGES, Machine, Seat, dev_container, filled

pytestmark = pytest.mark.docker
FOLDER = "/srv/tapdock"


class Terminal:
    """The shell of a user who can use the engine, in a checkout on a machine."""

    def __init__(self, machine: Machine, user: str, path: str) -> None:
        settings = (
            f"PATH={path}:/usr/local/bin:/usr/bin:/bin",
            f"HOME=/home/{user}",
            f"TAPDOCK_BASE_IMAGE={base_image()}",
        )
        self.prefix = ("docker", "exec", f"--user={user}", f"--workdir={FOLDER}", machine.name, "env", *settings)

    def __call__(self, script: str, **environ: str) -> str:
        assigned = [f"{name}={value}" for name, value in environ.items()]
        shell = ("bash", "-e", "-o", "pipefail", "-c", script)
        ended = subprocess.run([*self.prefix, *assigned, *shell], capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, f"{script}\n{ended.stdout}{ended.stderr}"
        return ended.stdout


def check_out(machine: Machine, user: str) -> None:
    """Copy the repository as git has it, and give it to that user."""
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    names = subprocess.run(listed, cwd=CHECKOUT, check=True, capture_output=True).stdout
    packed = subprocess.run(
        ("tar", "--create", "--null", "--files-from=-"), cwd=CHECKOUT, input=names, check=True, capture_output=True
    )
    unpack = f"rm -rf {FOLDER}; mkdir {FOLDER}; tar -xC {FOLDER}; chown -R {user} {FOLDER}; usermod -aG docker {user}"
    subprocess.run(("docker", "exec", "-i", machine.name, "sh", "-ec", unpack), input=packed.stdout, check=True)


def test_the_dev_container(api, demo):
    """The dev container's own image and commands. Its privileges are granted one by one here."""
    folder = CHECKOUT / ".devcontainer"
    text = re.sub(r"^ *//.*$|// for that engine$", "", (folder / "devcontainer.json").read_text(), flags=re.MULTILINE)
    config = json.loads(text)
    path = config["remoteEnv"]["PATH"].replace("${containerWorkspaceFolder}", FOLDER)
    user = config["remoteUser"]
    with dev_container(api, (folder / config["build"]["dockerfile"]).read_bytes()) as machine:
        check_out(machine, user)
        terminal = Terminal(machine, user, path.replace(":${containerEnv:PATH}", ""))
        terminal(config["postCreateCommand"])
        terminal(config["postStartCommand"])
        filled(Seat(machine.prefix(FOLDER), "", "dev container"), *IMAGES)
        said = terminal("scripts/demo", BASE_IMAGE=base_image())
        assert "demo succeeded" in said
        assert "users       10,000 rows" in said
        assert terminal(f"find {FOLDER}/.demo -not -user {user}") == ""


def test_the_workflow(inner_machine):
    check_out(inner_machine, "user")
    workflow = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "pipeline.yaml").read_text())
    terminal = Terminal(inner_machine, "user", "/home/user/python/bin")
    terminal("python3 -m venv /home/user/python")  # as after actions/setup-python
    for step in workflow["jobs"]["run"]["steps"]:
        if "run" in step:
            terminal(step["run"], **workflow["env"])
    record = json.loads(terminal("tapdock runs show latest --json", **workflow["env"]))
    assert {stream["stream"]: stream["records"] for stream in record["streams"]} == DEMO
    kept = [step["with"]["path"] for step in workflow["jobs"]["run"]["steps"] if "cache/" in step.get("uses", "")]
    folder = kept[0].replace("${{ env.TAPDOCK_PROJECT }}", workflow["env"]["TAPDOCK_PROJECT"])
    assert kept == [kept[0]] * 2
    assert "faker-to-lake" in terminal(f"ls {folder}")
