"""Tests of entries under `tasks:`: images, folders, the host, and hints for keys that tasks do not have."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tapdock.connectors.images import build_plan
from tapdock.errors import UsageError
from tapdock.project.connector_values import Mount
from tapdock.project.load import load
from tapdock.project.meltano import read
from tapdock.project.model import Build, Connector, Project
from tapdock.project.secret import Secret

HUB = Path(__file__).parent / "dbt-duckdb--jwills.lock"
"""The definition of the utility dbt-duckdb on MeltanoHub, of 2026-08-02."""


def project(folder: Path, tasks: str, more: str = "", **environ: str) -> Project:
    file = folder / "tapdock.yaml"
    file.write_text(f"version: 1\n{more}\ntasks:\n  t: {tasks}\n")
    return load(file, environment=None, environ=environ)


def task(folder: Path, text: str, **environ: str) -> Connector:
    return project(folder, text, **environ).tasks["t"]


def test_a_script_of_the_project_gets_python_and_the_folder_of_the_project(tmp_path):
    found = task(tmp_path, "{commands: {run: script.py run}}")
    assert found.build == Build(family="python", package="")
    assert found.image == "tapdock/python:latest"
    assert (found.mounts, found.working_dir) == ((Mount(str(tmp_path), "/project"),), "/project")


def test_a_task_with_an_image_sees_only_its_mounts(tmp_path):
    for text in ("{image: x}", "{build: {pip: x}}", "{build: {python: '3.11'}}"):
        found = task(tmp_path, text)
        assert (found.mounts, found.working_dir) == ((), None), text


def test_the_folder_of_the_project_is_mounted_once(tmp_path):
    found = task(tmp_path, "{mounts: ['.:/project:ro'], working_dir: /project/scripts}")
    assert found.mounts == (Mount(str(tmp_path), "/project", read_only=True),)
    assert found.working_dir == "/project/scripts"


@pytest.mark.parametrize(
    ("build", "image"),
    [
        ("{pip: dbt-duckdb==1.9.6}", "tapdock/dbt-duckdb:1.9.6"),
        ("{pip: 'Great_Expectations[sql]==1.2.0'}", "tapdock/great-expectations:1.2.0"),
    ],
)
def test_an_image_has_the_name_of_the_first_package(tmp_path, build, image):
    assert task(tmp_path, f"{{build: {build}}}").image == image


def test_builds_that_differ_have_images_that_differ(tmp_path):
    builds = ["dbt-duckdb==1.9.*", "dbt-duckdb==1.8.*", "dbt-duckdb~=1.9", "dbt-duckdb", "dbt-duckdb==1.9.6"]
    images = [task(tmp_path, f"{{build: {{pip: '{each}'}}}}").image for each in builds]
    images += [task(tmp_path, f"{{build: {{{key}}}}}").image for key in ("python: '3.11'", "apt: [git]", "apt: [jq]")]
    images += [task(tmp_path, "{build: {pip: dbt-duckdb==1.9.6, executable: x}}").image, "tapdock/python:latest"]
    assert len(set(images)) == len(images)
    assert images[0].startswith("tapdock/dbt-duckdb:latest-")


def test_the_recipe_of_a_plain_image_has_no_package():
    plan = build_plan(Build(family="python", package=""), tag="t", base_image=None, base_digest=None)
    assert plan.args == {}
    assert (plan.context / "Dockerfile").is_file()


def test_variables_are_secrets_and_arguments_are_text(tmp_path):
    found = task(tmp_path, "{env: {KEY: '${KEY}'}, commands: {run: ['${WHAT}', '$HOME']}}", KEY="s3cr3t", WHAT="all")
    assert found.env["KEY"] == Secret("s3cr3t", parts=("s3cr3t",), variables=("KEY",))
    assert "s3cr3t" not in repr(found)
    assert found.commands["run"].args == ("all", "$HOME")


def test_a_task_on_the_host_has_no_image(tmp_path):
    found = project(tmp_path, "{engine: host, commands: {run: {executable: ls}}}")
    assert (found.tasks["t"].image, found.tasks["t"].build, found.tasks["t"].mounts) == ("", None, ())
    assert found.in_containers == ()
    assert found.connectors == (found.tasks["t"],)


def test_shared_defaults_do_not_matter_on_the_host(tmp_path):
    found = project(tmp_path, "{engine: host}", "defaults: {memory: 1g, env: {A: b}}")
    assert found.tasks["t"].env == {"A": "b"}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{build: {python: 'dbt-duckdb==1.9.*'}}", "not a version of Python", '`build: {pip: "dbt-duckdb==1.9.*"}`'),
        ("{build: {singer: tap-x}}", "is for connectors, and this is a task", "write `pip`"),
        ("{build: {with: [x]}}", "has no effect without `pip`", "name the packages under `pip`"),
        ("{build: {pip: 'git+https://example.com/x.git'}}", "no package name that can name the image", "add `image`"),
        ("{build: {pip: '--index-url=x y'}}", "option `--index-url`, which is not allowed", "PIP_INDEX_URL"),
        ("{build: {pip: 'git+https://u:p@example.com/x.git'}}", "has a credential", "PIP_EXTRA_INDEX_URL"),
        ("{config: {a: b}}", "`tasks.t.config` is not a key here", "under `env`"),
        ("{settings: {a: b}}", "`tasks.t.settings` is not a key here", "under `env`"),
        ("{select: [a]}", "`tasks.t.select` is not a key here", "only a source can have `select`"),
        ("{command: ls}", "`tasks.t.command` is not a key here", "under `commands`"),
        ("{args: ls}", "`tasks.t.args` is not a key here", "`commands: {run: {args: …}}`"),
        ("{executable: ls}", "`tasks.t.executable` is not a key here", "`entrypoint`"),
        ("{pip_url: dbt}", "`tasks.t.pip_url` is not a key here", "build: {pip:"),
        ("{idle_timeout: 1h}", "`tasks.t.idle_timeout` is not a key here", "as long as it likes"),
        ("{retries: 2}", "`tasks.t.retries` is not a key here", "only a pipeline"),
        ("{working_dir: scripts}", "is not an absolute path in the container", "/project"),
        ("{engine: local}", "is `local`, not one of `container`, `host`", None),
        ("{engine: host, image: x}", "`tasks.t.image` has no effect on the host", "remove `engine: host`"),
        ("{engine: host, memory: 1g}", "`tasks.t.memory` has no effect on the host", "remove `engine: host`"),
        ("{commands: {run: {arg: x}}}", "`tasks.t.commands.run.arg` is not a", "args"),
    ],
)
def test_a_mistake_has_its_place_and_a_hint(tmp_path, text, message, hint):
    with pytest.raises(UsageError) as raised:
        project(tmp_path, text)
    assert raised.value.message.startswith("tapdock.yaml:4: `tasks.t")
    assert message in raised.value.message
    assert hint is None or hint in (raised.value.hint or "")


def test_pip_is_not_for_connectors(tmp_path):
    (tmp_path / "tapdock.yaml").write_text("version: 1\nsources: {s: {build: {pip: x}}}")
    with pytest.raises(UsageError, match="is for tasks, and this is a source"):
        load(tmp_path / "tapdock.yaml", environment=None, environ={})


# --- Meltano's utilities ---------------------------------------------------------------------------------------------

MELTANO = """\
version: 1
default_environment: dev
environments:
- {name: dev}
- {name: prod, config: {plugins: {utilities: [{name: dbt-duckdb, config: {schema: production}}]}}}
plugins:
  extractors: [{name: tap-x, pip_url: tap-x}]
  loaders: [{name: target-y, pip_url: target-y}]
  utilities:
  - name: dbt-duckdb
    variant: jwills
    config: {path: '$MELTANO_PROJECT_ROOT/data/lake.duckdb'}
    commands:
      some: {args: 'build --select $MODELS', executable: dbt}
      docs: {args: docs serve, container_spec: {image: example/dbt:1, ports: {8080: 8080}}}
  - name: script
    namespace: script
    commands:
      load: {executable: python, args: scripts/load.py load}
      clean: {executable: python, args: scripts/load.py clean}
  - {name: shell, namespace: shell, executable: bash, commands: {ls: -c ls}}
  - {name: secret, namespace: secret, settings: [{name: password, sensitive: true}], commands: {run: x}}
  - {name: local, pip_url: ./extension, commands: {run: x}}
jobs:
- {name: nightly, tasks: [tap-x target-y, dbt-duckdb:build, shell:ls]}
- {name: only, tasks: [script:load]}
- {name: pair, tasks: [tap-x target-y]}
- {name: wrong, tasks: [tap-x target-y, script:nothing, dbt-duckdb]}
"""


@pytest.fixture
def meltano(tmp_path) -> Path:
    (tmp_path / "plugins" / "utilities").mkdir(parents=True)
    shutil.copy(HUB, tmp_path / "plugins" / "utilities")
    (tmp_path / ".env").write_text("DBT_DUCKDB_TARGET_PATH=/t\n")
    (tmp_path / "meltano.yml").write_text(MELTANO)
    return tmp_path / "meltano.yml"


def loaded(meltano: Path, environment: str = "dev") -> Project:
    file = meltano.with_name("tapdock.yaml")
    file.write_text(yaml.safe_dump(read(meltano).project, sort_keys=False))
    return load(file, environment=environment, environ={"MODELS": "staging"})


def test_a_utility_with_a_package_is_a_task_with_the_folder_of_the_project(meltano):
    dbt = loaded(meltano).tasks["dbt-duckdb"]
    definition = json.loads(HUB.read_text())
    assert dbt.build == Build(family="python", package=definition["pip_url"], executable="dbt_invoker")
    assert (dbt.mounts, dbt.working_dir) == ((Mount(str(meltano.parent), "/project"),), "/project")
    assert {*definition["commands"], "some", "docs"} == set(dbt.commands)
    assert dbt.commands["initialize"].executable == "dbt_extension"
    assert (dbt.commands["some"].executable, dbt.commands["some"].args) == ("dbt", ("build", "--select", "staging"))


def test_settings_are_variables_with_the_names_of_meltano(meltano):
    env = loaded(meltano).tasks["dbt-duckdb"].env
    assert (env["DBT_DUCKDB_PATH"], env["DBT_DUCKDB_SCHEMA"]) == ("/project/data/lake.duckdb", "main")
    assert env["DBT_PROJECT_DIR"] == env["DBT_DUCKDB_PROJECT_DIR"] == "/project/transform"
    assert env["DBT_EXT_SKIP_PRE_INVOKE"] == "false"
    assert (env["MELTANO_PROJECT_ROOT"], env["MELTANO_ENVIRONMENT"]) == ("/project", "dev")
    assert env["DBT_TARGET_PATH"] == Secret("/t", parts=("/t",), variables=("DBT_DUCKDB_TARGET_PATH",))
    assert loaded(meltano, "prod").tasks["dbt-duckdb"].env["DBT_DUCKDB_SCHEMA"] == "production"


def test_a_utility_without_a_package_is_a_script(meltano):
    tasks = loaded(meltano).tasks
    assert (tasks["script"].image, tasks["script"].entrypoint) == ("tapdock/python:latest", None)
    assert tasks["script"].commands["load"].executable == "python"
    assert (tasks["shell"].entrypoint, tasks["shell"].commands["ls"].args) == (("bash",), ("-c", "ls"))


def test_jobs_keep_their_commands(meltano):
    project = loaded(meltano)
    assert {name: job.steps for name, job in project.jobs.items()} == {
        "nightly": ("nightly-1", "dbt-duckdb:build", "shell:ls"),
        "only": ("script:load",),
    }
    assert list(project.pipelines) == ["nightly-1", "pair", "wrong"]


def test_what_is_not_taken_over_is_listed(meltano):
    left = "\n".join(read(meltano).left)
    for words in (
        "the command `dbt-duckdb:docs`: make it a task of its own with `image: example/dbt:1`",
        "`script:nothing` of the job `wrong`",
        "`dbt-duckdb` of the job `wrong`",
        "SECRET_PASSWORD, if it is set for Meltano: add `SECRET_PASSWORD: ${SECRET_PASSWORD}` to the `env` of secret",
        "`pip_url` of local: build an image yourself",
        "the variables of `.env` for script",
    ):
        assert words in left
