"""Tests each option of a connector as arguments of the engine's API: a launch, and what it changes in the container."""

from typing import Any

import pytest

from tapdock.engines.docker.container_spec import container_spec
from tapdock.launch import FileArg, InputFile, Launch
from tapdock.project.connector_values import Mount

PLAIN = {"role": "source", "image": "sha256:1", "entrypoint": ("/tap",)}
SPEC: dict[str, Any] = {
    "command": [],
    "environment": {"TINI_KILL_PROCESS_GROUP": "1"},
    "user": None,
    "platform": None,
    "own_addresses": [],
    "host.binds": ["/pipes:/tapdock/pipes:ro"],
    "host.mounts": [],
    "host.tmpfs": {"/tapdock/files": "mode=1777,size=16777216"},
    "host.init": True,
    "host.cap_drop": ["ALL"],
    "host.cap_add": [],
    "host.security_opt": ["no-new-privileges"],
    "host.mem_limit": None,
    "host.memswap_limit": None,
    "host.nano_cpus": None,
    "host.pids_limit": 4096,
    "host.log_config": {"Type": "none", "Config": {}},
    "host.network_mode": None,
    "host.extra_hosts": [],
}
METADATA = ["169.254.169.254", "169.254.170.2", "169.254.170.23"]
MIB = 1 << 20


def flat(spec: dict[str, Any]) -> dict[str, Any]:
    """The arguments, with those of the host config as `host.…`, without the entrypoint."""
    plain = {key: value for key, value in spec.items() if key not in ("entrypoint", "host")}
    return plain | {f"host.{key}": value for key, value in spec["host"].items()}


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, {}),
        ({"env": {"TZ": "UTC"}}, {"environment": {"TZ": "UTC", "TINI_KILL_PROCESS_GROUP": "1"}}),
        ({"env": {"TINI_KILL_PROCESS_GROUP": "0"}}, {}),
        ({"user": "1000:1000"}, {"user": "1000:1000"}),
        ({"platform": "linux/arm64"}, {"platform": "linux/arm64"}),
        ({"is_root": True}, {"host.cap_add": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]}),
        ({"memory": 512 * MIB}, {"host.mem_limit": 512 * MIB, "host.memswap_limit": 512 * MIB}),
        ({"cpus": 1.5}, {"host.nano_cpus": 1_500_000_000}),
        ({"cpus": 0.01}, {"host.nano_cpus": 10_000_000}),
        ({"pids": 7}, {"host.pids_limit": 7}),
        ({"extra_hosts": ("db:10.0.0.5",)}, {"host.extra_hosts": ["db:10.0.0.5"]}),
        # a network of the run: metadata addresses belong to the container itself
        ({"networks": ("run",)}, {"host.network_mode": "run", "own_addresses": METADATA}),
        ({"networks": ("a", "b"), "guarded": False}, {"host.network_mode": "a"}),
        ({"scratch": True}, {"host.binds": ["/pipes:/tapdock/pipes:ro", "/both:/tapdock/scratch"]}),
        (
            {"mounts": (Mount("/a", "/b"), Mount("data", "/c", read_only=True, options=("z",)))},
            {"host.binds": ["/pipes:/tapdock/pipes:ro", "/a:/b", "data:/c:ro,z"]},
        ),
        # memory for input files: three times their size, because a connector may write them again
        (
            {"files": (InputFile("config.json", b"{}" * 500_000), InputFile("catalog.json", b"", late=True))},
            {"host.tmpfs": {"/tapdock/files": f"mode=1777,size={3 * (1_000_000 + 64 * MIB) + 16 * MIB}"}},
        ),
    ],
)
def test_options_of_a_container(options, changes):
    spec = container_spec(Launch(**PLAIN, **options), pipes="/pipes", scratch="/both")
    assert flat(spec) == SPEC | changes


def test_the_command_has_names_and_sizes_of_files_and_never_their_content():
    files = (InputFile("config.json", b'{"token": "s3cret"}'), InputFile("catalog.json", b"", late=True))
    launch = Launch(**PLAIN, args=("--config", FileArg("config.json")), files=files, stdin=True)
    entrypoint = container_spec(launch, pipes="/pipes")["entrypoint"]
    assert entrypoint[:2] == ["/bin/sh", "-c"]
    assert entrypoint[3:] == [
        *("tapdock", "/tapdock/pipes", "/tapdock/files", "stdin"),
        *("config.json", "19", "catalog.json", "-", "--", "/tap", "--config", "/tapdock/files/config.json"),
    ]
    assert "s3cret" not in repr(entrypoint)
