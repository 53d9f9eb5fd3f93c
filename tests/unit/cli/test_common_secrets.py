"""Tests that a secret that is a common word hides no command, and is hidden in the text of connectors."""

import json
import sys

import pytest

from tapdock.cli.session import Session

TAP = """#!%s
import json, sys
schema = {"properties": {"id": {"type": "integer"}}}
if "--discover" in sys.argv:
    print(json.dumps({"streams": [{"tap_stream_id": "users", "stream": "users", "schema": schema}]}))
elif "--about" in sys.argv:
    sys.exit(2)
else:
    print("cannot log in: source warehouse, password tapdock, `warehouse` at `tapdock`", file=sys.stderr)
    sys.exit(1)
"""


@pytest.fixture
def project(folder):
    """A project whose source, pipeline and password are common words."""
    for name in ("tap", "target"):
        (folder / name).write_text(TAP % sys.executable)
        (folder / name).chmod(0o755)
    config = {"password": "${PASSWORD}", "database": "${DB}", "refresh_token": "discover"}
    source = {"image": str(folder / "tap"), "kind": "singer", "config": config}
    text = {
        "version": 1,
        "sources": {"warehouse": source},
        "targets": {"lake": {"image": str(folder / "target"), "kind": "singer"}},
        "pipelines": {"nightly": {"source": "warehouse", "target": "lake"}},
    }
    (folder / "tapdock.yaml").write_text(json.dumps(text))
    return {"PASSWORD": "tapdock", "DB": "warehouse", "TAPDOCK_ENGINE": "local"}


def test_a_hint_stays_a_command(tapdock, project):
    ended = tapdock("state", "get", "nightly", **project)
    assert "hint: `tapdock state list` lists the saved states" in ended.stderr
    ended = tapdock("state", "set", "nightly", stdin="[]", **project)
    assert "the source of `default:warehouse-to-lake` needs a Singer state" in ended.stderr


def test_the_text_of_a_connector_has_no_secret(tapdock, project):
    ended = tapdock("run", "nightly", "--json", **project)
    record = json.loads(ended.stdout)
    for text in (record["error"]["message"], ended.stderr):
        assert "source [secret], password [secret], `[secret]` at `[secret]`" in text
    log = tapdock("runs", "logs", **project)
    assert "source [secret], password [secret]" in log.stdout
    assert "source warehouse" not in log.stdout + ended.stderr + ended.stdout


def test_the_names_of_the_project_are_known(project, folder):
    session = Session(folder=folder, environ=project, commands=("run", "state"))
    assert session.own_words == {"tapdock", "run", "state"}
    assert session.project.pipelines
    assert session.own_words == {"tapdock", "run", "state", "warehouse", "lake", "nightly"}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("state", "get", "nightly"), "`tapdock state list` lists"),
        (("state", "rollback", "nightly", "--to", "7", "--yes"), "`tapdock state history default:warehouse-to-lake`"),
        (("state", "get", "warehous"), "did you mean `warehouse"),
    ],
)
def test_all_commands_are_known(tapdock, folder, project, words, hint):
    text = (folder / "tapdock.yaml").read_text().replace('"discover"', '["history", "rollback", "tapdock"]')
    (folder / "tapdock.yaml").write_text(text)
    assert hint in tapdock(*words, **project).stderr
