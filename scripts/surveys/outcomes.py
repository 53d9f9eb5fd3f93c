"""What a survey records of a package: pure functions over what programs printed."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Entry", "Result", "airbyte_answer", "airbyte_error", "blame", "entries", "reason", "singer_answer"]

Blame = Literal["", "packaging", "Python version", "connector", "not tried"]
_FAMILIES = ("airbyte", "singer")
_NOT_TRIED = re.compile(
    "error sending request|timed out|Failed to fetch|cannot be pulled|No space left|stopped by signal"
)
_CODE = re.compile(r"/\S*?site-packages/")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of a list: the key of `build:`, a requirement, and other keys of `build:`."""

    line: str
    family: str
    requirement: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def package(self) -> str:
        return re.split(r"[^A-Za-z0-9._-]", self.requirement, maxsplit=1)[0]

    @property
    def role(self) -> Literal["source", "target"]:
        return "target" if re.search(r"\b(destination|target)-", self.package) else "source"

    @property
    def image(self) -> str:
        version = self.requirement.partition("==")[2] or "latest"
        return f"tapdock-survey/{self.package.lower()}:{re.sub(r'[^A-Za-z0-9_.-]', '-', version)}"

    def project(self) -> str:
        """Return a project file with this connector, as JSON, which is YAML too."""
        build = {self.family: self.requirement, **self.options}
        return json.dumps({"version": 1, f"{self.role}s": {"it": {"image": self.image, "build": build}}})


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result for a package. `check` and `discover` are the answers to a config that is wrong or empty."""

    built: bool
    starts: bool
    spec: str = ""
    check: str = ""
    discover: str = ""
    broken: Blame = ""
    reason: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: int = 0


def entries(text: str) -> list[Entry]:
    """Return the entries of a list. Raises ValueError with the line that is wrong."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(maxsplit=2)
        if not words or words[0].startswith("#"):
            continue
        options = json.loads(words[2]) if len(words) > 2 else {}
        if len(words) < 2 or words[0] not in _FAMILIES or not isinstance(options, dict):
            raise ValueError(
                f"line {number}: `{line}` is not `airbyte|singer REQUIREMENT [JSON of other keys of build]`"
            )
        found.append(Entry(line=" ".join(line.split()), family=words[0], requirement=words[1], options=options))
    return found


def reason(said: str) -> str:
    """Return the error that tapdock printed, in one line, without the paths of installed packages."""
    errors = re.findall(r"^error: (.*)$", said, re.MULTILINE)
    line = errors[-1] if errors else next((each for each in reversed(said.splitlines()) if each.strip()), "no output")
    line = _CODE.sub("", re.sub(r"^`[^`]*` could not be built: ", "", line))
    return re.sub(r"/tmp/\.tmp\w+/", "", line).strip()


def blame(reason: str) -> Blame:
    """Return who has to repair a package that cannot be built or started, by the reason."""
    if _NOT_TRIED.search(reason):
        return "not tried"
    if re.search(r"does not start: (ModuleNotFoundError|ImportError|.*DistributionNotFound)", reason):
        return "packaging"
    if "does not start" in reason:
        return "connector"
    if re.search(r"(current|require\w*)\b.{0,20}Python|but the base image has Python", reason):
        return "Python version"
    return "packaging"


def airbyte_answer(stdout: str, code: int) -> str:
    """Return how an Airbyte connector answered `check` or `discover`: `FAILED`, `SUCCEEDED`, `3 streams`, `refused`.

    A config_error is an answer too. Else it is `crashed`, or `no answer` after the exit code 0.
    """
    refused = False
    for message in _messages(stdout):
        if message.get("type") == "CONNECTION_STATUS":
            return str((message.get("connectionStatus") or {}).get("status"))
        if message.get("type") == "CATALOG":
            return _counted((message.get("catalog") or {}).get("streams"))
        trace = message.get("trace")
        error = trace.get("error") if isinstance(trace, dict) else None
        refused |= isinstance(error, dict) and error.get("failure_type") == "config_error"
    return "refused" if refused else "crashed" if code else "no answer"


def airbyte_error(stdout: str) -> str:
    """Return the message of the last error that an Airbyte connector reported, with the exception behind it."""
    found = ""
    for message in _messages(stdout):
        trace = message.get("trace")
        error = trace.get("error") if isinstance(trace, dict) else None
        if isinstance(error, dict):
            exception = str(error.get("stack_trace") or "").strip().splitlines()
            found = (exception or [str(error.get("internal_message") or error.get("message"))])[-1]
    return found


def singer_answer(stdout: str, stderr: str, code: int) -> str:
    """Return how a tap answered `--discover` with a wrong config: `3 streams`, `refused`, `crashed` or `no answer`."""
    if code == 0:
        try:
            catalog = json.loads(stdout)
        except ValueError:
            return "no answer"
        return _counted(catalog.get("streams")) if isinstance(catalog, dict) else "no answer"
    named = re.search(r"missing required|required (key|config|propert)|is a required|ConfigValidation|KeyError", stderr)
    if named or "Traceback (most recent call last)" not in stderr:
        return "refused"
    return "crashed"


def _counted(streams: object) -> str:
    count = len(streams) if isinstance(streams, list) else 0
    return f"{count} stream{'s' * (count != 1)}"


def _messages(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            found.append(message)
    return found
