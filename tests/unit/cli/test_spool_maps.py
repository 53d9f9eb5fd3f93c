"""Tests spools of a source with maps: the files have what the maps make of its records, and are not mapped again."""

import gzip
import json

import pytest

from support.orders import orders_of

pytestmark = pytest.mark.long
ROUTES = [
    ("tap", "target", "STREAM"),
    pytest.param("tap", "destination", "STREAM", marks=pytest.mark.slow),
    pytest.param("source", "target", "GLOBAL", marks=pytest.mark.slow),
    ("source", "destination", "STREAM"),
]
KEY = "0123456789abcdef0123456789abcdef"
MAPS = {
    "orders": {"__alias__": "sold", "name": "hash(name)", "twice": "int(id * 2)", "__filter__": "id != 3"},
    "*.price": "drop",
    "copy": {"__source__": "orders", "name": None},
}
FIRST = ("schema orders", "until orders 4", "state", "until orders 5", "state")
SECOND = ("schema orders", "until orders 7", "state")


@pytest.fixture
def project(tmp_path, tapdock, monkeypatch):
    monkeypatch.setenv("HASH_KEY", KEY)
    made = orders_of(tmp_path, tapdock)

    def written(source, target, *steps, maps=MAPS, states="STREAM", key="${HASH_KEY}", **more):
        run = made(source, target, *steps, states=states, maps=maps, hash_key=key, **more)
        file = tmp_path / "tapdock.yaml"
        whole = json.loads(file.read_text())
        whole["sources"]["shop"]["config"]["streams"] = ["orders"]
        file.write_text(json.dumps(whole))
        return run

    return written


def done(tapdock, *words):
    ended = tapdock("run", *words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def written(folder):
    """Return the rows in the target, by stream: the fields without the columns of tapdock."""
    found = {}
    for file in sorted(folder.glob("data/*")):
        for line in file.read_text().splitlines() if file.stem in ("rows", "sold", "copy", "users") else ():
            row = json.loads(line)
            if isinstance(row, dict) and ("record" in row or "data" in row):
                body = row.get("record") or row["data"]
                name = row.get("stream", file.stem)
                found.setdefault(name, []).append({key: body[key] for key in sorted(body) if key[:1] != "_"})
    return found


@pytest.mark.parametrize(("source", "target", "states"), ROUTES)
def test_a_spool_has_mapped_records_and_gives_the_rows_of_a_plain_run(project, tmp_path, source, target, states):
    tapdock = project(source, target, *FIRST, states=states)
    done(tapdock, "shop", "--to", "spool")
    tapdock = project(source, target, *SECOND, states=states)
    done(tapdock, "shop", "--to", "spool")
    text = b"".join(gzip.decompress(each.read_bytes()) for each in sorted(tmp_path.glob("spool/*/*.gz"))).decode()
    manifests = "".join(each.read_text() for each in tmp_path.glob("spool/*/manifest.json"))
    assert "orders-5" not in text, "its name is hashed"
    assert KEY not in text + manifests
    assert '"sold"' in text
    ended = done(tapdock, "--from", "spool", "lake")
    assert "2 of 2 batches" in ended.stderr
    replayed = written(tmp_path)
    assert [each["id"] for each in replayed["sold"]] == [1, 2, 4, 5, 6, 7]
    assert all(len(each["name"]) == 64 and each["twice"] == 2 * each["id"] for each in replayed["sold"])
    assert "name" not in replayed["copy"][0]
    ended = done(tapdock, "--from", "spool", "lake")
    assert "0 of 2 batches" in ended.stderr

    steps = ("schema orders", "until orders 9", "state")
    done(project(source, target, *steps, states=states), "shop", "lake", "--quiet")
    found = written(tmp_path)
    assert [each["id"] for each in found["sold"]] == [1, 2, 4, 5, 6, 7, 8, 9], "the source resumes behind the spool"
    assert found["sold"][:6] == replayed["sold"]
    assert found["sold"][6].keys() == found["sold"][0].keys()


@pytest.fixture
def spool(project, tmp_path):
    done(project("source", "target", *FIRST), "shop", "--to", str(tmp_path / "spool"))
    return tmp_path / "spool"


@pytest.mark.parametrize(
    "changed",
    [
        {"maps": {**MAPS, "*.big": "drop"}},
        {"maps": {**MAPS, "orders": {**MAPS["orders"], "__filter__": None}}},
        {"key": "${OTHER_KEY}"},
        {"maps": {}},
    ],
    ids=["a field more", "another filter", "another key", "none"],
)
def test_other_maps_than_those_of_the_spool_are_refused(project, tmp_path, spool, changed, monkeypatch):
    """A field that is protected since then is in plain text in the files."""
    monkeypatch.setenv("OTHER_KEY", KEY[::-1])
    if changed.get("maps") == {}:
        changed = {"maps": {}, "key": None}
    tapdock = project("source", "target", *SECOND, **changed)
    ended = tapdock("run", "--from", str(spool), "lake")
    assert ended.returncode == 2, ended.stderr
    assert "source `shop` had other maps when it was read" in ended.stderr
    ended = tapdock("run", "shop", "--to", str(spool))
    assert ended.returncode == 2
    assert "source `shop` had other maps" in ended.stderr
    assert [each.name for each in spool.iterdir()] == ["00001"]
    assert written(tmp_path) == {}


def test_a_spool_that_was_read_without_maps_is_mapped_when_it_is_run(project, tmp_path):
    done(project("source", "target", *FIRST, maps={}, key=None), "shop", "--to", "spool")
    done(project("source", "target", *FIRST), "--from", "spool", "lake")
    assert [each["id"] for each in written(tmp_path)["sold"]] == [1, 2, 4, 5]


def test_a_stream_that_takes_the_name_of_a_removed_one_is_written(project, tmp_path):
    maps = {"users": None, "orders": {"__alias__": "users"}}
    tapdock = project("tap", "target", "schema orders", "until orders 3", "state", maps=maps, key=None)
    file = tmp_path / "tapdock.yaml"
    whole = json.loads(file.read_text())
    whole["sources"]["shop"]["config"]["streams"] = ["orders", "users"]
    file.write_text(json.dumps(whole))
    done(tapdock, "shop", "--to", "spool")
    done(tapdock, "--from", "spool", "lake")
    assert [each["id"] for each in written(tmp_path)["users"]] == [1, 2, 3]


def test_a_mapper_that_the_files_do_not_pass_is_named(project, tmp_path):
    tapdock = project("tap", "target", *FIRST)
    file = tmp_path / "tapdock.yaml"
    whole = json.loads(file.read_text())
    whole["sources"]["shop"]["maps"] = {}
    whole["mappers"] = {"hide": {"image": whole["sources"]["shop"]["image"], "kind": "singer"}}
    whole["pipelines"]["demo"]["mappers"] = ["hide"]
    file.write_text(json.dumps(whole))
    ended = done(tapdock, "shop", "--to", "spool")
    assert "pipeline `demo` has a mapper, which the files do not pass" in ended.stderr
