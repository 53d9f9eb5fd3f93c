"""Tests tapdock.yaml as a project, and the message and place of every mistake in it."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from jsonschema.validators import validator_for

from tapdock.cli.session import Session
from tapdock.errors import UsageError
from tapdock.project.connector_values import Mount
from tapdock.project.find import find_project
from tapdock.project.load import load
from tapdock.project.model import Build, Project, StreamOptions
from tapdock.project.owners import trusted_users
from tapdock.project.schema import json_schema
from tapdock.project.secret import Secret

ME = {0, os.geteuid()}
WHOLE = """\
version: 1
defaults:
  memory: 512m
sources:
  faker:
    image: airbyte/source-faker:7.2.1
    config:
      count: 1000
      token: ${FAKER_TOKEN}
      url: "https://${HOST:-localhost}/$${x}"
      since: 2024-01-01
      country: NO
    select: ["users.*", "!users.address"]
    streams:
      users: {sync_mode: incremental, cursor_field: updated_at, primary_key: [id, [a, b]]}
    idle_timeout: 15m
targets:
  lake:
    build: {singer: target-duckdb==0.8.0}
    config: {path: /data/lake.duckdb}
    mounts: ["./data:/data", {source: cache, target: /cache, read_only: true}, "/etc/x:/x:ro,z"]
    memory: 1.5g
pipelines:
  demo: {source: faker, target: lake, retries: 2}
environments:
  prod:
    state_backend: {uri: /var/lib/state}
    sources:
      faker: {config: {count: 5}}
"""


@pytest.fixture
def project(tmp_path):
    """project(text, environment=…, environ=…) writes a project file and loads it."""

    def loaded(text: str, *, environment: str | None = None, environ: dict[str, str] | None = None) -> Project:
        file = tmp_path / "tapdock.yaml"
        file.write_text(text)
        return load(file, environment=environment, environ=environ or {})

    return loaded


def test_a_whole_project_is_read(project, tmp_path):
    read = project(WHOLE, environ={"FAKER_TOKEN": "s3cret-token"})
    faker, lake = read.sources["faker"], read.targets["lake"]
    assert faker.image == "airbyte/source-faker:7.2.1"
    assert faker.config["count"] == 1000
    assert faker.config["since"] == "2024-01-01"
    assert faker.config["country"] == "NO"
    assert faker.config["token"] == Secret("s3cret-token")
    assert faker.config["url"].reveal() == "https://localhost/${x}"
    assert faker.select == ("users.*", "!users.address")
    assert faker.streams["users"] == StreamOptions(
        sync_mode="incremental", cursor_field=("updated_at",), primary_key=(("id",), ("a", "b"))
    )
    assert faker.memory == 512 * 1024**2
    assert faker.limits.source_idle == 900
    assert lake.image == "tapdock/target-duckdb:0.8.0"
    assert lake.memory == 1536 * 1024**2
    assert lake.mounts == (
        Mount(str(tmp_path / "data"), "/data"),
        Mount("cache", "/cache", read_only=True),
        Mount("/etc/x", "/x", read_only=True, options=("z",)),
    )
    assert (read.pipelines["demo"].source, read.pipelines["demo"].retries) == ("faker", 2)
    assert read.state_uri == ".tapdock/state"


def test_an_environment_variable_stands_over_environment_block_file_and_defaults(project):
    count = "sources.faker.config.count"
    variables = {"FAKER_TOKEN": "t", "TAPDOCK_SOURCES__FAKER__CONFIG__COUNT": "7"}
    plain, prod = project(WHOLE), project(WHOLE, environment="prod")
    over = project(WHOLE, environment="prod", environ=variables)
    values = [each.sources["faker"].config["count"] for each in (plain, prod, over)]
    assert values == [1000, 5, 7]
    assert [each.origins[count] for each in (plain, prod, over)] == [
        "tapdock.yaml:8",
        "environment prod (tapdock.yaml:29)",
        "TAPDOCK_SOURCES__FAKER__CONFIG__COUNT",
    ]
    assert plain.origins["sources.faker.memory"] == "tapdock.yaml:3"
    assert plain.origins["sources.faker.pull"] == "default"
    assert (plain.state_uri, prod.state_uri) == (".tapdock/state", "/var/lib/state")


def test_variables_match_names_with_dashes_and_any_case(project):
    text = "version: 1\nsources: {my-tap: {image: x, config: {apiUrl: a}}}\n"
    environ = {
        "TAPDOCK_SOURCES__MY_TAP__CONFIG__APIURL": "b",
        "tapdock_sources__my_tap__pids": "5",
        "TAPDOCK_SOURCES__MY_TAP__CONFIG__NEW": "[1]",
        "TAPDOCK_SOURCES__MY_TAP__SELECT": '["a.*"]',
    }
    tap = project(text, environ=environ).sources["my-tap"]
    assert dict(tap.config) == {"apiUrl": Secret("b"), "new": [1]}
    assert (tap.pids, tap.select) == (5, ("a.*",))


def test_dotenv_is_read_and_the_environment_wins(project, tmp_path):
    (tmp_path / ".env").write_text("# a comment\nexport A='from file' # more\nB=\"two\\nlines\"\nC=3#4\n")
    text = "version: 1\nsources: {s: {image: x, config: {a: '${A}', b: '${B}', c: '${C}'}}}\n"
    config = project(text, environ={"C": "env"}).sources["s"].config
    assert [config[key].reveal() for key in "abc"] == ["from file", "two\nlines", "env"]


def test_an_override_in_dotenv_says_so(project, tmp_path):
    (tmp_path / ".env").write_text("TAPDOCK_SOURCES__S__IMAGE=y\n")
    read = project("version: 1\nsources: {s: {image: x}}\n")
    assert (read.sources["s"].image, read.origins["sources.s.image"]) == ("y", ".env")


def test_a_missing_variable_is_reported_when_the_value_is_needed(project):
    config = project(WHOLE).sources["faker"].config
    with pytest.raises(UsageError) as told:
        config["token"].reveal()
    assert told.value.message.startswith("tapdock.yaml:9: `sources.faker.config.token` needs the variable")
    assert "FAKER_TOKEN=" in told.value.hint


def test_secrets_are_not_shown_by_a_project(project):
    read = project(WHOLE, environ={"FAKER_TOKEN": "s3cret-token", "HOST": "hidden.host"})
    assert "s3cret-token" not in repr(read)
    assert "hidden.host" not in repr(read)


@pytest.mark.parametrize("inside_config", [True, False])
def test_a_pasted_wrapper_stanza_is_translated(project, inside_config):
    stanza = (
        "airbyte_spec: {image: airbyte/source-x, tag: '1.10'}\n"
        "airbyte_config: {a: '${A}'}\n"
        "docker_mounts: [{source: /a, target: /b, type: bind}]\n"
    )
    lines = [f"      {line}" for line in stanza.splitlines()]
    head = ["    config:"] if inside_config else ["    variant: airbyte"]
    lines = lines if inside_config else [line[2:] for line in lines]
    read = project("\n".join(["version: 1", "sources:", "  x:", *head, *lines]), environ={"A": "1"})
    source = read.sources["x"]
    assert source.image == "airbyte/source-x:1.10"
    assert dict(source.config) == {"a": Secret("1")}
    assert source.mounts == (Mount("/a", "/b"),)
    assert read.origins["sources.x.image"] == "tapdock.yaml:5 (from airbyte_spec)"
    assert read.origins["sources.x.config.a"] == "tapdock.yaml:6 (from airbyte_config)"


def test_anchors_and_merge_keys_work(project):
    text = (
        "version: 1\nsources:\n  a: &a {image: x, config: &c {k: 1, l: 2}}\n"
        "  b:\n    <<: *a\n    config: {<<: *c, l: 3}\n"
    )
    assert dict(project(text).sources["b"].config) == {"k": 1, "l": 3}


MISTAKES = [
    ("sources: {}", "tapdock.yaml: there is no `version`", "version: 1"),
    ("version: 2", "tapdock.yaml:1: `version` is `2`, not 1", "version: 1"),
    ("version: 1\nversion: 1", "tapdock.yaml:2: `version` is defined twice, first on line 1", "remove one"),
    ("version: 1\nsources: [", "tapdock.yaml:2: malformed YAML", None),
    ("version: 1\nsources:\n\ta: 1", "tapdock.yaml:3: malformed YAML", "spaces"),
    ("- 1", "tapdock.yaml:1: the file is not a mapping", "version: 1"),
    ("version: 1\ndestinations: {}", "tapdock.yaml:2: `destinations` is not a key", "`targets`"),
    ("version: 1\nextractors: {}", "tapdock.yaml:2: `extractors` is not a key", "`sources`"),
    ("version: 1\nloaders: {}", "tapdock.yaml:2: `loaders` is not a key", "`targets`"),
    ("version: 1\npipelins: {}", "tapdock.yaml:2: `pipelins` is not a known key", "`pipelines`"),
    ("version: 1\nsources: [a]", "tapdock.yaml:2: `sources` is a list, not a mapping", None),
    ("version: 1\nsources: {a: {imagee: x}}", "`sources.a.imagee` is not a known key", "`image`"),
    ("version: 1\nsources: {a: {image: x, schedule: '@daily'}}", "`sources.a.schedule`", "`schedules:`"),
    ("version: 1\nsources: {a: {}}", "`sources.a` has neither `image` nor `build`", "build"),
    (
        "version: 1\nsources: {a: {image: x, streams: {u: {schema: {id: integer}}}}}",
        "`sources.a.streams.u.schema.id` is `integer`, not a mapping with keywords of JSON Schema",
        "balance: {type: number}",
    ),
    (
        "version: 1\nsources: {a: {image: x, streams: {u: {schema: {id: {type: [integr, 'null']}}}}}}",
        "has `integr`, which is not a type of JSON Schema",
        "did you mean `integer`?",
    ),
    (
        "version: 1\nsources: {a: {image: x, streams: {u: {metadata: {id: {selected: true}}}}}}",
        "`sources.a.streams.u.metadata.id.selected` cannot be set by `metadata`",
        "use `select`",
    ),
    (
        "version: 1\nsources: {a: {image: x, streams: {u: {metadata: {replication-method: LOG_BASED}}}}}",
        "`sources.a.streams.u.metadata.replication-method` cannot be set by `metadata`",
        "replication_method",
    ),
    ("version: 1\nsources: {a: {image: x, memory: 1x}}", "`sources.a.memory` is `1x`, not a size", "512m"),
    ("version: 1\nsources: {a: {image: x, memory: 1m}}", "`sources.a.memory` is `1m`", None),
    ("version: 1\nsources: {a: {image: x, cpus: no}}", "`sources.a.cpus` is `no`, not a number", None),
    ("version: 1\nsources: {a: {image: x, pull: allways}}", "`sources.a.pull` is `allways`", "`always`"),
    ("version: 1\nsources: {a: {image: x, idle_timeout: 3w}}", "is `3w`, not a duration", "3h"),
    ("version: 1\nsources: {a: {image: 1.10}}", "`sources.a.image` is `1.1`, not text", "quotes"),
    ("version: 1\nsources: {a: {image: x, config: 3}}", "`sources.a.config` is `3`, not a mapping", None),
    ("version: 1\nsources: {a: {image: '${NO}'}}", "needs the variable `NO`", "export NO="),
    ("version: 1\nsources: {a: {image: x, config: {b: '${1}'}}}", "`sources.a.config.b` has a `${`", "$${"),
    (
        "version: 1\nsources: {a: {image: x, streams: {u: {sync_mode: full-refresh}}}}",
        "`sources.a.streams.u.sync_mode` is `full-refresh`",
        "did you mean `full_refresh`?",
    ),
    (
        "version: 1\ntargets: {a: {image: x, select: [b]}}",
        "`targets.a.select` is not a key here",
        "only a source",
    ),
    ("version: 1\ntargets: {a: {image: x, exit_grace: 1m}}", "`targets.a.exit_grace` is not a key", "only a source"),
    ("version: 1\nsources: {a: {image: x, state_type: global}}", "`sources.a.state_type` is not a", "only a target"),
    ("version: 1\nsources: {a: {image: x, retries: 2}}", "`sources.a.retries` is not a key here", "only a pipeline"),
    ("version: 1\nsources: {a: {image: x, primary_key: id}}", "`sources.a.primary_key` is not a", "only a stream"),
    ("version: 1\ndefaults: {select: [b]}", "`defaults.select` is not a key here", "only a source can have `select`"),
    (
        "version: 1\npipelines: {p: {network: n}}",
        "`pipelines.p.network` is not",
        "only a source, a mapper, a target or a task can have",
    ),
    ("version: 1\ntargets: {a: {image: x, mounts: ['data/x:/y']}}", "neither a path nor", "`./data/x`"),
    (
        "version: 1\ntargets: {a: {image: x, mounts: ['/y']}}",
        "`targets.a.mounts.0` is `/y`, not a mount",
        "./data",
    ),
    (
        "version: 1\ntargets: {a: {image: x, mounts: ['./a:b']}}",
        "not an absolute path in the container",
        None,
    ),
    ("version: 1\ntargets: {a: {image: x, mounts: ['./a:/b:rx']}}", "unknown mount option `rx`", "ro"),
    ("version: 1\ntargets: {a: {image: x, mounts: ['./a:/b', './c:/b/']}}", "`/b` a second time", None),
    ("version: 1\ntargets: {a: {build: {singer: x, airbyte: y}}}", "needs exactly one of", None),
    (
        "version: 1\ntargets: {a: {build: {singer: 'git+https://x/y'}}}",
        "no package name that can name the image",
        "`image`",
    ),
    (
        "version: 1\nsources: {a: {image: x}}\ntargets: {a: {image: y}}",
        "has the same name as `sources.a`",
        "rename",
    ),
    ("version: 1\nsources: {a b: {image: x}}", "`sources.a b` is not a valid name", "letters"),
    ("version: 1\nsources: {a-to-b: {image: x}}", "has `-to-` in its name", None),
    (
        "version: 1\npipelines: {p: {source: s, target: t}}",
        "names `s`, but there is no such source",
        "none yet",
    ),
    ("version: 1\nsources: {faker: {image: x}}\npipelines: {p: {source: fakr}}", "names `fakr`", "`faker`"),
    (
        "version: 1\nsources: {s: {image: x}}\npipelines: {p: {source: s, schedule: daily}}",
        "`pipelines.p.schedule`",
        "under `schedules:`",
    ),
    ("version: 1\nenvironments: {prod: {sauces: {}}}", "`environments.prod.sauces`", "`sources`"),
    ("version: 1\na: &a [*a]", "aliases expand to too many values", None),
]


@pytest.mark.parametrize(("text", "message", "hint"), MISTAKES, ids=[text[-40:] for text, _, _ in MISTAKES])
def test_a_mistake_is_reported_with_its_place_and_a_next_step(project, text, message, hint):
    with pytest.raises(UsageError) as told:
        project(text)
    assert message in told.value.message
    assert told.value.message.startswith("tapdock.yaml")
    assert hint is None or hint in (told.value.hint or "")


LIMITS = [
    ("max_line", "1023", "not a size from `1k` to `1024t`"),
    ("max_line", "0", "not a size from `1k` to `1024t`"),
    ("memory", "5m", "not a size from `6m` to `1024t`"),
    ("memory", "9999999t", "not a size from `6m`"),
    ("memory", "9" * 400 + "t", "not a size from `6m`"),
    ("cpus", "0", "not a number from 0.01 to 1000000"),
    ("cpus", "0.001", "not a number from 0.01"),
    ("cpus", "1000001", "not a number from 0.01"),
    ("pids", "0", "not a whole number from 1 to"),
    ("pids", "9" * 19, "not a whole number from 1 to"),
    ("pids", f"'{'9' * 5000}'", "not a whole number from 1 to"),
    ("idle_timeout", "36501d", "not a duration of at most `36500d`"),
    ("idle_timeout", "9" * 400, "not a duration of at most `36500d`"),
    ("platform", "linux amd64", "not a platform"),
    ("platform", "linux/arm64/v8/x", "not a platform"),
    ("network", "my network", "not the name of a network"),
    ("user", "me:us:them", "not a user"),
    ("user", "'1000:'", "not a user"),
    ("user", "'a b'", "not a user"),
    ("extra_hosts", "[db]", "not a host name with its address"),
    ("extra_hosts", "['db:other.example']", "not a host name with its address"),
    ("extra_hosts", "[':10.0.0.1']", "not a host name with its address"),
]
SCHEMA = validator_for(json_schema())(json_schema())
ACCEPTED = [
    ("max_line", "1k", 1024),
    ("max_line", "100k", 100 * 1024),
    ("memory", "6m", 6 * 1024**2),
    ("cpus", "0.01", 0.01),
    ("pids", "1", 1),
    ("platform", "linux/arm/v7", "linux/arm/v7"),
    ("platform", "arm64", "arm64"),
    ("network", "host", "host"),
    ("network", "container:other", "container:other"),
    ("user", "1000", "1000"),
    ("user", "1000:50", "1000:50"),
    ("user", "nobody:nogroup", "nobody:nogroup"),
    ("extra_hosts", "db:10.0.0.5", ("db:10.0.0.5",)),
    (
        "extra_hosts",
        "[a=1.2.3.4, 'b:host-gateway', 'c:::1', 'd:[::1]']",
        ("a=1.2.3.4", "b:host-gateway", "c:::1", "d:[::1]"),
    ),
]


@pytest.mark.parametrize(("key", "value", "problem"), LIMITS)
def test_a_value_that_an_engine_would_refuse(project, key, value, problem):
    with pytest.raises(UsageError) as told:
        project(f"version: 1\nsources:\n  a:\n    image: x\n    {key}: {value}")
    assert told.value.message.startswith(f"tapdock.yaml:5: `sources.a.{key}")
    assert problem in told.value.message


@pytest.mark.parametrize(("key", "value", "read"), ACCEPTED)
def test_a_value_that_an_engine_accepts(project, key, value, read):
    text = f"version: 1\nsources: {{a: {{image: x, {key}: {value}}}}}"
    assert getattr(project(text).sources["a"], key) == read
    SCHEMA.validate(yaml.safe_load(text))


def test_defaults_of_sources_only_are_not_those_of_targets(project):
    read = project("version: 1\ndefaults: {exit_grace: 7s}\nsources: {a: {image: x}}\ntargets: {b: {image: x}}")
    assert read.sources["a"].limits.exit_grace == 7
    assert "targets.b.exit_grace" not in read.origins


def test_values_of_a_config_are_never_in_a_message(project):
    with pytest.raises(UsageError) as told:
        project("version: 1\nsources: {a: {image: x, config: hunter2-as-text: 1, b: 2}}")
    assert "hunter2" not in told.value.message


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("TAPDOCK_SOURCES__FAKR__CONFIG__COUNT", "`faker`"),
        ("TAPDOCK_SOURCE__FAKER__CONFIG__COUNT", "`sources`"),
    ],
)
def test_a_variable_that_matches_no_key_is_reported(project, variable, hint):
    with pytest.raises(UsageError) as told:
        project(WHOLE, environ={variable: "1"})
    assert variable in told.value.message
    assert hint in told.value.hint


def test_an_unknown_environment_is_reported(project):
    with pytest.raises(UsageError, match="no environment `prd`") as told:
        project(WHOLE, environment="prd")
    assert told.value.hint == "did you mean `prod`?"


def test_aliases_of_aliases_are_refused(project):
    bomb = ["version: 1", "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    bomb += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(UsageError, match="aliases expand to too many values"):
        project("\n".join(bomb))


@pytest.mark.slow
def test_twenty_thousand_sources_are_read(project):
    """If the time were quadratic in the number of sources, this would take hours instead of seconds."""
    lines = [f"  s{number}: {{image: 'x:1', config: {{a: 1}}}}" for number in range(20_000)]
    assert len(project("\n".join(["version: 1", "sources:", *lines])).sources) == 20_000


@pytest.mark.parametrize("name", ["tapdock.yaml", ".env"])
def test_a_file_that_is_too_large_is_not_read(project, tmp_path, name):
    (tmp_path / "tapdock.yaml").write_text("version: 1\n")
    with (tmp_path / name).open("ab") as file:
        file.truncate(10 * 1024**2 + 1)
    with pytest.raises(UsageError, match="is larger than 10 MiB"):
        load(tmp_path / "tapdock.yaml", environment=None, environ={})


@pytest.mark.parametrize("depth", [500, 5_000, 2_000_000])
def test_a_file_that_is_nested_too_deeply(project, depth):
    with pytest.raises(UsageError, match="nested too deeply"):
        project("version: 1\nx: " + "[" * depth + "]" * depth)


@pytest.mark.parametrize("name", ["A=B", "A\nB", "A;B", "$(id)", "1A", "", "A-B", "Ä", "A "])
def test_a_variable_of_another_name_is_refused(project, name):
    text = json.dumps({"version": 1, "sources": {"s": {"image": "x", "env": {name: "v"}}}})
    with pytest.raises(UsageError, match="is not the name of a variable"):
        project(text)


@pytest.mark.parametrize(
    "address",
    [
        "git+https://hunter2@git.example/tap",
        "tap @ https://me:hunter2@files.example/tap.whl",
        "git+ssh://me:hunter2@git.example/x",
        "tap @ https://files.example/tap.whl?token=hunter2",
    ],
)
def test_a_credential_in_a_requirement_is_refused(project, address):
    """A label and the history of the image would show the credential to everyone who has the image."""
    with pytest.raises(UsageError, match="has a credential in an address") as told:
        project(f"version: 1\ntargets: {{a: {{image: x, build: {{singer: '{address}'}}}}}}")
    assert "PIP_EXTRA_INDEX_URL" in told.value.hint
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("address", ["git+ssh://git@git.example/tap", "git+https://git.example/tap@v1", "tap@1.0"])
def test_an_address_without_a_credential_is_taken(project, address):
    made = project(f"version: 1\ntargets: {{a: {{image: x, build: {{singer: '{address}'}}}}}}")
    assert made.targets["a"].build.package == address


@pytest.mark.parametrize(
    "word", ["--index-url=x", "-i", "-r", "--find-links=/x", "-e", "--python=/x", "--pre=x", "--trusted-host=x", "-"]
)
def test_an_option_of_the_installer_is_refused(project, word):
    text = "version: 1\ntargets: {{a: {{build: {{singer: '{}'}}}}}}"
    for package in (f"target-x {word}", f"target-x\t{word} y", word):
        with pytest.raises(UsageError, match=r"has the option `-.*`, which is not allowed in a build"):
            project(text.format(package))


def test_an_option_that_chooses_among_releases_is_taken(project):
    package = "target-x==1 --pre --exclude-newer=2026-01-01 --only-binary=:all: lxml<5"
    read = project(f"version: 1\ntargets: {{a: {{build: {{singer: '{package}'}}}}}}")
    assert read.targets["a"].build.package == package
    with pytest.raises(UsageError, match="has the option `--pre`"):
        project("version: 1\ntargets: {a: {build: {singer: '--pre target-x'}, image: x}}")


def test_keys_that_change_what_a_build_installs(project):
    build = {
        "singer": "tap-x",
        "python": "3.10",
        "apt": ["gcc", "g++", "libpq5=15.1-0+deb12u1"],
        "with": "six",
        "constraints": ['lxml<5; python_version < "4"', "pandas[x] ~= 2.0"],
        "overrides": ["y @ https://files.example/y.whl"],
        "before": "2024-06-30",
    }
    made = project(f"version: 1\nsources: {{a: {{build: {json.dumps(build)}}}}}").sources["a"]
    assert made.build == Build(
        family="singer",
        package="tap-x",
        python="3.10",
        apt=("gcc", "g++", "libpq5=15.1-0+deb12u1"),
        with_=("six",),
        constraints=('lxml<5; python_version < "4"', "pandas[x] ~= 2.0"),
        overrides=("y @ https://files.example/y.whl",),
        before="2024-06-30",
    )
    assert made.image.startswith("tapdock/tap-x:latest-")


def test_a_day_needs_no_quotes(project):
    made = project("version: 1\nsources: {a: {build: {singer: x, before: 2024-06-30}}}").sources["a"]
    assert made.build.before == "2024-06-30"


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("python", 3.1, "is `3.1`, not text"),
        ("python", "2.7", "not a version of Python"),
        ("python", "3.10; x", "not a version of Python"),
        ("apt", ["gcc; id"], "not the name of a Debian package"),
        ("apt", "--allow-unauthenticated", "not the name of a Debian package"),
        ("apt", "gcc-", "not the name of a Debian package"),
        ("apt", "gcc libpq5", "not the name of a Debian package"),
        ("apt", "$(id)", "not the name of a Debian package"),
        ("with", "--index-url=https://x", "not a requirement"),
        ("with", ["six", "-r x.txt"], "not a requirement"),
        ("with", "six\n--pre", "not a requirement"),
        ("constraints", "x${PIP_INDEX_URL}", "PIP_INDEX_URL"),
        ("constraints", "x$${PIP_INDEX_URL}", "not a requirement"),
        ("overrides", "x\\", "not a requirement"),
        ("overrides", "x @ https://me:hunter2@files.example/x.whl", "has a credential in an address"),
        ("before", "yesterday", "not a date"),
        ("before", "2024-02-30", "not a day of the calendar"),
        ("before", "2024-06-30T10:00:00Z", "not a date"),
    ],
)
def test_keys_of_a_build_that_are_refused(project, key, value, problem):
    build = json.dumps({"singer": "x", key: value})
    with pytest.raises(UsageError, match=re.escape(problem)) as told:
        project(f"version: 1\nsources: {{a: {{build: {build}}}}}")
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("program", ["../x", "-x", "a b", "a;b", "$(id)"])
def test_a_program_of_another_name_is_refused(project, program):
    build = json.dumps({"singer": "x", "executable": program})
    with pytest.raises(UsageError, match="not the name of a program"):
        project(f"version: 1\ntargets: {{a: {{build: {build}}}}}")


def test_the_nearest_project_is_found(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "tapdock.yaml").write_text("version: 1\n")
    assert find_project(inner, trusted=ME) == tmp_path / "tapdock.yaml"
    (tmp_path / "a" / "tapdock.yaml").write_text("version: 1\n")
    assert find_project(inner, trusted=ME) == tmp_path / "a" / "tapdock.yaml"


@pytest.mark.parametrize("strange", ["", "tapdock.yaml", ".env", "link", "dangling"])
def test_a_project_of_somebody_else_is_not_used_where_it_is_found(tmp_path, strange):
    """The other user owns the folder, the file, its `.env`, or a link in place of one of them."""
    (tmp_path / "real").write_text("version: 1\n")
    (tmp_path / "tapdock.yaml").symlink_to("real")
    (tmp_path / ".env").symlink_to("nowhere")
    path = tmp_path / {"link": "tapdock.yaml", "tapdock.yaml": "real", "dangling": ".env"}.get(strange, strange)
    if strange == ".env":
        path.unlink()
        path.touch()
    inner = tmp_path / "inner"
    inner.mkdir()
    assert find_project(inner, trusted=ME) == tmp_path / "tapdock.yaml"
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a file of somebody else")
    os.chown(path, 54321, -1, follow_symlinks=False)
    for start in (tmp_path, inner):
        with pytest.raises(UsageError, match=r"belongs to uid 54321, not to you") as told:
            find_project(start, trusted=ME)
        assert f"--project {tmp_path}" in told.value.hint
    assert find_project(inner, trusted={*ME, 54321})
    named = Session(folder=tmp_path, environ={})
    assert named.file == tmp_path / "tapdock.yaml"


def test_whose_project_may_be_found():
    me = os.geteuid()
    assert trusted_users({}) == {0, me}
    assert trusted_users({"SUDO_UID": "54321"}) == ({0, 54321} if me == 0 else {0, me})
    assert trusted_users({"SUDO_UID": "nobody"}) == {0, me}


def test_a_missing_project_is_reported_with_a_hint():
    with pytest.raises(UsageError, match=r"no tapdock\.yaml") as told:
        find_project(Path("/proc"), trusted=ME)
    assert "--project" in told.value.hint


def test_an_explicit_default_of_a_stream_is_known(tmp_path: Path) -> None:
    """An entry for one stream can so turn off what a glob turns on."""
    text = """version: 1
sources:
  a:
    image: x
    streams:
      "*": {flatten_keys: true, replication_method: LOG_BASED, schema: {n: {type: number}}, metadata: {x: [1, {y: 2}]}}
      w: {undeclared_fields: fail, schemaless: infer}
      u: {flatten_keys: false, sync_mode: full_refresh}
"""
    (tmp_path / "tapdock.yaml").write_text(text)
    streams = load(tmp_path / "tapdock.yaml", environment=None, environ={}).sources["a"].streams
    assert streams["u"].given == {"flatten_keys", "sync_mode", "log_based"}
    assert streams["*"].given == {"flatten_keys", "sync_mode", "log_based", "schema", "metadata"}
    assert streams["*"].metadata == {"x": [1, {"y": 2}]}
    assert (streams["w"].undeclared_fields, streams["w"].schemaless) == ("fail", "infer")
    assert streams["*"].schema == {"n": {"type": "number"}}
