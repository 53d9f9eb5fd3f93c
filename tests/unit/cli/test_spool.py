"""Tests spools: `run SOURCE --to DIR` and `run --from DIR TARGET` on each route, and which spools are refused."""

import gzip
import json
import shlex
from pathlib import Path

import pytest

from support.orders import orders_of, rows
from support.pages import page_steps
from tapdock.errors import EngineError
from tapdock.runs.spool_files import BatchWriter, Manifest, read_spool

pytestmark = pytest.mark.long
CONNECTORS = Path(__file__).parents[2] / "connectors"
KINDS = {"tap": "singer", "target": "singer", "source": "airbyte", "destination": "airbyte"}
ROUTES = [
    pytest.param("tap", "target", "STREAM", marks=pytest.mark.slow),
    ("tap", "destination", "STREAM"),
    ("source", "target", "GLOBAL"),
    pytest.param("source", "destination", "STREAM", marks=pytest.mark.slow),
]
FIRST = ("schema orders", "until orders 5", "state", "until orders 7", "state")
SECOND = ("schema orders", "until orders 9", "state")


@pytest.fixture
def project(tmp_path, tapdock):
    return orders_of(tmp_path, tapdock)


def done(tapdock, *words):
    ended = tapdock("run", *words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


@pytest.mark.parametrize(("source", "target", "states"), ROUTES)
def test_a_spool_is_run_as_often_as_needed_and_its_state_is_that_of_the_source(
    project, tmp_path, source, target, states
):
    spool = str(tmp_path / "spool")
    done(project(source, target, *FIRST, states=states), "shop", "--to", spool)
    tapdock = project(source, target, *SECOND, states=states)
    ended = done(tapdock, "shop", "--to", spool, "--json")
    assert json.loads(ended.stdout)["records"]["orders"] == 2, "it goes on behind the first batch"
    assert rows(tmp_path)["orders"] == []
    assert not list(tmp_path.glob(".tapdock/state/*"))
    folders, files = [tmp_path / "spool", *tmp_path.glob("spool/*")], list(tmp_path.glob("spool/*/*"))
    assert {oct(each.stat().st_mode & 0o777) for each in folders} == {"0o700"}
    assert {oct(each.stat().st_mode & 0o777) for each in files} == {"0o600"}
    assert len(files) == 4

    ended = done(tapdock, "--from", spool, "lake", "--json")
    assert [run["status"] for run in json.loads(ended.stdout)["runs"]] == ["succeeded", "succeeded"]
    assert {tuple(run["options"]) for run in json.loads(ended.stdout)["runs"]} == {(f"--from {spool}",)}
    assert rows(tmp_path)["orders"] == list(range(1, 10))
    ended = done(tapdock, "--from", spool, "lake")
    assert "0 of 2 batches of the spool are run" in ended.stderr
    assert rows(tmp_path)["orders"] == list(range(1, 10))
    done(tapdock, "--from", spool, "lake", "--no-state-update", "--quiet")
    assert rows(tmp_path)["orders"] == [*range(1, 10)] * 2
    done(tapdock, "--from", spool, "lake", "--full-refresh", "--quiet")
    assert rows(tmp_path)["orders"] == [*range(1, 10)] * 3

    done(project(source, target, "schema orders", "until orders 12", "state", states=states), "demo", "--quiet")
    assert rows(tmp_path)["orders"][27:] == [10, 11, 12], "the source itself resumes behind the spool"
    ended = tapdock("run", "--from", spool, "lake")
    assert ended.returncode == 2
    assert "is not one at which a batch of this spool begins or ends" in ended.stderr


@pytest.fixture
def spool(project, tmp_path):
    """A spool of one batch with 7 orders."""
    done(project("source", "target", *FIRST), "shop", "--to", str(tmp_path / "spool"))
    return tmp_path / "spool"


def test_the_commands_of_the_page(project, tmp_path):
    tapdock = project("source", "target", *FIRST)
    file = tmp_path / "tapdock.yaml"
    file.write_text(file.read_text().replace('"shop"', '"faker"'))
    for step in page_steps("inspecting.md", "Files between source and target"):
        ended = tapdock(*shlex.split(step.command)[1:])
        assert ended.returncode == 0, ended.stderr
    assert rows(tmp_path)["orders"] == [*range(1, 8)] * 2


def text_of(folder):
    return b"".join(gzip.decompress(each.read_bytes()) for each in sorted(folder.glob("*/*.gz"))).decode()


def test_excluded_fields_and_secrets_are_not_in_the_files(project, tmp_path):
    tapdock = project("source", "target", *FIRST, select=["*", "!*.name"])
    file = tmp_path / "tapdock.yaml"
    file.write_text(file.read_text().replace('"token": "t"', '"token": "s3cret-0123456789"'))
    done(tapdock, "shop", "--to", str(tmp_path / "spool"))
    text = text_of(tmp_path / "spool")
    assert '"id":7' in text.replace(" ", "")
    assert "orders-7" not in text
    assert "s3cret" not in text + "".join(each.read_text() for each in tmp_path.glob("spool/*/*.json"))
    changed = project("source", "target", *FIRST)("run", "--from", str(tmp_path / "spool"), "lake")
    assert changed.returncode == 2
    assert "the spool has other fields of stream `orders`" in changed.stderr
    assert rows(tmp_path)["orders"] == []


def test_other_streams_are_not_added_to_a_spool(project, spool, tmp_path):
    """The state at the end of its last batch covers orders and users: rows of another selection would be missing."""
    tapdock = project("source", "target", *SECOND)
    for words, message in (
        (["--select", "orders.*"], "the spool has the stream `users`, which the project does not select"),
        (["--exclude", "*.name"], "the spool has other fields of stream `"),
    ):
        ended = tapdock("run", "shop", "--to", str(spool), *words)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert f"{spool / '00001'}: {message}" in ended.stderr
        assert "name another folder" in ended.stderr
    assert [each.name for each in spool.iterdir()] == ["00001"]


def test_all_batches_are_checked_before_the_first_one_is_run(project, spool, tmp_path):
    tapdock = project("source", "target", *SECOND)
    done(tapdock, "shop", "--to", str(spool))
    file = spool / "00002" / "manifest.json"
    whole = json.loads(file.read_text())
    rewritten(file.parent, streams=[one for one in whole["streams"] if one["stream"]["name"] == "orders"])
    ended = tapdock("run", "--from", str(spool), "lake")
    assert ended.returncode == 2
    assert f"{file.parent}: the spool does not have the stream `users`" in ended.stderr
    assert rows(tmp_path)["orders"] == []


def test_batches_behind_one_that_failed_are_named(project, spool, tmp_path):
    done(project("source", "target", *SECOND), "shop", "--to", str(spool))
    failing = project("source", "target", *SECOND, target_config={"after": 2, "then": "exit 1"})
    ended = failing("run", "--from", str(spool), "lake")
    assert ended.returncode == 4
    assert f"not started: {spool / '00002'}\n" in ended.stderr
    told = json.loads(failing("run", "--from", str(spool), "lake", "--json").stdout)
    assert (len(told["runs"]), told["not_started"]) == (1, [str(spool / "00002")])


def test_what_a_pipeline_protects_is_not_written(project, tmp_path):
    tapdock = project("source", "target", *FIRST)
    file = tmp_path / "tapdock.yaml"
    whole = json.loads(file.read_text())
    whole["pipelines"]["demo"]["maps"] = {"*.name": "drop"}
    file.write_text(json.dumps(whole))
    ended = tapdock("run", "shop", "--to", "spool")
    assert ended.returncode == 2
    assert "the maps of pipeline `demo` protect or remove `*.name`" in ended.stderr
    assert not (tmp_path / "spool").exists()
    done(tapdock, "shop", "--to", "spool", "--exclude", "*.name")
    assert "orders-7" not in text_of(tmp_path / "spool")


def test_a_source_that_fails_leaves_nothing_of_its_batch(project, spool, tmp_path):
    ended = project("source", "target", "until orders 9", "exit 3")("run", "shop", "--to", str(spool))
    assert ended.returncode == 3
    assert [each.name for each in spool.iterdir()] == ["00001"]
    done(project("source", "target", *SECOND), "--from", str(spool), "lake")
    assert rows(tmp_path)["orders"] == list(range(1, 8))


def test_a_batch_that_a_target_did_not_take_whole_is_run_again(project, spool, tmp_path):
    """The target acknowledged the state after five orders, which is inside of the batch: it is not saved."""
    failing = {"after": 6, "then": "exit 1"}
    ended = project("source", "destination", *FIRST, target_config=failing)("run", "--from", str(spool), "lake")
    assert ended.returncode == 4
    assert rows(tmp_path)["orders"] == [1, 2, 3, 4, 5]
    done(project("source", "destination", *FIRST), "--from", str(spool), "demo", "--quiet")
    assert rows(tmp_path)["orders"] == [1, 2, 3, 4, 5, *range(1, 8)]


def rewritten(batch, **changes):
    file = batch / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


DAMAGES = [
    (lambda batch: (batch / "manifest.json").unlink(), "was not finished: it has no manifest.json"),
    (lambda batch: (batch / "manifest.json").write_text("{"), "is damaged"),
    (lambda batch: rewritten(batch, format=3), "has the format 3 of a spool, but this tapdock reads formats 1 and 2"),
    (lambda batch: (batch / "part-00001.jsonl.gz").write_bytes(b"x"), "has changed since it was written"),
    (lambda batch: (batch / "part-00001.jsonl.gz").unlink(), "part-00001.jsonl.gz cannot be read"),
    (lambda batch: batch.rename(batch.with_name("00002")), "is not complete: 00002 does not follow"),
    (lambda batch: (batch.parent / "note.txt").write_text(""), "is not a spool: it contains `note.txt`"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=[each[1][:20] for each in DAMAGES])
def test_a_damaged_spool_is_found_before_anything_starts(project, tmp_path, damage, message):
    tapdock = project("source", "target", *FIRST)
    batch = tmp_path / "spool" / "00001"
    with BatchWriter(batch.parent, 1) as writer:
        writer.write(b"{}\n")
        writer.finish(manifest())
    assert len(read_spool(batch.parent)) == 1
    damage(batch)
    for words in (("--from", str(batch.parent), "lake"), ("shop", "--to", str(batch.parent))):
        ended = tapdock("run", *words)
        assert (ended.returncode, ended.stdout) == (2, ""), words
        assert message in ended.stderr


def manifest(**more):
    given = {"tapdock": "1", "source": "shop", "kind": "airbyte", "read_at": "", "offered": (), "streams": ()}
    return Manifest(**{**given, "records": {}, "parts": (), **more})


def test_a_file_that_changes_while_it_is_run_is_found(tmp_path):
    with BatchWriter(tmp_path / "spool", 1) as writer:
        writer.write(b"{}\n" * 9)
        writer.finish(manifest())
    (batch,) = read_spool(tmp_path / "spool")
    assert b"".join(batch.pieces()) == b"{}\n" * 9
    (batch.folder / "part-00001.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 8))
    with pytest.raises(EngineError, match="has changed since the run began"):
        list(batch.pieces())


def test_a_stream_that_is_read_whole_is_whole_in_each_batch(project, tmp_path):
    """The state of a full table is not passed to the tap again: rows would be overwritten by the rest of them."""
    overwrite = {"users": {"destination_sync_mode": "overwrite"}}
    for count in (5, 8):
        tapdock = project("tap", "destination", "schema users", f"until users {count}", "state", streams=overwrite)
        file = tmp_path / "tapdock.yaml"
        whole = json.loads(file.read_text())
        more = {"streams": ["users"], "replication": "FULL_TABLE", "resumes_full": True}
        whole["sources"]["shop"]["config"].update(more)
        file.write_text(json.dumps(whole))
        done(tapdock, "shop", "--to", "spool")
    done(tapdock, "--from", "spool", "lake", "--quiet")
    assert rows(tmp_path)["users"] == list(range(1, 9))


def test_a_writer_that_does_not_finish_leaves_nothing(tmp_path):
    with BatchWriter(tmp_path / "spool", 1) as writer:
        writer.write(b"{}\n")
    assert list(tmp_path.glob("spool/*")) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lake", "--to", "x"], "`--to` needs the name of one source"),
        (["--from", "x", "lake"], "the spool x cannot be read"),
        (["shop", "--to", "x", "--from", "x"], "`--to` cannot be used together with `--from`"),
        (["shop", "--to", "x", "--full-refresh"], "`--to` cannot be used together with `--full-refresh`"),
        (["--from", "x", "lake", "--limit", "2"], "`--from` cannot be used together with `--limit`"),
        (["--from", "x", "lake", "--dry-run"], "`--from` cannot be used together with `--dry-run`"),
    ],
)
def test_options_that_have_no_meaning_are_refused(project, tmp_path, words, message):
    ended = project("source", "target", *FIRST)("run", *words)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert not (tmp_path / "x").exists()
