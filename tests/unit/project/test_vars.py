"""Tests `vars:` and `default_environment:` of the project file."""

from pathlib import Path

import pytest

from tapdock.cli.session import Session
from tapdock.cli.state_ids import state_id
from tapdock.connectors.masking import project_secrets
from tapdock.errors import UsageError
from tapdock.project.load import load
from tapdock.project.model import Project
from tapdock.project.secret import Secret

FILE = """\
version: 1
default_environment: dev
vars: {REGION: eu, BUCKET: "b-${REGION}", COUNT: 5, ON: true, EMPTY: "", URL: "db://u:${PW}@h", LATER: "${END:-x}"}
state_backend: {uri: "s3://${BUCKET}/x"}
sources:
  s:
    image: x
    config: {region: "${REGION}", both: "${REGION}-${PW}", url: "${URL}", n: "${COUNT}", on: "${ON}", no: "${EMPTY:-y}"}
targets: {t: {image: y}}
pipelines: {p: {source: s, target: t}}
environments:
  dev: {}
  prod: {vars: {REGION: us}}
"""


@pytest.fixture
def project(tmp_path):
    def loaded(text: str = FILE, *, environment: str | None = None, **environ: str) -> Project:
        file = tmp_path / "tapdock.yaml"
        file.write_text(text)
        return load(file, environment=environment, environ={"PW": "s3cret-word", **environ})

    return loaded


def test_values_are_plain_and_those_with_a_variable_are_secret(project):
    config = project().sources["s"].config
    assert {name: config[name] for name in ("region", "n", "on", "no")} == {
        "region": "eu",
        "n": "5",
        "on": "true",
        "no": "y",
    }
    assert config["both"] == Secret("eu-s3cret-word")
    assert config["url"] == Secret("db://u:s3cret-word@h")
    assert config["url"].variables == ("PW",)


def test_what_is_no_secret_is_not_hidden(project):
    """A short word such as `eu` would be hidden wherever it occurs."""
    texts = set(project_secrets(project()))
    assert "s3cret-word" in texts
    assert not {"eu", "5", "true"} & texts


def test_an_environment_and_variables_have_priority(project):
    assert project().state_uri == "s3://b-eu/x"
    assert project(environment="prod").state_uri == "s3://b-us/x"
    assert project(environment="prod", REGION="jp").state_uri == "s3://b-jp/x"
    assert project(REGION="jp").sources["s"].config["region"] == Secret("jp")


def test_a_missing_variable_inside_of_a_value_is_named_where_the_value_is_needed(project):
    read = project(FILE.replace("${PW}", "${NOT_THERE}", 1))
    with pytest.raises(UsageError, match=r"`sources\.s\.config\.url` needs the variable `NOT_THERE`"):
        read.sources["s"].config["url"].reveal()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{REGION: [eu]}", r"tapdock\.yaml:2: `vars\.REGION` is a list, not text"),
        ("{REGION: 1.10}", r"`vars\.REGION` is `1\.1`, not text"),
        ("{a-b: x}", r"`vars\.a-b` is not a name of a variable"),
        ("{TAPDOCK_HOME: x}", r"`vars\.TAPDOCK_HOME` is a variable of tapdock's own"),
        ("[REGION]", r"`vars` is a list, not a mapping"),
    ],
)
def test_what_is_no_value(project, value, message):
    with pytest.raises(UsageError, match=message):
        project(f"version: 1\nvars: {value}")


def test_a_value_does_not_see_the_values_below_it(project):
    text = "version: 1\nvars: {A: '${B}', B: '${A}'}\nstate_backend: {uri: '${A}'}"
    with pytest.raises(UsageError, match=r"`state_backend\.uri` needs the variable `B`, which is not set"):
        project(text)


@pytest.mark.parametrize(
    ("environment", "used", "key"),
    [(None, "dev", "dev:s-to-t"), ("prod", "prod", "prod:s-to-t"), ("", None, "default:s-to-t")],
)
def test_the_default_environment(project, environment, used, key):
    read = project(environment=environment)
    assert read.environment == used
    session = Session(folder=read.folder, chosen_environment=environment, environ={"PW": "x"})
    assert [state_id(session, name) for name in ("p", "s-to-t")] == [key, key]


@pytest.mark.parametrize(("variable", "used"), [("prod", "prod"), ("", "dev")])
def test_a_variable_has_priority_over_the_default_environment(project, variable, used):
    folder: Path = project().folder
    environ = {"PW": "x", "TAPDOCK_ENVIRONMENT": variable}
    assert Session(folder=folder, environ=environ).project.environment == used


@pytest.mark.parametrize(
    ("blocks", "hint"), [("{dev: {}}", "did you mean `dev`?"), ("{}", "known: none"), ("", "known: none")]
)
def test_a_default_environment_that_does_not_exist(project, blocks, hint):
    with pytest.raises(UsageError, match=r"tapdock\.yaml:2: `default_environment` is `dve`") as told:
        project(f"version: 1\ndefault_environment: dve\nenvironments: {blocks}")
    assert told.value.hint == hint
