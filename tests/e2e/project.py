"""The project `shop/` in its own folder, and the real command line on it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
PATIENCE = 900.0


@dataclass(frozen=True)
class Ended:
    """The result of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def records(self) -> dict[str, int]:
        """Return the number of records by stream, from the output of `run --json`."""
        assert self.code == 0, self.stderr + self.stdout
        return {stream["stream"]: stream["records"] for stream in self.json["streams"]}


@dataclass(frozen=True)
class Shop:
    """A project. `environ` are the variables of its commands in addition to those of the machine."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def made(cls, folder: Path, environ: Mapping[str, str]) -> Self:
        shutil.copytree(HERE / "shop", folder)
        (folder / "odd").mkdir()
        return cls(folder, environ)

    def __call__(self, *words: str, stdin: str = "", **variables: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "tapdock", *words],
            cwd=self.folder,
            env={**_machine(), **self.environ, **variables},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def well(self, *words: str, **more: str) -> Ended:
        """Run a command that must succeed."""
        ended = self(*words, **more)
        assert ended.code == 0, f"{' '.join(words)}: {ended.stderr}{ended.stdout}"
        return ended

    def branch(self, folder: Path) -> Self:
        """Return a copy of the project without data and state. The cached answers of connectors are kept."""
        made = type(self).made(folder, self.environ)
        if (self.folder / ".tapdock" / "cache").exists():
            shutil.copytree(self.folder / ".tapdock" / "cache", folder / ".tapdock" / "cache")
        return made

    def write(self, text: str) -> None:
        (self.folder / "tapdock.yaml").write_text(text)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return rows of the DuckDB file, queried with the target's own DuckDB."""
        program = (
            "import duckdb, json, sys\n"
            "lake = duckdb.connect('/data/lake.duckdb', read_only=True)\n"
            "json.dump(lake.execute(sys.argv[1]).fetchall(), sys.stdout, default=str)\n"
        )
        python = ["--entrypoint", "/opt/connector/bin/python", "tapdock/target-duckdb:0.8.0", "-c", program, sql]
        mount = ["--volume", f"{self.folder / 'lake'}:/data", "--network", "none"]
        said = subprocess.run(
            ["docker", "run", "--rm", "--user", f"{os.getuid()}:{os.getgid()}", *mount, *python],
            capture_output=True,
            text=True,
            check=True,
        )
        return [tuple(row) for row in json.loads(said.stdout)]

    def lines(self, stream: str) -> list[str]:
        """Return the lines that target-jsonl wrote."""
        file = self.folder / "lines" / f"{stream}.jsonl"
        return file.read_text().splitlines() if file.exists() else []


def _machine() -> dict[str, str]:
    """Return the machine's variables, without those of a project that a developer works on."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TAPDOCK_")}
