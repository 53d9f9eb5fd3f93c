"""Tests Airbyte sources with two Airbyte destinations: one made with Airbyte's CDK, and one that is very strict."""

import pytest

from e2e.junction import Row, lexemes
from support.variants import variants

pytestmark = pytest.mark.docker
both = variants("target", "rows", "strict")
TABLES = {"rows": "raw_new_parcels", "strict": "raw.new_parcels"}


def _numbers(rows: list[Row]) -> list[int]:
    return sorted(row["id"] for row in rows)


@pytest.mark.slow
@both
def test_faker(junction, target):
    words = ("run", "faker", target, "--strict-counts", "--json")
    counts = junction.well(*words).records
    assert counts["users"] == 20
    assert _numbers(junction.landed(target, "users")) == list(range(1, 21))
    first = {stream: junction.landed(target, stream) for stream in counts}
    assert {stream: len(rows) for stream, rows in first.items()} == counts
    assert junction.well(*words).records["users"] == 0
    assert junction.landed(target, "users") == first["users"]


@pytest.mark.slow
def test_records_arrive_as_their_source_prints_them(junction):
    """One of the records has a number that a parser would shorten."""
    junction.well("run", "samples", "strict")
    catalog = {"streams": [_configured(stream) for stream in junction.told()[0]["catalog"]["streams"]]}
    words = ("read", "--config", "config.json", "--catalog", "catalog.json")
    alone = junction.alone("tapdock/source-hardcoded-records:0.0.48", *words, config={"count": 3}, catalog=catalog)
    records = [line["record"] for line in map(lexemes, alone.splitlines()) if line["type"] == "RECORD"]
    for stream in ("products", "customers"):
        arrived = (junction.folder / "strict" / f"{stream}.jsonl").read_text().splitlines()
        said = [record["data"] for record in records if record["stream"] == stream]
        assert [lexemes(line)["data"] for line in arrived] == said
        assert len(said) == 3
    assert '"total_spent":0.0,' in (junction.folder / "strict" / "customers.jsonl").read_text()


def _configured(stream: Row) -> Row:
    return {name: stream[name] for name in ("stream", "sync_mode", "destination_sync_mode")}


@both
def test_a_second_run_reads_only_what_is_new(parcels, web, target):
    words = ("run", "parcels", target, "--strict-counts", "--json")
    assert parcels.well(*words).records == {"parcels": 5, "steps": 10}
    web.ask("/parcels", "one more")
    assert parcels.well(*words).records == {"parcels": 1, "steps": 2}
    assert parcels.landed(target, "parcels") == [
        {"id": number, "weight": f"{number}.50", "changed_at": f"2024-01-0{number + 1}T00:00:00Z"}
        for number in range(1, 7)
    ]
    assert len(parcels.landed(target, "steps")) == 12
    saved = {state["stream"]["stream_descriptor"]["name"] for state in parcels.state(f"parcels-to-{target}")}
    assert saved == {"parcels", "steps"}


@pytest.mark.slow
@both
def test_streams_have_other_names_in_the_target_alone(parcels, web, target):
    words = ("run", f"renamed_{target}", "--strict-counts", "--json")
    assert parcels.well(*words).records == {"parcels": 5, "steps": 10}
    web.ask("/parcels", "one more")
    assert parcels.well(*words).records == {"parcels": 1, "steps": 2}
    assert _numbers(parcels.landed(target, TABLES[target])) == [1, 2, 3, 4, 5, 6]
    descriptors = [state["stream"]["stream_descriptor"] for state in parcels.state(f"renamed_{target}")]
    assert sorted(one["name"] for one in descriptors) == ["parcels", "steps"]
    assert not any(one.get("namespace") for one in descriptors)


@pytest.mark.slow
@both
def test_overwrite_leaves_the_rows_of_the_last_run(junction, target):
    words = ("--environment", "overwrite", "run", "samples", target, "--strict-counts", "--json")
    assert junction.well(*words).records == {"products": 3, "customers": 3}
    assert junction.well(*words, COUNT="2").records == {"products": 2, "customers": 2}
    assert len(junction.landed(target, "products")) == 2
    assert len(junction.landed(target, "customers")) == 5  # without a key and with overwrite, rows are appended
    if target == "strict":
        first, second = (_generations(run) for run in junction.told())
        assert second["products"][0] > first["products"][0] > 0
        for generation, least in (first["products"], second["products"]):
            assert generation == least
        assert {line["generation_id"] for line in junction.strict("products")} == {second["products"][0]}


def _generations(run: Row) -> dict[str, tuple[int, int]]:
    streams = run["catalog"]["streams"]
    return {each["stream"]["name"]: (each["generation_id"], each["minimum_generation_id"]) for each in streams}


@pytest.mark.slow
@pytest.mark.parametrize("old", ["false", pytest.param("true", marks=pytest.mark.slow)])
def test_a_source_that_fails_midway_overwrites_nothing(parcels, web, old):
    """`old` is a destination that treats the end of its input as complete."""
    words = ("run", "snapshots", "strict", "--json")
    assert parcels.well(*words, OLD=old).records == {"parcels": 5}
    before = parcels.strict("parcels")
    for task in ("one more", "break"):
        web.ask("/parcels", task)
    failed = parcels(*words, OLD=old)
    assert failed.code == 3
    assert "the second page is away" in failed.stderr + failed.stdout or "500" in failed.stderr + failed.stdout
    assert parcels.strict("parcels") == before
    assert all(message[0] != "COMPLETE" for run in parcels.told()[1:] for message in run["messages"])
    web.ask("/parcels", "mend")
    assert parcels.well(*words, OLD=old).records == {"parcels": 6}
    assert _numbers([line["data"] for line in parcels.strict("parcels")]) == [1, 2, 3, 4, 5, 6]
