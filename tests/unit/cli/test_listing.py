"""Tests `tapdock list`: its format for programs, what it shows without an engine, and what it imports."""

import json
import subprocess
import sys

import pytest

from tapdock.connectors import lockfile

pytestmark = pytest.mark.long

SOURCE = """#!%s
import json, sys
stream = {"name": "users", "namespace": "shop", "json_schema": {"properties": {"id": {"type": "integer"}}},
    "supported_sync_modes": ["full_refresh", "incremental"], "source_defined_primary_key": [["id"]],
    "source_defined_cursor": True, "default_cursor_field": ["id"]}
other = {"name": "orders", "json_schema": {"properties": {"n": {}}}, "supported_sync_modes": ["full_refresh"]}
answers = {"spec": [{"type": "SPEC", "spec": {"connectionSpecification": {}}}],
    "discover": [{"type": "CATALOG", "catalog": {"streams": [stream, other]}}],
    "read": [{"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": {
        "stream_descriptor": {"name": one["name"], "namespace": one.get("namespace")}, "status": status}}}
        for one in (stream, other) for status in ("STARTED", "COMPLETE")]}
for message in answers[sys.argv[1]]:
    print(json.dumps(message))
"""
TARGET = """#!%s
import json, sys
if "--about" in sys.argv:
    sys.exit(2)
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "STATE":
        print(json.dumps(message["value"]), flush=True)
"""


@pytest.fixture
def project(tapdock, folder):
    """project(*words) -> the result of a command, in a project of programs that run without an engine."""
    for name, text in (("source", SOURCE), ("target", TARGET)):
        (folder / name).write_text(text % sys.executable)
        (folder / name).chmod(0o755)
    whole = {
        "version": 1,
        "sources": {"shop": {"image": str(folder / "source"), "kind": "airbyte"}},
        "targets": {"lake": {"image": str(folder / "target"), "kind": "singer"}},
        "pipelines": {
            "demo": {
                "source": "shop",
                "target": "lake",
                "prefix": "raw_",
                "state_suffix": "eu",
                "labels": {"tier": 1},
                "annotations": {"about": "orders"},
            },
        },
        "jobs": {
            "nightly": {"steps": [{"parallel": ["demo", ["shop lake", "demo"]]}, "demo"], "labels": {"tier": 2}},
        },
        "environments": {"prod": {}},
        "labels": {"team": "sales"},
    }
    (folder / "tapdock.yaml").write_text(json.dumps(whole))
    return lambda *words: tapdock(*words, TAPDOCK_ENGINE="local")


def test_the_format_of_a_project_that_has_not_run(project, folder):
    ended = project("list", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {
        "format": 1,
        "project": str(folder / "tapdock.yaml"),
        "environment": None,
        "labels": {"team": "sales"},
        "annotations": {},
        "pipelines": [
            {
                "name": "demo",
                "source": "shop",
                "target": "lake",
                "mappers": [],
                "state_id": "default:shop-to-lake:eu",
                "labels": {"tier": "1"},
                "annotations": {"about": "orders"},
                "streams_seen_at": None,
                "streams": None,
            }
        ],
        "jobs": [
            {
                "name": "nightly",
                "steps": [{"parallel": [["demo"], ["shop lake", "demo"]]}, "demo"],
                "labels": {"tier": "2"},
                "annotations": {},
            }
        ],
        "schedules": [],
        "connectors": [
            {
                "name": "shop",
                "role": "source",
                "kind": "airbyte",
                "image": str(folder / "source"),
                "digest": None,
                "package": None,
                "labels": {},
                "annotations": {},
                "streams_seen_at": None,
                "streams": None,
            },
            {
                "name": "lake",
                "role": "target",
                "kind": "singer",
                "image": str(folder / "target"),
                "digest": None,
                "package": None,
                "labels": {},
                "annotations": {},
            },
        ],
    }


def test_streams_are_those_of_the_last_run_with_their_names_in_the_target(project):
    assert project("run", "demo").returncode == 0
    facts = json.loads(project("list", "--json").stdout)
    (pipeline,) = facts["pipelines"]
    assert pipeline["streams"] == [
        {
            "stream": "users",
            "namespace": "shop",
            "key": [["id"]],
            "cursor": ["id"],
            "sync_mode": "incremental",
            "target_name": "shop-raw_users",
        },
        {
            "stream": "orders",
            "namespace": None,
            "key": [],
            "cursor": [],
            "sync_mode": "full_refresh",
            "target_name": "raw_orders",
        },
    ]
    source = facts["connectors"][0]
    assert [(each["stream"], each["target_name"]) for each in source["streams"]] == [("users", None), ("orders", None)]
    assert pipeline["streams_seen_at"].endswith("+00:00")
    shown = project("list").stdout
    assert "shop.users" in shown
    assert "shop-raw_users" in shown


def test_a_run_with_a_choice_of_its_own_hides_no_stream(project):
    project("run", "demo")
    project("run", "demo", "--select", "orders")
    facts = json.loads(project("list", "demo", "--json").stdout)
    assert len(facts["pipelines"][0]["streams"]) == 2
    assert facts["connectors"] == []


def test_a_discovery_is_enough_for_the_streams_of_a_source_and_environments_are_apart(project):
    assert project("discover", "shop").returncode == 0
    assert "shop.users" in project("list", "shop").stdout
    assert "not known yet; `tapdock run demo` finds them" in project("list", "demo").stdout
    assert "not known yet; `tapdock discover shop`" in project("list", "shop", "--environment", "prod").stdout


def test_the_streams_of_another_image_are_not_shown(project, folder):
    project("discover", "shop")
    (folder / "tapdock.yaml").write_text((folder / "tapdock.yaml").read_text().replace("/source", "/target"))
    assert "not known yet" in project("list", "shop").stdout


def test_digests_are_those_of_the_lock_file(project, folder):
    image = str(folder / "source")
    lockfile.write(folder, {image: "sha256:" + "ab" * 32})
    shop, lake = json.loads(project("list", "--json").stdout)["connectors"]
    assert (shop["digest"], lake["digest"]) == ("sha256:" + "ab" * 32, None)
    assert "sha256:abababababab…\n" in project("list").stdout
    (folder / "tapdock.lock").write_text("{")
    ended = project("list")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "replace it with `tapdock lock`" in ended.stderr


def test_a_damaged_cache_is_the_same_as_none(project, folder):
    project("discover", "shop")
    for file in (folder / ".tapdock" / "cache").glob("offered-*"):
        file.write_bytes(b"\xff{")
    assert "not known yet" in project("list", "shop").stdout


def test_an_unknown_name_is_refused_with_a_suggestion(project):
    ended = project("list", "dmo")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "there is no pipeline, job, schedule or connector `dmo` in tapdock.yaml" in ended.stderr
    assert "did you mean `demo`?" in ended.stderr


def test_the_environment_is_that_of_the_states(project):
    facts = json.loads(project("list", "--json", "--environment", "prod").stdout)
    assert (facts["environment"], facts["pipelines"][0]["state_id"]) == ("prod", "prod:shop-to-lake:eu")


def test_nothing_is_imported_that_only_a_run_needs(project, folder):
    code = (
        "import sys; from tapdock.cli import main; main(['list']); "
        "rooms = {'.'.join(name.split('.')[:2]) for name in sys.modules}; "
        "heavy = {'docker', 'rich', 'jsonschema', 'tenacity', 'pydantic', 'requests', 'tapdock.engines', "
        "'tapdock.relay', 'tapdock.translate', 'tapdock.runs'}; print(sorted(heavy & rooms), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    assert ended.stderr == "[]\n"


def test_a_label_never_shows_a_secret_of_a_connector(tapdock, folder):
    text = (folder / "tapdock.yaml").read_text()
    (folder / "tapdock.yaml").write_text(text + 'labels: {team: "for ${TOKEN}", tier: "1"}\n')
    ended = tapdock("list", "--json", TOKEN="t0p-secret-0123")
    assert json.loads(ended.stdout)["labels"] == {"team": "for [secret]", "tier": "1"}
    assert "t0p-secret" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("words", [("list", "--json"), ("config", "show"), ("config", "show", "--json")])
@pytest.mark.parametrize("reference", ["${file:token}", "${exec:cat token}", "${TOKEN}"])
def test_a_label_never_shows_what_a_reference_has_read(tapdock, folder, words, reference):
    (folder / "token").write_text("t0p-secret-0123")
    text = (folder / "tapdock.yaml").read_text()
    text = text.replace("{image: y,", f"{{image: y, annotations: {{a: 'x {reference}'}},")
    (folder / "tapdock.yaml").write_text(text + f'labels: {{team: "for {reference}", tier: "1"}}\n')
    ended = tapdock(*words, TOKEN="t0p-secret-0123")
    assert ended.returncode == 0, ended.stderr
    assert "for [secret]" in ended.stdout
    assert "t0p-secret" not in ended.stdout + ended.stderr


def test_no_program_of_a_secret_reference_is_run(tapdock, folder):
    text = (folder / "tapdock.yaml").read_text().replace("${TOKEN}", "${exec:touch ran}")
    (folder / "tapdock.yaml").write_text(text + "labels: {team: sales}\n")
    assert tapdock("list", "--json").returncode == 0
    assert not (folder / "ran").exists()


def test_a_job_and_its_hooks_are_listed(project, folder):
    ended = project("list", "nightly")
    assert ended.stdout.splitlines() == ["JOB      STEPS", "nightly  (demo | shop lake, demo), demo"]
    whole = json.loads((folder / "tapdock.yaml").read_text())
    whole["tasks"] = {"dbt": {"image": "x", "commands": {"build": "build", "test": "test"}}}
    whole["pipelines"]["demo"]["after"] = {"failure": "dbt:test"}
    whole["jobs"]["nightly"]["before"] = "dbt:build"
    (folder / "tapdock.yaml").write_text(json.dumps(whole))
    found = json.loads(project("list", "--json").stdout)
    none = {"always": [], "success": [], "failure": []}
    assert (found["jobs"][0]["before"], found["jobs"][0]["after"]) == (["dbt:build"], none)
    assert (found["pipelines"][0]["before"], found["pipelines"][0]["after"]) == ([], {**none, "failure": ["dbt:test"]})


def test_schedules_are_listed_without_their_variables(project, folder):
    whole = json.loads((folder / "tapdock.yaml").read_text())
    night = {"run": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "env": {"PW": "s3cret"}}
    off = {"run": "demo", "cron": "@daily", "options": ["--full-refresh"], "enabled": False}
    whole["schedules"] = {"night": night, "weekend": off}
    (folder / "tapdock.yaml").write_text(json.dumps(whole))
    ended = project("list", "night")
    assert ended.stdout.splitlines()[1].split() == ["night", "nightly", "0", "3", "*", "*", "*", "Europe/Berlin"]
    assert "demo --full-refresh  disabled" in project("list").stdout
    text = project("list", "--json").stdout
    assert "s3cret" not in text
    assert json.loads(text)["schedules"][0] == {
        "name": "night",
        "run": ["nightly"],
        "cron": "0 3 * * *",
        "timezone": "Europe/Berlin",
        "environment": None,
        "options": [],
        "enabled": True,
    }
