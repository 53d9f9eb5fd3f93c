"""Tests `tapdock catalog`, with a source whose streams change."""

import json

import pytest

from unit.cli.test_schema_changes import INTEGER, MORE, ORDERS, TEXT, USERS, Shop, changed, stream

pytestmark = pytest.mark.long
FILE = "catalogs/s.json"


@pytest.fixture
def shop(folder, tapdock):
    made = Shop(folder, tapdock)
    made.offer(USERS)
    return made


def names(ended):
    return [changed(each) for each in json.loads(ended.stdout)["changes"]]


@pytest.mark.parametrize("kind", ["airbyte", "singer"])
def test_a_catalog_is_committed_and_then_used(folder, tapdock, kind):
    shop = Shop(folder, tapdock, kind, "singer")
    shop.offer(USERS)
    written = shop.call("catalog", "commit", "s")
    assert (written.returncode, written.stdout) == (0, f"{FILE} has 1 stream\n")
    assert "hint: runs use it after you set `discovery: committed` of source `s`" in written.stderr
    shop.offer(USERS, ORDERS)
    assert shop.run(discovery="committed") == (0, {})
    assert '"orders"' not in shop.written(), "also of a tap that ignores its catalog"
    shown = shop.call("catalog", "show", "s", discovery="committed")
    assert "orders" not in shown.stdout
    assert f"using the committed catalog {FILE}" in shown.stderr
    again = shop.call("catalog", "commit", "s", "--json", discovery="committed")
    assert names(again) == ["added orders"]
    assert json.loads(again.stdout)["file"] == FILE
    assert shop.run(discovery="committed") == (0, {"added orders": {"is_read"}})


def test_the_same_catalog_makes_the_same_file(shop):
    shop.offer(stream("users", name=TEXT, email=TEXT), ORDERS)
    shop.call("catalog", "commit", "s")
    first = (shop.folder / FILE).read_bytes()
    assert first.decode() == json.dumps(json.loads(first), indent=2, sort_keys=True) + "\n"
    assert [one["name"] for one in json.loads(first)["streams"]] == ["orders", "users"]
    shop.offer(ORDERS, stream("users", email=TEXT, name=TEXT))
    ended = shop.call("catalog", "commit", "s", "--json")
    assert json.loads(ended.stdout) == {"source": "s", "file": FILE, "written": False, "changes": []}
    assert (shop.folder / FILE).read_bytes() == first


def test_a_source_without_streams_is_not_committed(shop):
    shop.call("catalog", "commit", "s")
    before = (shop.folder / FILE).read_bytes()
    shop.offer()
    ended = shop.call("catalog", "commit", "s")
    assert (ended.returncode, (shop.folder / FILE).read_bytes()) == (3, before)
    assert "offers no streams, so nothing is written" in ended.stderr


def test_a_damaged_file_is_replaced_by_commit_and_refused_by_diff(shop):
    (shop.folder / "catalogs").mkdir()
    (shop.folder / FILE).write_text("{")
    ended = shop.call("catalog", "diff", "s")
    assert ended.returncode == 2
    assert "`tapdock catalog commit s` replaces it" in ended.stderr
    assert shop.call("catalog", "commit", "s").returncode == 0
    assert shop.call("catalog", "diff", "s").returncode == 0


def test_diff_compares_with_the_committed_catalog_first(shop):
    nothing = shop.call("catalog", "diff", "s", "--exit-code")
    assert nothing.returncode == 2
    assert "there is nothing to compare source `s` with" in nothing.stderr
    assert shop.run() == (0, {})
    shop.offer(MORE)
    ended = shop.call("catalog", "diff", "s", "--json")
    assert (ended.returncode, names(ended)) == (0, ["added users.email"])
    assert json.loads(ended.stdout)["compared_with"] == {"run": shop.record["run_id"]}
    shop.call("catalog", "commit", "s")
    ended = shop.call("catalog", "diff", "s", "--exit-code")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert f"no differences from {FILE}" in ended.stderr
    shop.offer(stream("users", name=INTEGER))
    ended = shop.call("catalog", "diff", "s", "--exit-code", discovery="committed")
    assert ended.returncode == 9
    assert [line.split() for line in ended.stdout.splitlines()[1:]] == [
        ["removed", "users.email", "breaking"],
        ["changed", "users.name", "string", "or", "null", "->", "integer", "or", "null", "breaking"],
    ]
    assert f"differences from {FILE}" in ended.stderr


def test_diff_uses_the_last_run_of_the_source_in_its_environment(shop):
    other = {"other": {"source": "s", "target": "t", "state_suffix": "b"}}
    assert shop.call("run", "demo", more=other).returncode == 0
    shop.offer(MORE)
    assert shop.call("run", "other", more=other).returncode == 0
    assert names(shop.call("catalog", "diff", "s", "--json", more=other)) == []
    project = json.loads((shop.folder / "tapdock.yaml").read_text()) | {"environments": {"e": {}}}
    (shop.folder / "tapdock.yaml").write_text(json.dumps(project))
    ended = shop.tapdock("catalog", "diff", "s", "--environment", "e", TAPDOCK_ENGINE="local")
    assert "there is nothing to compare source `s` with" in ended.stderr


def test_refresh_changes_what_the_next_run_uses(shop):
    assert shop.run(discovery="cached") == (0, {})
    shop.offer(MORE)
    assert shop.run(discovery="cached") == (0, {})
    shown = json.loads(shop.call("catalog", "show", "s", "--json", discovery="cached").stdout)
    assert "email" not in shown["streams"][0]["json_schema"]["properties"]
    assert shop.call("catalog", "refresh", "s", discovery="cached").stdout.startswith("s offers 1 stream; ")
    assert shop.run(discovery="cached") == (0, {"added users.email": {"is_read"}})


@pytest.mark.parametrize(
    ("words", "keys", "message"),
    [
        (("show", "t"), {}, "`t` is a target; only sources have catalogs"),
        (("show", "x"), {}, "there is no source, mapper or target `x`"),
        (("refresh", "s"), {"discovery": "committed"}, "runs of `s` use the committed catalog catalogs/s.json"),
        (("diff", "s"), {"discovery": False}, "`s` does not support discovery"),
        (("show", "s"), {"discovery": "committed"}, "source `s` has no committed catalog"),
    ],
)
def test_what_cannot_be_answered(shop, words, keys, message):
    ended = shop.call("catalog", *words, **keys)
    assert ended.returncode == 2
    assert message in ended.stderr
