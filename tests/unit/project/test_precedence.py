"""Tests which of several places a value is taken from, as the page about the project file describes it."""

from typing import Any

import pytest

from tapdock.errors import UsageError
from tapdock.project.load import load
from tapdock.project.model import Project
from tapdock.project.secret import Secret

FILE = """\
version: 1
defaults: {memory: 1g, user: "1"}
sources:
  my-tap:
    image: x
    memory: 2g
    user:
    select: [a, b]
    config: {n: 1, t: text, flag: true, list: [1], deep: {a: 1, b: 2}}
    streams: {s: {primary_key: [id]}}
  other.one: {image: y}
targets: {t: {image: z}}
pipelines: {a-to-b: {source: my-tap, target: t}}
environments:
  prod:
    defaults: {memory: 3g, cpus: 2, user: "3"}
    sources:
      my-tap: {select: [c], config: {deep: {b: 3}, list: [2]}, streams: {s: {cursor_field: at}}}
      other.one: {memory: null}
"""
MIB = 1 << 20


@pytest.fixture
def project(tmp_path):
    def loaded(*, environment: str | None = None, text: str = FILE, **environ: str) -> Project:
        file = tmp_path / "tapdock.yaml"
        file.write_text(text)
        return load(file, environment=environment, environ=environ)

    return loaded


@pytest.mark.parametrize(
    ("environment", "environ", "mine", "others"),
    [
        (None, {}, 2048 * MIB, 1024 * MIB),
        (None, {"TAPDOCK_DEFAULTS__MEMORY": "4g"}, 2048 * MIB, 4096 * MIB),
        (None, {"TAPDOCK_SOURCES__MY_TAP__MEMORY": "5g"}, 5120 * MIB, 1024 * MIB),
        ("prod", {}, 2048 * MIB, None),
        ("prod", {"TAPDOCK_DEFAULTS__MEMORY": "4g"}, 2048 * MIB, None),
    ],
)
def test_a_key_of_an_entry_has_priority_over_every_default(project, environment, environ, mine, others):
    sources = project(environment=environment, **environ).sources
    assert (sources["my-tap"].memory, sources["other.one"].memory) == (mine, others)


def test_environments_are_merged_by_key_and_lists_are_replaced(project):
    tap = project(environment="prod").sources["my-tap"]
    assert tap.config == {"n": 1, "t": "text", "flag": True, "list": [2], "deep": {"a": 1, "b": 3}}
    assert tap.select == ("c",)
    assert (tap.streams["s"].primary_key, tap.streams["s"].cursor_field) == ((("id",),), ("at",))


@pytest.mark.parametrize("environment", [None, "prod"])
def test_an_empty_value_removes_a_shared_default(project, environment):
    assert project(environment=environment).sources["my-tap"].user is None


@pytest.mark.parametrize(
    ("variable", "value", "read"),
    [
        ("TAPDOCK_SOURCES__MY_TAP__CONFIG__N", "7", {"n": 7}),
        ("tapdock_Sources__My_Tap__Config__N", "1.5", {"n": 1.5}),
        ("TAPDOCK_SOURCES__MY_TAP__CONFIG__N", "many", {"n": Secret("many")}),
        ("TAPDOCK_SOURCES__MY_TAP__CONFIG__FLAG", "False", {"flag": False}),
        ("TAPDOCK_SOURCES__MY_TAP__CONFIG__T", "[1]", {"t": Secret("[1]")}),
        ("TAPDOCK_SOURCES__MY_TAP__CONFIG__LIST", "[3]", {"list": [3]}),
        ("TAPDOCK_SOURCES__MY_TAP__CONFIG__NEW_KEY", "7", {"new_key": Secret("7")}),
        ("TAPDOCK_SOURCES__MY_TAP__CONFIG", '{"deep": {"c": 4}}', {"deep": {"a": 1, "b": 2, "c": 4}}),
    ],
)
def test_a_variable_sets_a_key(project, variable, value, read):
    before: dict[str, Any] = dict(project().sources["my-tap"].config)
    assert project(**{variable: value}).sources["my-tap"].config == before | read


def test_an_underscore_stands_for_other_characters_of_a_name(project):
    assert project(TAPDOCK_SOURCES__OTHER_ONE__PIDS="7").sources["other.one"].pids == 7
    assert project(TAPDOCK_PIPELINES__A_TO_B__RETRIES="7").pipelines["a-to-b"].retries == 7
    assert project(TAPDOCK_STATE_BACKEND__URI="/s").state_uri == "/s"


@pytest.mark.parametrize("variable", ["TAPDOCK_SOURCES__NEW__IMAGE", "TAPDOCK_PIPELINES__NEW__SOURCE"])
def test_a_variable_cannot_add_an_entry(project, variable):
    with pytest.raises(UsageError, match="does not match an entry of"):
        project(**{variable: "x"})


@pytest.mark.parametrize(
    ("environ", "value"), [({}, "d"), ({"A": ""}, "d"), ({"A": "a"}, "a"), ({"A_FILE": "file"}, "f")]
)
def test_a_default_of_a_reference_is_used_for_an_empty_variable(project, tmp_path, environ, value):
    (tmp_path / "file").write_text("f\n")
    environ = {name: str(tmp_path / text) if name == "A_FILE" else text for name, text in environ.items()}
    text = "version: 1\nsources: {s: {image: '${A:-d}'}}"
    assert project(text=text, **environ).sources["s"].image == value


@pytest.mark.parametrize("name", ["a", "7", "a.b_c-d"])
def test_names_begin_with_a_letter_or_a_digit(project, name):
    assert project(text=f"version: 1\nsources: {{'{name}': {{image: x}}}}").sources[name].image == "x"
    for wrong in (f"_{name}", f"-{name}", f".{name}", f"ä{name}"):
        with pytest.raises(UsageError, match="is not a valid name"):
            project(text=f"version: 1\nsources: {{'{wrong}': {{image: x}}}}")
    for role in ("sources", "targets"):
        with pytest.raises(UsageError, match="which is reserved"):
            project(text=f"version: 1\n{role}: {{'{name}-to-x': {{image: x}}}}")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90", 90), ("90s", 90), ("1.5m", 90), ("3h", 10_800), ("2d", 172_800), ("'90 s'", 90)],
)
def test_a_duration_has_a_unit_or_is_in_seconds(project, text, seconds):
    read = project(text=f"version: 1\nsources: {{s: {{image: x, idle_timeout: {text}}}}}")
    assert read.sources["s"].limits.source_idle == seconds
