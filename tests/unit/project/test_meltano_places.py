"""Tests what a Meltano project has that means something else in a container, or that no key of tapdock takes."""

import pytest
import yaml

from tapdock.project.load import load
from tapdock.project.meltano import read

MELTANO = """\
version: 1
default_environment: dev
env:
  LAKE_FILE: $MELTANO_PROJECT_ROOT/lake/lake.duckdb
  WHERE: $MELTANO_ENVIRONMENT-x
  OWN: ${MELTANO_SYS_DIR_ROOT}
  MELTANO_OURS: a
  USED: $MELTANO_OURS
environments:
- name: dev
- name: prod
  env: {WHERE: $MELTANO_ENVIRONMENT-y}
  state_id_suffix: $MELTANO_ENVIRONMENT-z
  config: {plugins: {extractors: [{name: tap-a, config: {host: 127.0.0.1}}]}}
plugins:
  extractors:
  - name: tap-a
    pip_url: tap-a==1
    config: {host: localhost, url: 'https://localhost:8080/x', start: $MELTANO_PROJECT_ROOT/a.csv}
  loaders:
  - {name: target-b, pip_url: target-b==1, config: {filepath: $LAKE_FILE, other_path: ../shared/b.duckdb}}
  utilities:
  - name: dbt
    pip_url: dbt-core==1.10.13
    commands: {build: {args: build, description: Builds everything}}
jobs:
- {name: all, tasks: [tap-a target-b]}
schedules:
- {name: nightly, interval: '@daily', job: all, start_date: 2020-01-01, env: {X: $MELTANO_PROJECT_ROOT/x}}
"""


@pytest.fixture
def found(tmp_path):
    (tmp_path / "meltano.yml").write_text(MELTANO)
    return read(tmp_path / "meltano.yml")


@pytest.mark.parametrize("environment", [None, "prod"])
def test_what_only_meltano_sets_has_a_value(found, tmp_path, environment):
    file = tmp_path / "tapdock.yaml"
    file.write_text(yaml.safe_dump(found.project))
    project = load(file, environment=environment, environ={})
    end = "prod-y" if environment else "dev-x"
    env = dict(project.sources["tap-a"].env)
    assert env.pop("OWN").reveal() == "", "the value of a variable is a secret"
    assert env == {"LAKE_FILE": "/project/lake/lake.duckdb", "WHERE": end, "MELTANO_OURS": "a", "USED": "a"}
    assert project.targets["target-b"].config["filepath"] == "/project/lake/lake.duckdb"
    assert project.sources["tap-a"].config["start"] == "/project/a.csv"
    assert project.pipelines["all"].state_suffix == ("prod-z" if environment else None)


def test_the_result_loads_without_an_environment(found, tmp_path):
    del found.project["default_environment"]
    (tmp_path / "tapdock.yaml").write_text(yaml.safe_dump(found.project))
    project = load(tmp_path / "tapdock.yaml", environment=None, environ={})
    assert project.sources["tap-a"].env["WHERE"] == "-x"


@pytest.mark.parametrize(
    "line",
    [
        'meltano.yml:4: `$MELTANO_PROJECT_ROOT` in `env.LAKE_FILE`: it is `/project` now; add `mounts: [".:/project"]`',
        "meltano.yml:6: `$MELTANO_SYS_DIR_ROOT` in `env.OWN`: tapdock has no such variable, so it is empty",
        "meltano.yml:17: `$MELTANO_PROJECT_ROOT` in the config of tap-a: it is `/project` now",
        "meltano.yml:19: `localhost` in `host` of tap-a: in a container, it is the container itself",
        "meltano.yml:19: `localhost` in `url` of tap-a",
        "meltano.yml:14: `127.0.0.1` in `host` of tap-a",
        'meltano.yml:21: the file of `other_path: ../shared/b.duckdb` of target-b: write `mounts: ["../shared:/shared"',
        "meltano.yml:25: `description` of the command `dbt:build`",
        "meltano.yml:29: `start_date` of the schedule `nightly`",
        "meltano.yml:29: `$MELTANO_PROJECT_ROOT` in `env.X`",
    ],
)
def test_what_is_listed(found, line):
    assert [each for each in found.left if each.startswith(line)], found.left


def test_variables_of_the_project_are_not_listed(found):
    assert not [each for each in found.left if "MELTANO_OURS`" in each or "MELTANO_ENVIRONMENT" in each]
