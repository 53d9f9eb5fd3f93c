"""The common parts of all rows: sizes, rounds, the recording, and projects for `tapdock run`."""

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from benchmarks import recording
from benchmarks.containers import run_command
from benchmarks.processes import BenchError, Cost, measure
from benchmarks.recording import Recording

__all__ = ["FULL", "QUICK", "TAPDOCK", "Bench", "Project", "Sizes", "say"]

TAPDOCK = Path(sys.executable).with_name("tapdock")


def say(line: str) -> None:
    """Print progress on stderr."""
    sys.stderr.write(f"bench: {line}\n")
    sys.stderr.flush()


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of the measurements. The real source creates two records for each of the `users`, and 100 more.

    `replays`, `memory` and `pipe` are how often its recording is replayed. `paced_records` is not a multiple of the
    records after which `pausing_target` pauses: a pause after the last record is not hidden by any buffer.
    """

    users: int
    replays: int
    memory: tuple[int, int]
    pipe: tuple[int, int]
    lone_records: int
    paced_records: int


FULL = Sizes(users=100_000, replays=5, memory=(1, 50), pipe=(2, 12), lone_records=50, paced_records=105_000)
QUICK = Sizes(users=5_000, replays=20, memory=(20, 200), pipe=(20, 120), lone_records=15, paced_records=25_000)


@dataclass(frozen=True)
class Project:
    """A folder with a `tapdock.yaml` of one pipeline `p`, from a source `from` to a target `to`."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Start a dry run, so that specs, streams and facts about the engine are cached."""
        self._call("run", "p", "--dry-run")

    def run(self, *, records: int) -> Cost:
        """Start a whole run from scratch in a process of its own. Raises BenchError unless it read `records`."""
        shutil.rmtree(self.folder / ".tapdock/state", ignore_errors=True)
        cost = self._call("run", "p", "--json")
        told = orjson.loads(cost.output)
        counted = sum(stream["records"] for stream in told["streams"])
        if counted != records or told["status"] != "succeeded":
            raise BenchError(f"a run {told['status']} with {counted} records of {records}: {told['error']}")
        return cost

    def _call(self, *arguments: str) -> Cost:
        return measure([TAPDOCK, *arguments], keep_output=True, cwd=self.folder, env=self.environ)


@dataclass(frozen=True)
class Bench:
    """One benchmark: `folder` is temporary, `label` is on its containers, `cache` keeps the recording for later."""

    folder: Path
    cache: Path
    label: str
    sizes: Sizes
    rounds: int

    @cached_property
    def recording(self) -> Recording:
        say(f"recording {self.sizes.users} users of {recording.SOURCE}, unless that was done before")
        return recording.record(self.sizes.users, label=self.label, cache=self.cache)

    def project(
        self,
        name: str,
        *,
        source: Mapping[str, Any],
        target: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        local: bool = False,
    ) -> Project:
        """Write a project, with `options` of its pipeline, and prepare it."""
        folder = self.folder / name
        folder.mkdir()
        pipeline = {"source": "from", "target": "to", **(options or {})}
        content = {"version": 1, "sources": {"from": source}, "targets": {"to": target}, "pipelines": {"p": pipeline}}
        (folder / "tapdock.yaml").write_bytes(orjson.dumps(content))  # all JSON is YAML
        project = Project(folder, {"TAPDOCK_ENGINE": "local"} if local else {})
        project.prepare()
        return project

    def file(self, name: str, value: object) -> Path:
        """Write a JSON file for a mount, and return its path."""
        path = self.folder / name
        path.write_bytes(orjson.dumps(value))
        return path

    def read_command(self, image: str, config: Mapping[str, Any], *, log_driver: str | None = None) -> list[str]:
        """Return `docker run IMAGE read …` with the catalog of the recording, which tapdock's runs use as well."""
        from tapdock.protocol.catalog import configured_catalog

        catalog = self.folder / "catalog.json"
        catalog.write_bytes(configured_catalog(self.recording.streams))
        mounts = {self.file("config.json", config): "/config.json:ro", catalog: "/catalog.json:ro"}
        arguments = ("read", "--config", "/config.json", "--catalog", "/catalog.json")
        return run_command(image, *arguments, label=self.label, log_driver=log_driver, mounts=mounts)

    def interleaved(
        self, works: Mapping[str, Callable[[], float]], *, rounds: int | None = None
    ) -> dict[str, list[float]]:
        """Measure all of them in each round, one after the other, so that a slow minute affects all of them."""
        values: dict[str, list[float]] = {name: [] for name in works}
        rounds = rounds or self.rounds
        for number in range(1, rounds + 1):
            for name, work in works.items():
                values[name].append(work())
                say(f"round {number} of {rounds}: {name} {values[name][-1]:.4g}")
        return values
