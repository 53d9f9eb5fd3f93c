"""Tests what is read from both registries, and what is written for a connector."""

import json
import re
from pathlib import Path

import pytest
import yaml

from support.registries import AIRBYTE, PLUGIN, SAMPLES, TWO, entry, needs_samples
from tapdock.connectors.registry import airbyte, meltanohub
from tapdock.connectors.registry.airbyte_settings import settings
from tapdock.connectors.registry.found import UNKNOWN, Found, Setting
from tapdock.connectors.registry.lookup import described
from tapdock.connectors.registry.write import written
from tapdock.connectors.settings import problems
from tapdock.errors import UsageError
from tapdock.project.load import load

EMPTY = "version: 1\n"


def config_of(found: Found, tmp_path: Path, *, name: str = "shop", text: str = EMPTY, role="source"):
    """Return the new entry, as YAML has it, and its text."""
    new = written(text, found, role=role, name=name, folder=tmp_path, label="tapdock.yaml")
    return yaml.safe_load(new.text)[f"{role}s"][name], new


# --- Airbyte ---------------------------------------------------------------------------------------------------------


def test_the_entries_of_a_registry():
    found = airbyte.entries(AIRBYTE)
    assert [(each.role, each.image) for each in found] == [
        ("source", "airbyte/source-shop:1.2.3"),
        ("source", "airbyte/source-only:1.2.3"),
        ("target", "airbyte/destination-shop:1.2.3"),
        ("target", "airbyte/destination-lake:1.2.3"),
    ]


@pytest.mark.parametrize(
    "content",
    [None, [], {}, {"message": "sign in"}, {"sources": []}, {"sources": [{}], "destinations": []}],
    ids=["null", "list", "empty", "message", "half", "no images"],
)
def test_what_is_not_a_registry_is_refused(content):
    with pytest.raises(ValueError, match=r"it has no lists|none of its connectors"):
        airbyte.entries(content)


@pytest.mark.parametrize(
    "more",
    [
        {"tombstone": True},
        {"destinationDefinitionId": "1"},
        {"dockerImageTag": None},
        {"dockerImageTag": "1.0 --privileged"},
        {"dockerRepository": "-v/:/host"},
        {"dockerRepository": "${SECRET}/x"},
        {"dockerRepository": "plain"},
    ],
    ids=str,
)
def test_an_entry_that_is_no_image_of_a_source_is_left_out(more):
    assert airbyte.entry_of(entry("airbyte/source-x", "X") | more, "source") is None


def test_a_release_candidate_is_not_the_version():
    releases = {"releaseCandidates": {"9.0.0-rc.1": entry("airbyte/source-x", "X", tag="9.0.0-rc.1")}}
    found = airbyte.entry_of(entry("airbyte/source-x", "X", releases=releases), "source")
    assert found
    assert found.image == "airbyte/source-x:1.2.3"


@pytest.mark.parametrize("word", ["mongodb-v2", "source-mongodb-v2", "airbyte/source-mongodb-v2", "MongoDb", "mongodb"])
def test_words_that_name_an_entry(word):
    found = airbyte.entry_of(entry("airbyte/source-mongodb-v2", "MongoDb"), "source")
    assert found
    assert airbyte.is_named(found, word)
    assert not airbyte.is_named(found, f"tap-{word}")


@pytest.mark.parametrize(
    ("seconds", "timeout"),
    [(86400, "24h"), (5400, "90m"), (601, "601s"), (1, None), (60, None), (0, None), ("x", None), (10**12, None)],
)
def test_the_idle_timeout(seconds, timeout):
    """Some entries promise a message every second; a run would end at the first pause."""
    found = airbyte.entry_of(entry("airbyte/source-x", "X", maxSecondsBetweenMessages=seconds), "source")
    assert found
    assert airbyte.found(found).entry.get("idle_timeout") == timeout


@pytest.mark.parametrize(
    ("name", "comment"),
    [
        ("MIT", ""),
        ("Apache-2.0", ""),
        ("ELv2", "# license: Elastic License 2.0"),
        ("Elv2", "# license: Elastic License 2.0"),
        ("BUSL", "# license: BUSL, which may not be a free one"),
        (None, "# license: the registry names none"),
    ],
)
def test_the_license_is_a_comment_if_it_is_not_a_free_one(tmp_path, name, comment):
    found = airbyte.entry_of(entry("airbyte/source-x", "X") | {"license": name}, "source")
    _, new = config_of(airbyte.found(found), tmp_path)
    assert comment in new.text
    assert comment or "license" not in new.text


# --- settings of a spec ----------------------------------------------------------------------------------------------

OAUTH = {
    "title": "OAuth",
    "required": ["client"],
    "properties": {"kind": {"const": "oauth"}, "client": {"type": "string"}},
}
KEY = {
    "title": "Key",
    "required": ["kind", "key"],
    "properties": {"kind": {"enum": ["key"]}, "key": {"type": "string", "airbyte_secret": True}},
}


def required(schema):
    return {setting.path: setting.value for setting in settings(schema) if setting.required}


def test_required_settings_in_a_choice():
    schema = {"required": ["auth"], "properties": {"auth": {"type": "object", "oneOf": [OAUTH, KEY]}}}
    assert required(schema) == {("auth",): {}, ("auth", "kind"): "key", ("auth", "key"): UNKNOWN}
    (about, *_) = [setting.about for setting in settings(schema)]
    assert about == "One of 2 forms: OAuth (client); Key (key)."


def test_the_default_of_a_choice_is_chosen():
    auth = {"oneOf": [OAUTH, KEY], "default": {"kind": "oauth"}}
    found = required({"required": ["auth"], "properties": {"auth": auth}})
    assert found == {("auth",): {}, ("auth", "client"): UNKNOWN, ("auth", "kind"): "oauth"}


@pytest.mark.parametrize("word", ["oneOf", "anyOf"])
def test_a_choice_at_the_top(word):
    """The settings that are required are in the branches only."""
    schema = {"properties": {"a": {"type": "string"}, "b": {}}, word: [{"required": ["a"]}, {"required": ["b"]}]}
    assert required(schema) == {("a",): UNKNOWN}
    assert [each.about for each in settings(schema)] == ["One of 2 forms: a; b."]


def test_settings_of_parts_and_references():
    schema = {
        "allOf": [{"required": ["a"], "properties": {"a": {"$ref": "#/definitions/a"}}}],
        "definitions": {"a": {"type": "object", "required": ["x"], "properties": {"x": {"$ref": "#/definitions/x"}}}},
    }
    assert required(schema) == {("a",): {}, ("a", "x"): UNKNOWN}


def test_a_spec_that_refers_to_itself_ends():
    me = {"$ref": "#/definitions/me"}
    schema = {**me, "definitions": {"me": {"required": ["me"], "properties": {"me": me}}}}
    assert len(required({"required": ["me"], "properties": {"me": me}, **schema})) < 10


@pytest.mark.parametrize("schema", [{}, {"required": "x"}, {"properties": []}, {"oneOf": 3}, {"required": [1, None]}])
def test_a_malformed_spec_has_no_settings(schema):
    assert settings(schema) == ()


def test_a_default_of_a_secret_is_not_written():
    one = {"type": "string", "airbyte_secret": True, "default": "changeme"}
    assert required({"required": ["a"], "properties": {"a": one}}) == {("a",): UNKNOWN}


# --- MeltanoHub ------------------------------------------------------------------------------------------------------


def test_a_package_with_a_version(tmp_path):
    found = meltanohub.found(PLUGIN, variant="one")
    new, text = config_of(found, tmp_path)
    assert new == {"build": {"singer": "tap-shop==2.0"}, "config": {"auth": {"key": "${SHOP_KEY}"}, "days": 3}}
    assert found.remarks == ()
    assert text.variables == ("SHOP_KEY",)


@pytest.mark.parametrize(
    ("given", "build", "image"),
    [
        (
            {"pip_url": "tap-shop[x]~=1.0"},
            {"singer": "tap-shop[x]~=1.0", "executable": "tap-shop"},
            "tapdock/tap-shop:one",
        ),
        ({"pip_url": "a-tap-shop"}, {"singer": "a-tap-shop"}, None),
        ({"executable": "tap-shop"}, {"singer": "tap-shop==2.0"}, None),
        ({"executable": "tap-b"}, {"singer": "tap-shop==2.0", "executable": "tap-b"}, "tapdock/tap-shop:one"),
        ({"pip_url": " tap-shop==2.0\n six<2 "}, {"singer": "tap-shop==2.0 six<2"}, None),
        ({"python": "python3.11"}, {"singer": "tap-shop==2.0", "python": "3.11"}, None),
        ({"python": "/usr/bin/python"}, {"singer": "tap-shop==2.0"}, None),
        (
            {"pip_url": "git+https://git.example/shop.git@v1#subdirectory=a/b"},
            {"singer": "git+https://git.example/shop.git@v1#subdirectory=a/b", "executable": "tap-shop"},
            "tapdock/tap-shop:one",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) and "singer" not in value else "",
)
def test_the_build_of_a_package(tmp_path, given, build, image):
    """Packages without a plain name, and other programs, get an image of their own for each variant."""
    new, _ = config_of(meltanohub.found(PLUGIN | given, variant="one"), tmp_path)
    assert new["build"] == build
    assert new.get("image") == image


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pip_url": None}, "has no package"),
        ({"pip_url": "git+https://${TOKEN}@git.example/x"}, "depends on variables"),
        ({"pip_url": "tap-x==$VERSION"}, "depends on variables"),
        ({"pip_url": "tap-x --constraint https://c.example"}, "has the option `--constraint`"),
        ({"pip_url": "-e git+https://git.example/x"}, "has the option `-e`"),
        ({"pip_url": "git+https://me:hunter22@git.example/x"}, "has a credential"),
        ({"executable": "sh -c"}, "is `sh -c`, not the name of a program"),
        ({"name": "tap ${X}"}, "is not the name of a plugin"),
        ({"namespace": "tap_airbyte"}, "only starts an Airbyte source"),
        ({"pip_url": "git+https://github.com/MeltanoLabs/tap-airbyte-wrapper.git"}, "only starts an Airbyte source"),
    ],
    ids=str,
)
def test_a_package_that_cannot_be_built_is_refused(tmp_path, given, message):
    with pytest.raises(UsageError, match=message) as caught:
        config_of(meltanohub.found(PLUGIN | given, variant="one"), tmp_path)
    assert caught.value.hint


def test_a_variant_that_is_hidden():
    assert "does not list this variant" in meltanohub.found(TWO, variant="two").remarks[0]


def test_several_sets_of_settings(tmp_path):
    plugin = PLUGIN | {"settings_group_validation": [["days"], ["a", "b"]]}
    new, text = config_of(meltanohub.found(plugin, variant="one"), tmp_path)
    assert new["config"] == {"days": 3}
    assert "# One of 2 sets is required: days; a, b." in text.text


@pytest.mark.parametrize(
    ("value", "written_value"),
    [
        ("main", "main"),
        ("$MELTANO_EXTRACT__LOAD_SCHEMA", "${LOAD_SCHEMA}"),
        ("${MELTANO_EXTRACT__LOAD_SCHEMA}", "${LOAD_SCHEMA}"),
        ("${MELTANO_PROJECT_ROOT}/output", "${SHOP_DAYS}"),
        (["$HOME"], "${SHOP_DAYS}"),
        (None, "${SHOP_DAYS}"),
        (False, False),
        (0, 0),
    ],
    ids=str,
)
def test_variables_of_meltano_are_not_written_as_text(tmp_path, value, written_value):
    """A target would create a schema with the name of the variable."""
    plugin = PLUGIN | {"settings": [{"name": "days", "value": value}], "settings_group_validation": [["days"]]}
    new, _ = config_of(meltanohub.found(plugin, variant="one"), tmp_path)
    assert new["config"] == {"days": written_value}


@pytest.mark.parametrize("needed", [[], [["days"]]], ids=["empty config", "config"])
def test_settings_that_are_suggested(tmp_path, needed):
    """They can be used by removing the `#`: of the block above an empty config, or of the lines in a config."""
    given = [
        {"name": "days", "value": 3},
        {"name": "password", "sensitive": True, "description": "Words " * 50},
        {"name": "schema", "value": "$MELTANO_EXTRACT__LOAD_SCHEMA"},
    ]
    plugin = PLUGIN | {"settings": given, "settings_group_validation": needed}
    new, text = config_of(meltanohub.found(plugin, variant="one"), tmp_path)
    assert new["config"] == ({"days": 3} if needed else {})
    assert max(map(len, text.text.splitlines())) <= 120
    freed = re.sub(r"^( +)# (config|  password|  schema|password|schema)", r"\1\2", text.text, flags=re.M)
    found = yaml.safe_load(freed.replace("    config: {}\n", ""))["sources"]["shop"]["config"]
    assert found == new["config"] | {"password": "${SHOP_PASSWORD}", "schema": "${LOAD_SCHEMA}"}


@pytest.mark.parametrize("given", [{"settings": 3}, {"settings": [1, {}]}, {"settings_group_validation": [3, [4]]}])
def test_malformed_settings_are_none(tmp_path, given):
    new, _ = config_of(meltanohub.found(PLUGIN | {"settings_group_validation": None} | given, variant=""), tmp_path)
    assert new["config"] == {}


@pytest.mark.parametrize("content", [None, [], {"tap-x": {}}, {"message": "no"}], ids=str)
def test_what_is_not_an_index_is_refused(content):
    with pytest.raises(ValueError, match=r"it is not an object|none of its plugins"):
        list(meltanohub._plugins(content, "source"))


# --- what is written -------------------------------------------------------------------------------------------------


def a_found(*given: Setting, **more) -> Found:
    return Found(kind="airbyte", name="x", what="x:1", same="x", entry={"image": "x:1"}, settings=given, **more)


def test_a_default_is_not_a_reference(tmp_path):
    text, _ = config_of(
        a_found(Setting(path=("a",), value="${HOME} $$ {x}"), Setting(path=("b",), value=["$1"])), tmp_path
    )
    (tmp_path / "tapdock.yaml").write_text(yaml.safe_dump({"version": 1, "sources": {"x": text}}))
    project = load(tmp_path / "tapdock.yaml", environment=None, environ={"HOME": "/root"})
    assert dict(project.sources["x"].config) == {"a": "${HOME} $$ {x}", "b": ["$1"]}


@pytest.mark.parametrize("key", ["on", "1", "a: b", "#x", "a.b", "ключ", "null"])
def test_keys_that_need_quotes(tmp_path, key):
    text, new = config_of(a_found(Setting(path=(key,), value=1, about="The key")), tmp_path)
    assert text["config"] == {key: 1}
    assert "# The key\n" in new.text


@pytest.mark.parametrize("about", ["x\n  image: evil", "x\x85  y: 1", "x\u2028y: 1", "x\r  y: 1", "&#10;y: 1"])
def test_a_description_cannot_add_keys(tmp_path, about):
    """YAML has more line ends than `\\n`."""
    plugin = PLUGIN | {"description": about, "settings": [{"name": "days", "value": 1, "description": about}]}
    text, _ = config_of(meltanohub.found(plugin, variant="one"), tmp_path)
    assert text == {"build": {"singer": "tap-shop==2.0"}, "config": {"auth": {"key": "${SHOP_KEY}"}, "days": 1}}


@pytest.mark.parametrize(
    ("name", "path", "text", "variable"),
    [
        ("shop", ("key",), EMPTY, "SHOP_KEY"),
        ("my-shop.eu", ("api key",), EMPTY, "MY_SHOP_EU_API_KEY"),
        ("3pl", ("key",), EMPTY, "CONFIG_3PL_KEY"),
        ("run", ("id",), EMPTY, "RUN_ID_VALUE"),
        ("load", ("x", "schema"), EMPTY, "LOAD_SCHEMA_VALUE"),
        ("tapdock", ("home",), EMPTY, "CONFIG_TAPDOCK_HOME"),
        ("shop", ("key_file",), EMPTY, "SHOP_KEY_FILE_VALUE"),
        ("shop", ("a", "key"), "version: 1\nvars: {SHOP_KEY: x}\n", "SHOP_A_KEY"),
        ("shop", ("key",), "version: 1 # SHOP_KEY\n", "SHOP_KEY_2"),
    ],
)
def test_the_names_of_variables(tmp_path, name, path, text, variable):
    """A variable that the project file names already would give a connector the secret of another."""
    _, new = config_of(a_found(Setting(path=path)), tmp_path, name=name, text=text)
    assert new.variables == (variable,)


def test_two_settings_of_one_name_have_two_variables(tmp_path):
    text, _ = config_of(a_found(Setting(path=("a", "key")), Setting(path=("b", "key"))), tmp_path)
    assert text["config"] == {"a": {"key": "${SHOP_KEY}"}, "b": {"key": "${SHOP_B_KEY}"}}


@pytest.mark.parametrize("streams", [("a", "no", "b: c", "*.*", "!x"), tuple(f"stream_{n}" for n in range(20))])
def test_the_suggested_streams_are_a_selection_that_can_be_used(tmp_path, streams):
    _, new = config_of(a_found(streams=streams), tmp_path)
    lines = new.text.splitlines()
    begin = next(number for number, line in enumerate(lines) if "# select:" in line)
    freed = [line.replace("# ", "", 1) if number >= begin else line for number, line in enumerate(lines)]
    assert yaml.safe_load("\n".join(freed))["sources"]["shop"]["select"] == list(streams)


# --- samples of the real registries ----------------------------------------------------------------------------------


def samples() -> list[tuple[str, str]]:
    """Return a role and a document: each connector of the samples."""
    registry = json.loads((SAMPLES / "airbyte" / "oss_registry.json").read_text())
    found = [("source", each) for each in registry["sources"]] + [("target", each) for each in registry["destinations"]]
    for role, kind in (("source", "extractors"), ("target", "loaders")):
        files = sorted((SAMPLES / "meltanohub" / "plugins" / kind).glob("*--*.json"))
        found += [(role, json.loads(file.read_text())) for file in files]
    return found


@pytest.mark.long
@needs_samples
def test_every_connector_of_the_samples_can_be_added(tmp_path):
    refused: list[str] = []
    entries: dict[str, dict[str, object]] = {"sources": {}, "targets": {}}
    for number, (role, content) in enumerate(samples()):
        try:
            entries[f"{role}s"][f"x{number}"], _ = config_of(described(content, role), tmp_path, role=role)
        except UsageError as error:
            refused.append(error.message)
    (tmp_path / "tapdock.yaml").write_text(yaml.safe_dump({"version": 1, **entries}))
    project = load(tmp_path / "tapdock.yaml", environment=None, environ={})
    assert len(project.sources) + len(project.targets) == len(samples()) - len(refused) > 100
    assert sorted({re.sub("tap-[a-z]+", "tap-x", message) for message in refused}) == [
        "the variant `airbyte` of `tap-x` only starts an Airbyte source",
        "the variant `singer-io` of `tap-x` has no package in MeltanoHub",
    ]


@pytest.mark.long
@needs_samples
def test_what_is_written_fits_the_spec_of_each_sample(tmp_path):
    """The oracle is tapdock's own check of a config: it finds nothing but values that only the user knows."""
    for role, content in samples():
        if "dockerRepository" in content:
            new, _ = config_of(described(content, role), tmp_path, role=role)
            schema = content["spec"]["connectionSpecification"]
            found = [
                (path, problem)
                for path, problem in problems(new["config"], schema, schema)
                if not str(value_at(new["config"], path)).startswith("${")
            ]
            assert found == [], content["name"]


def value_at(value, path):
    for part in path:
        value = value[part] if isinstance(value, list) or part in value else None
        if value is None or isinstance(value, str):
            break
    return value
