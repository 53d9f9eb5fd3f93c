"""Runs the real command line on a project in its own folder."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.images import KINDS
from support.called import called

CONNECTORS = Path(__file__).parent.parent / "connectors"
STATE_ID = "default:source-to-target"
PATIENCE = 60.0
RUN = ("run", "source", "target", "--json", "--log-format", "json")
COMMAND = (sys.executable, "-m", "tapdock")


def wait_for(condition: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> Any:
    """Return the first true value of the condition. Fail if this takes far too long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)
    return found


@dataclass
class Ended:
    """The result of a command. `record` is the JSON object that `run --json` printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def record(self) -> dict[str, Any]:
        assert self.stdout, f"exit code {self.code} without a record: {self.stderr}"
        return json.loads(self.stdout)

    @property
    def side(self) -> str | None:
        return self.record["error"] and self.record["error"]["side"]

    @property
    def message(self) -> str:
        return self.record["error"]["message"]

    @property
    def hint(self) -> str:
        return self.record["error"]["hint"] or ""


class Running:
    """A command that was started and may still run."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> Ended:
        stdout, stderr = self.process.communicate(timeout=PATIENCE)
        return Ended(self.process.returncode, stdout, stderr or "")


@dataclass
class Project:
    """A project in the place `local`, `docker-beside` or `docker-container`. `images` has the image of each program.

    `programs` are those of source and target (`source` or `tap`, `target` or `destination`). `source` and `target` are
    the configs of the connectors. `source_keys` and `target_keys` are the other keys of their entries in the project
    file, and `keys` are the other keys at its top level. With `apart`, `run` starts a process as `start` does. Without
    it, `run` calls the command line in this process. `pids` are the processes of all commands.
    """

    folder: Path
    place: str
    images: dict[str, str]
    prefix: Sequence[str] = COMMAND
    environ: dict[str, str] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    source_keys: dict[str, Any] = field(default_factory=dict)
    target_keys: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    programs: tuple[str, str] = ("source", "target")
    secret: str = field(default_factory=lambda: f"s3cret{secrets.token_hex(12)}")
    started: list["subprocess.Popen[str]"] = field(default_factory=list)
    apart: bool = False
    pids: set[int] = field(default_factory=set)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def tmp(self) -> Path:
        return self.folder / "tmp"

    @property
    def private(self) -> Path:
        return self.folder / ".tapdock"

    def steps(self, *steps: str, **config: Any) -> None:
        """Set the steps that the source executes."""
        self.source = {**self.source, **config, "steps": list(steps)}

    def write(self) -> None:
        reads, writes = self.programs
        data = str(self.data) if self.place == "local" else "/data"
        rows = data if writes == "destination" else f"{data}/rows.jsonl"
        quick = {"stop_grace": "10s"}
        source = {"image": self.images[reads], "kind": KINDS[reads], **quick, "exit_grace": "10s", **self.source_keys}
        target = {"image": self.images[writes], "kind": KINDS[writes], **quick, **self.target_keys}
        source["config"] = {"token": "${TAPDOCK_TEST_SECRET}", **self.source}
        target["config"] = {"path": rows, "password": "${TAPDOCK_TEST_SECRET}", **self.target}
        if self.place != "local":
            target.setdefault("mounts", ["./data:/data"])
        project = {"version": 1, "sources": {"source": source}, "targets": {"target": target}, **self.keys}
        (self.folder / "tapdock.yaml").write_text(json.dumps(project))  # JSON is valid YAML
        self.data.mkdir(exist_ok=True)
        self.tmp.mkdir(exist_ok=True)

    def start(self, *words: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE) -> Running:
        """Start a command, by default `run`. `stdout` and `stderr` are descriptors of a terminal, or pipes."""
        self.write()
        process = subprocess.Popen(
            [*self.prefix, *(words or RUN)],
            cwd=self.folder,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )
        self.started.append(process)
        self.pids.add(process.pid)
        return Running(process)

    def run(self, *words: str) -> Ended:
        """Run a command, by default `run`."""
        if self.apart or self.prefix != COMMAND:
            return self.start(*words).ended()
        self.write()
        self.pids.add(os.getpid())
        return Ended(*called(words or RUN, folder=self.folder, environ=self.variables(), patience=PATIENCE))

    def variables(self) -> dict[str, str]:
        """Return the environment of the commands."""
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "DOCKER_HOST") if name in os.environ}
        places = {
            "local": {"TAPDOCK_ENGINE": "local"},
            "docker-beside": {"TAPDOCK_RELAY": "beside"},
            "docker-container": {"TAPDOCK_RELAY": "container"},
        }
        return {
            **kept,
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.tmp),
            "TAPDOCK_TEST_SECRET": self.secret,
            "TAPDOCK_PROJECT": str(self.folder),
            **places[self.place],
            **self.environ,
        }

    # results of the runs

    def rows(self) -> list[str]:
        """Return the target's lines: the records, and `"done"` for each end of input that the target has seen."""
        file = self.data / "rows.jsonl"
        return file.read_text().splitlines() if file.exists() else []

    def table(self, stream: str = "users") -> list[dict[str, Any]]:
        """Return the rows of a stream in a destination's table."""
        file = self.data / f"{stream}.jsonl"
        return [json.loads(row)["data"] for row in file.read_text().splitlines()] if file.exists() else []

    def seen(self) -> list[dict[str, Any]]:
        """Return, for each run of a destination, its catalog, its messages, and how it ended."""
        file = self.data / "runs.jsonl"
        return [json.loads(row) for row in file.read_text().splitlines()] if file.exists() else []

    def done(self) -> int:
        """Return how often a target has seen the end of its input."""
        return self.rows().count('"done"')

    def ids(self, stream: str = "users") -> set[int]:
        records = [json.loads(row) for row in self.rows() if row != '"done"']
        return {record["record"]["id"] for record in records if record["stream"] == stream}

    def state(self) -> Any:
        """Return the state that the source would get, as printed by `tapdock state get`."""
        ended = self.run("state", "get", STATE_ID)
        assert ended.code == 0, ended.stderr
        return json.loads(ended.stdout)

    def cursor(self, stream: str = "users") -> int:
        (saved,) = (one["stream"] for one in self.state() if one["stream"]["stream_descriptor"]["name"] == stream)
        return int(saved["stream_state"]["id"])

    def listed(self) -> list[dict[str, Any]]:
        """Return the records of all runs, the newest first."""
        return json.loads(self.run("runs", "list", "--json").stdout)

    def end(self) -> None:
        """Kill every process that the test started."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        shutil.rmtree(self.folder / "home", ignore_errors=True)
