"""Tests which origin `tapdock config show` reports for each value."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tapdock.cli.config_rows import rows
from tapdock.project.layers import dotted
from tapdock.project.load import load

FILE = """\
version: 1
defaults:
  memory: 1g
  pids: 512
  pull:
sources:
  shop:
    image: x
    config: {a: 1, deep: {b: [1, 2]}}
    pids:
    rotate:
    streams:
      users: {replication_method: FULL_TABLE}
targets:
  lake:
    build: {singer: target-x==1, with: [six, lxml], before: 2024-06-30}
    config: {}
pipelines:
  demo: {source: shop, target: lake}
environments:
  prod:
    state_backend:
    sources:
      shop: {config: {deep: {c: 3}}, idle_timeout: 2h}
    pipelines:
      demo: {retries: 3}
"""
ORIGINS = [
    ("sources.shop.image", "tapdock.yaml:8"),
    ("sources.shop.config.a", "tapdock.yaml:9"),
    ("sources.shop.config.deep.b.1", "tapdock.yaml:9"),
    ("sources.shop.streams.users.sync_mode", "tapdock.yaml:13"),
    ("sources.shop.memory", "tapdock.yaml:3"),
    ("targets.lake.pids", "tapdock.yaml:4"),
    ("targets.lake.build.singer", "tapdock.yaml:16"),
    ("targets.lake.build.with", "tapdock.yaml:16"),
    ("targets.lake.build.before", "tapdock.yaml:16"),
    # not set, in an entry that is
    ("sources.shop.discovery", "default"),
    ("sources.shop.max_line", "default"),
    ("sources.shop.idle_timeout", "default"),
    ("targets.lake.image", "default"),
    ("targets.lake.allow_unsafe_overwrite", "default"),
    ("pipelines.demo.retries", "default"),
    ("pipelines.demo.late_schema", "default"),
    ("state_backend.uri", "default"),
    # written, and empty
    ("sources.shop.rotate", "default"),
    ("targets.lake.pull", "default"),
]
ENVIRONMENT = [
    ("sources.shop.config.a", "tapdock.yaml:9"),
    ("sources.shop.config.deep.c", "environment prod (tapdock.yaml:24)"),
    ("sources.shop.idle_timeout", "environment prod (tapdock.yaml:24)"),
    ("sources.shop.discovery", "default"),
    ("pipelines.demo.retries", "environment prod (tapdock.yaml:26)"),
    ("pipelines.demo.on_bad_record", "default"),
    ("state_backend.uri", "default"),
]
SHOP, LAKE = "TAPDOCK_SOURCES__SHOP", "TAPDOCK_TARGETS__LAKE__CONFIG"
VARIABLES = {SHOP: '{"image": "y", "config": {"a": 2, "new": [{"d": 1}]}, "pull": "never"}', LAKE: '{"e": {"f": 1}}'}
VARIABLE = [
    ("sources.shop.image", SHOP),
    ("sources.shop.config.a", SHOP),
    ("sources.shop.config.new.0.d", SHOP),
    ("sources.shop.pull", SHOP),
    ("sources.shop.config.deep.b.0", "tapdock.yaml:9"),
    ("sources.shop.discovery", "default"),
    ("targets.lake.config.e.f", LAKE),
    ("targets.lake.waits_for_complete", "default"),
]


def origins(folder: Path, *, environment: str | None, environ: dict[str, str]) -> dict[str, str]:
    file = folder / "tapdock.yaml"
    file.write_text(FILE)
    project = load(file, environment=environment, environ=environ)
    return {dotted(path): origin for path, _, origin in rows(project)}


@pytest.mark.parametrize(
    ("environment", "environ", "path", "origin"),
    [
        *((None, {}, *row) for row in ORIGINS),
        *(("prod", {}, *row) for row in ENVIRONMENT),
        *((None, VARIABLES, *row) for row in VARIABLE),
    ],
)
def test_the_origin_of_a_value(tmp_path, environment, environ, path, origin):
    assert origins(tmp_path, environment=environment, environ=environ)[path] == origin


@pytest.mark.parametrize("empty", ["", " {}", " {uri: }"])
@pytest.mark.parametrize("home", ["", "/elsewhere"])
def test_an_empty_state_backend_is_the_default(tmp_path, empty, home):
    file = tmp_path / "tapdock.yaml"
    file.write_text(f"version: 1\nstate_backend:{empty}\n")
    project = load(file, environment=None, environ={"TAPDOCK_HOME": home})
    assert project.state_uri == (f"{home}/state" if home else ".tapdock/state")
    assert project.origins["state_backend.uri"] == "default"


REFERENCES = """\
version: 1
sources:
  shop:
    image: x
    config: {password: "${PG_PASSWORD}", url: "${PG_USER}:${PG_PASSWORD}@h", list: [a, {key: "${KEY:-none}"}], b: c}
    env: {TOKEN: "${TOKEN}", PLAIN: text}
"""


@pytest.mark.long
@pytest.mark.parametrize("given", [{}, {"PG_PASSWORD": "s3cr3t-1", "PG_USER": "u", "TOKEN": "s3cr3t-2"}])
def test_the_variable_behind_a_secret_is_named(tmp_path, given):
    (tmp_path / "tapdock.yaml").write_text(REFERENCES)
    show = [sys.executable, "-m", "tapdock", "config", "show", "shop"]
    environ = {**os.environ, "TAPDOCK_PROJECT": str(tmp_path), **given}
    text, as_json = (
        subprocess.run([*show, *more], capture_output=True, text=True, check=True, env=environ).stdout
        for more in ((), ("--json",))
    )
    named = dict(re.findall(r"^sources\.shop\.(\S+) .*\((\$.*)\)", text, re.MULTILINE))
    secrets = {"password": "${PG_PASSWORD}", "url": "${PG_USER}, ${PG_PASSWORD}", "list.1.key": "${KEY}"}
    all_named = {**{f"config.{key}": value for key, value in secrets.items()}, "env.TOKEN": "${TOKEN}"}
    assert named == (all_named if given else {"config.list.1.key": "${KEY}"})
    found = {fact["path"]: fact.get("variables") for fact in json.loads(as_json)}
    assert found["sources.shop.config.b"] is None
    assert found["sources.shop.config.list.1.key"] == ["KEY"]
    value = "[secret] (${PG_PASSWORD})" if given else "[unset: PG_PASSWORD]"
    assert re.search(rf"^sources\.shop\.config\.password +{re.escape(value)} +tapdock.yaml:5$", text, re.MULTILINE)
    assert "s3cr3t" not in text + as_json
