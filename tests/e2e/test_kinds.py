"""Tests the commands for taps, targets, destinations and sources of every kind, and for the states that they leave."""

import json

import pytest

from e2e.project import HERE

pytestmark = pytest.mark.docker

VECTORS = "vectors"
"""A destination whose image takes minutes to build: `tapdock` builds it when a slow test first needs it."""


@pytest.mark.parametrize(
    ("connector", "setting"),
    [
        pytest.param("samples", "count", marks=pytest.mark.slow),
        pytest.param("melt", "filter_schemas", marks=pytest.mark.slow),
        pytest.param("melt_base", "default_target_schema", marks=pytest.mark.slow),
        ("rows", "path"),
        pytest.param("strict", "password", marks=pytest.mark.slow),
        pytest.param(VECTORS, "indexing", marks=pytest.mark.slow),
    ],
)
def test_spec(junction, connector, setting):
    assert setting in junction.well("spec", connector, "--json").json["properties"]
    assert setting in junction.well("spec", connector).stdout


@pytest.mark.slow
def test_a_connector_without_a_spec_says_so(junction):
    mute = junction("spec", "pipe")
    assert (mute.code, "documentation" in mute.stderr) == (2, True)


ITSELF, BOTH = "its `check` command", "its config against its spec, and by discovery"


@pytest.mark.parametrize(
    ("connector", "by"),
    [
        pytest.param("samples", ITSELF, marks=pytest.mark.slow),
        pytest.param("melt", BOTH, marks=pytest.mark.slow),
        pytest.param("pipe", "discovery", marks=pytest.mark.slow),
        ("rows", ITSELF),
        pytest.param("strict", ITSELF, marks=pytest.mark.slow),
        pytest.param(VECTORS, ITSELF, marks=pytest.mark.slow),
    ],
)
def test_check(junction, database, connector, by):
    (junction.folder / "rows").mkdir()
    answer = junction.well("check", connector, "--json").json
    found = "it offers 3 streams; a tap may list them without logging in, so its credentials may be untested"
    message = found if by.endswith("discovery") else None
    assert answer == {"succeeded": True, "message": message, "checked_by": by}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("connector", "code"),
    [("melt", 3), pytest.param("pipe", 3, marks=pytest.mark.slow), pytest.param(VECTORS, 4, marks=pytest.mark.slow)],
)
def test_a_check_fails_where_no_server_answers(junction, database, connector, code):
    refused = junction("check", connector, POSTGRES_HOST="nowhere")
    assert refused.code == code
    assert f"`{connector}` failed its check" in refused.stderr
    assert "could not translate host name" in refused.stderr
    assert junction.environ["POSTGRES_PASSWORD"] not in refused.stdout + refused.stderr


def test_discover(junction, database):
    for tap, schema in (("melt", "shop-"), ("pipe", "")):
        rows = [line.split() for line in junction.well("discover", tap).stdout.splitlines()[1:]]
        assert sorted(rows) == [
            [f"{schema}lines", "full_refresh", "order_id,", "line_no", "3"],
            [f"{schema}orders", "incremental", "id", "updated_at", "4"],
            [f"{schema}wrong", "not", "selected", "2"],
        ]
        told = junction.well("discover", tap, "--json").json["streams"]
        assert {stream["tap_stream_id"] for stream in told} == {"shop-lines", "shop-orders", "shop-wrong"}
    assert junction("discover", "rows").code == 2


@pytest.mark.slow
def test_discover_calls_streams_as_the_pipeline_does(junction, database):
    shown = junction.well("discover", "melt_all").stdout
    assert "shop.orders" in shown
    assert "archive.orders" in shown


@pytest.mark.slow
def test_a_tap_s_state(junction, database):
    """The saved state is the tap's own state, which other runners can use."""
    junction.well("run", "melt", "rows")
    saved = junction.state("melt-to-rows")
    assert saved["bookmarks"]["shop-orders"]["replication_key_value"].startswith("2024-01-03T00:00:00")
    shown = junction.well("state", "show", "melt-to-rows").stdout
    assert "dialect      singer" in shown
    assert "shop-orders" in shown
    exported = junction.well("state", "export", "melt-to-rows", "--format", "meltano").stdout
    assert json.loads(exported) == {"singer_state": saved}
    refused = junction("state", "export", "melt-to-rows", "--format", "airbyte")
    assert (refused.code, "--format meltano" in refused.stderr) == (2, True)
    junction.well("state", "clear", "melt-to-rows", "--yes")
    junction.well("state", "set", "melt-to-rows", stdin=json.dumps(saved))
    assert junction.well("run", "melt", "rows", "--json").records["shop-orders"] == 1


@pytest.mark.slow
def test_a_destination_s_reason_is_reported(junction, database):
    """Its `message` only reports that something went wrong. The reason is in another field."""
    failed = junction("run", "quiet", VECTORS, "--json")
    assert failed.code == 4
    assert failed.json["error"]["side"] == "target"
    assert 'type "vector" does not exist' in failed.json["error"]["message"]
    assert failed.json["state"]["committed"] == 0


@pytest.mark.slow
def test_states_without_an_envelope_are_none(junction, database):
    """The destination prints a state without an envelope, rejects it itself, and fails. Nothing must be saved."""
    database.query((HERE / "routes" / "vector.sql").read_text())
    failed = junction("run", "quiet", VECTORS, "--json", "--verbose")
    assert failed.code == 4
    assert '{"type": "STREAM", "stream": ' in failed.stderr
    assert failed.json["error"]["side"] == "target"
    assert "AirbyteStateType.STREAM is not one of" in failed.json["error"]["message"]
    assert junction("state", "get", "quiet-to-vectors").code != 0
