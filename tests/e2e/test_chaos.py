"""Tests that a kill, a cut connection or an unreachable server at any moment costs time, but never data.

A growing source is read into a target that upserts (PostgreSQL) and into one that appends (JSON lines), with the state
in a bucket. At each moment one run is ended in one way, and the next run must succeed. `scripts/chaos` tests more
moments.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engines import leftovers
from engines.project import wait_for
from engines.proxy import Proxy
from stores import faulty, servers
from tapdock.state import store
from tapdock.state.backends.base import open_backend

pytestmark = pytest.mark.docker
MOMENTS = int(os.environ.get("TAPDOCK_CHAOS_MOMENTS", "7"))
SEED = int(os.environ.get("TAPDOCK_CHAOS_SEED", "1"))
GROWTH = 1500
WAYS = ("runner", "source", "target", "relay", "engine", "backend", "signal")


@dataclass
class Chaos:
    """One project, one bucket, two targets, and the results so far."""

    folder: Path
    api: Any
    postgres: Any
    front: faulty.Front
    environ: dict[str, str]
    uri: str
    pids: set[int] = field(default_factory=set)
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)
    rows: int = 0

    def write(self) -> None:
        ledger = {"token": self.environ["LEDGER_TOKEN"], "state_every": 100, "pause": 0.05, "rows": 1}
        base = {
            "host": self.postgres.host,
            "port": 5432,
            "user": "tapdock",
            "password": self.environ["POSTGRES_PASSWORD"],
        }
        base |= {"database": "warehouse", "default_target_schema": "chaos"}
        lines = {"destination_path": "/data", "do_timestamp_file": False}
        upserting = {"singer": "meltanolabs-target-postgres==0.8.1", "executable": "target-postgres"}
        project = {
            "version": 1,
            "state_backend": {"uri": self.uri},
            "defaults": {"stop_grace": "5s", "exit_grace": "5s"},
            "sources": {"ledger": {"image": self.environ["LEDGER_IMAGE"], "config": ledger, "select": ["entries.*"]}},
            "targets": {
                "base": {"build": upserting, "config": base, "network": self.postgres.network},
                "lines": {"build": {"singer": "target-jsonl==0.1.4"}, "config": lines, "mounts": ["./lines:/data"]},
            },
        }
        (self.folder / "tapdock.yaml").write_text(json.dumps(project))

    def start(self, target: str, *, address: str = "", relay: str = "beside") -> "subprocess.Popen[bytes]":
        environ = {**os.environ, **self.environ, **servers.ANYBODY, "TAPDOCK_RELAY": relay}
        environ |= {"TAPDOCK_SOURCES__LEDGER__CONFIG__ROWS": str(self.rows), "TAPDOCK_LEASE_SECONDS": "8"}
        environ |= {"DOCKER_HOST": address} if address else {}
        process = subprocess.Popen(
            [sys.executable, "-m", "tapdock", "--project", self.folder, "run", "ledger", target],
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "said").open("ab"),
        )
        self.pids.add(process.pid)
        return process

    def written(self, target: str) -> list[int]:
        """Return the ids in the target, with duplicates."""
        if target == "base":
            return [int(number) for (number,) in self.postgres.query("SELECT id FROM chaos.entries")]
        file = self.folder / "lines" / "entries.jsonl"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [json.loads(line)["id"] for line in lines if line.endswith("\n")]


@pytest.fixture
def chaos(api, environ, postgres, built, runner_image, tmp_path) -> Iterator[Chaos]:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in servers.ANYBODY.items():
            patched.setenv(name, value)
        with (
            servers.by_http(api, servers.own_image("s3"), 5000) as address,
            servers.buckets(address),
            faulty.in_front_of(address) as front,
        ):
            postgres.query(
                "DROP SCHEMA IF EXISTS chaos CASCADE; CREATE SCHEMA chaos; CREATE TABLE chaos.entries (id bigint)"
            )
            postgres.query("DROP TABLE chaos.entries")
            relay = {"TAPDOCK_RELAY_IMAGE": runner_image, "TAPDOCK_HOME": str(tmp_path / "home")}
            uri = f"s3://states/chaos?endpoint={front.address}"
            made = Chaos(tmp_path, api, postgres, front, {**environ, **relay}, uri)
            made.write()
            yield made


def test_whatever_happens_at_any_moment(chaos):
    chance = random.Random(SEED)
    ways = [WAYS[number % len(WAYS)] for number in range(MOMENTS)]
    chance.shuffle(ways)
    backend = open_backend(chaos.uri, chaos.folder)
    began = time.monotonic()
    longest = max(undisturbed(chaos, target) for target in ("base", "lines"))
    for number, way in enumerate(ways):
        target = chance.choice(("base", "lines"))
        chaos.rows += GROWTH
        moment = chance.uniform(0.2, 0.8 * longest)
        what = f"moment {number}: {way} of a run into {target} after {moment:.2f} s, seed {SEED}"
        with Proxy(chaos.folder / f"engine-{number}.sock") as engine:
            relay = "container" if way == "relay" else chance.choice(("beside", "container"))
            process = chaos.start(target, address=f"unix://{engine.path}", relay=relay)
            happen(chaos, way, process, engine, moment)
            chaos.codes[way, process.wait(120)] += 1
        chaos.front.faults = []
        assert_no_state_ahead(chaos, backend, target, what)
        # The next run starts immediately: on the same engine, the dead run's lease and leftovers do not block it.
        assert chaos.start(target).wait(120) == 0, f"{what}\n{said(chaos)}"
        assert_no_state_ahead(chaos, backend, target, what)
        assert_all_there(chaos, target, what)
        assert backend.holder(f"default:ledger-to-{target}") is None, what
    report(chaos, ways, time.monotonic() - began)
    assert_it_happened(chaos)
    assert leftovers.containers(chaos.api, chaos.pids) == []
    assert leftovers.volumes(chaos.api, chaos.pids) == []


def undisturbed(chaos: Chaos, target: str) -> float:
    """Return the duration of an undisturbed run. Its images and the answers of its connectors are cached then."""
    seconds = 0.0
    for _ in range(2):
        chaos.rows += GROWTH
        began = time.monotonic()
        assert chaos.start(target).wait(120) == 0, said(chaos)
        seconds = time.monotonic() - began
    return seconds


def happen(chaos: Chaos, way: str, process: "subprocess.Popen[bytes]", engine: Proxy, moment: float) -> None:
    """Disturb the run at the moment, or as soon as the disturbed thing exists.

    Do nothing if the run has already ended.
    """
    time.sleep(moment)
    act: dict[str, Callable[[], object]] = {
        "runner": process.kill,
        "signal": lambda: process.send_signal(signal.SIGTERM),
        "engine": engine.cut,
        "backend": lambda: setattr(chaos.front, "faults", [503] * 100_000),
    }
    if way in act:
        act[way]()
        return
    wait_for(lambda: _container(chaos, process.pid, way) or process.poll() is not None, f"the {way}", seconds=30)
    for container in _container(chaos, process.pid, way):
        subprocess.run(["docker", "kill", container["Id"]], capture_output=True)  # the run may have ended


def _container(chaos: Chaos, pid: int, role: str) -> list[dict[str, Any]]:
    return leftovers.containers(chaos.api, {pid}, role=role)


def assert_no_state_ahead(chaos: Chaos, backend: Any, target: str, what: str) -> None:
    envelope = store.read(backend, f"default:ledger-to-{target}")
    if envelope is None or envelope.state is None:
        return
    saved = {
        one["stream"]["stream_descriptor"]["name"]: one["stream"]["stream_state"] for one in json.loads(envelope.state)
    }
    cursor = saved["entries"]["id"] if "entries" in saved else 0
    missing = set(range(1, cursor + 1)) - set(chaos.written(target))
    assert not missing, f"{what}: the state is at {cursor}, and {len(missing)} rows are not there, from {min(missing)}"


def assert_all_there(chaos: Chaos, target: str, what: str) -> None:
    envelope = store.read(open_backend(chaos.uri, chaos.folder), f"default:ledger-to-{target}")
    assert envelope is not None, what
    assert f'"id": {chaos.rows}' in (envelope.state or ""), what
    written = chaos.written(target)
    assert set(written) == set(range(1, chaos.rows + 1)), what
    if target == "base":
        assert len(written) == chaos.rows, f"{what}: rows are there twice"
        assert chaos.postgres.query("SELECT count(*) FROM chaos.entries WHERE note <> 'entry ' || id") == [["0"]], what


def assert_it_happened(chaos: Chaos) -> None:
    """Check that most runs were disturbed, and that each kind of disturbance ended some runs."""
    ended = Counter(
        {way: sum(count for (one, code), count in chaos.codes.items() if one == way and code) for way in WAYS}
    )
    assert ended.total() > MOMENTS / 2, chaos.codes
    assert 10 * len(WAYS) > MOMENTS or all(ended[way] for way in WAYS), chaos.codes


def said(chaos: Chaos) -> str:
    return (chaos.folder / "said").read_text(errors="replace")[-3000:]


def report(chaos: Chaos, ways: list[str], seconds: float) -> None:
    """Return how the runs ended, as text for `scripts/chaos`."""
    lines = chaos.written("lines")
    twice = len(lines) - len(set(lines))
    print(f"\n{len(ways)} moments in {seconds:.0f} s, seed {SEED}; {chaos.rows} rows, {twice} of them appended again")
    for way in WAYS:
        codes = ", ".join(f"{count} x {code}" for (one, code), count in sorted(chaos.codes.items()) if one == way)
        print(f"  {way:8} {codes}")
