"""Tests `tapdock config list`, `get`, `set` and `unset`: what stands in the files afterwards, and what is refused."""

import json
import os
import stat
import subprocess

import pytest

from tapdock.cache import Cache
from tapdock.connectors import known_specs
from tapdock.project.load import load

pytestmark = pytest.mark.long

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


@pytest.mark.parametrize("ending", ["", "  # none yet"])
def test_the_first_setting_of_an_empty_config(tapdock, folder, ending):
    text = f"version: 1\nsources:\n  shop:\n    config: {{}}{ending}\n    image: shop:1\n"
    (folder / "tapdock.yaml").write_text(text)
    for key, value in (("count", "5"), ("zip", "007")):
        assert tapdock("config", "set", "shop", key, value).returncode == 0
    assert config(folder) == {"count": 5, "zip": "007"}
    lines = (folder / "tapdock.yaml").read_text().splitlines()
    assert ("      count: 5" in lines) == (not ending)
    assert any(line.endswith("# none yet") for line in lines) == bool(ending)


def test_a_negative_number_follows_two_dashes(tapdock, folder):
    assert tapdock("config", "set", "shop", "rate", "--", "-1").returncode == 0
    assert config(folder)["rate"] == -1


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
    assert (second.returncode, "is missing" in second.stderr) == (0, False)


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


def test_a_variable_that_nothing_defines_yet_is_defined(tapdock, folder):
    """`tapdock add` writes references before their values are known."""
    (folder / "tapdock.yaml").write_text(PROJECT.replace("count: 5", "count: 5\n      hidden: ${MY_KEY}"))
    assert tapdock("config", "set", "shop", "hidden", "s3cret").returncode == 0
    assert (folder / ".env").read_text() == "MY_KEY=s3cret\n"
    assert config(folder)["hidden"] == "s3cret"


def test_a_variable_that_others_use_is_not_changed(tapdock, folder):
    text = PROJECT.replace("count: 5", "count: 5\n      hidden: ${SHARED}\n      zip: ${SHARED}")
    (folder / "tapdock.yaml").write_text(text)
    (folder / ".env").write_text("SHARED=old\n")
    assert tapdock("config", "set", "shop", "hidden", "new").returncode == 0
    assert (config(folder)["zip"], config(folder)["hidden"]) == ("old", "new")


def test_a_variable_of_another_file_is_not_changed(tapdock, folder):
    text = PROJECT.replace("count: 5", "count: 5\n      hidden: ${SHARED}") + "include: [more.yaml]\n"
    (folder / "tapdock.yaml").write_text(text)
    (folder / "more.yaml").write_text("sources: {two: {image: x, config: {token: 'x${SHARED:-y}'}}}\n")
    (folder / ".env").write_text("SHARED=old\n")
    assert tapdock("config", "set", "shop", "hidden", "new").returncode == 0
    assert (folder / ".env").read_text() == "SHARED=old\nSHOP_HIDDEN=new\n"


@pytest.mark.parametrize("stdin", ["", "\n"])
def test_a_secret_that_a_failed_program_did_not_print_is_not_set(tapdock, folder, stdin):
    ended = tapdock("config", "set", "shop", "hidden", "--from-file", "-", stdin=stdin)
    assert (ended.returncode, "stdin is empty" in ended.stderr) == (2, True)
    assert tapdock("config", "set", "shop", "hidden", "").returncode == 0
    assert config(folder)["hidden"] == ""


def test_a_name_that_is_built_in_is_not_taken(tapdock, folder):
    (folder / "tapdock.yaml").write_text("version: 1\nsources: {run: {image: x, config: {}}}\n")
    value = '{"id": {"password": "s3cret"}, "id_file": "postgresql://me:s3cret@host/db"}'
    assert tapdock("config", "set", "run", "x", value, "--no-validate").returncode == 0
    assert tapdock("config", "set", "run", "id", "postgresql://me:s3cret@host/db", "--no-validate").returncode == 0
    names = [line.partition("=")[0] for line in (folder / ".env").read_text().splitlines()]
    assert names == ["RUN_X_ID_PASSWORD", "RUN_X_ID_FILE_VALUE", "RUN_ID_VALUE"]


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")
@pytest.mark.parametrize("before", [None, "A=1\n"])
def test_with_sudo_dotenv_belongs_to_the_owner_of_the_project(tapdock, folder, before):
    if before:
        (folder / ".env").write_text(before)
        os.chown(folder / ".env", 31337, 31337)
    os.chown(folder, 31337, 31337)
    assert tapdock("--project", str(folder), "config", "set", "shop", "hidden", "x").returncode == 0
    found = (folder / ".env").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (31337, 0o600)


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


@pytest.mark.parametrize("before", [None, "A=1\n"])
def test_dotenv_is_as_before_if_the_project_file_cannot_be_written(tapdock, folder, before):
    real = folder / ("x" * 250)  # a temporary file beside it would have a name that is too long
    (folder / "tapdock.yaml").rename(real)
    (folder / "tapdock.yaml").symlink_to(real.name)
    if before:
        (folder / ".env").write_text(before)
    ended = tapdock("config", "set", "shop", "hidden", "hunter2")
    assert (ended.returncode, "cannot be written: File name too long" in ended.stderr) == (2, True), ended.stderr
    assert real.read_text() == PROJECT
    assert ((folder / ".env").read_text() if (folder / ".env").exists() else None) == before
    assert len(list(folder.iterdir())) == (4 if before else 3)


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


def test_no_program_and_no_file_of_a_reference_is_read(tapdock, folder):
    mark = folder / "started"
    text = PROJECT.replace("count: 5", f"count: '${{exec:touch {mark}}}'\n      zip: '${{file:/nowhere}}'")
    (folder / "tapdock.yaml").write_text(text)
    ended = tapdock("config", "set", "shop", "mode", "full")
    assert (ended.returncode, "note" in ended.stderr, mark.exists()) == (0, False, False), ended.stderr


def test_the_file_that_has_the_connector_is_changed(tapdock, folder):
    (folder / "more").mkdir()
    (folder / "more" / "shop.yaml").write_text("sources:\n  shop:\n    image: shop:1\n    config:\n      count: 5\n")
    main = "version: 1\ninclude: [more/*.yaml]\nenvironments: {prod: {}}\n"
    (folder / "tapdock.yaml").write_text(main)
    ended = tapdock("config", "set", "shop", "count", "6")
    assert ended.stderr == "wrote `sources.shop.config.count` in more/shop.yaml\n"
    assert tapdock("config", "set", "shop", "hidden", "s3cret").returncode == 0
    assert (folder / "tapdock.yaml").read_text() == main
    assert tapdock("config", "set", "shop", "count", "9", "--environment", "prod").stderr.endswith("in tapdock.yaml\n")
    assert (config(folder)["count"], config(folder)["hidden"], config(folder, "prod")["count"]) == (6, "s3cret", 9)
    assert not (folder / "more" / ".env").exists()
    assert tapdock("config", "unset", "shop", "count", "--environment", "prod").returncode == 0
    assert config(folder, "prod")["count"] == 6


def test_what_a_connector_extends_is_not_changed_or_lost(tapdock, folder):
    text = PROJECT.replace("targets:", "  other: {extends: shop}\ntargets:")
    (folder / "tapdock.yaml").write_text(text)
    assert tapdock("config", "set", "other", "hosts.1", "z", "--no-validate").returncode == 0
    found = load(folder / "tapdock.yaml", environment=None, environ={}).sources
    assert (found["shop"].config["hosts"], found["other"].config["hosts"]) == (["a", "b"], ["a", "z"])
    ended = tapdock("config", "unset", "other", "count")
    assert (ended.returncode, "is not set in tapdock.yaml" in ended.stderr) == (2, True)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_files_of_other_systems_keep_their_lines(tapdock, folder, newline):
    (folder / "tapdock.yaml").write_bytes(PROJECT.replace("\n", newline).encode())
    (folder / ".env").write_bytes(f"A=1{newline}SHOP_HIDDEN=old{newline}B=2".encode())
    assert tapdock("config", "set", "shop", "hidden", "new").returncode == 0
    assert config(folder)["hidden"] == "new"
    lines = (folder / ".env").read_bytes().decode().splitlines()
    assert lines == ["A=1", "SHOP_HIDDEN=old", "B=2", "SHOP_HIDDEN_2=new"]
    assert (folder / "tapdock.yaml").read_bytes().count(b"\r") == (12 if newline == "\r\n" else 0)


def test_a_linked_dotenv_stays_a_link(tapdock, folder):
    (folder / "real").write_text("A=1\n")
    (folder / ".env").symlink_to("real")
    assert tapdock("config", "set", "shop", "hidden", "x").returncode == 0
    assert ((folder / ".env").is_symlink(), (folder / "real").read_text()) == (True, "A=1\nSHOP_HIDDEN=x\n")


def test_keys_of_the_airbyte_wrapper_are_not_edited(tapdock, folder):
    text = "version: 1\nsources:\n  shop:\n    airbyte_spec: {image: a, tag: '1'}\n    airbyte_config: {count: 1}\n"
    (folder / "tapdock.yaml").write_text(text)
    ended = tapdock("config", "set", "shop", "count", "5", "--no-validate")
    assert (ended.returncode, "tapdock.yaml:3: `shop` is written with keys of" in ended.stderr) == (2, True)
    assert (folder / "tapdock.yaml").read_text() == text


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


def test_values_that_only_a_run_has_stay_as_they_are(tapdock, folder):
    """Neither a pipeline nor the program is needed to change another setting."""
    file = folder / "tapdock.yaml"
    file.write_text(PROJECT.replace("hosts: [a, b]", 'zip: "${PIPELINE}-${TODAY}"\n      hidden: "${exec:./none}"'))
    ended = tapdock("config", "set", "shop", "count", "6")
    assert ended.returncode == 0, ended.stderr
    ended = tapdock("config", "get", "shop", "zip")
    assert ended.stdout == "${PIPELINE}-${TODAY}\n"
    assert tapdock("config", "get", "shop", "hidden").stdout == "[secret]\n"


def test_a_setting_of_an_included_connector_is_written_once_in_its_own_file(tapdock, folder):
    (folder / "shop.yaml").write_text(PROJECT)
    main = "version: 1\ninclude: shop.yaml\n"
    (folder / "tapdock.yaml").write_text(main)
    ended = tapdock("config", "set", "shop", "count", "6")
    assert (ended.returncode, (folder / "tapdock.yaml").read_text()) == (0, main)
    assert (folder / "shop.yaml").read_text() == PROJECT.replace("count: 5", "count: 6")


def test_unset_names_a_variable_but_prints_no_other_text(tapdock, folder):
    text = PROJECT.replace("count: 5", "count: 5\n      url: ${SCHEME}://bob:hunter2@host/db\n      pin: ${PIN:-4711}")
    (folder / "tapdock.yaml").write_text(text)
    ended = tapdock("config", "unset", "shop", "url")
    assert (ended.returncode, "hunter2" in ended.stderr, "note" in ended.stderr) == (0, False, False)
    ended = tapdock("config", "unset", "shop", "pin")
    assert "note: `PIN` may still be set in .env" in ended.stderr
    assert "4711" not in ended.stderr


def test_unset_of_an_item_has_no_warning_about_the_next_item(tapdock, folder):
    ended = tapdock("config", "unset", "shop", "hosts.0")
    assert (ended.returncode, "warning" in ended.stderr) == (0, False)
    assert "hosts: [b]" in (folder / "tapdock.yaml").read_text()


def test_files_of_variables_are_read_whenever_the_project_is_loaded(tapdock, folder):
    (folder / "prod.env").write_text("IMG=1\n")
    (folder / "tapdock.yaml").write_text(PROJECT.replace("shop:1 ", "'shop:${IMG}' "))
    files = ("--env-file", "prod.env")
    for words in (
        ("config", "set", "shop", "count", "6", "--no-validate"),
        ("add", "source", "new", "--image", "new:1"),
        ("remove", "new", "--yes"),
    ):
        ended = tapdock(*files, *words, TAPDOCK_ENGINE="local")
        assert ended.returncode == 0, ended.stderr


def test_a_connector_without_a_spec_is_told(tapdock, folder):
    """Some targets report no settings: a misspelled name would otherwise look checked."""
    program = folder / "program"
    program.write_text("#!/bin/sh\nexit 2\n")
    program.chmod(0o755)
    file = folder / "tapdock.yaml"
    file.write_text(
        file.read_text().replace("{image: lake:1, config: {}}", f"{{image: {program}, kind: singer, config: {{}}}}")
    )
    ended = tapdock("config", "set", "lake", "pasword", "x", TAPDOCK_ENGINE="local")
    assert ended.returncode == 0, ended.stderr
    assert "note: lake reports no settings, so the name and the value were not checked" in ended.stderr
    assert "not checked" not in tapdock("config", "set", "lake", "other", "x", "--no-validate").stderr
