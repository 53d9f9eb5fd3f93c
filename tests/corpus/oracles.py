"""External checks that this project did not write: both protocols as their owners publish them."""

import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_protocol.models import AirbyteMessage, ConfiguredAirbyteCatalog
from jsonschema import Draft7Validator

from corpus.material import CORPUS

PROGRAM = Path(__file__).parent / "programs" / "null_target.py"
CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def singer_sdk() -> Path:
    """Return a folder with Meltano's SDK, made once per machine and version. Skip the test if it cannot be installed.

    The SDK is not in the tests' own environment, because its dependencies could conflict with those of tapdock.
    """
    version = next(line for line in CONSTRAINTS.read_text().splitlines() if line.startswith("singer-sdk=="))
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(tempfile.gettempdir()) / f"tapdock-tests-{version.replace('==', '-')}-{python}"
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        made = subprocess.run(
            [*pip, "--constraint", CONSTRAINTS, "--target", f"{aside}/made", "singer-sdk"],
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode:
            pytest.skip(f"{version} cannot be installed: {(made.stderr.splitlines() or ['pip says nothing'])[-1]}")
        try:
            Path(aside, "made").rename(folder)
        except OSError:
            assert folder.is_dir(), "another session made it meanwhile"
    return folder


def null_target(outputs: dict[str, list[bytes]]) -> dict[str, Any]:
    """Return the result of an SDK target that discards everything, for each output, all in one separate process."""
    sdk = singer_sdk()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, str(number)) for number in range(len(outputs))]
        for file, lines in zip(files, outputs.values(), strict=True):
            file.write_bytes(b"".join(line + b"\n" for line in lines))
        path = f"import sys, runpy; sys.path.insert(0, {str(sdk)!r}); sys.argv = sys.argv[1:]; "
        ran = subprocess.run(
            [sys.executable, "-c", f"{path}runpy.run_path(sys.argv[0], run_name='__main__')", PROGRAM, *files],
            check=False,
            capture_output=True,
            text=True,
        )
    assert ran.returncode == 0, ran.stderr
    return dict(zip(outputs, map(json.loads, ran.stdout.splitlines()), strict=True))


@cache
def _validator(definition: str) -> Draft7Validator:
    document = yaml.safe_load((CORPUS / "airbyte-protocol" / "airbyte_protocol.yaml").read_text())
    return Draft7Validator({"$ref": f"#/definitions/{definition}", "definitions": document["definitions"]})


def refused_message(line: bytes) -> str | None:
    """Return why a line is not a message of Airbyte's protocol, by its schema and by its models."""
    message = json.loads(line)
    problem = next(_validator("AirbyteMessage").iter_errors(message), None)
    if problem:
        return f"{problem.json_path}: {problem.message}"
    AirbyteMessage.model_validate(message, strict=False)
    body = message[{"STATE": "state", "RECORD": "record", "TRACE": "trace"}[message["type"]]]
    return None if body else "nothing but its type"


def refused_catalog(catalog: bytes) -> str | None:
    """Return why a destination's catalog is not valid in Airbyte's protocol."""
    value = json.loads(catalog)
    problem = next(_validator("ConfiguredAirbyteCatalog").iter_errors(value), None)
    if problem:
        return f"{problem.json_path}: {problem.message}"
    streams = ConfiguredAirbyteCatalog.model_validate(value).streams
    for configured in streams:
        Draft7Validator.check_schema(configured.stream.json_schema)
    names = {(configured.stream.namespace, configured.stream.name) for configured in streams}
    return None if len(names) == len(streams) else "two streams of one name"
