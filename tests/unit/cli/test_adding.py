"""Tests `tapdock search` and `tapdock add` with registries on a local web server and in files."""

import json
import shlex

import pytest

from support.registries import AIRBYTE, INDEX, PAGES, PLUGIN, SAMPLES, SHOP, TWO, index, needs_samples, serving
from tapdock.project.load import load

pytestmark = pytest.mark.long

PROJECT = """\
# my shop
version: 1
registries: {{airbyte: {airbyte}, meltanohub: {hub}}}

sources:
  old: {{image: "x"}} # the old one

# where it goes
targets:
  lake: {{image: y}}
pipelines: {{demo: {{source: old, target: lake}}}}
environments: {{prod: {{sources: {{later: {{image: z}}}}}}}}
"""


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        yield server


@pytest.fixture
def folder(tmp_path, server, monkeypatch):
    """A project with both registries. There is no container engine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    folder = tmp_path / "project"
    folder.mkdir()
    text = PROJECT.format(airbyte=f"{server.address}/airbyte.json", hub=f"{server.address}/hub")
    (folder / "tapdock.yaml").write_text(text)
    return folder


def text(folder) -> str:
    return (folder / "tapdock.yaml").read_text()


def loaded(folder, **environ: str):
    return load(folder / "tapdock.yaml", environment=None, environ=environ)


def refused(tapdock, folder, *words: str, code: int = 2):
    """Call a command that must fail and change nothing; return its last error and hint."""
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    ended = tapdock(*words)
    assert ended.returncode == code, ended.stderr
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    assert [line[:6] for line in ended.stderr.splitlines()].count("error:") == 1, ended.stderr
    return ended.stderr


# --- add -------------------------------------------------------------------------------------------------------------

WRITTEN = """\
  shop:
    # Airbyte's Shop (certified)
    # license: Elastic License 2.0 (ELv2): free to use, but not to offer to others as a service
    image: airbyte/source-shop:1.2.3
    idle_timeout: 2h
    # select: [orders, 'on'] # suggested by the registry
    config:
      # extra: ${SHOP_EXTRA} # not always needed
      # A token of the shop
      token: ${SHOP_TOKEN}
      region: eu$$$${X}
"""


def test_an_image_is_added_and_nothing_else_changes(tapdock, folder):
    before = text(folder)
    ended = tapdock("add", "source", "shop", "--airbyte")
    assert ended.returncode == 0, ended.stderr
    assert WRITTEN in text(folder)
    assert text(folder).replace(WRITTEN, "") == before
    assert "added the source `shop` to tapdock.yaml: airbyte/source-shop:1.2.3" in ended.stderr
    assert "needs SHOP_TOKEN: set it in `.env`" in ended.stderr
    assert "no digest was recorded" in ended.stderr
    assert "`tapdock check shop`" in ended.stderr
    shop = loaded(folder, SHOP_TOKEN="t").sources["shop"]
    assert shop.image == "airbyte/source-shop:1.2.3"
    assert shop.limits.source_idle == 7200
    assert shop.config["region"] == "eu$${X}"
    assert shop.config["token"].reveal() == "t"


@pytest.mark.parametrize(
    "words",
    [
        ("source", "shop", "--airbyte"),
        ("source", "shop", "--variant", "two", "--as", "two"),
        ("source", "only"),
        ("target", "sink"),
        ("source", "x", "--image", "my/x:1"),
        ("source", "tap-y", "--singer", "tap-y==1"),
        ("source", "z", "--singer", "git+https://git.example/z.git@v2"),
    ],
    ids=" ".join,
)
def test_a_second_time_changes_nothing(tapdock, folder, words):
    assert tapdock("add", *words).returncode == 0
    before, inode = text(folder), (folder / "tapdock.yaml").stat().st_ino
    ended = tapdock("add", *words)
    assert ended.returncode == 0
    assert "already; nothing was changed" in ended.stderr
    assert (text(folder), (folder / "tapdock.yaml").stat().st_ino) == (before, inode)


def test_a_newer_version_is_reported_but_not_written(tapdock, folder, server):
    tapdock("add", "source", "only")
    before = text(folder)
    server.pages["/airbyte.json"] = json.loads(json.dumps(AIRBYTE).replace("1.2.3", "1.3.0"))
    ended = tapdock("add", "source", "only", "--refresh")
    assert ended.returncode == 0
    assert "has airbyte/source-only:1.2.3, not airbyte/source-only:1.3.0" in ended.stderr
    assert text(folder) == before


def test_a_package_of_a_variant(tapdock, folder):
    ended = tapdock("add", "source", "shop", "--variant", "default", "--as", "on")
    assert ended.returncode == 0, ended.stderr
    shop = loaded(folder, ON_KEY="k").sources["on"]
    assert (shop.build.package, shop.image) == ("tap-shop==2.0", "tapdock/tap-shop:2.0")
    assert shop.config["auth"]["key"].reveal() == "k"


def test_an_ambiguous_name_lists_commands_that_work(tapdock, folder):
    said = refused(tapdock, folder, "add", "source", "shop", "--as", "mine")
    assert "error: `shop` is the name of 3 connectors" in said
    commands = [line.partition(": tapdock ")[2] for line in said.splitlines() if ": tapdock add" in line]
    assert commands == [
        "add source shop --airbyte --as mine",
        "add source shop --variant one --as mine",
        "add source shop --variant two --as mine",
    ]
    assert "Singer's tap-shop, one (MeltanoHub's default)" in said
    before = text(folder)
    for command in commands:
        (folder / "tapdock.yaml").write_text(before)
        assert tapdock(*shlex.split(command)).returncode == 0
        assert "mine" in loaded(folder).sources


@pytest.mark.parametrize(("word", "what"), [("tap-single", "tap-single"), ("source-shop", "airbyte/source-shop:1.2.3")])
def test_a_prefix_chooses_the_registry(tapdock, folder, word, what):
    assert f": {what}\n" in tapdock("add", "source", word).stderr


def test_two_connectors_of_one_title_are_ambiguous(tapdock, folder, server):
    other = SHOP | {"dockerRepository": "ghcr.io/other/shops", "dockerImageTag": "7"}
    server.pages |= {"/airbyte.json": AIRBYTE | {"sources": [SHOP, other]}, INDEX: {}}
    said = refused(tapdock, folder, "add", "source", "Shop")
    assert "tapdock add source airbyte/source-shop\n" in said
    assert "tapdock add source ghcr.io/other/shops\n" in said
    assert tapdock("add", "source", "ghcr.io/other/shops").returncode == 0
    assert loaded(folder).sources["shops"].image == "ghcr.io/other/shops:7"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            ("source", "shpo"),
            "neither Airbyte's registry nor MeltanoHub has a source `shpo`",
            "tapdock add source shop",
        ),
        (("source", "onyl", "--airbyte"), "Airbyte's registry has no source `onyl`", "tapdock add source only"),
        (("target", "only"), "has a target `only`", "tapdock search only"),
        (("source", "shop", "--variant", "on"), "`tap-shop` has no variant `on`", "one, two"),
        (("source", "shop", "--variant", "airbyte"), "has no variant `airbyte`", "tapdock add source shop --airbyte"),
        (("source", "only", "--as", "old"), "another connector or pipeline `sources.old`", "--as old-2"),
        (("source", "only", "--as", "lake"), "another connector or pipeline `targets.lake`", "--as lake-source"),
        (("source", "only", "--as", "demo"), "another connector or pipeline `pipelines.demo`", "--as demo-source"),
        (("source", "only", "--as", "later"), "`environments.prod.sources.later`", "--as later-source"),
        (("source", "only", "--as", "a-to-b"), "`a-to-b` is not a valid name", "not `-to-`"),
        (("source", "only", "--as", "a b"), "`a b` is not a valid name", "use letters"),
        (("source", "only", "--airbyte", "--image", "x"), "--airbyte and --image cannot be used together", "--help"),
        (("target", "x", "--manifest", "m.yaml"), "a target has no manifest", "tapdock add source"),
        (("source", "x", "--manifest", "m.yaml"), "names ", "relative to the project"),
        (("source", "x", "--singer", "-r evil.txt"), "has the option `-r`", "PIP_INDEX_URL"),
        (("source", "x", "--image", "a b"), "is `a b`, not an image", "for example"),
        (("destination", "x"), "'destination' is not one of", "--help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_refused(tapdock, folder, words, message, hint):
    *_, error, last = refused(tapdock, folder, "add", *words).splitlines()
    assert message in error
    assert hint in last


def test_without_a_project(tapdock, folder, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    ended = tapdock("--project", str(tmp_path / "elsewhere"), "add", "source", "only")
    assert ended.returncode == 2
    (folder / "tapdock.yaml").unlink()
    ended = tapdock("add", "source", "only")
    assert "`tapdock init`" in ended.stderr


@pytest.mark.parametrize("words", [("--airbyte",), ("--variant", "one")])
@pytest.mark.parametrize("page", [(503, ""), (404, ""), b"<html>", {"message": "sign in"}, []], ids=str)
def test_a_registry_that_cannot_be_used(tapdock, folder, server, words, page):
    server.pages |= {"/airbyte.json": page, INDEX: page}
    said = refused(tapdock, folder, "add", "source", "shop", *words)
    assert ("Airbyte's registry" if words == ("--airbyte",) else "MeltanoHub") in said
    assert "/airbyte.json" in said or INDEX in said


def test_one_registry_is_enough_if_the_other_is_not_asked(tapdock, folder, server):
    server.pages[INDEX] = (503, "")
    assert "MeltanoHub" in refused(tapdock, folder, "add", "source", "only")
    assert tapdock("add", "source", "only", "--airbyte").returncode == 0


def test_the_cache_and_its_age(tapdock, folder, server):
    tapdock("add", "source", "shop", "--airbyte")
    server.pages["/airbyte.json"] = json.loads(json.dumps(AIRBYTE).replace("1.2.3", "9.9.9"))
    ended = tapdock("add", "source", "only", "--airbyte")
    assert "Airbyte's registry was read 0 s ago; `--refresh` reads it again" in ended.stderr
    assert "source-only:1.2.3" in text(folder)
    tapdock("add", "source", "shop", "--airbyte", "--as", "new", "--refresh")
    assert loaded(folder).sources["new"].image == "airbyte/source-shop:9.9.9"


def test_registries_in_files(tapdock, folder):
    (folder / "mirror" / "plugins" / "extractors").mkdir(parents=True)
    (folder / "mirror" / "airbyte.json").write_text(json.dumps({"sources": [], "destinations": []}))
    (folder / "mirror" / "plugins" / "extractors" / "index.json").write_text(json.dumps(index(tap_shop=["two"])))
    (folder / "mirror" / "plugins" / "extractors" / "tap-shop--two.json").write_text(json.dumps(TWO))
    (folder / "tapdock.yaml").write_text(
        "version: 1\nregistries: {airbyte: mirror/airbyte.json, meltanohub: ./mirror}\n"
    )
    assert tapdock("add", "source", "shop").returncode == 0
    shop = loaded(folder).sources["shop"]
    assert (shop.image, shop.build.executable) == ("tapdock/tap-shop:two", "tap-shop")


def test_no_registries(tapdock, folder):
    (folder / "tapdock.yaml").write_text("version: 1\nregistries: {airbyte: none, meltanohub: none}\n")
    assert "is `none` under `registries:`" in refused(tapdock, folder, "add", "source", "shop")


@pytest.mark.parametrize("content", [PLUGIN, SHOP, {**PLUGIN, "pip_url": "tap-shop"}], ids=["hub", "airbyte", "other"])
def test_a_definition_in_a_file(tapdock, folder, content):
    (folder / "shop.json").write_text(json.dumps(content))
    assert tapdock("add", "source", "shop", "--from-ref", "shop.json").returncode == 0
    assert "shop" in loaded(folder).sources


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (PLUGIN, ("target", "shop"), "it does not describe a target"),
        (AIRBYTE["destinations"][0] | {"destinationDefinitionId": "1"}, ("source", "shop"), "not an entry of a source"),
        (PLUGIN, ("source", "other"), "describes `shop`, not `other`"),
        (AIRBYTE, ("source", "shop"), "it does not describe a source"),
        ([1], ("source", "shop"), "it is not an object"),
    ],
)
def test_a_definition_of_something_else(tapdock, folder, content, words, message):
    (folder / "shop.json").write_text(json.dumps(content))
    assert message in refused(tapdock, folder, "add", *words, "--from-ref", "shop.json")


def test_a_definition_at_an_address(tapdock, folder, server):
    place = f"{server.address}/hub/plugins/extractors/tap-shop--one"
    assert tapdock("add", "source", "shop", "--from-ref", place).returncode == 0
    server.pages["/hub/plugins/extractors/tap-shop--one"] = (500, "")
    assert "answered 500" in refused(tapdock, folder, "add", "source", "shop", "--from-ref", place)


def test_a_manifest(tapdock, folder):
    content = "type: DeclarativeSource\nversion: 7.0.0\nstreams: []\ncheck: {type: CheckStream, stream_names: []}\n"
    (folder / "shop.yaml").write_text(content)
    assert tapdock("add", "source", "shop", "--manifest", "shop.yaml").returncode == 0
    assert loaded(folder).sources["shop"].manifest.file.name == "shop.yaml"
    before = text(folder)
    assert tapdock("add", "source", "shop", "--manifest", str(folder / "shop.yaml")).returncode == 0
    assert text(folder) == before


@pytest.mark.parametrize("start", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("body", ["version: 1", "version: 1\nsources:", "version: 1\nsources: {}", "{version: 1}"])
def test_other_ways_to_write_a_file(tapdock, folder, start, end, body):
    file = folder / "tapdock.yaml"
    file.write_bytes((start + body.replace("\n", end) + end).encode())
    file.chmod(0o664)
    assert tapdock("add", "source", "x", "--image", "my/x:1").returncode == 0
    assert loaded(folder).sources["x"].image == "my/x:1"
    content = file.read_bytes().decode()
    assert content.startswith(f"{start}version: 1{end}" if body[0] != "{" else f"{start}{{version: 1")
    assert content.count("\n") == content.count(end)
    assert file.stat().st_mode & 0o777 == 0o664


def test_a_link_stays_a_link(tapdock, folder, tmp_path):
    (folder / "tapdock.yaml").rename(tmp_path / "real.yaml")
    (folder / "tapdock.yaml").symlink_to(tmp_path / "real.yaml")
    assert tapdock("add", "source", "x", "--image", "my/x:1").returncode == 0
    assert (folder / "tapdock.yaml").is_symlink()
    assert "my/x:1" in (tmp_path / "real.yaml").read_text()


def test_an_entry_in_one_line_has_its_comments_in_the_output(tapdock, folder):
    file = folder / "tapdock.yaml"
    file.write_text(
        text(folder).replace('sources:\n  old: {image: "x"} # the old one\n', "sources: {old: {image: x}}\n")
    )
    ended = tapdock("add", "source", "shop", "--airbyte")
    assert ended.returncode == 0, ended.stderr
    assert "note: license: Elastic License 2.0 (ELv2)" in ended.stderr
    assert "sources: {old: {image: x}, shop: {image: " in text(folder)
    assert set(loaded(folder).sources) == {"old", "shop"}


def test_a_variable_that_is_set_already_is_reported(tapdock, folder):
    (folder / ".env").write_text("SHOP_TOKEN=old\n")
    ended = tapdock("add", "source", "shop", "--airbyte")
    assert "needs SHOP_TOKEN: " in ended.stderr
    assert "it is set already, in `.env`" in ended.stderr
    ended = tapdock("add", "source", "shop", "--airbyte", "--as", "x", X_TOKEN="new")
    assert "it is set already, in the environment" in ended.stderr
    assert "old" not in ended.stderr


def test_the_digest_of_an_image_that_is_present_is_recorded(tapdock, folder):
    """Programs have digests too."""
    (folder / "tapdock.lock").write_text('{"version": 1, "images": {"other": "sha256:1"}}')
    ended = tapdock("add", "source", "tap", "--image", "/bin/true", TAPDOCK_ENGINE="local")
    assert "recorded its digest in tapdock.lock" in ended.stderr
    images = json.loads((folder / "tapdock.lock").read_text())["images"]
    assert images["other"] == "sha256:1"
    assert images["/bin/true"].startswith("sha256:")


def test_a_damaged_lock_file_stays_as_it_is(tapdock, folder):
    (folder / "tapdock.lock").write_text("{")
    ended = tapdock("add", "source", "tap", "--image", "/bin/true", TAPDOCK_ENGINE="local")
    assert ended.returncode == 0
    assert "no digest was recorded: tapdock.lock cannot be read" in ended.stderr
    assert (folder / "tapdock.lock").read_text() == "{"


def test_a_name_of_an_included_file_is_taken(tapdock, folder):
    (folder / "tapdock.yaml").write_text(text(folder) + "include: [more.yaml]\n")
    (folder / "more.yaml").write_text("targets: {only: {image: z}}\n")
    assert "another connector or pipeline `targets.only`" in refused(tapdock, folder, "add", "source", "only")


@needs_samples
def test_github_of_the_samples(tapdock, folder):
    places = f"registries: {{airbyte: {SAMPLES}/airbyte/oss_registry.json, meltanohub: {SAMPLES}/meltanohub}}\n"
    (folder / "tapdock.yaml").write_text(f"version: 1\n{places}")
    assert "is the name of 3 connectors" in refused(tapdock, folder, "add", "source", "github")
    assert tapdock("add", "source", "github", "--airbyte").returncode == 0
    github = loaded(folder).sources["github"]
    assert (github.image, github.limits.source_idle) == ("airbyte/source-github:2.1.14", 3600)
    assert github.config["credentials"]["option_title"] == "PAT Credentials"
    assert github.config["credentials"]["personal_access_token"].variable == "GITHUB_PERSONAL_ACCESS_TOKEN"


# --- search ----------------------------------------------------------------------------------------------------------


def test_a_search(tapdock, folder):
    ended = tapdock("search", "SHOP")
    assert ended.returncode == 0
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert lines[0][:4] == ["NAME", "ROLE", "KIND", "VARIANTS"]
    assert lines[1:] == [
        ["shop", "source", "airbyte", "airbyte/source-shop:1.2.3", "ELv2", "certified"],
        ["shop", "source", "singer", "one,", "two", "tap-shop==2.0"],
        ["shop", "target", "airbyte", "airbyte/destination-shop:1.2.3", "MIT"],
    ]


def test_a_search_as_json(tapdock, folder):
    found = json.loads(tapdock("search", "shop", "--source", "--json").stdout)
    assert [(each["kind"], each["reference"], each["variants"]) for each in found] == [
        ("airbyte", "airbyte/source-shop:1.2.3", []),
        ("singer", "tap-shop==2.0", ["one", "two"]),
    ]
    assert json.loads(tapdock("search", "nothing", "--json").stdout) == []


def test_a_search_without_a_result(tapdock, folder):
    ended = tapdock("search", "nothing", "--target")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "no registry has a connector whose name contains `nothing`" in ended.stderr


def test_a_search_without_one_registry_shows_the_other_and_fails(tapdock, folder, server):
    server.pages["/airbyte.json"] = (503, "")
    ended = tapdock("search", "shop", "--source")
    assert "tap-shop==2.0" in ended.stdout
    assert "error: Airbyte's registry cannot be read: " in ended.stderr
    assert ended.returncode == 2


def test_a_plugin_without_its_definition_is_shown_without_a_package(tapdock, folder, server):
    server.pages["/hub/plugins/extractors/tap-shop--one"] = (404, "")
    ended = tapdock("search", "shop", "--source", "--json")
    assert ended.returncode == 0
    assert [(each["title"], each["reference"]) for each in json.loads(ended.stdout)][1:] == [("tap-shop", "")]


def test_a_long_search_says_that_it_did_not_ask_for_each_package(tapdock, folder, server):
    server.pages[INDEX] = index(**{f"tap_many_{number}": ["one"] for number in range(25)})
    ended = tapdock("search", "many", "--source")
    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) == 26
    assert "only the packages of the first 20 Singer plugins of each role are shown" in ended.stderr
    assert len(server.asked) == 22


def test_a_search_asks_each_document_once(tapdock, folder, server):
    tapdock("search", "shop", "--refresh")
    assert sorted(server.asked) == sorted(set(server.asked))
    assert set(server.asked) <= set(PAGES)
