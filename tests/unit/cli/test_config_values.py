"""Tests `tapdock config list`, `get`, `set` and `unset`: what stands in the files afterwards, and what is refused."""

import json
import os
import stat
import subprocess

import pytest

from tapdock.cache import Cache
from tapdock.connectors import config_edit, known_specs
from tapdock.project.load import load

PROJECT = """\
version: 1
# our sources
sources:
  shop:
    image: shop:1  # pinned
    config:
      count: 5
      hosts: [a, b]
targets: {lake: {image: lake:1, config: {}}}
environments:
  prod: {sources: {shop: {config: {count: 9}}}}
"""
SPEC = {
    "type": "object",
    "required": ["count"],
    "properties": {
        "count": {"type": "integer", "minimum": 1},
        "zip": {"type": "string"},
        "rate": {"type": ["number", "null"]},
        "fast": {"type": "boolean", "default": True},
        "mode": {"type": "string", "enum": ["full", "new"]},
        "day": {"type": "string", "pattern": "^[0-9-]+$", "pattern_descriptor": "YYYY-MM-DD"},
        "hosts": {"type": "array", "items": {"type": "string"}},
        "a.b": {"type": "string"},
        "hidden": {"type": "string", "airbyte_secret": True},
        "pin": {"type": "integer", "airbyte_secret": True},
        "credentials": {
            "type": "object",
            "oneOf": [
                {
                    "required": ["auth_type", "access_token"],
                    "properties": {"auth_type": {"const": "token"}, "access_token": {"type": "string"}},
                },
                {
                    "required": ["auth_type", "username"],
                    "properties": {"auth_type": {"const": "basic"}, "username": {"type": "string", "minLength": 2}},
                },
            ],
        },
    },
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tapdock.yaml").write_text(PROJECT)
    project = load(tmp_path / "tapdock.yaml", environment=None, environ={})
    known_specs.remember(Cache(project.private / "cache"), project.sources["shop"], SPEC)
    return tmp_path


def config(folder, environment=None, **environ):
    found = load(folder / "tapdock.yaml", environment=environment, environ=environ).sources["shop"].config
    return {key: value.reveal() if hasattr(value, "reveal") else value for key, value in found.items()}


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("count", "7", 7),
        ("zip", "007", "007"),
        ("zip", '["a"]', '["a"]'),
        ("zip", "true", "true"),
        ("zip", "a$b$$c ${HOME}", "a$b$$c ${HOME}"),
        ("zip", "# no: comment", "# no: comment"),
        ("rate", "1.5", 1.5),
        ("rate", "null", None),
        ("fast", "false", False),
        ("hosts", '["x", "y"]', ["x", "y"]),
        ("hosts.0", "z", ["z", "b"]),
        ("hosts.2", "z", ["a", "b", "z"]),
        (r"a\.b", "x", "x"),
        ("credentials", '{"auth_type": "basic", "username": "me"}', {"auth_type": "basic", "username": "me"}),
        ("credentials.username", "me", {"username": "me"}),
    ],
)
def test_a_value_is_read_by_its_type_in_the_spec(tapdock, folder, key, text, value):
    ended = tapdock("config", "set", "shop", key, text)
    assert ended.returncode == 0, ended.stderr
    assert config(folder)[key.replace("\\", "").partition(".0")[0].partition(".2")[0].partition(".user")[0]] == value
    assert not (folder / ".env").exists()


def test_everything_else_in_the_file_stays(tapdock, folder):
    (folder / "tapdock.yaml").chmod(0o640)
    assert tapdock("config", "set", "shop", "count", "6").returncode == 0
    assert (folder / "tapdock.yaml").read_text() == PROJECT.replace("count: 5", "count: 6")
    assert stat.S_IMODE((folder / "tapdock.yaml").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("count", "0", "`count` is too small: minimum is 1"),
        ("count", "many", "`count` is text, not integer"),
        ("mode", "ful", "`mode` must be one of `full`, `new`; did you mean `full`?"),
        ("day", "monday", "`day` does not match `^[0-9-]+$` (YYYY-MM-DD)"),
        ("cuont", "5", "`cuont` is not a setting of the connector; did you mean `count`?"),
        ("hosts.0", "[]", None),
        ("hosts", "a", "`hosts` is text, not array"),
        ("hosts.7", "a", "`7` is not an index of the list `hosts`"),
        ("count.deep", "a", "`count` is not an object or a list: it has no `deep`"),
        ("credentials.auth_type", "none", "`credentials.auth_type` must be one of `token`, `basic`"),
        ("credentials.username", "x", "`credentials.username` is too small: minLength is 2"),
        ("credentials.pasword", "x", "`credentials.pasword` is not a setting of the connector"),
        ("hidden..x", "x", "`hidden..x` is not a key of a setting"),
    ],
)
def test_what_the_spec_refuses_is_not_written(tapdock, folder, key, text, reason):
    ended = tapdock("config", "set", "shop", key, text)
    if reason is None:
        assert ended.returncode == 0
        return
    assert ended.returncode == 2
    assert reason in ended.stderr, ended.stderr
    assert (folder / "tapdock.yaml").read_text() == PROJECT
    assert sorted(path.name for path in folder.iterdir()) == [".tapdock", "tapdock.yaml"]


def test_a_refused_value_is_written_without_validation(tapdock, folder):
    assert tapdock("config", "set", "shop", "cuont", "5", "--no-validate").returncode == 0
    assert config(folder)["cuont"] == 5


def test_settings_can_be_set_one_after_the_other(tapdock, folder):
    first = tapdock("config", "set", "shop", "credentials.auth_type", "token")
    assert first.returncode == 0
    assert "note: `credentials.access_token` is missing" in first.stderr
    second = tapdock("config", "set", "shop", "credentials.access_token", "abc123", "--environment", "")
    assert (second.returncode, "note" in second.stderr) == (0, False)


# --- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    [
        "hunter2",
        "a b # c",
        "it's",
        'a"b',
        "a\\",
        "${HOME}$$",
        "-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----",
        " x ",
        "é\\n",
        "'",
    ],
)
def test_a_secret_goes_into_dotenv(tapdock, folder, secret):
    (folder / ".env").write_text("# mine\nexport A='1'\nB=\"x y\" # two\n")
    (folder / ".env").chmod(0o644)
    ended = tapdock("config", "set", "shop", "hidden", "--from-file", "-", stdin=secret + "\n")
    assert ended.returncode == 0, ended.stderr
    assert secret not in ended.stdout + ended.stderr or secret == "'"
    assert "hidden: ${SHOP_HIDDEN}\n" in (folder / "tapdock.yaml").read_text()
    assert (folder / ".env").read_text().startswith("# mine\nexport A='1'\nB=\"x y\" # two\nSHOP_HIDDEN=")
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert config(folder)["hidden"] == secret


def test_a_new_secret_replaces_the_old_line(tapdock, folder):
    for secret in ("first's", "second"):
        assert tapdock("config", "set", "shop", "hidden", secret).returncode == 0
    assert (folder / ".env").read_text() == "SHOP_HIDDEN=second\n"


def test_a_variable_that_others_use_is_not_changed(tapdock, folder):
    text = PROJECT.replace("count: 5", "count: 5\n      hidden: ${SHARED}\n      zip: ${SHARED}")
    (folder / "tapdock.yaml").write_text(text)
    (folder / ".env").write_text("SHARED=old\n")
    assert tapdock("config", "set", "shop", "hidden", "new").returncode == 0
    assert (config(folder)["zip"], config(folder)["hidden"]) == ("old", "new")


def test_each_environment_has_its_own_secret(tapdock, folder):
    for words in ((), ("--environment", "prod")):
        assert tapdock("config", "set", "shop", "hidden", "x".join(["s", *words]), *words).returncode == 0
    assert (folder / ".env").read_text() == "SHOP_HIDDEN=s\nSHOP_HIDDEN_PROD=sx--environmentxprod\n"
    assert config(folder, "prod")["hidden"] == "sx--environmentxprod"


def test_secrets_are_found_without_a_spec_and_in_objects(tapdock, folder):
    ended = tapdock("config", "set", "lake", "login", '{"password": "pa55word", "user": "me"}', "--no-validate")
    assert ended.returncode == 0
    assert (folder / ".env").read_text() == "LAKE_LOGIN_PASSWORD=pa55word\n"
    assert "pa55word" not in (folder / "tapdock.yaml").read_text() + ended.stderr
    assert tapdock("config", "set", "lake", "url", "postgresql://me:pa55word@host/db", "--no-validate").returncode == 0
    assert "LAKE_URL=postgresql://me:pa55word@host/db\n" in (folder / ".env").read_text()


def test_a_secret_number_keeps_its_type(tapdock, folder):
    assert tapdock("config", "set", "shop", "pin", "1234").returncode == 0
    assert "pin: ${SHOP_PIN}" in (folder / "tapdock.yaml").read_text()
    assert tapdock("config", "set", "shop", "pin", "x").returncode == 2


def git(folder, *words):
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    subprocess.run(["git", *words], cwd=folder, env=environ, check=True, capture_output=True)


def test_a_secret_is_not_written_where_git_would_publish_it(tapdock, folder):
    git(folder, "init")
    ended = tapdock("config", "set", "shop", "hidden", "hunter2")
    assert (ended.returncode, "git does not ignore" in ended.stderr) == (2, True)
    assert f"add a line `.env` to {folder}/.gitignore" in ended.stderr
    (folder / ".env").write_text("A=1\n")
    git(folder, "add", ".env")
    (folder / ".gitignore").write_text(".env\n")
    ended = tapdock("config", "set", "shop", "hidden", "hunter2")
    assert (ended.returncode, "git rm --cached .env" in ended.stderr) == (2, True)
    assert ((folder / ".env").read_text(), (folder / "tapdock.yaml").read_text()) == ("A=1\n", PROJECT)
    git(folder, "rm", "--cached", ".env")
    assert tapdock("config", "set", "shop", "hidden", "hunter2").returncode == 0


def test_dotenv_is_as_before_if_the_project_file_cannot_be_written(tapdock, folder, monkeypatch):
    real = config_edit.write_whole

    def write(path, content, **options):
        if path.name == "tapdock.yaml":
            raise OSError(28, "No space left on device")
        real(path, content, **options)

    monkeypatch.setattr(config_edit, "write_whole", write)
    for before in (None, "A=1\n"):
        if before:
            (folder / ".env").write_text(before)
        ended = tapdock("config", "set", "shop", "hidden", "hunter2")
        assert (ended.returncode, "No space left on device" in ended.stderr) == (2, True)
        assert (folder / "tapdock.yaml").read_text() == PROJECT
        assert ((folder / ".env").read_text() if before else (folder / ".env").exists()) == (before or False)


# --- environments and what overrides ---------------------------------------------------------------------------------


def test_an_environment_is_changed_alone(tapdock, folder):
    assert tapdock("config", "set", "shop", "count", "12", "--environment", "prod").returncode == 0
    assert (config(folder)["count"], config(folder, "prod")["count"]) == (5, 12)


def test_an_item_of_a_list_in_an_environment_keeps_the_other_items(tapdock, folder):
    assert tapdock("config", "set", "shop", "hosts.1", "z", "--environment", "prod").returncode == 0
    assert (config(folder)["hosts"], config(folder, "prod")["hosts"]) == (["a", "b"], ["a", "z"])


def test_what_overrides_the_value_is_named(tapdock, folder):
    ended = tapdock("config", "set", "shop", "count", "7", TAPDOCK_SOURCES__SHOP__CONFIG__COUNT="8")
    assert "in tapdock.yaml has no effect: it is overridden by TAPDOCK_SOURCES__SHOP__CONFIG__COUNT" in ended.stderr
    ended = tapdock("config", "set", "shop", "count", "many", TAPDOCK_SOURCES__SHOP__CONFIG__COUNT="8")
    assert (ended.returncode, "`count` is text, not integer" in ended.stderr) == (2, True)
    ended = tapdock("config", "set", "shop", "count", "7", TAPDOCK_ENVIRONMENT="prod")
    assert "already set" in ended.stderr
    assert "has no effect: it is overridden by environment prod (tapdock.yaml:11)" in ended.stderr
    assert "warning" not in tapdock("config", "set", "shop", "count", "7").stderr


def test_a_reference_is_kept_on_request(tapdock, folder):
    ended = tapdock("config", "set", "shop", "zip", "${ZIP}")
    assert "with `--reference`" in ended.stderr
    assert config(folder, ZIP="9")["zip"] == "${ZIP}"
    assert tapdock("config", "set", "shop", "zip", "${ZIP}", "--reference").returncode == 0
    assert config(folder, ZIP="9")["zip"] == "9"


def test_a_setting_whose_variable_is_not_set_does_not_block_others(tapdock, folder):
    text = PROJECT.replace("hosts: [a, b]", "hidden: ${NOT_SET}")
    (folder / "tapdock.yaml").write_text(text)
    ended = tapdock("config", "set", "shop", "count", "7")
    assert (ended.returncode, "note" in ended.stderr) == (0, False)


# --- list, get and unset ---------------------------------------------------------------------------------------------


def test_list_shows_what_is_set_and_what_is_not(tapdock, folder):
    tapdock("config", "set", "shop", "hidden", "hunter2")
    lines = [line.split(None, 2) for line in tapdock("config", "list", "shop").stdout.splitlines()]
    assert ["count", "5", "tapdock.yaml:7"] in lines
    assert ["hidden", "[secret]", "tapdock.yaml:9"] in lines
    assert ["fast", "true", "default of the connector"] in lines
    facts = {fact["setting"]: fact for fact in json.loads(tapdock("config", "list", "shop", "--json").stdout)}
    assert facts["hidden"] == {
        "setting": "hidden",
        "value": "[secret]",
        "origin": "tapdock.yaml:9",
        "variables": ["SHOP_HIDDEN"],
    }
    assert facts["fast"] == {"setting": "fast", "origin": None, "required": False, "default": True}


def test_get_prints_one_value(tapdock, folder):
    assert tapdock("config", "get", "shop", "count").stdout == "5\n"
    assert tapdock("config", "get", "shop", "count", "--environment", "prod").stdout == "9\n"
    assert tapdock("config", "get", "shop", "hosts").stdout == '["a", "b"]\n'
    assert tapdock("config", "get", "shop", "hosts.1").stdout == "b\n"
    tapdock("config", "set", "shop", "hidden", "hunter2")
    assert tapdock("config", "get", "shop", "hidden").stdout == "[secret]\n"
    ended = tapdock("config", "get", "shop", "conut")
    assert (ended.returncode, "did you mean `count`?" in ended.stderr) == (2, True)


def test_unset_removes_one_value(tapdock, folder):
    tapdock("config", "set", "shop", "zip", "1")
    assert tapdock("config", "unset", "shop", "zip").returncode == 0
    assert (folder / "tapdock.yaml").read_text() == PROJECT
    ended = tapdock("config", "unset", "shop", "zip")
    assert (ended.returncode, "`sources.shop.config.zip` is not set in tapdock.yaml" in ended.stderr) == (2, True)
    ended = tapdock("config", "unset", "shop", "count", "--environment", "prod")
    assert (ended.returncode, "still has a value, from tapdock.yaml:7" in ended.stderr) == (0, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("set", "shp", "count", "1"), "did you mean `shop`?"),
        (("set", "shop"), "config set shop --interactive"),
        (("set", "shop", "count"), "give a value"),
        (("set", "shop", "count", "1", "--from-file", "x"), "give a value"),
        (("set", "shop", "count", "1", "--environment", "prd"), "did you mean `prod`?"),
    ],
)
def test_mistakes_in_the_command_change_nothing(tapdock, folder, words, reason):
    ended = tapdock("config", *words)
    assert (ended.returncode, reason in ended.stderr) == (2, True), ended.stderr
    assert (folder / "tapdock.yaml").read_text() == PROJECT
