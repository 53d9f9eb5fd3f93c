"""Runs that write a stream in another way than the run before: what is said about the rows that are already there."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long
CONNECTORS = Path(__file__).parents[2] / "connectors"
STEPS = ["until users 3", "state"]
KEPT = "the maps of stream `users` have changed since its last run"
MORE = "more fields of stream `users` are selected since its last run"
LEFT = "but `name` itself is passed on as it is"


@pytest.fixture
def project(folder, tapdock, monkeypatch):
    """project(source={…}, pipeline={…}, streams={…}) writes the file; -> the command."""
    monkeypatch.setenv("TAPDOCK_ENGINE", "local")
    monkeypatch.setenv("HASH_KEY", "0123456789abcdef0123456789abcdef")
    (folder / "data").mkdir(exist_ok=True)

    def written(*, source: Any = None, pipeline: Any = None, steps: Any = STEPS, singer: bool = False):
        crm = {
            "image": str(CONNECTORS / "source.py"),
            "kind": "airbyte",
            "config": {"token": "hunter22", "steps": steps},
        }
        lake = {
            "image": str(CONNECTORS / "destination.py"),
            "kind": "airbyte",
            "config": {"path": f"{folder}/data", "password": "hunter33"},
        }
        if singer:
            config = {"token": "hunter22", "steps": ["schema users", *steps]}
            crm = {"image": str(CONNECTORS / "tap.py"), "kind": "singer", "config": config}
            lake = {**lake, "image": str(CONNECTORS / "target.py"), "kind": "singer"}
            lake["config"] = {"path": f"{folder}/data/all.jsonl", "password": "hunter33"}
        shop = {"source": "crm", "target": "lake", **(pipeline or {})}
        whole = {
            "version": 1,
            "sources": {"crm": {**crm, **(source or {})}},
            "targets": {"lake": lake},
            "pipelines": {"shop": shop},
        }
        (folder / "tapdock.yaml").write_text(json.dumps(whole))
        return tapdock

    return written


def hashed(field: str = "name", text: str = "hash(name)") -> dict[str, Any]:
    return {"hash_key": "${HASH_KEY}", "maps": {"users": {field: text}}}


@pytest.mark.parametrize("singer", [False, True], ids=["airbyte", "singer"])
def test_a_map_that_is_added_later_is_reported_once(project, singer):
    first = project(singer=singer)("run", "shop")
    assert (first.returncode, "warning" in first.stderr) == (0, False), first.stderr
    tapdock = project(pipeline=hashed(), singer=singer)
    plan = tapdock("run", "shop", "--dry-run", "--json")
    assert [KEPT in each for each in json.loads(plan.stdout)["warnings"]] == [True]
    ended = tapdock("run", "shop")
    assert f"warning: {KEPT} (`name`): rows that were read before keep their old values" in ended.stderr
    assert "what is protected or removed now is still in them: `name`" in ended.stderr
    assert "`tapdock run shop --full-refresh` reads all rows again" in ended.stderr
    assert KEPT not in tapdock("run", "shop").stderr


def test_only_fields_of_the_source_are_named_as_not_protected_before(project):
    assert project()("run", "shop").returncode == 0
    fields = {"token": "hash(name)", "price": None, "__filter__": "id > 0", "name": "name"}
    ended = project(pipeline={"hash_key": "${HASH_KEY}", "maps": {"users": fields}})("run", "shop")
    assert "(`__filter__`, `price`, `token`): " in ended.stderr
    assert "is still in them: `price`\n" in ended.stderr


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (hashed(), hashed(text="mask(name)"), "`name`"),
        pytest.param(hashed(), {}, "`name`", marks=pytest.mark.slow),
        ({}, {"maps": {"users": {"__filter__": "id > 1"}}}, "`__filter__`"),
        pytest.param({}, {"maps": {"users": {"__else__": None, "name": "name"}}}, "`__else__`", marks=pytest.mark.slow),
        ({}, {"maps": {"users.name": "drop"}}, "`name`"),
        pytest.param(
            {}, {"flattening_enabled": True, "flattening_max_depth": 2}, "`flattening`", marks=pytest.mark.slow
        ),
        pytest.param(
            {"maps": {"users": {"one": "1"}}}, {"maps": {"users": {"one": "2"}}}, "`one`", marks=pytest.mark.slow
        ),
    ],
)
def test_each_change_of_a_map_is_reported(project, before, after, named):
    assert project(pipeline=before)("run", "shop").returncode == 0
    ended = project(pipeline=after)("run", "shop")
    assert f"{KEPT} ({named})" in ended.stderr


def test_the_same_maps_and_another_key_of_hash_are_not_reported(project, monkeypatch):
    tapdock = project(pipeline=hashed())
    assert KEPT not in tapdock("run", "shop").stderr
    monkeypatch.setenv("HASH_KEY", "another key of more than 16 bytes")
    assert KEPT not in tapdock("run", "shop").stderr
    project(pipeline=hashed(text="mask(name)"))
    assert KEPT not in tapdock("run", "shop", "--full-refresh").stderr
    assert KEPT not in tapdock("run", "shop").stderr


def test_a_run_without_a_stream_keeps_what_is_known_of_it(project):
    two = {"config": {"token": "hunter22", "streams": ["users", "plans"], "steps": [*STEPS, "until plans 1", "state"]}}
    assert project(source=two)("run", "shop").returncode == 0
    tapdock = project(source=two, pipeline=hashed())
    assert KEPT not in tapdock("run", "shop", "--select", "plans").stderr
    assert KEPT in tapdock("run", "shop").stderr


def test_a_field_that_is_selected_later_is_reported(project):
    assert project(source={"select": ["users.id"]})("run", "shop").returncode == 0
    ended = project(source={"select": ["users.id", "users.name"]})("run", "shop")
    assert f"warning: {MORE} (`name`): rows that were read before do not have them" in ended.stderr
    assert MORE not in project(source={"select": ["users.id"]})("run", "shop").stderr


@pytest.mark.parametrize(
    ("fields", "is_said"),
    [
        ({"nmae": "hash(name)"}, True),
        ({"nmae": "hash(name)", "name": None}, False),
        ({"nmae": "hash(name)", "name": "mask(name)"}, False),
        ({"nmae": "hash(name)", "name": "name"}, False),
        ({"nmae": "hash(name)", "__else__": None}, False),
        ({"nmae": "name.lower()"}, False),
        ({"name": "hash(name)"}, False),
    ],
)
def test_a_protected_field_whose_own_value_is_passed_on(project, fields, is_said):
    tapdock = project(pipeline={"hash_key": "${HASH_KEY}", "maps": {"users": fields}})
    for words in (("--dry-run",), ())[: 1 + is_said]:
        ended = tapdock("run", "shop", *words)
        assert (ended.returncode, ended.stderr.count(LEFT)) == (0, int(is_said)), ended.stderr


# --- keys and rows of a matrix ----------------------------------------------------------------------------------------


def matrix(columns: Any, *, region: str = "eu") -> dict[str, Any]:
    shown = {"columns": columns} if columns else {}
    return {"matrix": {"rows": [{"name": "acme", "region": region}, {"name": "beta", "region": "us"}], **shown}}


def keys(folder: Path) -> list[Any]:
    line = (folder / "data" / "runs.jsonl").read_text().splitlines()[-1]
    return [each["primary_key"] for each in json.loads(line)["catalog"]["streams"]]


def test_only_the_name_of_the_row_becomes_part_of_the_key(project, folder):
    columns = {"tenant": "${matrix.name}", "region": "${matrix.region}"}
    ended = project(pipeline=matrix(columns))("run", "shop")
    assert (ended.returncode, "part of the key" in ended.stderr) == (0, False), ended.stderr
    assert keys(folder) == [[["tenant"], ["id"]]]
    ended = project(pipeline=matrix(columns, region="us"))("run", "shop", "--full-refresh")
    assert keys(folder) == [[["tenant"], ["id"]]]
    assert "has another value" not in ended.stderr


def test_columns_of_which_none_is_the_name_are_all_in_the_key(project, folder):
    columns = {"tenant": "t-${matrix.name}", "region": "${matrix.region}"}
    ended = project(pipeline=matrix(columns))("run", "shop")
    assert ended.stderr.count("none of `pipelines.shop.matrix.columns` is `${matrix.name}`") == 1
    assert keys(folder) == [[["tenant"], ["region"], ["id"]]]
    ended = project(pipeline=matrix(columns, region="us"))("run", "shop", "--full-refresh")
    assert "warning: `region` has another value than in the last run of `shop[acme]`" in ended.stderr
    assert "last run of `shop[beta]`" not in ended.stderr


@pytest.mark.parametrize("before", [matrix({}), {}], ids=["a matrix", "a pipeline"])
def test_a_key_that_has_changed_is_reported(project, before):
    assert project(pipeline=before)("run", "shop").returncode == 0
    ended = project(pipeline=matrix({"tenant": "${matrix.name}"}))("run", "shop", "--full-refresh")
    said = "warning: the key of stream `users` was [id] in its last run, and is [tenant, id] now"
    assert ended.stderr.count(said) == 1
    assert ended.stderr.count("remove the table from the target, and then `tapdock run shop --full-refresh`") == 1
    assert said not in project(pipeline=matrix({"tenant": "${matrix.name}"}))("run", "shop").stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id >= '2'", "compares `id`, which the source declares as a number, with text"),
        pytest.param(
            "name and name > 5",
            "compares `name`, which the source declares as text, with a number",
            marks=pytest.mark.slow,
        ),
        ("0 < id < '5'", "compares `id`, which the source declares as a number, with text"),
        ("id >= 2 and name < 'b' and id != '3'", None),
        pytest.param("str(id) > '2'", None, marks=pytest.mark.slow),
    ],
)
def test_a_comparison_that_always_fails_is_reported_before_a_run(project, text, said):
    ended = project(pipeline={"maps": {"users": {"__filter__": text}}})("run", "shop", "--dry-run")
    assert ended.returncode == 0
    assert f"{said}: this fails for each record" in ended.stderr if said else "compares" not in ended.stderr
