"""Tests `run --catalog`, `run --state` and `run --dump`: what a run starts from, and what each side is given."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
CONNECTORS = Path(__file__).parents[2] / "connectors"
TOKEN = "t0p-secret-token"
SINGER = '{"bookmarks":{"users":{"id":7}}}'
STATE = '[{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":{"id":7}}}]'
PRECISE = '[{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":{"id":7,"at":1.1000}}}]'


@pytest.fixture
def project(tmp_path: Path, tapdock):
    """Write a project, and return a function that runs tapdock in it with the local engine."""

    def be(source: str, target: str, *, config: dict | None = None, **keys):
        kinds = {"tap": "singer", "target": "singer", "source": "airbyte", "destination": "airbyte"}
        rows = tmp_path / "rows" if target == "target" else tmp_path / "data"
        (tmp_path / "data").mkdir()
        given = {"token": "${TOKEN}", "streams": ["users", "orders"], **(config or {})}
        whole = {
            "version": 1,
            "sources": {
                "shop": {"image": str(CONNECTORS / f"{source}.py"), "kind": kinds[source], "config": given, **keys}
            },
            "targets": {
                "lake": {
                    "image": str(CONNECTORS / f"{target}.py"),
                    "kind": kinds[target],
                    "config": {"path": str(rows), "password": "${TOKEN}"},
                }
            },
        }
        (tmp_path / "tapdock.yaml").write_text(json.dumps(whole))
        return lambda *words, **more: tapdock(*words, TAPDOCK_ENGINE="local", TOKEN=TOKEN, **more)

    return be


def written(folder: Path) -> list[int]:
    """Return the ids of the rows in the target."""
    files = [folder / "rows", *folder.glob("data/users.jsonl")]
    lines = [line for file in files if file.exists() for line in file.read_text().splitlines() if line != '"done"']
    return [(row.get("record") or row.get("data"))["id"] for row in map(json.loads, lines)]


# --- --state ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target", "state"), [("tap", "target", SINGER), ("source", "destination", STATE)])
def test_a_run_starts_from_the_file_and_saves_nothing(project, tmp_path, source, target, state):
    steps = ["schema users", "until users 10", "state"] if source == "tap" else ["until users 10", "state users"]
    if source == "source":
        steps.append("status users COMPLETE")
    tapdock = project(source, target, config={"steps": steps, "streams": ["users"]})
    assert tapdock("state", "set", "shop-to-lake", stdin=state.replace("7", "3")).returncode == 0
    saved = tapdock("state", "get", "shop-to-lake").stdout
    (tmp_path / "old.json").write_text(state)
    ended = tapdock("run", "shop", "lake", "--state", "old.json", "--quiet")
    assert ended.returncode == 0, ended.stderr
    assert written(tmp_path) == [8, 9, 10]
    assert tapdock("state", "get", "shop-to-lake").stdout == saved
    assert tapdock("run", "shop", "lake", "--quiet").returncode == 0
    assert written(tmp_path) == [8, 9, 10, 4, 5, 6, 7, 8, 9, 10], "twice, and none is missing"
    plan = tapdock("run", "shop", "lake", "--state", "old.json", "--dry-run")
    assert "starting from the state of `--state`, without saving one" in plan.stdout


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        (["--state", "x.json", "--full-refresh"], SINGER, "`--state` and `--full-refresh` exclude each other"),
        (["--catalog", "x.json", "--refresh-catalog"], "{}", "`--catalog` and `--refresh-catalog` exclude each other"),
        (["--dump", "state", "--dry-run"], "{}", "`--dump` and `--dry-run` exclude each other"),
        (["--state", "missing.json"], "", "cannot read missing.json"),
        (["--state", "x.json"], STATE, "is an Airbyte state, but source `shop` needs a Singer state"),
        (["--state", "x.json"], "nonsense", "the state is not JSON"),
        (["--state", "x.json"], f'{{"singer_state":{SINGER}}}', "in the format of Meltano"),
        (["--catalog", "x.json"], "nonsense", "the file of `--catalog` cannot be used"),
        (["--catalog", "x.json"], '{"streams":[]}', "has no streams"),
        (
            ["--catalog", "x.json"],
            '{"streams":[{"stream":{"name":"a"},"sync_mode":"incremental"}]}',
            "would be ignored",
        ),
        (["shop", "lake", "--dump", "config"], "", "need a single pipeline"),
    ],
)
def test_files_that_do_not_fit_are_refused_before_anything_is_read(project, tmp_path, words, text, message):
    tapdock = project("tap", "target")
    (tmp_path / "x.json").write_text(text)
    ended = tapdock("run", "shop", "lake", *words)
    assert message in ended.stderr + ended.stdout, ended.stderr
    assert ended.returncode == 2
    assert written(tmp_path) == []


# --- --catalog -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), [("tap", "target"), ("source", "destination")])
def test_a_catalog_in_place_of_discovery(project, tmp_path, source, target):
    """The project's choice of fields applies to it as well: an excluded field does not come back."""
    steps = ["schema users", "until users 3"] if source == "tap" else ["until users 3", "status users COMPLETE"]
    config = {"steps": steps, "streams": ["users"]}
    tapdock = project(source, target, config=config, select=["*.*", "!users.name"])
    catalog = json.loads(tapdock("discover", "shop", "--json").stdout)
    for stream in catalog["streams"]:
        schema = stream.get("schema") or stream["json_schema"]
        schema["properties"]["marked"] = {"type": "string"}
    (tmp_path / "own.json").write_text(json.dumps(catalog))
    dumped = tapdock("run", "shop", "lake", "--catalog", "own.json", "--dump", "catalog")
    assert dumped.returncode == 0, dumped.stderr
    assert "marked" in dumped.stdout
    assert tapdock("run", "shop", "lake", "--catalog", "own.json", "--quiet").returncode == 0
    assert written(tmp_path) == [1, 2, 3]
    text = "".join(
        file.read_text() for file in (tmp_path / "rows", *tmp_path.glob("data/users.jsonl")) if file.exists()
    )
    assert "users-1" not in text
    assert "marked" not in tapdock("run", "shop", "lake", "--dump", "catalog").stdout, "for one run only"


# --- --dump ----------------------------------------------------------------------------------------------------------


def test_configs_are_shown_without_secrets(project, tmp_path):
    tapdock = project("tap", "destination", config={"note": f"a line with {TOKEN} in it"})
    ended = tapdock("run", "shop", "lake", "--dump", "config")
    assert (ended.returncode, TOKEN in ended.stdout) == (0, False), ended.stderr
    given = json.loads(ended.stdout)
    assert (given["source"]["token"], given["target"]["password"]) == ("[secret]", "[secret]")
    assert given["source"]["streams"] == ["users", "orders"]
    assert given["source"]["note"] == "a line with [secret] in it"
    assert given["target"]["path"] == str(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
    assert not list(tmp_path.glob(".tapdock/state/*"))
    assert not list(tmp_path.glob(".tapdock/runs/*"))


def test_catalogs_are_those_of_the_run(project):
    tapdock = project("source", "destination", select=["users.id"])
    given = json.loads(tapdock("run", "shop", "lake", "--dump", "catalog").stdout)
    for side in ("source", "target"):
        (stream,) = given[side]["streams"]
        assert (stream["stream"]["name"], list(stream["stream"]["json_schema"]["properties"])) == ("users", ["id"])


def test_a_side_without_a_file_gets_none(project):
    tapdock = project("tap", "target")
    assert json.loads(tapdock("run", "shop", "lake", "--dump", "state").stdout) == {"source": None, "target": None}
    given = json.loads(tapdock("run", "shop", "lake", "--dump", "catalog").stdout)
    assert (len(given["source"]["streams"]), given["target"]) == (2, None)


def test_a_state_is_shown_with_every_digit(project, tmp_path):
    tapdock = project("source", "destination")
    tapdock("state", "set", "shop-to-lake", stdin=PRECISE)
    assert '"at": 1.1000' in tapdock("run", "shop", "lake", "--dump", "state").stdout
    (tmp_path / "old.json").write_text(PRECISE.replace("7", "123456789012345678901"))
    ended = tapdock("run", "shop", "lake", "--dump", "state", "--state", "old.json")
    assert '"id": 123456789012345678901' in ended.stdout
    ended = tapdock("run", "shop", "lake", "--dump", "state", "--full-refresh")
    assert json.loads(ended.stdout)["source"] in (None, [])


@pytest.mark.parametrize("target", ["target", "destination"])
def test_the_messages_for_the_target_are_shown_and_not_sent(project, tmp_path, target):
    steps = ["schema users", "until users 3", "state"]
    tapdock = project("tap", target, config={"streams": ["users"], "steps": steps}, select=["*.*", "!users.name"])
    ended = tapdock("run", "shop", "lake", "--dump", "messages")
    assert ended.returncode == 0, ended.stderr
    messages = [json.loads(line) for line in ended.stdout.splitlines()]
    records = [each["record"] for each in messages if each["type"] == "RECORD"]
    assert [(each.get("data") or each)["id"] for each in records] == [1, 2, 3]
    assert "STATE" in [each["type"] for each in messages]
    assert "users-1" not in ended.stdout, "an excluded field"
    assert (written(tmp_path), list(tmp_path.glob(".tapdock/state/*"))) == ([], [])


def test_only_the_first_messages_of_a_long_source_are_shown(project, tmp_path):
    tapdock = project("source", "target", config={"streams": ["users"], "steps": ["until users 500"]})
    ended = tapdock("run", "shop", "lake", "--dump", "messages")
    assert (ended.returncode, ended.stdout.count('"RECORD"')) == (0, 100)
    assert "the messages for the first 100 records" in ended.stderr


def test_a_secret_in_a_record_is_masked_and_a_failure_of_the_source_is_one(project):
    steps = [
        f'line {{"type":"RECORD","record":{{"stream":"users","data":{{"id":1,"name":"{TOKEN}"}},"emitted_at":1}}}}'
    ]
    tapdock = project("source", "target", config={"streams": ["users"], "steps": [*steps, "exit 7"]})
    ended = tapdock("run", "shop", "lake", "--dump", "messages")
    assert (ended.returncode, TOKEN in ended.stdout + ended.stderr) == (3, False)
    assert '"name":"[secret]"' in ended.stdout
    assert "reading failed for source `shop` after 1 records (exit code 7)" in ended.stderr


def test_a_line_that_cannot_be_translated_fails_as_it_fails_a_run(project):
    tapdock = project("source", "target", config={"streams": ["users"], "steps": ["until users 2", "torn users"]})
    ended = tapdock("run", "shop", "lake", "--dump", "messages")
    assert (ended.returncode, ended.stdout.count('"RECORD"')) == (5, 2), ended.stderr
