"""Tests when a run asks its source for the streams, and when it uses an earlier answer."""

import json
import os
import sys
import time

import pytest

pytestmark = pytest.mark.long

TAP = """#!%s
import json, os, sys
if "--discover" in sys.argv:
    open(%r, "a").write("asked\\n")
    print(open(%r).read())
elif "--about" in sys.argv:
    sys.exit(2)
"""
ENTRY = {"tap_stream_id": "users", "stream": "users", "key_properties": ["id"]}
ENTRY |= {"schema": {"properties": {"id": {"type": "integer"}, "far": {"type": "number", "maximum": 1}}}}
FILE = "catalogs/shop.json"


@pytest.fixture
def asked(folder) -> "list[str]":
    """asked() -> how often the tap was asked for its streams."""
    log = folder / "asked"
    return lambda: len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def plan(tapdock, folder):
    """plan(**keys) -> the streams that a run would read from a source with these keys, or its error."""
    for name in ("tap", "target"):
        (folder / name).write_text(TAP % (sys.executable, str(folder / "asked"), str(folder / "offered.json")))
        (folder / name).chmod(0o755)
    offer(folder, ENTRY)

    def planned(*words, environment=None, blocks=None, **keys):
        sources = {"shop": {"image": str(folder / "tap"), "kind": "singer", **keys}}
        project = {"version": 1, "sources": sources, "targets": {"lake": {"image": str(folder / "target")}}}
        project["environments"] = blocks or {}
        (folder / "tapdock.yaml").write_text(json.dumps(project))
        more = ("--environment", environment) if environment else ()
        return tapdock("run", "shop", "lake", "--dry-run", "--json", *words, *more, TAPDOCK_ENGINE="local")

    return planned


def offer(folder, *entries):
    (folder / "offered.json").write_text(json.dumps({"streams": entries}))


def commit(folder, *entries):
    (folder / "catalogs").mkdir(exist_ok=True)
    (folder / FILE).write_text(json.dumps({"streams": entries}))


@pytest.mark.parametrize(("discovery", "times"), [("cached", 1), (True, 1), ("1h", 1), ("always", 2)])
def test_how_often_a_source_is_asked(plan, asked, discovery, times):
    for _ in range(2):
        assert plan(discovery=discovery).returncode == 0
    assert asked() == times


@pytest.mark.parametrize(("discovery", "hours", "times"), [("cached", 23, 1), ("cached", 25, 2), ("6h", 7, 2)])
def test_a_cached_catalog_is_used_up_to_its_age(plan, asked, folder, discovery, hours, times):
    plan(discovery=discovery)
    (catalog,) = (folder / ".tapdock" / "cache").glob("catalog-*.json")
    os.utime(catalog, (time.time() - hours * 3600,) * 2)
    assert plan(discovery=discovery).returncode == 0
    assert asked() == times


@pytest.mark.parametrize(
    "other",
    [
        {"config": {"host": "b"}},
        {"env": {"HOST": "b"}},
        {"network": "b"},
        {"extra_hosts": ["db:10.0.0.2"]},
        {"mounts": ["./b:/data"]},
        {"command": ["--verbose"]},
        {"user": "1000"},
    ],
)
def test_a_cached_catalog_is_not_used_for_another_place(plan, asked, folder, other):
    """An environment may reach another database by the same config: its streams are other ones."""
    (folder / "b").mkdir()
    assert plan().returncode == 0
    assert plan(environment="e", blocks={"e": {"sources": {"shop": other}}}).returncode == 0
    assert asked() == 2


def test_a_cached_catalog_is_not_used_in_another_environment(plan, asked):
    plan(blocks={"e": {}})
    plan(environment="e", blocks={"e": {}})
    assert asked() == 2


def test_a_cached_catalog_is_not_used_for_another_image(plan, asked, folder):
    plan()
    with (folder / "tap").open("a") as program:
        program.write("# another version\n")
    plan()
    assert asked() == 2


def test_a_committed_catalog_is_used_and_the_source_is_not_asked(plan, asked, folder):
    commit(folder, {**ENTRY, "tap_stream_id": "committed", "stream": "committed"})
    ended = plan(discovery="committed")
    assert [one["stream"] for one in json.loads(ended.stdout)["streams"]] == ["committed"]
    assert asked() == 0


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (None, "source `shop` has no committed catalog: catalogs/shop.json does not exist", "catalog commit shop` w"),
        (b"{", "catalogs/shop.json cannot be used: the tap's catalog cannot be read", "catalog commit shop` replaces"),
        (b'{"streams": [{"name": "of an Airbyte source"}]}', "cannot be used: a stream has no name", "catalog commit"),
        (b'{"streams": []}', "the source offers no streams", ""),
    ],
)
def test_a_committed_catalog_that_cannot_be_used(plan, asked, folder, content, message, hint):
    (folder / "catalogs").mkdir()
    if content is not None:
        (folder / FILE).write_bytes(content)
    ended = plan(discovery="committed")
    assert ended.returncode == 2
    assert message in ended.stderr
    assert hint in ended.stderr
    assert asked() == 0


def test_a_committed_catalog_and_a_new_discovery_exclude_each_other(plan, asked, folder):
    commit(folder, ENTRY)
    ended = plan("--refresh-catalog", discovery="committed")
    assert ended.returncode == 2
    assert "`--refresh-catalog` has no effect for source `shop`, whose catalog is committed" in ended.stderr
    assert "`tapdock catalog commit shop` replaces catalogs/shop.json" in ended.stderr
    assert asked() == 0
