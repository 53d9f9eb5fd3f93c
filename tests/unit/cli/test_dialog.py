"""Tests `tapdock config set NAME --interactive` in a pseudo-terminal, with the specs of real connectors."""

import json
import re
import stat
import sys
from pathlib import Path

import pytest
import yaml

from corpus.material import CORPUS
from support.pages import CHECKOUT
from support.terminal import Terminal
from tapdock.cache import Cache
from tapdock.cli.dialog import plain_text
from tapdock.connectors import known_specs, settings
from tapdock.project.load import load

REGISTRY = CORPUS.parent / "registry" / "airbyte" / "oss_registry.json"
ABOUT = CHECKOUT / "tests" / "support" / "tap_postgres_about.json"
VECTOR = CHECKOUT / "tests" / "support" / "cdk_vector_spec.json"
PROJECT = """\
version: 1
sources:
  shop:
    image: shop:1 # pinned
    config: {}
"""
pytestmark = pytest.mark.long
WRITE = "Write this into tapdock.yaml?"
CHECK = "Check the config now"


def airbyte(name: str) -> dict:
    if not REGISTRY.is_file():
        pytest.skip(f"{REGISTRY} is not there: the specs of real connectors")
    entries = json.loads(REGISTRY.read_text())["sources"]
    (found,) = [entry for entry in entries if entry["dockerRepository"] == name]
    return found["spec"]["connectionSpecification"]


def singer() -> dict:
    return json.loads(ABOUT.read_text())["settings"]


def project(folder: Path, spec: dict, text: str = PROJECT) -> Path:
    (folder / "tapdock.yaml").write_text(text)
    found = load(folder / "tapdock.yaml", environment=None, environ={})
    known_specs.remember(Cache(found.private / "cache"), found.sources["shop"], spec)
    return folder


def dialog(folder: Path, *words: str) -> Terminal:
    return Terminal(folder, "config", "set", "shop", "--interactive", *words)


def written(folder: Path, spec: dict) -> dict:
    """Return the config that a run would pass on. The spec accepts it."""
    config = load(folder / "tapdock.yaml", environment=None, environ={}).sources["shop"].config
    plain = settings.coerce(config, spec)
    assert settings.violations(plain, spec) == []
    return plain


def test_faker_with_a_mistake_and_going_back(tmp_path):
    spec = airbyte("airbyte/source-faker")
    with dialog(project(tmp_path, spec)) as terminal:
        shown = terminal.answer("Count (count)", "0")
        assert "How many users should be generated in total." in shown
        assert "optional; default: 1000; at least 1" in shown
        assert max(map(len, shown.splitlines())) <= 80
        assert "the value is too small: minimum is 1" in terminal.answer("", "many")
        assert "the value is text, not integer" in terminal.answer("", "5")
        terminal.answer("Seed (seed)", "<")
        assert terminal.answer("Count (count)", "7").endswith("[5] > ")
        terminal.answer("Seed (seed)", "")
        terminal.answer("Records Per Stream Slice", "")
        terminal.answer("Parallelism", "")
        terminal.answer("Always Updated", "n")
        terminal.answer(WRITE, "<")
        terminal.answer("Always Updated", "")
        summary = terminal.answer(WRITE, "")
        assert "count           7" in summary
        terminal.answer(CHECK, "n")
        assert terminal.end() == 0
    assert written(tmp_path, spec) == {"count": 7, "always_updated": False}
    assert (tmp_path / "tapdock.yaml").read_text().startswith(PROJECT.partition("config")[0])
    assert not (tmp_path / ".env").exists()


def test_a_file_with_a_choice_and_a_hidden_secret(tmp_path):
    spec = airbyte("airbyte/source-file")
    with dialog(project(tmp_path, spec)) as terminal:
        terminal.answer("Dataset Name (dataset_name)", "users")
        terminal.answer("File Format (format)", "xml")
        assert "a number from 1 to 9" in terminal.answer("", "jsonl")
        shown = terminal.answer("Storage Provider (provider)", "S3: Amazon Web Services")
        assert "1) HTTPS: Public Web" in shown
        terminal.answer("AWS Access Key ID (provider.aws_access_key_id)", "AKIA1")
        terminal.prompt("AWS Secret Access Key (provider.aws_secret_access_key)")
        assert not terminal.echoes
        terminal.type("s3cr$t key")
        terminal.answer("URL (url)", "s3://bucket/users.jsonl")
        terminal.answer("Also ask about 1 optional setting? reader_options", "")
        summary = terminal.answer(WRITE, "y")
        assert "secrets in .env: SHOP_PROVIDER_AWS_ACCESS_KEY_ID, SHOP_PROVIDER_AWS_SECRET_ACCESS_KEY" in summary
        terminal.answer(CHECK, "n")
        assert terminal.end() == 0
        assert "s3cr$t" not in terminal.shown
    text = (tmp_path / "tapdock.yaml").read_text()
    assert "s3cr" not in text
    assert "aws_secret_access_key: ${SHOP_PROVIDER_AWS_SECRET_ACCESS_KEY}" in text
    assert written(tmp_path, spec)["provider"] == {
        "storage": "S3",
        "aws_access_key_id": "AKIA1",
        "aws_secret_access_key": "s3cr$t key",
    }
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_postgres_with_nested_choices_and_a_key_from_a_file(tmp_path):
    spec = airbyte("airbyte/source-postgres")
    key = "-----BEGIN KEY-----\nMII=\n-----END KEY-----"
    (tmp_path / "id").write_text(key + "\n")
    with dialog(project(tmp_path, spec)) as terminal:
        terminal.answer("Host (host)", "db")
        assert terminal.answer("Port (port)", "70000").endswith("[5432] > ")
        assert "the value is too large: maximum is 65536" in terminal.answer("", "")
        terminal.answer("Database Name (database)", "shop")
        terminal.answer("Username (username)", "me")
        terminal.answer("Also ask about", "y")
        terminal.answer("Schemas (schemas), item 1", "public")
        terminal.answer("Schemas (schemas), item 2", "sales")
        terminal.answer("Schemas (schemas), item 3", "")
        terminal.prompt("Password (password)")
        assert not terminal.echoes
        terminal.type("hunter22")
        terminal.answer("(jdbc_url_params)", "")
        terminal.answer("Set SSL Modes (ssl_mode)?", "y")
        terminal.answer("SSL Modes (ssl_mode)", "verify-ca")
        terminal.answer("CA Certificate (ssl_mode.ca_certificate)", "@" + str(tmp_path / "none"))
        assert "cannot be read" in terminal.answer("", "@" + str(tmp_path / "id"))
        terminal.answer("Also ask about", "")
        terminal.answer("Set Update Method (replication_method)?", "")
        shown = terminal.prompt()
        while "Set SSH Tunnel Method" not in shown:
            terminal.type("")
            shown = terminal.prompt()
        terminal.type("y")
        terminal.answer("SSH Tunnel Method (tunnel_method)", "1")
        terminal.answer(WRITE, "y")
        terminal.answer(CHECK, "n")
        assert terminal.end() == 0
        assert "hunter22" not in terminal.shown
    config = written(tmp_path, spec)
    assert config["ssl_mode"] == {"mode": "verify-ca", "ca_certificate": key}
    assert (config["port"], config["schemas"], config["password"]) == (5432, ["public", "sales"], "hunter22")
    assert config["tunnel_method"] == {"tunnel_method": "NO_TUNNEL"}
    assert "hunter22" not in (tmp_path / "tapdock.yaml").read_text()


def walked(terminal: Terminal, replies: dict[str, str]) -> list[str]:
    """Reply to each question by its setting, with an empty line if none is given. Return the hidden settings."""
    hidden, shown = [], terminal.prompt()
    while WRITE not in shown:
        title = " ".join(shown.rpartition("\n\n")[2].split("\n  ")[0].split())
        name = re.search(r"\(([a-z_.0-9]+)\)", title) or re.search(r"([a-z_.0-9]+)", title.removeprefix("Set "))
        key = name[1] + (f".{item[1]}" if (item := re.search(r"item (\d+)", title)) else "")
        key = "optional" if title.startswith("Also ask") else key
        if not terminal.echoes:
            hidden.append(key)
        terminal.type(replies.get(key, ""))
        shown = terminal.prompt()
    terminal.type("y")
    terminal.answer(CHECK, "n")
    assert terminal.end() == 0
    return hidden


def test_s3_with_a_list_of_objects(tmp_path):
    spec = airbyte("airbyte/source-s3")
    replies = {
        "bucket": "lake",
        "optional": "y",
        "aws_secret_access_key": "s3cret",
        "streams.1": "y",
        "streams.0.name": "users",
        "streams.0.format": "CSV Format",
        "streams.0.format.delimiter": ";",
        "streams.0.format.null_values.1": "NA",
        "streams.0.globs.1": "a/*.csv",
        "streams.0.globs.2": "b/*.csv",
    }
    with dialog(project(tmp_path, spec)) as terminal:
        hidden = walked(terminal, replies)
        assert "s3cret" not in terminal.shown
    assert "aws_secret_access_key" in hidden
    config = written(tmp_path, spec)
    assert (config["bucket"], config["aws_secret_access_key"]) == ("lake", "s3cret")
    (stream,) = config["streams"]
    assert (stream["name"], stream["globs"]) == ("users", ["a/*.csv", "b/*.csv"])
    assert stream["format"] == {"filetype": "csv", "delimiter": ";", "null_values": ["NA"]}


def test_the_settings_of_a_singer_tap(tmp_path):
    """Recorded from `tap-postgres --about` of meltanolabs-tap-postgres 0.10.0."""
    spec = singer()
    replies = {
        "host": "db",
        "user": "me",
        "password": "pa55 word",
        "database": "shop",
        "filter_schemas.1": "public",
        "default_replication_method": "INCREMENTAL",
        "ssh_tunnel": "y",
        "ssh_tunnel.enable": "y",
        "ssh_tunnel.private_key": "k3y",
    }
    with dialog(project(tmp_path, spec)) as terminal:
        hidden = walked(terminal, replies)
        assert "pa55" not in terminal.shown
    assert {"password", "sqlalchemy_url", "ssh_tunnel.private_key", "ssh_tunnel.private_key_password"} <= set(hidden)
    assert written(tmp_path, spec) == {
        "host": "db",
        "user": "me",
        "password": "pa55 word",
        "database": "shop",
        "filter_schemas": ["public"],
        "default_replication_method": "INCREMENTAL",
        "ssh_tunnel": {"enable": True, "private_key": "k3y"},
    }
    assert (tmp_path / ".env").read_text() == "SHOP_PASSWORD='pa55 word'\nSHOP_SSH_TUNNEL_PRIVATE_KEY=k3y\n"


def test_the_cdks_own_spec_with_choices_inside_of_an_object(tmp_path):
    """`VectorDBConfigModel` of airbyte-cdk 7.39.1: the spec of all its destinations for vectors."""
    spec = json.loads(VECTOR.read_text())
    with dialog(project(tmp_path, spec)) as terminal:
        terminal.answer("Embedding (embedding)", "9")
        assert "answer with a number from 1 to 5" in terminal.answer("", "OpenAI")
        terminal.answer("OpenAI API key (embedding.openai_key)", "<")
        assert terminal.answer("Embedding (embedding)", "Azure OpenAI").endswith("[OpenAI] > ")
        terminal.prompt("Azure OpenAI API key (embedding.openai_key)")
        assert not terminal.echoes
        terminal.type("s3cr$t")
        terminal.answer("(embedding.api_base)", "https://x.example.com")
        terminal.answer("(embedding.deployment)", "mine")
        terminal.answer("Chunk size (processing.chunk_size)", "0")
        assert "the value is too small: minimum is 1" in terminal.answer("", "200")
        terminal.answer("Also ask about 5 optional settings?", "y")
        terminal.answer("Chunk overlap (processing.chunk_overlap)", "")
        for place, line in ((1, "text"), (2, "user.name"), (3, "")):
            terminal.answer(f"(processing.text_fields), item {place}", line)
        terminal.answer("(processing.metadata_fields), item 1", "")
        terminal.answer("Set Text splitter (processing.text_splitter)?", "y")
        terminal.answer("Text splitter (processing.text_splitter)", "By Programming Language")
        terminal.answer("(processing.text_splitter.language)", "cobol")
        terminal.answer("", "python")
        shown = terminal.prompt()
        while WRITE not in shown:
            terminal.type(REST.get(next((name for name in REST if name in shown), ""), ""))
            shown = terminal.prompt()
        terminal.type("y")
        terminal.answer(CHECK, "n")
        assert terminal.end() == 0
        assert "s3cr$t" not in terminal.shown
    azure = {"mode": "azure_openai", "openai_key": "s3cr$t", "api_base": "https://x.example.com", "deployment": "mine"}
    assert written(tmp_path, spec) == {
        "embedding": azure,
        "processing": {
            "chunk_size": 200,
            "text_fields": ["text", "user.name"],
            "text_splitter": {"mode": "code", "language": "python"},
            "field_name_mappings": [{"from_field": "a", "to_field": "b"}],
        },
    }
    assert "s3cr" not in (tmp_path / "tapdock.yaml").read_text()


TAP = """#!%s
import json, sys
if "--about" in sys.argv:
    print(json.dumps({"settings": %r, "capabilities": ["discover", "about"]}))
elif "--discover" in sys.argv:
    print(json.dumps({"streams": []}))
"""


def test_the_spec_is_asked_for_and_the_config_checked(tmp_path):
    (tmp_path / "tap").write_text(TAP % (sys.executable, SMALL))
    (tmp_path / "tap").chmod(0o755)
    text = f"version: 1\nsources:\n  shop:\n    image: {tmp_path / 'tap'}\n    kind: singer\n"
    (tmp_path / "tapdock.yaml").write_text(text)
    words = ("config", "set", "shop", "--interactive")
    with Terminal(tmp_path, *words, environ={"TAPDOCK_ENGINE": "local"}) as terminal:
        terminal.answer("name", "x")
        terminal.answer("password", "hunter22")
        terminal.answer(WRITE, "y")
        terminal.answer(CHECK, "y")
        assert terminal.end() == 0
        assert re.search(r"^shop (works|was checked)", terminal.shown, re.MULTILINE)
        assert "hunter22" not in terminal.shown
    assert written(tmp_path, SMALL) == {"name": "x", "password": "hunter22"}


REST = {"from_field": "a", "to_field": "b", "item 1": "y"}
SMALL = {
    "type": "object",
    "required": ["name", "password"],
    "properties": {"name": {"type": "string"}, "password": {"type": "string"}},
}


@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
@pytest.mark.parametrize("place", ["name", "password", WRITE])
def test_a_dialog_that_is_left_writes_nothing(tmp_path, key, place):
    before = {"tapdock.yaml": PROJECT, ".env": "A=1\n"}
    project(tmp_path, SMALL)
    (tmp_path / ".env").write_text(before[".env"])
    with dialog(tmp_path) as terminal:
        for question, line in (("name", "x"), ("password", "hunter22")):
            if question == place:
                break
            terminal.answer(question, line)
        terminal.prompt(place)
        terminal.press(key, until="nothing was written")
        assert terminal.end() == 130
    assert {name: (tmp_path / name).read_text() for name in before} == before
    assert {path.name for path in tmp_path.iterdir()} == {".tapdock", ".env", "tapdock.yaml"}


def test_an_environment_and_what_is_kept(tmp_path):
    text = PROJECT.replace("{}", "{name: old, password: '${P}'}") + "environments: {prod: {}}\n"
    project(tmp_path, SMALL, text)
    with dialog(tmp_path, "--environment", "prod") as terminal:
        assert terminal.answer("name", "new").endswith("[old] > ")
        assert terminal.answer("password", "").endswith("[${P}] > ")
        terminal.answer(WRITE, "y")
        terminal.answer(CHECK, "n")
        assert terminal.end() == 0
    tree = yaml.safe_load((tmp_path / "tapdock.yaml").read_text())
    assert tree["environments"] == {"prod": {"sources": {"shop": {"config": {"name": "new"}}}}}
    assert tree["sources"]["shop"]["config"] == {"name": "old", "password": "${P}"}


def test_a_secret_is_not_asked_for_if_git_would_publish_it(tmp_path):
    project(tmp_path, SMALL)
    (tmp_path / ".git").mkdir()
    with dialog(tmp_path) as terminal:
        terminal.answer("name", "x")
        assert terminal.end() == 2
        assert "git does not ignore" in terminal.shown
    assert (tmp_path / "tapdock.yaml").read_text() == PROJECT


def test_without_a_terminal_the_other_command_is_named(tapdock, folder):
    ended = tapdock("config", "set", "faker", "--interactive")
    assert (ended.returncode, "needs a terminal" in ended.stderr) == (2, True)
    assert "hint: `tapdock config set faker KEY VALUE` sets one value" in ended.stderr


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ('as <a href="https://x.org" target="_blank">here</a>.', "as here (https://x.org)."),
        ("**bold**<br/>and [docs](https://y.org)", "bold and docs (https://y.org)"),
        ("a < b and c > d", "a < b and c > d"),
        ("one\n  two&amp;three", "one two&three"),
    ],
)
def test_a_description_is_plain_text(text, plain):
    assert plain_text(text) == plain
