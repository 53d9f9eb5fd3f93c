"""Builds and asks the packages of a list, one at a time, and writes results and the page after each."""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from surveys.outcomes import Entry, Result, airbyte_answer, airbyte_error, blame, entries, reason, singer_answer
from surveys.page import written

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "runner" / "guides" / "connectors.md"
LIST = Path(__file__).parent / "packages.txt"
RESULTS = Path(__file__).parent / "results.json"
_LONGEST = 400  # of a reason, in characters
_STAGE = "label=io.tapdock.stage=build"
_SECONDS = {"build": 900, "ask": 150}
_VERSIONS = """
import json, platform
from importlib.metadata import distributions
names = ("airbyte-cdk", "singer-sdk", "singer-python", "pipelinewise-singer-python", "realit-singer-python")
found = {each.metadata["Name"].lower().replace("_", "-"): each.version for each in distributions()}
print(json.dumps({"python": platform.python_version(), **{name: found[name] for name in names if name in found}}))
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Said:
    """The exit code and the output of a program; the code is -1 after a timeout."""

    code: int
    stdout: str
    stderr: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/survey", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="a list of packages")
    parser.add_argument("--all", action="store_true", help=f"the list {LIST.relative_to(ROOT)}")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where results are kept")
    parser.add_argument("--again", action="store_true", help="also survey packages that have a result")
    parser.add_argument("--at-most", type=int, default=10**6, help="stop after this many packages")
    given = parser.parse_args()
    if bool(given.file) == given.all:
        parser.error("give a file or --all")
    results: dict[str, Any] = json.loads(given.json.read_text("utf-8")) if given.json.exists() else {}
    wanted = [
        entry
        for entry in entries((given.file or LIST).read_text("utf-8"))
        if given.again or results.get(entry.line, {}).get("broken", "not tried") == "not tried"
    ]
    for number, entry in enumerate(wanted[: given.at_most], 1):
        print(f"{number} of {len(wanted)}: {entry.line}", file=sys.stderr, flush=True)
        results[entry.line] = dataclasses.asdict(surveyed(entry))
        print(f"    {json.dumps(results[entry.line])}", file=sys.stderr, flush=True)
        given.json.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", "utf-8")
        PAGE.write_text(written(PAGE.read_text("utf-8"), results), "utf-8")
    return 0


def surveyed(entry: Entry) -> Result:
    """Build a package and ask it. Its image and the image of its build stage are removed in every ending."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tapdock-survey-") as name:
        folder = Path(name)
        (folder / "tapdock.yaml").write_text(entry.project(), "utf-8")
        try:
            made = _tapdock(folder, "build", "it", seconds=_SECONDS["build"])
            if made.code == 0:
                result = _asked(entry, folder)
            else:
                why = reason(made.stderr)
                result = Result(built="does not start" in why, starts=False, broken=blame(why), reason=why[:_LONGEST])
        finally:
            _remove(entry)
    return dataclasses.replace(result, seconds=round(time.monotonic() - began))


def _asked(entry: Entry, folder: Path) -> Result:
    spec = _tapdock(folder, "spec", "it", "--json", seconds=_SECONDS["ask"])
    schema = _json(spec.stdout)
    answers = f"{len(schema.get('properties') or {})} settings" if schema else ""
    found = Result(built=True, starts=True, spec=answers, versions=_versions(entry.image))
    if entry.family == "airbyte":
        return _asked_airbyte(entry, found, schema, reason(spec.stderr) if spec.code else "")
    if entry.role == "target":
        return found
    said = _ask(entry.image, {"no_such_setting": 1}, "--config", "/config.json", "--discover")
    answer = singer_answer(said.stdout, said.stderr, said.code)
    return dataclasses.replace(found, discover=answer, reason=_last(said.stderr) if answer == "crashed" else "")


def _asked_airbyte(entry: Entry, found: Result, schema: Mapping[str, Any], why: str) -> Result:
    said = _ask(entry.image, {"no_such_setting": 1}, "check", "--config", "/config.json")
    check = airbyte_answer(said.stdout, said.code)
    crash = airbyte_error(said.stdout) or _last(said.stderr)
    reported = why or ("" if check in ("FAILED", "SUCCEEDED", "refused") else crash)
    found = dataclasses.replace(found, check=check, broken="connector" if why else "", reason=reported)
    if entry.role == "target" or schema.get("required") or not schema:
        return found
    said = _ask(entry.image, {}, "discover", "--config", "/config.json")
    return dataclasses.replace(found, discover=airbyte_answer(said.stdout, said.code))


def _versions(image: str) -> dict[str, str]:
    said = _run(
        "docker", "run", "--rm", "--network=none", "--entrypoint=/opt/connector/bin/python", image, "-c", _VERSIONS
    )
    return {name: str(version) for name, version in _json(said.stdout).items()}


def _ask(image: str, config: Mapping[str, Any], *arguments: str) -> Said:
    """Run a connector once, without a network: no service gets a request."""
    with tempfile.NamedTemporaryFile("w", prefix="tapdock-survey-", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        Path(file.name).chmod(0o644)
        limits = ("--network=none", "--memory=2g", "--pids-limit=512", f"--volume={file.name}:/config.json:ro")
        return _run("timeout", str(_SECONDS["ask"] - 10), "docker", "run", "--rm", *limits, image, *arguments)


def _remove(entry: Entry) -> None:
    _run("docker", "rmi", "--force", entry.image)
    for image in _run("docker", "images", "--quiet", "--filter", "dangling=true", "--filter", _STAGE).stdout.split():
        history = _run("docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout
        if f"PACKAGE={entry.requirement}" in history:
            _run("docker", "rmi", image)


def _tapdock(folder: Path, *arguments: str, seconds: float) -> Said:
    return _run(sys.executable, "-m", "tapdock", *arguments, folder=folder, seconds=seconds)


def _run(*command: str, folder: Path | None = None, seconds: float = 300) -> Said:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=seconds)
    except subprocess.TimeoutExpired as error:
        return Said(code=-1, stdout="", stderr=f"error: {command[0]} timed out after {error.timeout:g} s")
    return Said(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _last(text: str) -> str:
    lines: Sequence[str] = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "no output"
