"""Tests that commands refuse the name of a state that no pipeline can use, and a state that its source cannot read."""

import json
import sys

import pytest

from support.meltano import database
from tapdock.state.backends.base import holder_here
from tapdock.state.backends.file import FileBackend

pytestmark = pytest.mark.long

KEY = "default:faker-to-lake"
SINGER = '{"bookmarks":{"users":{"id":1}}}'
AIRBYTE = '[{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},"stream_state":{"n":1}}}]'
NAMES = [
    ("demoo", "`demo`"),
    ("fakr-to-lake", "`faker-to-lake`"),
    ("faker-to-lak", "`faker-to-lake`"),
    ("default:fakr-to-lake", f"`{KEY}`"),
    ("faker-to-lake:eu", "`faker-to-lake`"),
    ("prod:fakr-to-lake", "`prod:faker-to-lake`"),
    ("prd:faker-to-lake", "`prod`"),
]
USES = ["get", "show", "history", "clear", "rollback", "unlock", "export", "copy", "move", "copy-to", "move-to"]
USES += ["set", "import"]


def words(use: str, name: str, *, yes: bool = True) -> list[str]:
    """Return a command that uses the name of a state."""
    confirmed = ["--yes"] if yes else []
    match use:
        case "get" | "show" | "history":
            return ["state", use, name]
        case "export":
            return ["state", use, name, "--format", "meltano"]
        case "copy" | "move":
            return ["state", use, name, "prod:faker-to-lake", *confirmed]
        case "copy-to" | "move-to":
            return ["state", use.removesuffix("-to"), "demo", name, *confirmed]
        case "set":
            return ["state", use, name]
        case "import":
            return ["state", use, "-", name, "--format", "meltano", *confirmed]
        case _:
            return ["state", use, name, *confirmed]


def stored(backend: FileBackend) -> dict[str, bytes]:
    return {name: backend.get(name).body for name in backend.names()}


def with_source(folder, text: str) -> None:
    file = folder / "tapdock.yaml"
    file.write_text(file.read_text().replace("image: x", text, 1))


@pytest.mark.parametrize("use", USES)
def test_a_misspelled_name_changes_nothing(tapdock, backend, use):
    tapdock("state", "set", "demo", stdin=SINGER)
    before = stored(backend)
    for name, near in NAMES:
        ended = tapdock(*words(use, name), stdin=SINGER)
        assert (ended.returncode, ended.stdout) == (2, ""), name
        assert f"did you mean {near}?" in ended.stderr
        assert ("`--any-name`" in ended.stderr) == (use in ("set", "import", "copy-to", "move-to"))
        assert stored(backend) == before


@pytest.mark.parametrize("use", ["set", "import", "copy-to", "move-to"])
@pytest.mark.parametrize("name", ["old-to-lake", "dev:tap-a-to-target-b", "prod:old-to-lake"])
def test_a_flag_accepts_any_name(tapdock, backend, use, name):
    tapdock("state", "set", "demo", stdin=SINGER)
    assert tapdock(*words(use, name), "--any-name", stdin=SINGER).returncode == 0
    assert tapdock("state", "get", name).stdout == SINGER + "\n", "a saved state is known"


def test_all_pairs_of_all_environments_are_known(tapdock, folder):
    """`tapdock run faker lake` uses a state that no pipeline has, and an environment can add a source."""
    file = folder / "tapdock.yaml"
    text = file.read_text().replace("config: {count: 9}}}", "config: {count: 9}}, shop: {image: x}}")
    eu = "pipelines: {eu: {source: faker, target: lake, state_suffix: eu}, demo"
    file.write_text(text.replace("pipelines: {demo", eu))
    for name in ("demo", "eu", "faker-to-lake", "faker-to-lake:eu", KEY, f"{KEY}:eu", "prod:shop-to-lake"):
        assert tapdock("state", "set", name, stdin=SINGER).returncode == 0, name
    assert tapdock("state", "set", "shop-to-lake", stdin=SINGER).returncode == 2
    assert tapdock("state", "set", "shop-to-lake", "--environment", "prod", stdin=SINGER).returncode == 0


def test_a_name_that_only_a_run_holds_is_known(tapdock, backend):
    with backend.acquire("default:old-to-lake", holder_here("r7", since=0.0)):
        assert "held by a live process" in tapdock("state", "unlock", "old-to-lake", "--yes").stderr


def test_an_environment_with_its_own_states_is_not_served_from_here(tapdock, folder, backend):
    file = folder / "tapdock.yaml"
    file.write_text(file.read_text().replace("{prod: {", "{prod: {state_backend: {uri: elsewhere}, "))
    tapdock("state", "set", "demo", stdin=SINGER)
    ended = tapdock("state", "copy", "demo", "prod:faker-to-lake")
    assert (ended.returncode, "keeps its states in another place" in ended.stderr) == (2, True)
    assert "--environment prod`" in ended.stderr
    assert backend.get("prod:faker-to-lake") is None
    assert tapdock("state", "set", "demo", "--environment", "prod", stdin=SINGER).returncode == 0


def test_states_of_a_folder_keep_names_that_no_pipeline_uses(tapdock, folder):
    for name in (KEY, "dev:tap-a-to-target-b"):
        place = folder / "states" / name
        place.mkdir(parents=True)
        (place / "state.json").write_text(json.dumps({"singer_state": json.loads(SINGER)}))
    ended = tapdock("state", "import", "states", "--format", "meltano")
    assert ended.returncode == 0
    assert "states that belong to no pipeline:\n  dev:tap-a-to-target-b\n" in ended.stderr
    assert f"uses the state {KEY}" not in ended.stderr


@pytest.mark.parametrize("use", ["set", "import", "copy-to", "move-to", "rollback"])
@pytest.mark.parametrize("name", ["demo", "prod:faker-to-lake"])
@pytest.mark.parametrize(("kind", "text"), [("airbyte", SINGER), ("singer", AIRBYTE)])
def test_a_state_of_the_other_protocol_is_refused(tapdock, folder, backend, use, name, kind, text):
    source = "old-to-lake"
    tapdock("state", "set", source, "--any-name", stdin=text)
    if use == "rollback":
        for each in (text, text):
            tapdock("state", "set", name, "--dialect", "singer" if kind == "airbyte" else "airbyte", stdin=each)
    with_source(folder, f"image: x, kind: {kind}")
    before = stored(backend)
    command = [source if word == "demo" and use in ("copy-to", "move-to") else word for word in words(use, name)]
    if use in ("copy-to", "move-to"):
        command = ["state", use.removesuffix("-to"), source, name, "--yes"]
    given = json.dumps({"singer_state": {"airbyte_state": json.loads(text)} if kind == "singer" else json.loads(text)})
    ended = tapdock(*command, stdin=given if use == "import" else text)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"needs {'an Airbyte' if kind == 'airbyte' else 'a Singer'} state" in ended.stderr
    assert stored(backend) == before


def test_a_state_of_singer_is_not_taken_for_a_legacy_one(tapdock, folder, backend):
    with_source(folder, "image: x, kind: airbyte")
    ended = tapdock("state", "set", "demo", stdin=SINGER)
    assert (ended.returncode, "`--dialect airbyte`" in ended.stderr, backend.names()) == (2, True, [])
    assert tapdock("state", "set", "demo", "--dialect", "airbyte", stdin=SINGER).returncode == 0
    assert tapdock("state", "set", "demo", stdin='{"users":{"n":1}}').returncode == 0


@pytest.mark.parametrize(("before", "after"), [(SINGER, AIRBYTE), (AIRBYTE, SINGER)])
def test_a_state_has_the_protocol_of_the_one_before_it(tapdock, before, after):
    """The image of the source has never been used, so its kind is unknown."""
    assert tapdock("state", "set", "demo", stdin=before).returncode == 0
    ended = tapdock("state", "set", "demo", stdin=after)
    dialect = "airbyte" if after == AIRBYTE else "singer"
    assert (ended.returncode, f"`--dialect {dialect}`" in ended.stderr) == (2, True)
    assert tapdock("state", "get", "demo").stdout == before + "\n"
    assert tapdock("state", "set", "demo", "--dialect", dialect, stdin=after).returncode == 0


TAP = """#!%s
import json
schema = {"properties": {"id": {"type": "integer"}}}
print(json.dumps({"streams": [{"tap_stream_id": "users", "stream": "users", "schema": schema}]}))
"""


def test_the_kind_that_an_image_has_shown_is_known(tapdock, folder):
    (folder / "tap").write_text(TAP % sys.executable)
    (folder / "tap").chmod(0o755)
    with_source(folder, f"image: {folder}/tap")
    assert tapdock("state", "set", "demo", stdin=AIRBYTE).returncode == 0
    assert tapdock("discover", "faker", TAPDOCK_ENGINE="local", TOKEN="").returncode == 0
    ended = tapdock("state", "set", "demo", stdin=AIRBYTE)
    assert (ended.returncode, "needs a Singer state" in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "runner"),
    [
        (f'{{"singer_state":{SINGER}}}', "meltano"),
        (f'{{"completed":{{"singer_state":{SINGER}}},"partial":{{}}}}', "meltano"),
        ('{"stateType":"legacy","state":{"n":1}}', "airbyte"),
    ],
)
@pytest.mark.parametrize("kind", ["airbyte", "singer"])
def test_what_contains_a_state_is_imported_instead(tapdock, folder, backend, text, runner, kind):
    with_source(folder, f"image: x, kind: {kind}")
    ended = tapdock("state", "set", "demo", stdin=text)
    assert (ended.returncode, f"`--format {runner}`" in ended.stderr, backend.names()) == (2, True, [])


def test_the_state_of_a_pipeline_with_a_state_id(tapdock, folder, backend):
    """Its name has neither an environment nor a source; commands find both by the pipeline."""
    file = folder / "tapdock.yaml"
    file.write_text(file.read_text().replace("demo: {", "demo: {state_id: nightly run, ", 1))
    with_source(folder, "kind: singer, image: x")
    assert tapdock("state", "set", "demo", stdin=SINGER).returncode == 0
    assert list(stored(backend)) == ["nightly run"]
    assert tapdock("state", "get", "nightly run").stdout == SINGER + "\n"
    assert [one["state_id"] for one in json.loads(tapdock("list", "--json").stdout)["pipelines"]] == ["nightly run"]
    refused = tapdock("state", "set", "nightly run", stdin=AIRBYTE)
    assert (refused.returncode, "the source of `nightly run` needs" in refused.stderr) == (2, True), refused.stderr
    ended = tapdock("state", "import", "-", "nightly run", "--format", "meltano", "--yes", stdin=SINGER)
    assert (ended.returncode, "warning" in ended.stderr) == (0, False)


@pytest.mark.parametrize("command", ["copy", "move"])
def test_a_state_whose_catalog_a_newer_tapdock_wrote_is_not_replaced(tapdock, backend, command):
    assert tapdock("state", "set", "demo", stdin=SINGER).returncode == 0
    backend.put("catalog/default:other", b'{"version":2}', expected=None)
    ended = tapdock("state", command, "demo", "default:other", "--any-name", "--yes")
    assert (ended.returncode, "use the newer tapdock" in ended.stderr) == (6, True), ended.stderr
    assert (backend.get("default:other"), backend.get("catalog/default:other").body) == (None, b'{"version":2}')


def test_two_states_of_meltano_do_not_become_one(tapdock, folder, backend):
    states = [
        (name, json.dumps({"singer_state": {"bookmarks": {"x": {"id": 1}}}}), "{}") for name in ("a/b-c", "a-b/c")
    ]
    database(folder / "meltano.db", states)
    ended = tapdock("state", "import", "meltano.db", "--format", "meltano", "--yes")
    assert (ended.returncode, backend.names()) == (2, []), ended.stderr
    assert all(f"`{name}`" in ended.stderr for name in ("a/b-c", "a-b/c", "state-a-b-c"))


def test_a_stream_gets_one_new_name(tapdock, folder):
    (folder / "state.json").write_text(json.dumps({"singer_state": json.loads(SINGER)}))
    renames = ["--rename", "users=a", "--rename", "users=b"]
    ended = tapdock("state", "import", "state.json", "demo", "--format", "meltano", *renames)
    assert (ended.returncode, "two names: `a` and `b`" in ended.stderr) == (2, True), ended.stderr
