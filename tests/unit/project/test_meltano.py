"""Tests the conversion of a Meltano project."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from tapdock.connectors.selection import select_streams
from tapdock.connectors.settings import coerce
from tapdock.errors import UsageError
from tapdock.project.connector_values import Config
from tapdock.project.load import load
from tapdock.project.meltano import converted, read
from tapdock.project.meltano_files import Files
from tapdock.project.meltano_selection import selection
from tapdock.project.meltano_settings import plugins_of, settings_of
from tapdock.translate.catalogs.singer import singer_streams

MELTANO = """\
version: 1
default_environment: dev
state_backend: {uri: 's3://AKIA:pa55word@bucket/meltano'}
include_paths: [./more/*.meltano.yml]
environments:
- name: dev
- name: prod
  config:
    plugins:
      extractors:
      - {name: tap-github, config: {start_date: '2020-01-01', auth.token: $GH_TOKEN}, select: [issues.*]}
  env: {REGION: eu, LIMIT: 1.5}
  state_id_suffix: $SUFFIX
env: {REGION: us, PLACE: "$REGION-1"}
plugins:
  extractors:
  - name: tap-github
    variant: meltanolabs
    pip_url: meltanolabs-tap-github==1.0.0
    executable: tap-github
    settings: [{name: auth_token, kind: password}]
    config: {repositories: [a/b], nested.key: 1}
    select: [issues.*, '!issues.body']
    metadata: {issues: {replication-method: INCREMENTAL}}
  - {name: tap-github--two, inherit_from: tap-github, config: {repositories: [c/d]}, select: [pulls.*]}
  - name: tap-faker
    variant: airbyte
    config: {airbyte_spec: {image: airbyte/source-faker, tag: 7.2.1}, airbyte_config: {count: 5}}
  - {name: tap-locked, variant: someone}
  - {name: tap-unknown}
  loaders:
  - {name: target-git, pip_url: 'git+https://example.com/x.git', config: {password: '${PW}', text: 'a $PW b'}}
  mappers: [{name: mapper}]
  utilities: [{name: dbt}]
jobs:
- {name: all, tasks: [tap-github target-git, [tap-faker mapper target-git], 'dbt:run']}
- {name: two, tasks: [tap-github target-git tap-faker target-git]}
schedules:
- {name: nightly, interval: '@daily', job: all}
- {name: old, interval: 0 1 * * *, extractor: tap-faker, loader: target-more}
"""
MORE = "plugins: {loaders: [{name: target-more, pip_url: target-duckdb==0.8.0}]}\n"
LOCK = {"name": "tap-locked", "pip_url": "someones-tap-locked", "settings": [{"name": "api.key", "sensitive": True}]}


@pytest.fixture
def file(tmp_path) -> Path:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.meltano.yml").write_text(MORE)
    (tmp_path / "plugins" / "extractors").mkdir(parents=True)
    (tmp_path / "plugins" / "extractors" / "tap-locked--someone.lock").write_text(json.dumps(LOCK))
    (tmp_path / "meltano.yml").write_text(MELTANO)
    return tmp_path / "meltano.yml"


def test_what_comes_along(file):
    project, _ = read(file)
    github = {
        "build": {"singer": "meltanolabs-tap-github==1.0.0", "executable": "tap-github"},
        "config": {"repositories": ["a/b"], "nested": {"key": 1}},
        "select": ["issues.*", "!issues.body"],
        "streams": {"issues": {"replication_method": "INCREMENTAL"}},
    }
    in_prod = {
        "config": {"start_date": "2020-01-01", "auth": {"token": "${GH_TOKEN}"}},
        "select": ["issues.*"],
    }
    assert project == {
        "version": 1,
        "default_environment": "dev",
        "vars": {"REGION": "us", "PLACE": "${REGION}-1"},
        "defaults": {"env": {"REGION": "${REGION}", "PLACE": "${PLACE}"}},
        "sources": {
            "tap-github": github,
            "tap-github--two": {
                **github,
                "config": {"repositories": ["c/d"], "nested": {"key": 1}},
                "select": ["pulls.*"],
                "streams": {"[i]ssues": github["streams"]["issues"]},
            },
            "tap-faker": {
                "config": {
                    "airbyte_spec": {"image": "airbyte/source-faker", "tag": "7.2.1"},
                    "airbyte_config": {"count": 5},
                }
            },
            "tap-locked": {"build": {"singer": "someones-tap-locked"}},
            "tap-unknown": {"build": {"singer": "tap-unknown"}},
        },
        "mappers": {"mapper": {"build": {"singer": "mapper"}}},
        "targets": {
            "target-git": {
                "image": "tapdock/target-git:latest",
                "build": {"singer": "git+https://example.com/x.git"},
                "config": {"password": "${PW}", "text": "a ${PW} b"},
            },
            "target-more": {"build": {"singer": "target-duckdb==0.8.0"}},
        },
        "tasks": {
            "dbt": {
                "entrypoint": ["dbt"],
                "env": {"MELTANO_PROJECT_ROOT": "/project", "MELTANO_ENVIRONMENT": "${ENVIRONMENT}"},
            }
        },
        "jobs": {"all": {"steps": ["all-1", "all-2"]}, "two": {"steps": ["two-1", "two-2"]}},
        "pipelines": {
            "all-1": {"source": "tap-github", "target": "target-git"},
            "all-2": {"source": "tap-faker", "mappers": ["mapper"], "target": "target-git"},
            "two-1": {"source": "tap-github", "target": "target-git"},
            "two-2": {"source": "tap-faker", "target": "target-git"},
            "old": {"source": "tap-faker", "target": "target-more", "state_id": "old"},
        },
        "schedules": {
            "nightly": {"run": "all", "cron": "@daily"},
            "old": {"run": "old", "cron": "0 1 * * *"},
        },
        "environments": {
            "dev": {},
            # The child does not inherit them: none of its settings has one of these names.
            "prod": {
                "vars": {"REGION": "eu", "LIMIT": "1.5"},
                "defaults": {"env": {"REGION": "${REGION}", "LIMIT": "${LIMIT}"}},
                "sources": {
                    "tap-github": in_prod,
                },
                "pipelines": {name: {"state_suffix": "${SUFFIX}"} for name in ("all-1", "all-2", "two-1", "two-2")},
            },
        },
    }


def test_what_does_not(file):
    left = "\n".join(read(file).left)
    for words in (
        "add `auth_token: ${TAP_GITHUB_AUTH_TOKEN}`",
        "add `api.key: ${TAP_LOCKED_API_KEY}`",
        "the package of tap-unknown",
        "`dbt:run` of the job `all`",
        "meltano.yml:14: the priority of `env` (LIMIT, PLACE, REGION)",
        "the package of mapper, which neither",
        "`dbt` has no commands",
        "`tapdock state import s3://bucket/meltano --format meltano`",
    ):
        assert words in left
    assert "pa55word" not in left


@pytest.mark.long
def test_the_command_makes_a_project_that_loads(file, tmp_path):
    command = [sys.executable, "-m", "tapdock", "--project", tmp_path / "new", "init", "--from-meltano", file.parent]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "not carried over: meltano.yml:34: `dbt` has no commands" in ended.stderr
    text = (tmp_path / "new" / "tapdock.yaml").read_text()
    assert "# not carried over: meltano.yml:34: `dbt` has no commands" in text
    project = load(
        tmp_path / "new" / "tapdock.yaml", environment="prod", environ={"PW": "p", "GH_TOKEN": "t", "SUFFIX": "s"}
    )
    assert project.sources["tap-faker"].image == "airbyte/source-faker:7.2.1"
    assert project.sources["tap-github"].select == ("issues.*",)
    assert project.pipelines["all-1"].state_suffix == "s"
    assert subprocess.run(command, capture_output=True).returncode == 2, "a project that is there stays"


def test_settings_that_only_variables_have(file):
    """For Meltano, variables have priority over the file, and over each environment."""
    written = ("TAP_GITHUB_START_DATE=2024-01-01", "TAP_LOCKED_API_KEY=k", "TAP_LOCKED_OTHER=1", "ELSE=1")
    (file.parent / ".env").write_text("\n".join(written))
    project, left = read(file)
    assert project["sources"]["tap-locked"]["config"] == {"api": {"key": "${TAP_LOCKED_API_KEY}"}}
    # Only a setting that the file or a lock file names is known.
    assert "TAP_GITHUB_START_DATE in `.env`, if it sets a setting of tap-github" in "\n".join(left)
    config = project["environments"]["prod"]["sources"]["tap-github"]["config"]
    assert config["start_date"] == "${TAP_GITHUB_START_DATE}", "the environment names it, so it is known there"
    assert "TAP_LOCKED_OTHER in `.env`" in "\n".join(left)
    assert "ELSE" not in "\n".join(left)


def values(plugins: list[dict], name: str, environment: dict | None = None) -> dict:
    files = Files({"plugins": {"loaders": plugins}})
    return settings_of(plugins_of(files, "loaders")[name], files, environment).config


@pytest.mark.parametrize(
    ("child", "config"),
    [
        ({}, {"a": 1, "b.x": 2}),
        ({"config": {"a": 3}}, {"a": 3, "b.x": 2}),
        ({"config": {"b": {"y": 4}}}, {"a": 1, "b.x": 2, "b.y": 4}),
        ({"config": {"a": None}}, {"a": 1, "b.x": 2}),
    ],
)
def test_what_an_environment_changes_of_a_parent_is_inherited(child, config):
    """Only `c` is not: the child does not know this setting, as neither its definition nor its config has it."""
    plugins = [{"name": "p", "config": {"a": 0, "b": {"x": 0}}}, {"name": "c", "inherit_from": "p", **child}]
    change = {"name": "p", "config": {"a": 1, "b": {"x": 2}, "c": 5}}
    assert values(plugins, "c", {"config": {"plugins": {"loaders": [change]}}}) == config


def test_a_circle_of_plugins_ends():
    plugins = [{"name": "a", "inherit_from": "b"}, {"name": "b", "inherit_from": "a", "config": {"x": 1}}]
    assert values(plugins, "a") == {"x": 1}


@pytest.mark.parametrize(("text", "message"), [("[1]", "not a mapping"), ("a: [", "malformed YAML")])
def test_what_is_no_project(tmp_path, text, message):
    (tmp_path / "meltano.yml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read(tmp_path / "meltano.yml")


def test_values_stay_as_they_were_written(tmp_path):
    """YAML 1.1 would read these values as a date, false, and 668."""
    config = "{start_date: 2021-01-01T00:00:00Z, country: no, zip: 01234}"
    spec = "{airbyte_spec: {image: a, tag: 7.20}}"
    (tmp_path / "meltano.yml").write_text(
        f"plugins: {{extractors: [{{name: a, config: {config}}}, {{name: b, config: {spec}}}]}}\n"
    )
    project, left = read(tmp_path / "meltano.yml")
    assert project["sources"]["a"]["config"] == {"start_date": "2021-01-01T00:00:00Z", "country": "no", "zip": "01234"}
    assert project["sources"]["b"]["config"]["airbyte_spec"]["tag"] == "7.2"
    assert any("the tag of b" in line for line in left)


def test_a_setting_beside_its_own_beginning():
    extractor = {"name": "a", "pip_url": "a", "config": {"x": 1, "x.y": 2, "z": {"k": 1}, "z.l": 2}}
    project, left = converted(Files({"plugins": {"extractors": [extractor]}}))
    assert project["sources"]["a"]["config"] == {"x": 1, "z": {"k": 1, "l": 2}}
    assert left == ["`x.y` of a, because a part of that name has a value of its own"]
    assert extractor["config"]["z"] == {"k": 1}


def test_nothing_is_a_project_too():
    assert converted(Files({})) == ({"version": 1}, [])


@pytest.mark.long
@pytest.mark.parametrize("secret", ["meltano.yml", "more.yml", None])
def test_a_project_is_as_private_as_what_it_is_made_of(tmp_path, secret):
    """A setting in any of the files can be a password."""
    (tmp_path / "meltano.yml").write_text("include_paths: ['*.yml']\n")
    (tmp_path / "more.yml").write_text("plugins: {}\n")
    for name in ("meltano.yml", "more.yml"):
        (tmp_path / name).chmod(0o600 if name == secret else 0o644)
    command = [sys.executable, "-m", "tapdock", "--project", tmp_path / "new", "init", "--from-meltano", tmp_path]
    subprocess.run(command, check=True, capture_output=True, umask=0o022)
    assert (tmp_path / "new" / "tapdock.yaml").stat().st_mode & 0o777 == (0o600 if secret else 0o644)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("pa$$word", "pa$$word"),
        ("abc$1", "abc$1"),
        ("$", "$"),
        ("$$", "$$"),
        ("a$b", "a$b"),
        ("${", "${"),
        ("${A:-b}", "${A:-b}"),
        ("${a b}", "${a b}"),
        ("$VALUE", "v$x"),
        ("${value}", "lower"),
        ("$VALUE_", "other"),
        ("a$$VALUE$", "a$v$x$"),
        ("1$VALUE2", "1two"),
    ],
)
def test_every_dollar_is_what_it_was_for_meltano(tmp_path, written, value):
    """A variable without braces has a name in capital letters; everything else is text."""
    plugin = {"name": "tap-x", "config": {"a": written, "n.b": [written]}, "env": {"E": written}, "select": [written]}
    environment = {"name": "e", "config": {"plugins": {"extractors": [{"name": "tap-x", "config": {"c": written}}]}}}
    found = converted(Files({"plugins": {"extractors": [plugin]}, "environments": [environment]}))
    file = tmp_path / "tapdock.yaml"
    file.write_text(yaml.safe_dump(found.project))
    variables = {"VALUE": "v$x", "value": "lower", "VALUE_": "other", "VALUE2": "two"}
    source = load(file, environment="e", environ=variables).sources["tap-x"]
    config = coerce(source.config, {})
    assert config == {"a": value, "n": {"b": [value]}, "c": value}
    assert coerce(Config(source.env), {}) == {"E": value}
    assert source.select == (value,)


def source(**plugin) -> tuple[dict, str]:
    """Return the entry of an extractor, and the lines about what is not carried over."""
    project, left = converted(Files({"plugins": {"extractors": [{"name": "tap-x", "pip_url": "tap-x", **plugin}]}}))
    return project["sources"]["tap-x"], "\n".join(left)


def test_config_of_all_forms():
    """As Meltano 4.4.1 writes them: dots nest at every level, unless they are escaped; null sets nothing."""
    given = {"n": {"x": 1}, "n.y": 3, "e": {}, "s3\\.x": 1, "d.x": {"a.b": 2}, "gone": None, "list": []}
    wanted = {"n": {"x": 1, "y": 3}, "e": {}, "s3.x": 1, "d": {"x": {"a": {"b": 2}}}, "list": []}
    assert source(config=given)[0]["config"] == wanted
    settings = [{"name": "obj", "kind": "object", "value": {}}, {"name": "gone", "value": 7}, {"name": "none"}]
    assert source(config=given, settings=settings)[0]["config"] == {**wanted, "obj": {}, "gone": 7}


def test_variables_of_env_set_settings():
    """They are read as values of the type that the setting has."""
    env = {"TAP_X_LIST": '["q"]', "TAP_X_COUNT": "5", "TAP_X_FLAG": "false", "TAP_X__SELECT": '["a.*"]', "Y_OLD": "o"}
    settings = [{"name": "flag", "kind": "boolean"}, {"name": "old", "env_aliases": ["Y_OLD"]}]
    found, _ = source(config={"list": ["a"], "count": 1}, settings=settings, env=env)
    assert found["config"] == {"list": ["q"], "count": 5, "flag": False, "old": "o"}
    assert found["select"] == ["a.*"]
    assert found["env"] == env


@pytest.mark.parametrize(
    ("plugin", "entry", "line"),
    [
        ({"python": "python3.11"}, {"build": {"singer": "tap-x", "python": "3.11"}}, ""),
        ({"python": "pypy"}, {"build": {"singer": "tap-x"}}, "`python: pypy` of tap-x"),
        ({"executable": "./x.sh"}, {"build": {"singer": "tap-x"}}, "`executable: ./x.sh` of tap-x"),
        ({"pip_url": "-e ./tap-x"}, {"image": "tapdock/tap-x:latest"}, "`pip_url` of tap-x: build an image"),
        ({"pip_url": "git+https://user:pass@host/x"}, {"image": "tapdock/tap-x:latest"}, "`pip_url` of tap-x"),
        ({"capabilities": ["properties", "discover"]}, {"catalog_option": "--properties"}, ""),
        ({"capabilities": ["catalog"], "select": ["a.*"]}, {"discovery": False}, "`select` of tap-x, which Meltano"),
        ({"metadata": {"s": {"replication-method": "odd"}}}, {}, "`metadata` of tap-x (`s.replication-method`)"),
        ({"metadata": {"s": {"key": "$NAME"}}}, {}, "`metadata` of tap-x (`s.key`), which has a variable"),
        ({"select": []}, {"select": ["!*"]}, "it selects nothing, as for Meltano"),
        ({"select": ["a*.*"], "select_filter": ["*t*"]}, {"select": ["!*"]}, "name the streams that both match"),
        (
            {"config": {"x": "$MELTANO_RUN_ID"}},
            {"config": {"x": "${MELTANO_RUN_ID}"}},
            "`$MELTANO_RUN_ID` in the config",
        ),
        ({"config": {"x": "$MELTANO_EXTRACTOR_NAME"}}, {"config": {"x": "tap-x"}}, ""),
        ({"catalog": "none.json"}, {"catalog": "none.json", "select": ["!*"]}, "`catalog`: it selects nothing"),
        ({"variant": "v"}, {}, "there is no plugins/extractors/tap-x--v.lock"),
        ({"strange": 1}, {}, "`strange` of tap-x"),
    ],
)
def test_keys_of_an_extractor(plugin, entry, line):
    found, left = source(**plugin)
    assert {key: found.get(key) for key in entry} == entry
    assert line in left
    assert bool(left) == bool(line)
    if "select" not in entry and "discovery" in entry:
        assert "select" not in found, "a run would refuse it"


def test_use_cached_catalog():
    found, left = source(use_cached_catalog=False)
    assert found.get("discovery") == "always" or "`use_cached_catalog` of tap-x" in left


def test_a_target_without_a_namespace_of_its_sources():
    """`$MELTANO_EXTRACTOR_NAMESPACE` is only replaced if no pipeline of the target writes into another schema then."""
    loader = {"name": "target-y", "pip_url": "y", "config": {"schema": "$MELTANO_EXTRACTOR_NAMESPACE"}}
    for given, text in (({}, "${LOAD_SCHEMA}"), ({"load_schema": "other"}, "${MELTANO_EXTRACTOR_NAMESPACE}")):
        extractor = {"name": "tap-x", "pip_url": "x", **given}
        found = converted(Files({"plugins": {"extractors": [extractor], "loaders": [loader]}}))
        assert found.project["targets"]["target-y"]["config"] == {"schema": text}
        assert any("`$MELTANO_EXTRACTOR_NAMESPACE` in the config of target-y" in line for line in found.left) == bool(
            given
        )


def test_names_of_states_that_a_store_cannot_have():
    plugins = {"extractors": [{"name": "tap-x", "pip_url": "x"}], "loaders": [{"name": "target-y", "pip_url": "y"}]}
    schedule = {"name": "a/b", "interval": "@daily", "extractor": "tap-x", "loader": "target-y"}
    found = converted(Files({"plugins": plugins, "schedules": [schedule]}))
    assert found.project["pipelines"] == {"a-b": {"source": "tap-x", "target": "target-y", "state_id": "state-a-b"}}
    assert "the name of the state `a/b`: it is `state-a-b` now" in found.left


def test_an_environment_that_takes_something_back(tmp_path):
    """What the base has and an environment has not is null there, which is the default."""
    extractor = {
        "name": "tap-x",
        "pip_url": "x",
        "select_filter": ["a"],
        "use_cached_catalog": False,
        "load_schema": "s",
    }
    change = {
        "name": "tap-x",
        "select_filter": [],
        "use_cached_catalog": True,
        "load_schema": "$MELTANO_EXTRACTOR_NAME",
    }
    environment = {"name": "prod", "config": {"plugins": {"extractors": [change]}}}
    found = converted(Files({"plugins": {"extractors": [extractor]}, "environments": [environment]}))
    (tmp_path / "tapdock.yaml").write_text(yaml.safe_dump(found.project))
    without, prod = (load(tmp_path / "tapdock.yaml", environment=name, environ={}) for name in ("", "prod"))
    assert (without.sources["tap-x"].select, without.sources["tap-x"].load_schema) == (("a.*",), "s")
    assert (prod.sources["tap-x"].select, prod.sources["tap-x"].load_schema) == ((), "tap-x")


def test_settings_in_the_system_database(file):
    """Meltano uses them, with priority over what is inherited; they cannot be seen in any file."""
    (file.parent / ".meltano").mkdir()
    with closing(sqlite3.connect(file.parent / ".meltano" / "meltano.db")) as opened:
        opened.execute("CREATE TABLE plugin_settings (namespace VARCHAR, name VARCHAR, value BLOB, enabled BOOLEAN)")
        rows = [
            ("extractors.tap-github.default", "since", "s3cret", 1),
            ("loaders.target-git.default", "disabled", "x", 0),
        ]
        opened.executemany("INSERT INTO plugin_settings VALUES (?, ?, ?, ?)", rows)
        opened.commit()
    left = "\n".join(read(file).left)
    assert "`since` of tap-github, which is set in the system database: `meltano config list tap-github`" in left
    assert "`disabled`" not in left
    assert "s3cret" not in left


def test_a_field_that_a_catalog_of_its_own_leaves_out(tmp_path):
    """As singer_sdk reads it: `selected` goes before `selected-by-default`, and an automatic field is always read."""
    fields = {
        "ssn": {"selected-by-default": False},
        "iban": {"selected": None, "selected-by-default": False},
        "mail": {"selected": True, "selected-by-default": False},
        "id": {"inclusion": "automatic", "selected-by-default": False},
    }
    metadata = [{"breadcrumb": ["properties", name], "metadata": said} for name, said in fields.items()]
    stream = {"tap_stream_id": "users", "selected": True, "metadata": metadata}
    metadata.append({"breadcrumb": [], "metadata": {"selected-by-default": False}})
    (tmp_path / "own.json").write_text(json.dumps({"streams": [stream]}))
    extras = {
        "catalog": "own.json",
        "metadata.users.replication-method": "FULL_TABLE",
        "schema.users.id.type": "string",
    }
    patterns, left = selection(extras, tmp_path)
    assert patterns == ("users.*", "!users.ssn", "!users.iban")
    assert left == [f"`{key}`, which Meltano ignores beside `catalog`" for key in ("metadata", "schema")]


def test_variables_with_names_that_are_built_in(tmp_path):
    """`$TARGET` is the user's variable for Meltano, never the name of the target."""
    (tmp_path / "meltano.yml").write_text("""\
env: {ENVIRONMENT: blue}
environments: [{name: dev, env: {TODAY: monday}}]
plugins:
  extractors: [{name: tap-x, pip_url: tap-x, config: {day: $TODAY, run: '${RUN_ID}', text: '\\$NOW'}}]
  loaders: [{name: target-y, pip_url: target-y, config: {schema: $TARGET, color: $ENVIRONMENT}}]
jobs: [{name: all, tasks: [tap-x target-y]}]
""")
    project, left = read(tmp_path / "meltano.yml")
    assert project["sources"]["tap-x"]["config"] == {
        "day": "${MELTANO_VAR_TODAY}",
        "run": "${MELTANO_VAR_RUN_ID}",
        "text": "$$NOW",
    }
    for name in ("TARGET", "ENVIRONMENT", "RUN_ID", "TODAY"):
        line = f"the name of the variable {name}, which is built in here: it is MELTANO_VAR_{name} now"
        assert [each for each in left if line in each], name
    assert not [each for each in left if "MELTANO_VAR_NOW" in each]
    (tmp_path / "tapdock.yaml").write_text(yaml.safe_dump(project))
    environ = {f"MELTANO_VAR_{name}": f"my {name}" for name in ("TARGET", "RUN_ID")}
    target = load(tmp_path / "tapdock.yaml", environment="dev", environ=environ).targets["target-y"]
    assert coerce(target.config, {}) == {"schema": "my TARGET", "color": "blue"}
    assert coerce(Config(target.env), {}) == {"ENVIRONMENT": "blue", "TODAY": "monday"}


@pytest.mark.parametrize("offered", ["lines", "lines orders gone"])
def test_a_stream_that_only_the_parent_has(tmp_path, offered):
    """Meltano only warns of it, so the source that inherits its options reads what it has."""
    full = {"orders": {"replication-method": "FULL_TABLE"}, "gone": {"selected": False}, "tables_*": {"x": 1}}
    base = {"name": "tap-a", "namespace": "a", "pip_url": "a", "metadata": full, "schema": {"orders": {"id": {"a": 1}}}}
    by_key = {"lines": {"replication-method": "INCREMENTAL", "replication-key": "id"}}
    child = {"name": "tap-b", "inherit_from": "tap-a", "metadata": by_key}
    environments = [{"name": "prod", "config": {"plugins": {"extractors": [{"name": "tap-b", "metadata": by_key}]}}}]
    tree = {"plugins": {"extractors": [base, child]}, "environments": environments}
    (tmp_path / "tapdock.yaml").write_text(yaml.safe_dump(converted(Files(tree)).project))
    project = load(tmp_path / "tapdock.yaml", environment="prod", environ={})
    streams = [
        {"tap_stream_id": name, "schema": {"properties": {"id": {"type": "integer"}}}} for name in offered.split()
    ]
    found = singer_streams(json.dumps({"streams": streams}).encode())
    source = project.sources["tap-b"]
    chosen = {each.stream.name: each for each in select_streams(found, source.select, source.streams, warn=print)}
    assert set(chosen) == set(offered.split()) - {"gone"}
    assert chosen["lines"].sync_mode == "incremental"
    assert "orders" not in chosen or chosen["orders"].sync_mode == "full_refresh"
    if offered == "lines":
        with pytest.raises(UsageError, match="there is no stream `orders`"):
            select_streams(found, (), project.sources["tap-a"].streams, warn=print)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            {"filepath": "output/warehouse.duckdb"},
            'write `mounts: ["./output:/output"]` and `/output/warehouse.duckdb`',
        ),
        ({"destination_path": "output"}, 'write `mounts: ["./output:/output"]` and `/output`'),
        ({"filepath": "./lake.duckdb"}, 'write `mounts: ["./data:/data"]` and `/data/lake.duckdb`'),
        ({"filepath": "/srv/lake/prod.duckdb"}, 'write `mounts: ["/srv/lake:/srv/lake"]` and `/srv/lake/prod.duckdb`'),
        ({"nested": {"folder": "/srv/in"}}, 'write `mounts: ["/srv/in:/srv/in"]` and `/srv/in`'),
        ({"filepath": "/tmp/x.duckdb"}, None),
        ({"filepath": "$MELTANO_PROJECT_ROOT/lake.duckdb"}, None),
        ({"database": "warehouse"}, None),
        ({"api_path": "/v1/users"}, None),
        ({"url": "output/x"}, None),
    ],
)
def test_files_in_the_folder_of_the_project_need_a_mount(config, line):
    lines = [each for each in source(config=config)[1].splitlines() if "the file of" in each]
    assert [line in each for each in lines] == ([True] if line else [])


MAPPED = """\
version: 1
plugins:
  extractors: [{name: tap-a, pip_url: tap-a==1}]
  mappers:
  - name: meltano-map-transformer
    pip_url: meltano-map-transform==0.12.3
    executable: meltano-map-transform
    config: {flattening_enabled: true}
    mappings:
    - {name: hide, config: {stream_maps: {public-users: {email: md5(email), key: $SALT}}}}
    - {name: drop, config: {stream_maps: {public-users: __NULL__}}}
  loaders: [{name: target-b, pip_url: target-b==1}]
environments:
- name: prod
  config: {plugins: {mappers: [{name: meltano-map-transformer, config: {flattening_enabled: false}}]}}
jobs:
- {name: hidden, tasks: tap-a hide target-b}
- {name: twice, tasks: [tap-a hide drop target-b]}
- {name: alone, tasks: [hide, tap-a, drop target-b]}
"""


def test_mappers_and_pipelines_with_a_mapping(tmp_path):
    """A pipeline without its mapping would write what the mapping hides, so a job with two has no pipeline."""
    (tmp_path / "meltano.yml").write_text(MAPPED)
    project, left = read(tmp_path / "meltano.yml")
    mapper = project["mappers"]["meltano-map-transformer"]
    assert mapper["build"] == {"singer": "meltano-map-transform==0.12.3", "executable": "meltano-map-transform"}
    assert mapper["config"] == {"flattening_enabled": True}
    users = {"email": "md5(email)", "key": "${SALT}"}
    hide, drop = mapper["mappings"]
    assert hide == {"name": "hide", "config": {"stream_maps": {"public-users": users}}}
    assert drop["config"] == {"stream_maps": {"public-users": "__NULL__"}}
    assert project["pipelines"] == {
        "hidden": {"source": "tap-a", "mappers": ["hide"], "target": "target-b"},
        "alone": {"source": "tap-a", "mappers": ["drop"], "target": "target-b"},
    }
    assert project["environments"]["prod"]["mappers"] == {
        "meltano-map-transformer": {"config": {"flattening_enabled": False}}
    }
    text = "\n".join(left)
    assert "`target-b` of the job `twice`, because it does not directly follow a source, or one mapping" in text
    assert all(f"`{word}` of the job `twice`" in text for word in ("hide", "drop"))
    assert "`hide` of the job `alone`" in text
    assert "meltano-map-transformer" not in text
    (tmp_path / "tapdock.yaml").write_text(json.dumps(project))
    loaded = load(tmp_path / "tapdock.yaml", environment="prod", environ={"SALT": "s"})
    assert loaded.pipelines["hidden"].mappers == ("hide",)
