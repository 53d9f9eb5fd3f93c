"""Tests Airbyte sources with Singer targets for PostgreSQL: when rows are replaced, when states are acknowledged."""

import pytest

from support.variants import variants

pytestmark = pytest.mark.docker
STRICTLY = ("--strict-counts", "--json")


@variants("target", "melt_base", "pipe_base")
def test_a_second_run_reads_only_what_is_new(parcels, web, database, target):
    words = ("run", "parcels", target, *STRICTLY)
    assert parcels.well(*words).records == {"parcels": 5, "steps": 10}
    web.ask("/parcels", "one more")
    assert parcels.well(*words).records == {"parcels": 1, "steps": 2}
    found = database.query("SELECT id, weight FROM landed.parcels ORDER BY id")
    assert found == [[str(number), f"{number}.50"] for number in range(1, 7)]
    assert database.query("SELECT count(*), count(DISTINCT parcel) FROM landed.steps") == [["12", "6"]]
    assert database.key("landed.steps") == ["parcel", "step"]
    assert parcels.well(*words).records == {"parcels": 0, "steps": 0}


@pytest.mark.slow
def test_overwrite_leaves_the_rows_of_the_last_run(junction, database):
    words = ("--environment", "overwrite", "run", "samples", "melt_base", *STRICTLY)
    assert junction.well(*words).records == {"products": 3, "customers": 3}
    assert junction.well(*words, COUNT="2").records == {"products": 2, "customers": 2}
    assert database.query("SELECT make FROM landed.products") == [["Mazda"]] * 2
    assert database.query("SELECT count(*) FROM landed.customers") == [["5"]]


@pytest.mark.slow
def test_a_source_that_fails_midway_overwrites_nothing(parcels, web, database):
    words = ("run", "snapshots", "melt_base", *STRICTLY)
    rows = "SELECT id FROM landed.parcels ORDER BY id"
    assert parcels.well(*words).records == {"parcels": 5}
    web.ask("/parcels", "break")
    failed = parcels(*words)
    assert failed.code == 3
    before = database.query(rows)
    assert [number for (number,) in before] == ["1", "2", "3", "4", "5"]
    for task in ("mend", "one more"):
        web.ask("/parcels", task)
    assert parcels.well(*words).records == {"parcels": 6}
    assert [number for (number,) in database.query(rows)] == ["1", "2", "3", "4", "5", "6"]
    assert len(set(map(tuple, database.query("SELECT _sdc_table_version FROM landed.parcels")))) == 1


@pytest.mark.slow
@variants("target", "lines", "pipe_base")
def test_overwrite_is_refused_where_it_would_only_add(junction, database, target):
    refused = junction("--environment", "overwrite", "run", "samples", target)
    assert refused.code == 2
    (hint,) = [line for line in refused.stderr.splitlines() if line.startswith("hint: ")]
    assert "ACTIVATE_VERSION" in refused.stderr
    assert "products" in refused.stderr
    assert hint
    assert junction.lines("products") == []
