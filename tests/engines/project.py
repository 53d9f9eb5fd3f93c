"""A project in a folder of its own, run by the real command line in a process of its own."""

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

CONNECTORS = Path(__file__).parent.parent / "connectors"
STATE_ID = "default:source-to-target"
PATIENCE = 60.0


def wait_for(condition: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> Any:
    """The condition's first true value; fails when it takes far longer than it ever should."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)
    return found


@dataclass
class Ended:
    """How a command ended; `record` is what `run --json` printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def record(self) -> dict[str, Any]:
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
    """A command that was started and not waited for."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> Ended:
        stdout, stderr = self.process.communicate(timeout=PATIENCE)
        return Ended(self.process.returncode, stdout, stderr or "")


@dataclass
class Project:
    """`place` is `local`, `docker-beside` or `docker-container`; `images` names the programs for it.

    `programs` are those of source and target (`source` or `tap`, `target` or `destination`). Connectors are configured
    by `source` and `target` (their config) and by `source_keys` and `target_keys` (what else stands in their entries);
    `keys` stand in the project file beside them.
    """

    folder: Path
    place: str
    images: dict[str, str]
    prefix: Sequence[str] = (sys.executable, "-m", "tapdock")
    environ: dict[str, str] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    source_keys: dict[str, Any] = field(default_factory=dict)
    target_keys: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    programs: tuple[str, str] = ("source", "target")
    secret: str = field(default_factory=lambda: f"s3cret{secrets.token_hex(12)}")
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def tmp(self) -> Path:
        return self.folder / "tmp"

    @property
    def private(self) -> Path:
        return self.folder / ".tapdock"

    @property
    def pids(self) -> set[int]:
        """Of every command that was started."""
        return {process.pid for process in self.started}

    def steps(self, *steps: str, **config: Any) -> None:
        """What the source does."""
        self.source = {**self.source, **config, "steps": list(steps)}

    def write(self) -> None:
        reads, writes = self.programs
        data = str(self.data) if self.place == "local" else "/data"
        rows = data if writes == "destination" else f"{data}/rows.jsonl"
        quick = {"stop_grace": "10s", "exit_grace": "10s"}
        source = {"image": self.images[reads], "kind": KINDS[reads], **quick, **self.source_keys}
        target = {"image": self.images[writes], "kind": KINDS[writes], **quick, **self.target_keys}
        source["config"] = {"token": "${TAPDOCK_TEST_SECRET}", **self.source}
        target["config"] = {"path": rows, "password": "${TAPDOCK_TEST_SECRET}", **self.target}
        if self.place != "local":
            target.setdefault("mounts", ["./data:/data"])
        project = {"version": 1, "sources": {"source": source}, "targets": {"target": target}, **self.keys}
        (self.folder / "tapdock.yaml").write_text(json.dumps(project))  # JSON is YAML
        self.data.mkdir(exist_ok=True)
        self.tmp.mkdir(exist_ok=True)

    def start(self, *words: str, stderr: int = subprocess.PIPE) -> Running:
        """Begin a command, `run` if nothing else is said; `stderr` is a terminal's descriptor, or a pipe."""
        self.write()
        words = words or ("run", "source", "target", "--json", "--log-format", "json")
        process = subprocess.Popen(
            [*self.prefix, *words],
            cwd=self.folder,
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self.started.append(process)
        return Running(process)

    def run(self, *words: str) -> Ended:
        return self.start(*words).ended()

    def _environ(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
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

    # What came of it

    def rows(self) -> list[str]:
        """The target's lines so far: records as they came, and `"done"` where it saw the end of its input."""
        file = self.data / "rows.jsonl"
        return file.read_text().splitlines() if file.exists() else []

    def table(self, stream: str = "users") -> list[dict[str, Any]]:
        """A stream's rows, in a destination's table."""
        file = self.data / f"{stream}.jsonl"
        return [json.loads(row)["data"] for row in file.read_text().splitlines()] if file.exists() else []

    def seen(self) -> list[dict[str, Any]]:
        """What each run of a destination was given: its catalog, messages, and how it ended."""
        file = self.data / "runs.jsonl"
        return [json.loads(row) for row in file.read_text().splitlines()] if file.exists() else []

    def done(self) -> int:
        """How often a target was told that its input is complete."""
        return self.rows().count('"done"')

    def ids(self, stream: str = "users") -> set[int]:
        records = [json.loads(row) for row in self.rows() if row != '"done"']
        return {record["record"]["id"] for record in records if record["stream"] == stream}

    def state(self) -> Any:
        """What the source would be started with, as `tapdock state get` prints it."""
        ended = self.run("state", "get", STATE_ID)
        assert ended.code == 0, ended.stderr
        return json.loads(ended.stdout)

    def cursor(self, stream: str = "users") -> int:
        (saved,) = (one["stream"] for one in self.state() if one["stream"]["stream_descriptor"]["name"] == stream)
        return int(saved["stream_state"]["id"])

    def listed(self) -> list[dict[str, Any]]:
        """Every run's record, the newest first."""
        return json.loads(self.run("runs", "list", "--json").stdout)

    def end(self) -> None:
        """Nothing that a test started outlives it."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        shutil.rmtree(self.folder / "home", ignore_errors=True)
