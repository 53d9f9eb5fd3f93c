"""Tests an engine on another machine, by ssh. A container with the engine's socket represents that machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.images import base_image, made
from engines.leftovers import command_lines
from engines.project import wait_for
from tapdock.engines import owner

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(not shutil.which("ssh"), reason="there is no OpenSSH client here"),
]
HERE = Path(__file__).parent


@pytest.fixture
def machine(api, tmp_path):
    """Return the address of the machine, and an environment in which `ssh` has the key and the host."""
    keys = tmp_path / "keys"
    keys.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / "key"], check=True)
    image = made(
        api,
        "tapdock-test/sshd",
        {"Dockerfile": (HERE / "sshd" / "Dockerfile").read_bytes()},
        {"BASE_IMAGE": base_image()},
    )
    container = api.create_container(
        image,
        labels={"io.tapdock.test": "ssh", "io.tapdock.owner": owner.mine()},
        host_config=api.create_host_config(
            binds=[f"{keys}:/in:ro", "/var/run/docker.sock:/var/run/docker.sock"],
            port_bindings={22: ("127.0.0.1", None)},
            init=True,
        ),
        ports=[22],
    )
    try:
        api.start(container)
        port = api.port(container, 22)[0]["HostPort"]
        hosts = keys / "known_hosts"
        wait_for(lambda: _known(port, hosts), "the ssh server", seconds=20)
        yield f"ssh://root@127.0.0.1:{port}", _environ(tmp_path, keys, hosts)
    finally:
        api.remove_container(container, force=True, v=True)


def _known(port: str, hosts: Path) -> str:
    scanned = subprocess.run(["ssh-keyscan", "-p", port, "127.0.0.1"], capture_output=True, text=True).stdout
    hosts.write_text(scanned)
    return scanned


def _environ(folder: Path, keys: Path, hosts: Path) -> dict[str, str]:
    """Install a program `ssh` that calls the real one with this key, so that the user's own settings do not apply."""
    bin_ = folder / "bin"
    bin_.mkdir()
    script = f'#!/bin/sh\nexec {shutil.which("ssh")} -F none -i {keys / "key"} -o UserKnownHostsFile={hosts} "$@"\n'
    (bin_ / "ssh").write_text(script)
    (bin_ / "ssh").chmod(0o755)
    return {"PATH": f"{bin_}:{os.environ['PATH']}", "HOME": str(folder / "home"), "TMPDIR": str(folder)}


def tapdock(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("tapdock")
    return subprocess.run([program, *words], env=environ, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("relay", ["auto", "container"])
def test_the_demo_by_ssh(machine, demo, tmp_path, runner_image, relay):
    address, environ = machine
    project = shutil.copytree(demo, tmp_path / "project", ignore=shutil.ignore_patterns(".tapdock"))
    environ |= {"DOCKER_HOST": address, "TAPDOCK_PROJECT": str(project), "TAPDOCK_RELAY": relay}
    environ |= {"TAPDOCK_BASE_IMAGE": base_image(), "TAPDOCK_RELAY_IMAGE": runner_image}
    ended = tapdock(environ, "run", "demo", "--json")
    assert ended.returncode == 0, ended.stderr
    assert sum(stream["records"] for stream in json.loads(ended.stdout)["streams"]) == 20_100
    doctor = tapdock(environ, "doctor", "--json")
    assert address in doctor.stdout
    assert not [line for _, line in command_lines() if address.rpartition(":")[2] in line and "ssh" in line]
    assert list(tmp_path.glob("tapdock-run-*")) == []


def test_nobody_there(tmp_path):
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DOCKER_HOST": "ssh://root@127.0.0.1:1"}
    ended = tapdock(environ, "gc")
    assert ended.returncode == 8
    assert "ssh://root@127.0.0.1:1 cannot be reached: " in ended.stderr
    assert "hint: try `ssh -p 1 root@127.0.0.1 docker version`" in ended.stderr
