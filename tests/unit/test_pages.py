"""Follows the pages whose commands need no containers, as written there."""

import json
import re

import pytest

from support.meltano import database
from support.pages import CHECKOUT, PAGES, Shell, Step, page_steps
from support.registries import PLUGIN, entry, index, spec
from tapdock.cache import Cache
from tapdock.connectors.known_specs import remember
from tapdock.project.load import load

MELTANO = '{"singer_state": {"bookmarks": {"issues": {"since": "2024-05-01"}}}}'
AIRBYTE = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "old_name"}, "stream_state": {"n": 1}}}]


@pytest.fixture
def shell(tmp_path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.long
def test_a_connector_of_your_own(shell):
    """A second run reads nothing, and `--full-refresh` reads all again, as the page says."""
    found = page_steps("own-connector.md", "As programs")
    *_, run = found
    shell.follow(found)
    rows = shell.folder / "users.jsonl"
    assert [json.loads(row)["id"] for row in rows.read_text().splitlines()] == [1, 2, 3]
    shell.environ["TAPDOCK_ENGINE"] = "local"
    shell.follow([run, Step(run.page, run.section, "tapdock runs logs latest")])
    assert len(rows.read_text().splitlines()) == 3
    shell.follow([Step(run.page, run.section, f"{run.text} --full-refresh")])
    assert len(rows.read_text().splitlines()) == 6


@pytest.mark.long
def test_an_airbyte_source_of_your_own(shell):
    """Its state is a list of messages, and a second run reads nothing."""
    found = page_steps("own-connector.md", "As programs", "An Airbyte source")
    run = found[-1]
    shell.follow(found)
    rows = shell.folder / "users.jsonl"
    names = ["user 1", "user 2", "user 3", "person 1", "person 2"]
    assert [json.loads(row)["name"] for row in rows.read_text().splitlines()] == names
    shell.environ["TAPDOCK_ENGINE"] = "local"
    state = Step(run.page, run.section, "tapdock state get airbyte")
    record = Step(run.page, run.section, "tapdock runs show --json")
    *_, saved, shown = shell.follow([run, state, record])
    assert json.loads(saved.output)[0]["stream"]["stream_state"] == {"id": 2}
    assert [each["status"] for each in json.loads(shown.output)["streams"]] == ["complete"]
    assert len(rows.read_text().splitlines()) == 5
    shell.follow([Step(run.page, run.section, f"{run.text} --full-refresh")])
    assert len(rows.read_text().splitlines()) == 7


@pytest.mark.long
def test_one_setting(shell):
    """The spec is known, so that nothing has to be asked."""
    example = (CHECKOUT / "runner" / "tapdock" / "cli" / "example.yaml").read_text()
    (shell.folder / "tapdock.yaml").write_text(example)
    project = load(shell.folder / "tapdock.yaml", environment=None, environ={})
    numbers = {name: {"type": "integer"} for name in ("count", "seed", "parallelism", "records_per_slice")}
    spec = {"type": "object", "properties": {**numbers, "always_updated": {"type": "boolean"}}}
    remember(Cache(project.private / "cache"), project.sources["faker"], spec)
    shell.follow(page_steps("configuring.md", "One setting"))
    wanted = "".join(line for line in example.splitlines(keepends=True) if "seed:" not in line)
    assert (shell.folder / "tapdock.yaml").read_text() == wanted.replace("count: 10000", "count: 500")


@pytest.mark.long
def test_the_terminal_of_a_codespace(shell):
    shell.follow(page_steps("codespaces.md"))
    assert (shell.folder / "tapdock.yaml").exists()


def test_the_user_data_of_an_instance(shell):
    (shell.folder / "scripts").symlink_to(CHECKOUT / "scripts")
    (shell.folder / "shop").mkdir()
    (shell.folder / "shop" / "tapdock.yaml").write_text("version: 1\npipelines:\n  nightly: {source: a, target: b}\n")
    shell.follow(page_steps("ec2.md"))
    assert (shell.folder / "user-data").read_text().startswith("#cloud-config\n")


@pytest.mark.long
def test_the_commands_for_states(shell):
    """A program that prints a state stands in for Meltano."""
    shell.program("meltano", f"echo '{MELTANO}'")
    connector = {"image": "example/connector:1"}
    project = {
        "version": 1,
        "environments": {"prod": {}},
        "sources": dict.fromkeys(("faker", "github", "hubspot"), connector),
        "targets": {"lake": connector},
        "pipelines": {
            name: {"source": source, "target": "lake"}
            for name, source in (("demo", "faker"), ("issues", "github"), ("contacts", "hubspot"))
        },
    }
    (shell.folder / "tapdock.yaml").write_text(json.dumps(project))
    folder = shell.folder / ".meltano" / "state" / "dev:old-to-lake"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(f'{{"completed": {MELTANO}}}')
    database(shell.folder / ".meltano" / "meltano.db", [("dev:older-to-lake", "{}", MELTANO)])
    (shell.folder / "connection-state.json").write_text(json.dumps(AIRBYTE))
    first = Step("state.md", "", "tapdock state import connection-state.json demo --format airbyte")
    said = {one.step.command: one.output for one in shell.follow([first, *page_steps("state.md")])}
    states = shell.follow([Step("state.md", "", "tapdock state list --json")])[0].output
    assert sorted(state["key"] for state in json.loads(states)) == [
        "default:faker-to-lake",
        "default:github-to-lake",
        "default:hubspot-to-lake",
        "dev:old-to-lake",
        "dev:older-to-lake",
        "prod:faker-to-lake",
    ]
    assert " unchanged" in said["tapdock state import --all states.json"]
    exported = json.loads(said["tapdock state export issues --format meltano"])
    assert exported["singer_state"] == json.loads(MELTANO)["singer_state"]
    renamed = shell.follow([Step("state.md", "", "tapdock state get contacts")])[0].output
    assert "new_name" in renamed
    assert "old_name" not in renamed


@pytest.mark.long
def test_adding_connectors(shell):
    """The registries are small files with what the page shows."""
    token = {"type": "string", "airbyte_secret": True, "description": "A personal access token"}
    forms = [
        {"title": "OAuth", "required": ["access_token"], "properties": {"access_token": token}},
        {
            "title": "Token",
            "required": ["personal_access_token"],
            "properties": {"option_title": {"const": "PAT Credentials"}, "personal_access_token": token},
        },
    ]
    example = ["airbytehq/airbyte"]
    schema = spec(
        "credentials",
        "repositories",
        credentials={"description": "Choose how to authenticate", "oneOf": forms},
        repositories={"type": "array", "description": "Repositories to read", "examples": example},
    )
    more = {"tag": "2.1.14", "license": "ELv2", "supportLevel": "certified", "maxSecondsBetweenMessages": 3600}
    streams = {"streams": ["branches", "issues", "users"]}
    github = entry("airbyte/source-github", "GitHub", spec=schema, suggestedStreams=streams, **more)
    postgres = PLUGIN | {"name": "target-postgres", "pip_url": "meltanolabs-target-postgres"}
    files = {
        "airbyte.json": {"sources": [github], "destinations": []},
        "plugins/extractors/index.json": index(tap_github=["meltanolabs", "singer-io", "airbyte"]),
        "plugins/extractors/tap-github--meltanolabs.json": PLUGIN | {"name": "tap-github"},
        "plugins/loaders/index.json": index(target_postgres=["meltanolabs"]),
        "plugins/loaders/target-postgres--meltanolabs.json": postgres,
    }
    for name, content in files.items():
        (shell.folder / "hub" / name).parent.mkdir(parents=True, exist_ok=True)
        (shell.folder / "hub" / name).write_text(json.dumps(content))
    shell.environ |= {"TAPDOCK_REGISTRIES__AIRBYTE": "hub/airbyte.json", "TAPDOCK_REGISTRIES__MELTANOHUB": "hub"}
    shell.follow(page_steps("adding-connectors.md", "Adding connectors"))
    (shown, *_) = re.findall(r"^```yaml\nsources:\n(.*?)^```$", PAGES["adding-connectors.md"].read_text(), re.S | re.M)
    assert shown in (shell.folder / "tapdock.yaml").read_text()


@pytest.mark.long
def test_a_mirror_of_a_registry(shell):
    shell.follow(page_steps("adding-connectors.md", "Mirrors, and machines without internet"))
    text = (shell.folder / "tapdock.yaml").read_text()
    assert "singer: tap-shop==2.4.1\n" in text
    assert "api_key: ${SHOP_API_KEY}\n" in text
