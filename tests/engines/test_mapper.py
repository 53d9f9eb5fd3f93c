"""Tests runs with a mapper between tap and target, as a program and as a container."""

import json
import os
import sys

import pytest

from connectors.images import base_image
from engines.places import LOCAL, SLOW_BESIDE, SLOW_CONTAINER, local_only

MAPPER = """
import json, sys
if "--about" in sys.argv:
    settings = {"properties": {"names": {"type": "object"}, "does": {"type": "string"}, "key": {"type": "string"}}}
    print(json.dumps({"name": "mapper", "capabilities": [], "settings": settings}))
    sys.exit()
config = json.load(open(sys.argv[2]))
print("maps with " + config.get("key", "no key"), file=sys.stderr)
for line in sys.stdin:
    message = json.loads(line)
    if config["does"] == "fails" and message["type"] == "RECORD":
        sys.exit("KeyError: no field `email`")
    if config["does"] == "leaves" and message["type"] == "RECORD":
        sys.exit(0)
    if config["does"] == "forgets" and message["type"] == "STATE":
        continue
    if "stream" in message:
        message["stream"] = config["names"].get(message["stream"], message["stream"])
    if message["type"] == "RECORD" and message["record"]["id"] % 2:
        continue
    print(json.dumps(message, separators=(",", ":")))
"""


@pytest.fixture
def mapped(project):
    """Return a project whose mapper drops every second record and renames the stream."""
    project.programs = ("tap", "target")
    python = sys.executable if project.place == "local" else "python3"
    project.keys = {
        "mappers": {
            "between": {
                "image": project.images["tap"],
                "entrypoint": [python, "-c", MAPPER],
                "config": {"names": {"users": "people"}, "does": "all", "key": "${TAPDOCK_TEST_SECRET}"},
                "mappings": [
                    {"name": does, "config": {"does": does}} for does in ("all", "fails", "leaves", "forgets")
                ],
            }
        },
        "pipelines": {"mapped": {"source": "source", "target": "target", "mappers": ["all"]}},
    }
    return project


def run(project, mapper: str = "all"):
    return project.run("run", "source", mapper, "target", "--json", "--log-format", "json")


@pytest.mark.parametrize("place", [LOCAL, SLOW_CONTAINER])
def test_records_pass_through_the_mapper_and_the_next_run_goes_on(mapped):
    mapped.steps("schema users", "until users 20", "state", "until users 30", "state")
    first = run(mapped)
    assert first.code == 0, first.stderr
    assert mapped.ids("people") == set(range(2, 31, 2))
    assert mapped.ids() == set()
    found = first.record
    assert found["mapper"] == {
        "name": "all",
        "records_in": {"users": 30},
        "records_out": {"people": 15},
        "states_in": 2,
        "states_out": 2,
    }
    assert [each["role"] for each in found["containers"]][:3] == ["source", "mapper", "target"]
    assert all(each["digest"] and each["exit_code"] == 0 for each in found["containers"][:3])
    logged = [json.loads(line) for line in mapped.run("runs", "logs", "latest", "--json").stdout.splitlines()]
    assert [each["message"] for each in logged if each.get("side") == "mapper" and "message" in each] == [
        "maps with [secret]"
    ]
    mapped.steps("schema users", "until users 34", "state")
    second = mapped.run("run", "mapped")
    assert second.code == 0, second.stderr
    assert "mapper all: read 4 records (users 4) and printed 2 records (people 2)" in second.stdout
    assert mapped.ids("people") == set(range(2, 35, 2))
    assert "all read 4 records (users 4)" in mapped.run("runs", "show", "latest").stdout


@local_only
@pytest.mark.parametrize(
    ("mapper", "message"),
    [
        pytest.param(
            "fails",
            "the mapper exited with 1 before the end of its input: KeyError: no field `email`",
            marks=pytest.mark.slow,
        ),
        pytest.param("leaves", "the mapper exited with 0 before the end of its input", marks=pytest.mark.slow),
        ("forgets", "the mapper did not print the last state that the source wrote: it got 1 STATE messages and "),
    ],
)
def test_a_mapper_that_loses_something_fails_the_run(mapped, mapper, message):
    """Its name is in the record, and no state covers what it lost: the next run reads it again."""
    mapped.steps("schema users", "until users 20", "state")
    ended = run(mapped, mapper)
    assert (ended.code, ended.side) == (10, "mapper")
    assert ended.message.startswith(message)
    assert ended.record["mapper"]["name"] == mapper
    assert ended.record["state"]["committed"] == 0
    again = run(mapped)
    assert again.code == 0, again.stderr
    assert again.record["mapper"]["records_in"] == {"users": 20}
    assert mapped.ids("people") == set(range(2, 21, 2))


@pytest.mark.parametrize("place", [SLOW_BESIDE])
def test_the_mapper_of_meltano(project):
    """The real program, built from its package, with the settings of Meltano: it prints states and versions as well."""
    project.programs = ("tap", "target")
    project.environ = {
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))},
        "TAPDOCK_BASE_IMAGE": base_image(),
    }
    maps = {"users": {"name": "md5(name)", "__alias__": "people", "__filter__": "id > 10"}}
    project.keys = {
        "mappers": {
            "transformer": {
                "build": {"singer": "meltano-map-transform==0.12.3"},
                "config": {"stream_maps": {}, "stream_map_config": {"seed": "${TAPDOCK_TEST_SECRET}"}},
                "mappings": [{"name": "hide", "config": {"stream_maps": maps}}],
            }
        }
    }
    project.steps(
        "schema users", "version users 3", "until users 20", "state", "until users 30", "state", "activate users"
    )
    ended = project.run("run", "source", "hide", "target", "--json")
    assert ended.code == 0, ended.stderr
    assert project.ids("people") == set(range(11, 31))
    names = {json.loads(row)["record"]["name"] for row in project.rows() if row != '"done"'}
    assert all(len(name) == 32 for name in names)
    assert ended.record["mapper"]["records_in"] == {"users": 30}
    assert ended.record["mapper"]["records_out"] == {"people": 20}
    assert project.state()["bookmarks"]["users"]["id"] == 30
    project.steps("schema users", "until users 32", "state")
    again = project.run("run", "source", "hide", "target", "--json")
    assert (again.code, again.record["mapper"]["records_in"]) == (0, {"users": 2}), again.stderr


@local_only
@pytest.mark.parametrize("programs", [("source", "target"), ("tap", "destination")])
def test_a_connector_of_airbyte_beside_a_mapper(mapped, programs):
    mapped.programs = programs
    ended = run(mapped)
    assert ended.code == 2
    assert "a mapper needs a Singer tap and a Singer target, but" in ended.message


@local_only
def test_what_a_run_with_a_mapper_cannot_have(mapped):
    """A limit could not be counted, and maps would name streams that the mapper renames. Nothing is read."""
    mapped.steps("schema users", "until users 4", "state")
    for words in (("--limit", "2"), ("--limit", "2", "--dry-run")):
        refused = mapped.run("run", "mapped", *words)
        assert refused.code == 2
        assert "`--limit` does not support mappers: `all` may rename and drop the records to count" in refused.stderr
        assert (
            "`tapdock preview source` shows the first records without a target, and without the map" in refused.stderr
        )
    mapped.keys["pipelines"]["mapped"]["maps"] = {"users": {"name": "'-'"}}
    refused = mapped.run("run", "mapped")
    assert refused.code == 2
    assert "`mapped`: a mapper and the maps in `pipelines.mapped` cannot be used together" in refused.stderr
    del mapped.keys["pipelines"]["mapped"]["maps"]
    mapped.source_keys = {"flattening_enabled": True, "flattening_max_depth": 2}
    refused = mapped.run("run", "source", "all", "target")
    assert refused.code == 2
    assert "a mapper and the maps in `sources.source` cannot be used together" in refused.stderr
    assert "write all maps into the config of the mapper `all`, or into `maps` without the mapper" in refused.stderr
    assert mapped.ids() == mapped.ids("people") == set()


@local_only
def test_commands_that_know_a_mapper(mapped):
    """Its secrets are masked everywhere, also in a mapping."""
    mapped.keys["mappers"]["between"]["mappings"][0]["config"]["key"] = "${TAPDOCK_TEST_SECRET}"
    listed = json.loads(mapped.run("list", "--json").stdout)
    assert [each["role"] for each in listed["connectors"]] == ["source", "mapper", "target"]
    assert listed["pipelines"][0]["mappers"] == ["all"]
    shown = mapped.run("config", "show", "between").stdout
    assert "mappers.between.mappings.0.config.key" in shown
    checked = mapped.run("check", "between")
    assert checked.code == 0, checked.stderr
    assert "a Singer mapper has no check of its own" in checked.stdout
    by_hand = json.loads(mapped.run("invoke", "forgets", "--dump", "config").stdout)
    assert by_hand == {"names": {"users": "people"}, "does": "forgets", "key": "[secret]"}
    given = json.loads(mapped.run("run", "mapped", "--dump", "config").stdout)
    assert given["mapper"] == {"names": {"users": "people"}, "does": "all", "key": "[secret]"}
    plan = json.loads(mapped.run("run", "mapped", "--dry-run", "--json").stdout)
    assert plan["mappers"] == [mapped.images["tap"]]
    refused = mapped.run("remove", "between", "--yes")
    assert refused.code == 2
    assert "pipelines.mapped" in refused.stderr


@local_only
@pytest.mark.slow
def test_a_stream_outside_of_a_committed_catalog(mapped):
    """The mapper could give it a name that is read. Its streams are written, although no catalog has them."""
    mapped.source_keys = {"discovery": "committed"}
    mapped.steps("schema users", "until users 4", "state")
    assert mapped.run("catalog", "commit", "source").code == 0
    ended = run(mapped)
    assert ended.code == 0, ended.stderr
    assert mapped.ids("people") == {2, 4}
    mapped.steps("schema users", "until users 8", "schema more", "until more 2", hidden=["more"])
    refused = run(mapped)
    assert (refused.code, refused.message) == (3, "the source sent stream `more`, which is not in the catalog")
    assert mapped.ids("more") == set()


@local_only
@pytest.mark.slow
def test_files_of_a_tap(mapped):
    """A mapper cannot read BATCH files."""
    mapped.steps("schema users", batch_config={"storage": {"root": "file:///tapdock/scratch"}})
    ended = run(mapped)
    assert ended.code == 2
    assert "mappers do not support `batch_config`" in ended.message
