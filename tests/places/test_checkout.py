"""What the repository says for places that read it: its own commands, as they stand, with an engine beside them."""

import json
import re
import subprocess

import pytest
import yaml

from connectors.images import CHECKOUT, base_image
from places.machines import DEMO, Machine

pytestmark = pytest.mark.docker
FOLDER = "/home/user/tapdock"


class Terminal:
    """A shell of somebody who may use the engine, in a checkout."""

    def __init__(self, machine: Machine, path: str) -> None:
        settings = (
            f"PATH={path}:/usr/local/bin:/usr/bin:/bin",
            "HOME=/home/user",
            f"TAPDOCK_BASE_IMAGE={base_image()}",
        )
        self.prefix = ("docker", "exec", "--user=user", f"--workdir={FOLDER}", machine.name, "env", *settings)

    def __call__(self, script: str, **environ: str) -> str:
        assigned = [f"{name}={value}" for name, value in environ.items()]
        shell = ("bash", "-e", "-o", "pipefail", "-c", script)
        ended = subprocess.run([*self.prefix, *assigned, *shell], capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, f"{script}\n{ended.stdout}{ended.stderr}"
        return ended.stdout


@pytest.fixture
def checkout(inner_machine) -> Machine:
    """The machine, with the repository as git has it, and a user of the group `docker`."""
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    names = subprocess.run(listed, cwd=CHECKOUT, check=True, capture_output=True).stdout
    packed = subprocess.run(
        ("tar", "--create", "--null", "--files-from=-"), cwd=CHECKOUT, input=names, capture_output=True
    )
    unpack = f"rm -rf {FOLDER}; mkdir {FOLDER}; tar -xC {FOLDER}; chown -R user {FOLDER}; usermod -aG docker user"
    subprocess.run(("docker", "exec", "-i", inner_machine.name, "sh", "-ec", unpack), input=packed.stdout, check=True)
    return inner_machine


def test_the_dev_container(checkout):
    text = (CHECKOUT / ".devcontainer" / "devcontainer.json").read_text()
    config = json.loads(re.sub(r"^ *//.*$", "", text, flags=re.MULTILINE))
    path = config["remoteEnv"]["PATH"].replace("${containerWorkspaceFolder}", FOLDER)
    terminal = Terminal(checkout, path.replace(":${containerEnv:PATH}", ""))
    terminal(config["postCreateCommand"])
    said = terminal("scripts/demo", BASE_IMAGE=base_image())
    assert "demo succeeded" in said
    assert "users       10,000 rows" in said
    assert terminal(f"find {FOLDER}/.demo -not -user user") == ""


def test_the_workflow(checkout):
    workflow = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "pipeline.yaml").read_text())
    terminal = Terminal(checkout, "/home/user/python/bin")
    terminal("python3 -m venv /home/user/python")  # as actions/setup-python has one that takes packages
    for step in workflow["jobs"]["run"]["steps"]:
        if "run" in step:
            terminal(step["run"], **workflow["env"])
    record = json.loads(terminal("tapdock runs show latest --json", **workflow["env"]))
    assert {stream["stream"]: stream["records"] for stream in record["streams"]} == DEMO
    kept = [step["with"]["path"] for step in workflow["jobs"]["run"]["steps"] if "cache/" in step.get("uses", "")]
    folder = kept[0].replace("${{ env.TAPDOCK_PROJECT }}", workflow["env"]["TAPDOCK_PROJECT"])
    assert kept == [kept[0]] * 2
    assert "faker-to-lake" in terminal(f"ls {folder}")
