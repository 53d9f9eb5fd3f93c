"""Tests of `tapdock invoke`: the connector's own arguments, files, input, output and exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import Shell, page_steps
from tapdock.engines.attended import Stdio
from tapdock.launch import FileArg
from tapdock.runs.by_hand import has_input, placeholders

pytestmark = pytest.mark.long
CONNECTORS = Path(__file__).parents[2] / "connectors"
TOKEN = "t0p-secret-token"
PROGRAM = """#!/bin/sh
case "$1" in
    env) echo "$SHOP_KEY" ;;
    cat) cat ;;
    both) echo out; echo err >&2; exit 7 ;;
    show) shift; cat "$@" ;;
    where) echo "$2" ;;
    renew) printf '{"token": "n3w-secret-token", "count": 5}' >"$2" ;;
    killed) kill -9 $$ ;;
    *) exit 9 ;;
esac
"""
ONE_TIME = """#!{python}
import json, pathlib, sys
valid, args = pathlib.Path(__file__).with_name("valid"), sys.argv
if "spec" in args:
    print(json.dumps({{"type": "SPEC", "spec": {{"connectionSpecification": {{"type": "object"}}}}}}))
    sys.exit()
if json.load(open(args[args.index("--config") + 1]))["token"] != valid.read_text():
    sys.exit("the token is used up")
valid.write_text(valid.read_text() + "+")
config = {{"config": {{"token": valid.read_text()}}}}
print(json.dumps({{"type": "CONTROL", "control": {{"type": "CONNECTOR_CONFIG", "connectorConfig": config}}}}))
stream = {{"name": "users", "json_schema": {{"type": "object"}}, "supported_sync_modes": ["full_refresh"]}}
print(json.dumps({{"type": "CATALOG", "catalog": {{"streams": [stream]}}}}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    program = tmp_path / "program"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    hand = {"image": str(program), "kind": "singer", "env": {"SHOP_KEY": "it's ${TOKEN}"}}
    hand["config"] = {"token": "${TOKEN}", "count": 5}
    source = {"image": str(CONNECTORS / "source.py"), "kind": "airbyte"}
    source["config"] = {"token": "${TOKEN}", "streams": ["users", "orders"]}
    target = {"image": str(CONNECTORS / "destination.py"), "kind": "airbyte"}
    target["config"] = {"path": str(tmp_path / "data"), "password": "${TOKEN}"}
    whole = {
        "version": 1,
        "sources": {
            "hand": hand,
            "shop": {**source, "select": ["users.*"]},
            "alone": {**source, "select": ["orders.id"]},
        },
        "targets": {"lake": target},
        "pipelines": {"demo": {"source": "shop", "target": "lake"}},
    }
    (tmp_path / "tapdock.yaml").write_text(json.dumps(whole))
    return tmp_path


@pytest.fixture
def invoke(project: Path):
    """Run a command in the project as a process, because a connector gets its descriptors."""

    def be(*words: str, stdin: str = "", command: str = "invoke") -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "TAPDOCK_ENGINE": "local", "TOKEN": TOKEN}
        argv = [sys.executable, "-m", "tapdock", command, *words]
        return subprocess.run(argv, cwd=project, env=environ, input=stdin, capture_output=True, text=True, check=False)

    return be


def test_input_output_and_exit_code_are_the_connectors_own(invoke):
    ended = invoke("hand", "--", "cat", stdin="one\ntwo \x00 ü")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "one\ntwo \x00 ü", "")
    ended = invoke("hand", "--", "both")
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "out\n", "err\n")
    assert invoke("hand", "--", "killed").returncode == 137
    assert invoke("hand").returncode == 9


def test_its_files_and_variables_are_in_place_and_nothing_is_left(invoke, project):
    ended = invoke("hand", "--", "env")
    assert ended.stdout == f"it's {TOKEN}\n"
    ended = invoke("hand", "--", "show", "{config}")
    assert json.loads(ended.stdout) == {"token": TOKEN, "count": 5}
    file = Path(invoke("hand", "--", "where", "{config}").stdout.strip())
    assert file.name == "config.json"
    assert not file.exists()
    assert not file.parent.exists()
    assert invoke("hand", "--", "where", "--x={config}").stdout.startswith("--x=/")


def test_a_token_that_the_connector_renews_is_kept(invoke, project):
    ended = invoke("hand", "--", "renew", "{config}")
    assert (ended.returncode, "hand changed its config: /token" in ended.stderr) == (0, True)
    assert "n3w-secret-token" not in ended.stderr
    assert json.loads(invoke("hand", "--", "show", "{config}").stdout)["token"] == "n3w-secret-token"


@pytest.mark.parametrize("pipelines", [{}, {"demo": {"source": "once", "target": "lake"}}], ids=["alone", "pipeline"])
def test_a_discovery_for_the_catalog_uses_up_a_token(invoke, project, pipelines):
    (project / "valid").write_text("one-time-1")
    program = project / "once"
    program.write_text(ONE_TIME.format(python=sys.executable))
    program.chmod(0o755)
    once = {"image": str(program), "kind": "airbyte", "discovery": "always", "config": {"token": "one-time-1"}}
    whole = json.loads((project / "tapdock.yaml").read_text())
    whole |= {"sources": {"once": once}, "pipelines": pipelines}
    (project / "tapdock.yaml").write_text(json.dumps(whole))
    ended = invoke("once", "--", "read", "--config", "{config}", "--catalog", "{catalog}")
    assert (ended.returncode, (project / "valid").read_text()) == (0, "one-time-1++"), ended.stderr


def test_the_catalog_and_the_state_are_those_of_a_run(invoke):
    ended = invoke("shop", "--", "read", "--config", "{config}", "--catalog", "{catalog}")
    assert (ended.returncode, ended.stdout.count('"RECORD"')) == (0, 10), ended.stderr
    ended = invoke("shop", "--", "read", "--config", "{config}", "--catalog", "{catalog}", "--state", "{state}")
    assert (ended.returncode, "there is no state `default:shop-to-lake`" in ended.stderr) == (6, True)
    state = '[{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":{"id":7}}}]'
    assert invoke("set", "demo", stdin=state, command="state").returncode == 0
    ended = invoke("shop", "--", "read", "--config", "{config}", "--catalog", "{catalog}", "--state", "{state}")
    assert ended.stdout.count('"RECORD"') == 3
    dumped = json.loads(invoke("shop", "--dump", "catalog").stdout)
    assert [each["stream"]["name"] for each in dumped["streams"]] == ["users"]
    assert json.loads(invoke("lake", "--dump", "catalog").stdout)["streams"][0]["destination_sync_mode"]
    assert json.loads(invoke("shop", "--dump", "state").stdout) == json.loads(state)


def test_a_source_without_a_pipeline_gets_the_catalog_of_its_selection(invoke):
    (stream,) = json.loads(invoke("alone", "--dump", "catalog").stdout)["streams"]
    assert (stream["stream"]["name"], list(stream["stream"]["json_schema"]["properties"])) == ("orders", ["id"])
    ended = invoke("alone", "--", "read", "--state", "{state}")
    assert (ended.returncode, "depends on the pipeline" in ended.stderr) == (2, True)


def test_dumped_configs_have_no_secrets(invoke):
    for name in ("hand", "shop", "lake"):
        ended = invoke(name, "--dump", "config")
        assert (ended.returncode, TOKEN in ended.stdout) == (0, False), ended.stderr
        assert "[secret]" in ended.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shp"], "there is no source, mapper or target `shp`"),
        (["shop", "--pipeline", "dmo"], "there is no pipeline `dmo`"),
        (["alone", "--pipeline", "demo"], "pipeline `demo` does not use `alone`"),
        (["shop", "--dump", "config", "--", "x"], "takes no arguments"),
        (["lake", "--", "{state}"], "gives no state to target `lake`"),
    ],
)
def test_mistakes_are_explained_before_anything_is_started(invoke, words, message):
    ended = invoke(*words)
    assert (ended.returncode, message in ended.stderr, ended.stdout) == (2, True, ""), ended.stderr


def test_only_the_end_of_an_argument_is_a_placeholder():
    words = ['{"config": 1}', "{config}", "-c={catalog}", "{state}x", "{other}"]
    args, names = placeholders(words)
    assert args == (words[0], FileArg("config.json"), FileArg("catalog.json", "-c="), words[3], words[4])
    assert names == {"config.json", "catalog.json"}


def test_the_commands_of_the_page(project):
    shell = Shell(project)
    shell.environ.update(TAPDOCK_ENGINE="local", TOKEN=TOKEN)
    file = project / "tapdock.yaml"
    file.write_text(file.read_text().replace('"alone"', '"faker"'))
    read, dumped = shell.follow(page_steps("inspecting.md", "A connector by hand"))
    assert read.output.count('"RECORD"') == 10
    assert json.loads(dumped.output)["streams"]


@pytest.mark.parametrize(("terminal", "wanted"), [(False, True), (True, False)])
def test_what_is_input(terminal, wanted):
    def stdio(stdin: int | None) -> Stdio:
        return Stdio(stdin=stdin, stdout=1, stderr=2, terminal=terminal)

    reading, writing = os.pipe()
    with open(reading, "rb") as pipe, open(writing, "wb"), open(__file__, "rb") as file, open(os.devnull, "rb") as null:
        assert [has_input(stdio(one.fileno())) for one in (pipe, file)] == [wanted, wanted]
        assert not has_input(stdio(null.fileno()))
        assert not has_input(stdio(None))
