"""Tests `tapdock select`: the list of streams and fields with reasons, and the changes of the project file."""

import json
import sys
from pathlib import Path

import pytest

from support.pages import Shell, page_steps

pytestmark = pytest.mark.long

TAP = """#!%s
import json, sys
person = {"type": ["null", "object"], "properties": {"city": {"type": "string"}, "zip": {"type": "string"}}}
users = {
    "tap_stream_id": "users",
    "key_properties": ["id"],
    "replication_key": "changed",
    "schema": {"properties": {
        "id": {"type": "integer"}, "changed": {"type": "string"}, "email": {"type": ["null", "string"]},
        "address": person, "photo": {"inclusion": "unsupported"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    }},
}
orders = {"tap_stream_id": "orders", "schema": {"properties": {"id": {"type": "integer"}}}}
if "--discover" in sys.argv:
    print(json.dumps({"streams": [users, orders]}))
"""
PROJECT = """\
# the shop
version: 1
sources:
  shop:
    image: %s # a program
    kind: singer
    config: {}
    select:
      - users.*  # all
      - "!users.email"
      - '!*.note'
environments:
  dev:
    sources:
      shop:
        select: [orders]
  prod: {}
"""


@pytest.fixture
def select(tapdock, folder: Path):
    """select(*words) -> the result of `tapdock select shop *words`."""
    program = folder / "tap"
    program.write_text(TAP % sys.executable)
    program.chmod(0o755)
    (folder / "tapdock.yaml").write_text(PROJECT % program)
    return lambda *words, name="shop": tapdock("select", name, *words, TAPDOCK_ENGINE="local")


def text(folder: Path) -> str:
    return (folder / "tapdock.yaml").read_text()


def test_the_list_has_each_reason(select) -> None:
    ended = select("--list", "--all")
    assert ended.returncode == 0, ended.stderr
    rows = [line.split("  ") for line in ended.stdout.splitlines()]
    assert [(" ".join(row).split()[0], row[-1].strip()) for row in rows] == [
        ("users", "selected"),
        ("id", "automatic: key"),
        ("changed", "automatic: cursor"),
        ("email", "excluded by `!users.email` (tapdock.yaml:10)"),
        ("address", "selected"),
        ("city", "selected"),
        ("zip", "selected"),
        ("photo", "unsupported"),
        ("note", "excluded by `!*.note` (tapdock.yaml:11)"),
        ("orders", "not selected"),
        ("id", "not selected"),
    ]
    assert "incremental, key id, cursor changed" in ended.stdout
    assert "    city" in ended.stdout, "a field inside of another is indented"


def test_the_list_has_only_what_is_read_without_all(select) -> None:
    ended = select("--list")
    assert [line.split()[0] for line in ended.stdout.splitlines()] == [
        "users",
        "id",
        "changed",
        "address",
        "city",
        "zip",
    ]


def test_the_list_as_json(select) -> None:
    (users,) = json.loads(select("--list", "--json").stdout)["streams"]
    assert (users["stream"], users["key"], users["cursor"], users["is_read"]) == ("users", [["id"]], ["changed"], True)
    assert [field["path"] for field in users["fields"]][-1] == ["address", "zip"]
    every = json.loads(select("--list", "--all", "--json").stdout)["streams"]
    assert [each["is_read"] for each in every] == [True, False]
    (note,) = [field for field in every[0]["fields"] if field["path"] == ["note"]]
    assert note == {
        "path": ["note"],
        "types": ["string"],
        "is_read": False,
        "reason": "excluded by `!*.note` (tapdock.yaml:11)",
    }


def test_a_glob_that_matches_nothing_is_a_warning_of_the_list_and_of_discovery(select, tapdock, folder) -> None:
    (folder / "tapdock.yaml").write_text(text(folder).replace("'!*.note'", "'!*.ssn'"))
    for ended in (select("--list"), tapdock("discover", "shop", TAPDOCK_ENGINE="local")):
        assert ended.returncode == 0
        assert "warning: the pattern `!*.ssn` of `select` matches no stream and no field" in ended.stderr


def test_patterns_are_added_and_nothing_else_changes(select, folder) -> None:
    before = text(folder)
    ended = select("orders", "users.address.city", "users.*")
    assert ended.returncode == 0, ended.stderr
    assert "added `orders`, `users.address.city` (5 patterns in total)" in ended.stderr
    added = "      - '!*.note'\n      - orders\n      - users.address.city\n"
    assert text(folder) == before.replace("      - '!*.note'\n", added)
    after = text(folder)
    again = select("orders", "users.*")
    assert (again.returncode, text(folder)) == (0, after)
    assert "has them already: nothing has changed" in again.stderr


def test_patterns_are_excluded_and_removed(select, folder) -> None:
    before = text(folder)
    assert select("--exclude", "users.address.*", "!users.photo").returncode == 0
    assert text(folder) != before
    (users,) = json.loads(select("--list", "--json").stdout)["streams"]
    assert [field["path"] for field in users["fields"]] == [["id"], ["changed"], ["address"]]
    assert select("--remove", "!users.address.*", "!users.photo").returncode == 0
    assert text(folder) == before


def test_all_patterns_are_removed(select, folder) -> None:
    source = text(folder).replace("  # all", "")
    (folder / "tapdock.yaml").write_text(source)
    ended = select("--clear")
    assert ended.returncode == 0, ended.stderr
    assert "everything is read now" in ended.stderr
    assert "select:\n" not in text(folder)
    assert "# a program" in text(folder)
    assert [one["is_read"] for one in json.loads(select("--list", "--json").stdout)["streams"]] == [True, True]
    again = select("--clear")
    assert (again.returncode, "nothing has changed" in again.stderr) == (0, True)
    assert select("orders").returncode == 0
    assert "      - orders\n" in text(folder) or "select: [orders]\n" in text(folder)


def test_a_comment_is_not_lost(select, folder) -> None:
    before = text(folder)
    for words in (("--clear",), ("--remove", "users.*")):
        ended = select(*words)
        assert (ended.returncode, text(folder)) == (2, before)
        assert "would lose the comment `# all`" in ended.stderr
        assert "tapdock.yaml:9" in ended.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("userz",), "there is no stream `userz`"),
        (("users.adress",), "stream `users` has no field `adress`"),
        (("x*",), "the pattern `x*` matches no stream and no field of `shop`"),
        (("--exclude", "users.changed"), "it is its cursor, which a run needs"),
        (("--exclude", "*"), "no stream is selected"),
        (("--remove", "users.emial"), "`sources.shop.select` has no pattern `users.emial`"),
        ((), "there is no pattern"),
        (("--list", "--clear"), "--list and --clear cannot be used together"),
        (("users", "--list"), "--list takes no pattern"),
        (("--all",), "`--all` and `--json` are options of `--list`"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(select, folder, words, message) -> None:
    before = text(folder)
    ended = select(*words)
    assert (ended.returncode, text(folder)) == (2, before)
    assert message in ended.stderr


def test_the_nearest_pattern_is_suggested(select) -> None:
    assert "hint: did you mean `!users.email`?" in select("--remove", "users.email").stderr
    assert "hint: did you mean `users`?" in select("userz").stderr


def test_an_environment_has_patterns_of_its_own(select, folder) -> None:
    assert select("users", "--environment", "dev").returncode == 0
    assert "select: [orders, users]" in text(folder)
    assert select("--exclude", "orders.id", "--environment", "prod").returncode == 0, "a new block"
    ended = select("--list", "--json", "--environment", "prod")
    assert json.loads(ended.stdout)["streams"][0]["stream"] == "users"
    assert "!users.email" in text(folder).partition("prod:")[2], "a list of an environment replaces that of the file"


def test_patterns_of_a_variable_are_not_changed_in_the_file(select, folder, monkeypatch) -> None:
    monkeypatch.setenv("TAPDOCK_SOURCES__SHOP__SELECT", '["users.*"]')
    before = text(folder).replace("  # all", "")
    (folder / "tapdock.yaml").write_text(before)
    ended = select("orders")
    assert (ended.returncode, text(folder)) == (2, before)
    assert "change them there" in ended.stderr


def test_a_source_that_is_not_there_is_named(select) -> None:
    for words in (("--list",), ("users",), ("--clear",)):
        ended = select(*words, name="shpo")
        assert ended.returncode == 2
        assert "`shpo`" in ended.stderr


def test_a_source_of_an_included_file_is_changed_there(select, folder) -> None:
    whole = text(folder)
    (folder / "shop.yaml").write_text("sources:\n" + whole.partition("sources:\n")[2].partition("environments:")[0])
    (folder / "tapdock.yaml").write_text("version: 1\ninclude: [shop.yaml]\n")
    ended = select("orders")
    assert ended.returncode == 0, ended.stderr
    assert "shop.yaml: sources.shop.select: added `orders`" in ended.stderr
    assert "      - orders\n" in (folder / "shop.yaml").read_text()
    assert text(folder) == "version: 1\ninclude: [shop.yaml]\n"
    assert "(shop.yaml:" in select("--list", "--all").stdout


ON_THE_PAGE = """\
version: 1
sources:
  shop:
    image: ./tap
    kind: singer
    select:
      - users.*
      - "!users.email"
"""


def test_the_page(select, folder) -> None:
    (folder / "tapdock.yaml").write_text(ON_THE_PAGE.replace("./tap", str(folder / "tap")))
    shell = Shell(folder)
    shell.environ["TAPDOCK_ENGINE"] = "local"
    shell.follow(page_steps("selection.md", "From the command line"))
    assert "- orders\n" in text(folder)


def test_a_pattern_beside_one_that_selects_everything_is_told(select, folder: Path):
    file = folder / "tapdock.yaml"
    file.write_text(file.read_text().replace("- users.*  # all", '- "*"'))
    added = select("users")
    assert added.returncode == 0, added.stderr
    assert "`*` still selects everything; `tapdock select shop --remove '*'` removes it" in added.stderr
    assert "still selects" not in select("users.email", "--exclude").stderr


def test_excluding_a_key_tells_which_runs_fail(select):
    ended = select("users.id", "--exclude")
    assert ended.returncode == 0, ended.stderr
    assert "note: a run into a target that merges rows by their key fails: " in ended.stderr
    assert "part of its key" in ended.stderr
