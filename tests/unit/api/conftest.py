"""A project of programs that run without an engine, loaded by the Python API."""

import json
from pathlib import Path
from typing import Any

import pytest

import tapdock

CONNECTORS = Path(__file__).parents[2] / "connectors"
SECRET = "s3cret-0123456789"
ENVIRON = {"TAPDOCK_ENGINE": "local", "TOKEN": SECRET}


@pytest.fixture
def load(tmp_path):
    """load(*steps, **config) -> a project whose source executes these steps."""

    def loaded(
        *steps: str,
        kind: str = "airbyte",
        keys: dict[str, Any] | None = None,
        jobs: dict[str, Any] | None = None,
        commands: dict[str, Any] | None = None,
        **config: Any,
    ) -> tapdock.Project:
        program = CONNECTORS / ("source.py" if kind == "airbyte" else "tap.py")
        whole = {"token": "${TOKEN}", "streams": ["users"], "steps": list(steps), **config}
        source = {
            "image": str(program),
            "kind": kind,
            "config": whole,
            "stop_grace": "5s",
            "env": {"FOLDER": str(tmp_path)},
        }
        source |= keys or {}
        target = {"image": str(CONNECTORS / "target.py"), "kind": "singer", "config": {"path": str(tmp_path / "rows")}}
        project = {
            "version": 1,
            "sources": {"shop": source},
            "targets": {"lake": target},
            "pipelines": {"demo": {"source": "shop", "target": "lake"}},
            "jobs": jobs or {},
            "tasks": {"task": {"engine": "host", "commands": commands}} if commands else {},
            "environments": {"prod": {}},
        }
        (tmp_path / "tapdock.yaml").write_text(json.dumps(project))
        return tapdock.load(tmp_path, environ=ENVIRON)

    return loaded


@pytest.fixture
def secret() -> str:
    return SECRET


@pytest.fixture
def environ() -> dict[str, str]:
    return ENVIRON


@pytest.fixture
def running(tmp_path):
    """running() -> the processes of sources of this test."""

    def found() -> list[int]:
        mark = f"FOLDER={tmp_path}".encode()
        return [int(place.name) for place in Path("/proc").glob("[0-9]*") if mark in _environ(place).split(b"\0")]

    return found


def _environ(place: Path) -> bytes:
    try:
        return (place / "environ").read_bytes()
    except OSError:  # it has ended, or belongs to another user
        return b""
