"""Tests a low-code source from its manifest: parcels in pages, the steps of each parcel, and then only new records."""

import json
import os
import shutil

import pytest

from connectors.images import base_image
from e2e.project import HERE, Shop

pytestmark = pytest.mark.docker
IMAGE = "tapdock/source-declarative-manifest:7.39.1"
MIGRATION = """\
  config_normalization_rules:
    type: ConfigNormalizationRules
    config_migrations:
      - type: ConfigMigration
        transformations:
          - {type: ConfigAddFields, fields: [{type: AddedFieldDefinition, path: [region], value: north}]}
"""


@pytest.fixture
def post(web, tmp_path) -> Shop:
    """Return the project `parcels/`, with its server."""
    folder = tmp_path / "project"
    shutil.copytree(HERE / "parcels", folder)
    return Shop(
        folder,
        {"TAPDOCK_BASE_IMAGE": os.environ.get("TAPDOCK_BASE_IMAGE") or base_image(), **web.environ},
    )


def _edit(post, old, new):
    file = post.folder / "parcels.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


@pytest.mark.slow  # every day, the same source is read to targets of both kinds
def test_a_second_run_reads_only_what_is_new(post, web):
    assert post.well("run", "post", "--json").records == {"parcels": 5, "steps": 10}
    assert [json.loads(line)["id"] for line in post.lines("parcels")] == [1, 2, 3, 4, 5]
    rows = {(row["parcel"], row["step"]) for row in map(json.loads, post.lines("steps"))}
    assert rows == {(number, step) for number in range(1, 6) for step in ("sent", "delivered")}
    asked = [path for path in web.ask("/asked") if path.startswith("/parcels?")]
    assert "/parcels?page=3&size=2&after=2024-01-01T00%3A00%3A00Z" in asked

    assert post.well("run", "post", "--json").records == {"parcels": 0, "steps": 0}
    web.ask("/parcels", "one more")
    assert post.well("run", "post", "--json").records == {"parcels": 1, "steps": 2}
    assert json.loads(post.lines("parcels")[-1]) == {"id": 6, "weight": "6.50", "changed_at": "2024-01-07T00:00:00Z"}
    assert all("after=2024-01-01" not in path for path in web.ask("/asked")[-3:])


@pytest.mark.slow
def test_the_manifest_defines_the_settings_and_the_streams(post):
    asked = post.well("spec", "parcels", "--json").json
    assert asked["properties"]["token"] == {"type": "string", "airbyte_secret": True}
    found = post.well("discover", "parcels", "--json").json
    assert [(stream["name"], stream["source_defined_primary_key"]) for stream in found["streams"]] == [
        ("parcels", [["id"]]),
        ("steps", [["parcel"], ["step"]]),
    ]
    _edit(post, "name: steps", "name: ways")
    _edit(post, "page_size: {type: integer}", "page_size: {type: integer, maximum: 3}")
    found = post.well("discover", "parcels", "--json").json
    assert [stream["name"] for stream in found["streams"]] == ["parcels", "ways"]
    refused = post("discover", "parcels", PAGE_SIZE="4")
    assert (refused.code, "page_size" in refused.stderr) == (2, True)


@pytest.mark.slow
def test_a_check_asks_the_service(post):
    assert post.well("check", "parcels")
    refused = post("check", "parcels", WEB_TOKEN="forgotten")
    assert refused.code == 3
    assert "401" in refused.stdout + refused.stderr
    assert "forgotten" not in refused.stdout + refused.stderr


@pytest.mark.slow
def test_its_image_is_one_that_is_built(post):
    assert f"parcels  {IMAGE}  sha256:" in post.well("build", "parcels").stdout
    post.well("build", "lines")
    findings = post.well("doctor", "--json").json["findings"]
    assert f"{IMAGE} is available" in [
        finding["found"] for finding in findings if finding["what"] == "image of parcels"
    ]
    post.well("lock")
    assert json.loads((post.folder / "tapdock.lock").read_text())["images"][IMAGE].startswith("recipe:")
    assert post.well("run", "post", "--locked", "--json").records["parcels"] == 5


@pytest.mark.slow
def test_a_config_that_the_source_changed_is_kept_without_the_manifest(post):
    with (post.folder / "parcels.yaml").open("a") as file:
        file.write(MIGRATION)
    told = post.well("check", "parcels").stderr
    assert "changed values of its config that are not kept: /region (its `rotate` is `secrets`)" in told
    project = post.folder / "tapdock.yaml"
    project.write_text(project.read_text().replace("    manifest:", "    rotate: all\n    manifest:"))
    assert "changed its config: /region\n" in post.well("check", "parcels").stderr
    shown = {row["path"]: row["value"] for row in post.well("config", "show", "parcels", "--json").json}
    assert shown["sources.parcels.config.region"] == "[secret]"
    assert shown["sources.parcels.manifest"] == str(post.folder / "parcels.yaml")
    assert not [path for path in shown if "injected" in path]


@pytest.mark.slow
def test_a_stream_without_declared_fields_arrives_in_one_column(post, web):
    _edit(
        post,
        "properties: {id: {type: integer}, weight: {type: string}, changed_at: {type: string, format: date-time}}",
        "properties: {}",
    )
    file = post.folder / "tapdock.yaml"
    lake = """targets:
  lake:
    build: {singer: target-duckdb==0.8.0}
    config: {filepath: /data/lake.duckdb, default_target_schema: main}
    mounts: ["./lake:/data"]
"""
    file.write_text(file.read_text().replace("targets:\n", lake, 1))
    ended = post.well("run", "parcels", "lake", "--select", "parcels", "--json")
    assert ended.records == {"parcels": 5}
    rows = post.query("SELECT id, data FROM main.parcels ORDER BY id")
    assert [key for key, _ in rows] == ["1", "2", "3", "4", "5"]
    assert json.loads(rows[0][1])["id"] == 1
    assert json.loads(rows[0][1]).keys() == {"id", "weight", "changed_at"}
    typed = "{source: parcels, target: lake, state_suffix: t, prefix: typed_, schemaless: infer}"
    file.write_text(file.read_text().replace("pipelines:\n", f"pipelines:\n  typed: {typed}\n"))
    ended = post.well("run", "typed", "--select", "parcels", "--json")
    assert ended.records == {"parcels": 5}
    assert "to learn their fields" in ended.stderr
    rows = post.query("SELECT id, weight, typeof(id), typeof(weight) FROM main.typed_parcels ORDER BY id")
    assert rows[0] == (1, "1.50", "HUGEINT", "VARCHAR")
    web.ask("/parcels", "one more")
    again = post.well("run", "typed", "--select", "parcels", "--json")
    assert again.records == {"parcels": 1}
    assert "to learn their fields" not in again.stderr, "the fields of the last run are used again"
    assert post.query("SELECT max(id) FROM main.typed_parcels") == [(6,)]


@pytest.mark.slow
def test_a_backfill_reads_each_record_once_and_leaves_the_state(post, web):
    """The source asks the service for `since` (inclusive) and `before` (exclusive), which are settings."""
    _edit(post, "field_name: after}", "field_name: since}")
    _edit(
        post,
        """    start_datetime: "{{ config['start'] }}"\n""",
        """    start_datetime: "{{ config['start'] }}"
    end_datetime: "{{ config.get('end', '2024-12-31T00:00:00Z') }}"
    end_time_option: {type: RequestOption, inject_into: request_parameter, field_name: before}
""",
    )
    setting = '      start: {$ref: "#/definitions/text"}'
    _edit(post, setting, f"{setting}\n      end: {{type: string, format: date-time}}")
    file = post.folder / "tapdock.yaml"
    file.write_text(file.read_text().replace("    network:", "    window: {start: start, end: end}\n    network:", 1))
    only = ("--select", "parcels.*")
    call = ("backfill", "post", "--from", "2024-01-01", "--to", "2024-01-07", "--by", "2d", *only, "--json")
    found = post.well(*call).json
    assert [run["streams"][0]["records"] for run in found["runs"]] == [1, 2, 2]
    assert [json.loads(line)["id"] for line in post.lines("parcels")] == [1, 2, 3, 4, 5]
    asked = [path for path in web.ask("/asked") if path.startswith("/parcels?")]
    assert any("since=2024-01-03T00%3A00%3A00Z&before=2024-01-05T00%3A00%3A00Z" in path for path in asked), asked
    assert post.well("state", "list", "--json").json == []
    assert post.well(*call).json["runs"] == []
    assert post.well("run", "post", *only, "--json").records == {"parcels": 5}
