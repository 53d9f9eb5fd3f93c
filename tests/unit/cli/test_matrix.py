"""Runs of the rows of a matrix: whole runs of real programs, by the command line."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from support.pages import page_steps
from tapdock.state.backends.base import open_backend
from tapdock.state.catalogs import find

pytestmark = pytest.mark.long
CONNECTORS = Path(__file__).parents[2] / "connectors"
KINDS = {"tap": "singer", "target": "singer", "source": "airbyte", "destination": "airbyte"}
GOOD, BAD = ["until users 3", "state"], ["until users 2", "error - config_error", "exit 1"]


@pytest.fixture
def project(folder, tapdock):
    """project(rows, source=…, target=…, matrix=…, shared=…, **keys of the pipeline) writes the file; -> the command."""

    def written(rows: Any, *, source="source", target="target", shared=False, matrix=None, entry=None, **keys: Any):
        name = "all" if shared else "${matrix.name}"
        path = f"{folder}/data/{name}" + ("" if target == "destination" else ".jsonl")
        (folder / "data").mkdir(exist_ok=True)
        config = {"token": "${matrix.token:-hunter22}", "steps": "${matrix.steps}"}
        crm = {"image": str(CONNECTORS / f"{source}.py"), "kind": KINDS[source], "config": config, **(entry or {})}
        lake = {"image": str(CONNECTORS / f"{target}.py"), "kind": KINDS[target]}
        shop = {"source": "crm", "target": "lake", "matrix": {"rows": rows, **(matrix or {})}, **keys}
        other = {"image": str(CONNECTORS / "source.py"), "config": {"token": "x", "steps": GOOD}, "kind": "airbyte"}
        whole = {
            "version": 1,
            "sources": {"crm": crm, "other": other},
            "targets": {"lake": {**lake, "config": {"path": path, "password": "hunter33"}}, "log": log(folder)},
            "pipelines": {"shop": shop, "next": {"source": "other", "target": "log"}},
        }
        (folder / "tapdock.yaml").write_text(json.dumps(whole))
        return tapdock

    return written


def log(folder: Path) -> dict[str, Any]:
    path = str(folder / "data" / "next.jsonl")
    return {"image": str(CONNECTORS / "target.py"), "kind": "singer", "config": {"path": path, "password": "x"}}


@pytest.fixture(autouse=True)
def local(monkeypatch):
    monkeypatch.setenv("TAPDOCK_ENGINE", "local")


def named(*names: str, steps: Any = GOOD) -> list[dict[str, Any]]:
    return [{"name": name, "steps": steps} for name in names]


def records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["record"] for line in file.read_text().splitlines() if line != '"done"']


def test_a_row_that_fails_does_not_stop_the_others(project, folder):
    rows = [*named("acme"), *named("beta", steps=BAD), *named("gamma")]
    tapdock = project(rows, matrix={"columns": {"tenant": "${matrix.name}"}})
    ended = tapdock("run", "shop", "next")
    assert ended.returncode == 3
    assert "shop: 2 of 3 rows succeeded, 1 failed\n  beta (exit code 3): " in ended.stderr
    assert "not started: next" in ended.stderr
    summary = ended.stderr[ended.stderr.index("shop: 2 of 3") :]
    assert max(map(len, summary.splitlines())) <= 80
    for name in ("acme", "gamma"):
        found = records(folder / "data" / f"{name}.jsonl")
        assert [(each["id"], each["tenant"]) for each in found] == [(1, name), (2, name), (3, name)]
    assert tapdock("state", "list", "shop").stdout.count("default:crm-to-lake:") == 2
    again = json.loads(tapdock("run", "shop", "--json", "--concurrency", "3").stdout)
    assert (again["exit_code"], again["not_started"]) == (3, [])
    assert {each["pipeline"]: each["status"] for each in again["runs"]} == {
        "shop[acme]": "succeeded",
        "shop[beta]": "failed",
        "shop[gamma]": "succeeded",
    }
    (one,) = (each for each in again["runs"] if each["pipeline"] == "shop[acme]")
    assert one["state_id"] == "default:crm-to-lake:acme"
    assert one["streams"][0]["records"] == 0, "the row resumes from its own state"


def test_the_json_of_all_rows_is_one_object_and_that_of_one_row_is_its_record(project):
    tapdock = project(named("acme"))
    assert [each["pipeline"] for each in json.loads(tapdock("run", "shop", "--json").stdout)["runs"]] == ["shop[acme]"]
    assert json.loads(tapdock("run", "shop[acme]", "--json").stdout)["pipeline"] == "shop[acme]"


def test_rows_that_are_added_and_removed_keep_the_states_of_others(project):
    project(named("acme", "beta"))("run", "shop", "--quiet")
    tapdock = project(named("new", "beta"))
    found = json.loads(tapdock("run", "shop", "--json").stdout)["runs"]
    assert {each["pipeline"]: each["streams"][0]["records"] for each in found} == {"shop[new]": 3, "shop[beta]": 0}
    assert "default:crm-to-lake:acme" in tapdock("state", "list").stdout
    assert tapdock("state", "show", "default:crm-to-lake:acme").returncode == 0


@pytest.mark.parametrize("concurrency", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_rows_that_overwrite_one_table_are_refused(project, concurrency):
    entry = {"streams": {"users": {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}}}
    more = {"target": "destination", "shared": True, "entry": entry}
    tapdock = project(named("acme", "beta"), **more)
    ended = tapdock("run", "shop", "--concurrency", concurrency)
    assert ended.returncode == 2
    assert "`shop[acme]` and `shop[beta]` both write the table `users`" in ended.stderr
    assert "hint: give each row tables of its own: `pipelines.shop.prefix: ${matrix.name}_`" in ended.stderr
    assert tapdock("run", "shop[acme]", "--quiet").returncode == 0
    ended = tapdock("run", "shop[beta]")
    assert "so the rows of the state `default:crm-to-lake:acme` there are lost" in ended.stderr
    tapdock = project(named("acme", "beta"), matrix={"columns": {"tenant": "${matrix.name}"}}, **more)
    ended = tapdock("run", "shop[acme]", "--quiet")
    assert (ended.returncode, "so the rows of the state `default:crm-to-lake:beta` there" in ended.stderr) == (2, True)
    ended = project(named("acme", "beta"), prefix="${matrix.name}_", **more)("run", "shop", "--full-refresh")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("tap", "destination"),
        pytest.param("source", "destination", marks=pytest.mark.slow),
        pytest.param("tap", "target", marks=pytest.mark.slow),
    ],
)
def test_columns_become_part_of_the_key_of_a_shared_table(project, folder, source, target):
    steps = ["schema users", *GOOD] if source == "tap" else GOOD
    columns = {"tenant": "${matrix.name}", "number": 7}
    rows = named("acme", "beta", steps=steps)
    tapdock = project(rows, source=source, target=target, shared=True, matrix={"columns": columns})
    ended = tapdock("run", "shop", "--json")
    assert ended.returncode == 0, ended.stderr
    if target == "target":
        found = records(folder / "data" / "all.jsonl")
    else:
        lines = (folder / "data" / "all" / "users.jsonl").read_text().splitlines()
        found = [json.loads(line)["data"] for line in lines]
        seen = [json.loads(line) for line in (folder / "data" / "all" / "runs.jsonl").read_text().splitlines()]
        (stream,) = seen[0]["catalog"]["streams"]
        assert stream["primary_key"] == [["tenant"], ["id"]]
        assert stream["stream"]["json_schema"]["properties"]["number"]["type"] == ["integer", "null"]
    assert {(each["tenant"], each["number"], each["id"]) for each in found} == {
        (name, 7, number) for name in ("acme", "beta") for number in (1, 2, 3)
    }


def test_rows_in_one_table_without_a_column_are_reported(project):
    ended = project(named("acme", "beta", "gamma"), shared=True)("run", "shop", "--quiet")
    assert ended.returncode == 0
    assert ended.stderr.count("where rows of two tenants with the same key replace each other") == 1
    ended = project(named("acme", "beta"))("run", "shop", "--quiet")
    assert "same key" not in ended.stderr
    assert "`tapdock run 'shop[acme]' --full-refresh` reads all rows again" in ended.stderr


def test_a_column_that_a_stream_already_has_is_refused(project):
    ended = project(named("acme"), matrix={"columns": {"name": "${matrix.name}"}})("run", "shop")
    assert ended.returncode == 2
    assert "the stream `users` already has a field `name`, which is also a column of the matrix" in ended.stderr


def test_a_matrix_without_rows(project):
    ended = project([])("run", "shop", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["status"]) == (2, "failed")
    ended = project([], matrix={"allow_empty": True})("run", "shop")
    assert (ended.returncode, ended.stderr) == (0, "warning: shop has no rows, so nothing was run\n")
    ended = project([], matrix={"allow_empty": True})("run", "shop", "--json")
    assert json.loads(ended.stdout) == {"exit_code": 0, "runs": [], "not_started": []}


def test_commands_that_need_no_rows_start_no_program(project, folder):
    script = [sys.executable, "-c", "open('ran', 'w'); print('[]')"]
    tapdock = project([])
    file = folder / "tapdock.yaml"
    whole = json.loads(file.read_text())
    whole["pipelines"]["shop"]["matrix"] = {"command": script}
    file.write_text(json.dumps(whole))
    for words in ("list", "list --json", "config show", "doctor", "state list shop", "run next --quiet", "runs list"):
        assert tapdock(*words.split()).returncode == 0, words
    assert not (folder / "ran").exists()
    assert json.loads(tapdock("list", "shop", "--json").stdout)["pipelines"][0]["matrix"]["rows"] is None
    assert tapdock("run", "shop").returncode == 2
    assert (folder / "ran").exists()


def test_a_secret_of_a_row_is_hidden(project, folder):
    rows = [{"name": "acme", "token": "${TOKEN}", "steps": [*GOOD, "stderr the token is s3cret-of-acme", "exit 1"]}]
    tapdock = project(rows)
    secret = {"TOKEN": "s3cret-of-acme"}
    shown = [
        tapdock("run", "shop", **secret),
        tapdock("config", "show", **secret),
        tapdock("list", "--json", **secret),
        tapdock("invoke", "crm", "--dump", "config", "--pipeline", "shop[acme]", **secret),
    ]
    assert all("s3cret-of-acme" not in each.stdout + each.stderr for each in shown)
    files = [file for file in (folder / ".tapdock").rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if b"s3cret-of-acme" in file.read_bytes()]


def test_the_commands_of_the_page(project, folder):
    tapdock = project(named("acme", "beta"))
    build = {"engine": "host", "env": {"TENANT": "${matrix.name}"}, "commands": {"build": {"executable": "true"}}}
    file = folder / "tapdock.yaml"
    file.write_text(json.dumps({**json.loads(file.read_text()), "tasks": {"dbt": build}}))
    for step in page_steps("matrix.md"):
        ended = tapdock(*shlex.split(step.command, comments=True)[1:])
        assert ended.returncode == 0, f"{step.command}: {ended.stderr}"


def test_the_streams_of_a_matrix_are_those_of_its_rows(project):
    """A run of all rows does not make streams of the pipeline itself known, so the hint names a row."""
    tapdock = project(named("acme"))
    assert "streams of shop: those of its rows; `tapdock list 'shop[ROW]'` shows them" in tapdock("list", "shop").stdout
    assert tapdock("run", "shop").returncode == 0
    assert "those of its rows" in tapdock("list", "shop").stdout
    assert "streams of shop[acme], seen at" in tapdock("list", "shop[acme]").stdout


def test_a_backfill_of_one_row(project, folder):
    rows = named("acme", "beta", steps=["days users", "state"])
    entry = {"window": {"start": "start_date", "end": "end_date"}}
    tapdock = project(rows, entry=entry)
    ended = tapdock("backfill", "shop", "--status")
    assert "hint: name one of its rows: 'shop[ROW]'" in ended.stderr
    january = ("--from", "2026-01-01", "--to", "2026-02-01")
    both = tapdock("backfill", "shop[acme]", "shop[beta]", *january)
    assert (both.returncode, "a backfill is of one pipeline, or of one row" in both.stderr) == (2, True)
    ended = tapdock("backfill", "shop[acme]", *january, "--by", "week")
    assert ended.returncode == 0, ended.stderr
    assert [each["id"] for each in records(folder / "data" / "acme.jsonl")] == list(range(1, 32))
    assert "users   2026-01-01  2026-02-01" in tapdock("backfill", "shop[acme]", "--status").stdout
    assert "no step of a backfill of shop[beta] was read yet" in tapdock("backfill", "shop[beta]", "--status").stdout


def test_columns_of_a_stream_without_fields(project, folder):
    describes = {"json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh", "incremental"]}
    columns = {"columns": {"tenant": "${matrix.name}"}}
    tapdock = project(named("acme"), matrix=columns, schemaless="json")
    file = folder / "tapdock.yaml"
    whole = json.loads(file.read_text())
    whole["sources"]["crm"]["config"]["describes"] = describes
    file.write_text(json.dumps(whole))
    ended = tapdock("run", "shop")
    assert ended.returncode == 2
    assert "`users` declares no fields, so `matrix.columns` cannot be a part of its key" in ended.stderr
    file.write_text(json.dumps(whole).replace('"schemaless": "json"', '"schemaless": "infer"'))
    ended = tapdock("run", "shop")
    assert ended.returncode == 0, ended.stderr
    assert [each["tenant"] for each in records(folder / "data" / "acme.jsonl")] == ["acme"] * 3


def test_hooks_of_a_row_get_its_values(project, folder):
    show = 'echo "$0 $TENANT $TOKEN" >> traces; echo "has $TOKEN"'
    build = {"executable": "sh", "args": ["-c", show, "${matrix.name}"]}
    env = {"TENANT": "${matrix.name}", "TOKEN": "${matrix.token}"}
    rows = [{**row, "token": f"${{TOKEN_{row['name']}}}"} for row in (*named("acme"), *named("beta", steps=BAD))]
    (folder / ".env").write_text("TOKEN_acme=s3cret-of-acme\nTOKEN_beta=s3cret-of-beta\n")
    tapdock = project(rows, before="dbt:build", after={"success": ["dbt:build"]})
    file = folder / "tapdock.yaml"
    tasks = {"dbt": {"engine": "host", "env": env, "commands": {"build": build}}}
    file.write_text(json.dumps({**json.loads(file.read_text()), "tasks": tasks}))
    ended = tapdock("run", "shop", "--json")
    assert ended.returncode == 3, ended.stderr
    traces = (folder / "traces").read_text().splitlines()
    assert traces == ["acme acme s3cret-of-acme"] * 2 + ["beta beta s3cret-of-beta"]
    found = [(each["pipeline"], each["kind"], each["exit_code"]) for each in json.loads(ended.stdout)["runs"]]
    assert found == [
        ("dbt:build[acme]", "task", 0),
        ("shop[acme]", "pipeline", 0),
        ("dbt:build[acme]", "task", 0),
        ("dbt:build[beta]", "task", 0),
        ("shop[beta]", "pipeline", 3),
    ]
    kept = "".join(each.read_text() for each in (folder / ".tapdock" / "runs").rglob("*.json*"))
    assert "has [secret]" in kept
    assert "s3cret" not in ended.stdout + ended.stderr + kept
    ended = tapdock("run", "next", "dbt:build")
    assert (ended.returncode, "but `dbt:build` runs without a row" in ended.stderr) == (2, True)
    assert not (folder / "data" / "next.jsonl").exists()
    ended = tapdock("invoke", "dbt:build", "--pipeline", "shop[beta]")
    assert (ended.returncode, (folder / "traces").read_text().splitlines()[3:]) == (0, ["beta beta s3cret-of-beta"])
    for words in (["config", "show"], ["config", "show", "--json"], ["list", "--json"], ["doctor"]):
        ended = tapdock(*words)
        assert ended.returncode == 0, ended.stdout
    for wrong in ("shop", "shop[nobody]", "nothing[acme]"):
        assert tapdock("invoke", "dbt:build", "--pipeline", wrong).returncode == 2
    assert "`dbt:build` runs without a row" in tapdock("invoke", "dbt:build").stderr


def test_rows_that_a_task_of_the_run_adds_are_named(project, folder):
    """They are not run: rows are read before the first step."""
    tapdock = project(named("acme"))
    whole = json.loads((folder / "tapdock.yaml").read_text())
    whole["pipelines"]["shop"]["matrix"] = {"file": "rows.json"}
    commands = {"write": {"executable": "cp", "args": "new.json rows.json"}}
    whole["tasks"] = {"tenants": {"engine": "host", "commands": commands}}
    whole["jobs"] = {"nightly": ["tenants:write", "shop"]}
    (folder / "tapdock.yaml").write_text(json.dumps(whole))
    (folder / "rows.json").write_text(json.dumps(named("acme")))
    (folder / "new.json").write_text(json.dumps(named("acme", "beta")))
    ended = tapdock("run", "nightly", "--quiet")
    assert "rows that were added to the matrix of `shop` during this run: beta" in ended.stderr, ended.stderr


@pytest.fixture
def open_rows(project, folder):
    """open_rows({row: values of `price`, as JSON}, …) -> the command; the streams declare no fields."""

    def written(prices: dict[str, list[str]], *, shared=True):
        line = 'line {"type":"RECORD","record":{"stream":"users","data":{"id":%d,"price":%s},"emitted_at":1}}'
        rows = [
            {"name": name, "steps": [*(line % (place, value) for place, value in enumerate(values)), "state users"]}
            for name, values in prices.items()
        ]
        tapdock = project(rows, shared=shared, matrix={"columns": {"tenant": "${matrix.name}"}}, schemaless="infer")
        file = folder / "tapdock.yaml"
        whole = json.loads(file.read_text())
        whole["sources"]["crm"]["config"]["describes"] = {
            "json_schema": {"type": "object"},
            "supported_sync_modes": ["full_refresh", "incremental"],
        }
        file.write_text(json.dumps(whole))
        return tapdock

    return written


def prices(folder: Path) -> list[Any]:
    return [each.get("price") for each in records(folder / "data" / "all.jsonl")]


def test_inferred_fields_have_the_types_of_other_rows_in_the_same_table(open_rows, folder):
    tapdock = open_rows({"acme": ["1.5"], "beta": ["2"], "empty": ["null"], "zoe": ['"a"']})
    for name in ("acme", "beta", "empty"):
        ended = tapdock("run", f"shop[{name}]")
        assert ended.returncode == 0, ended.stderr
        assert "write into one table" not in ended.stderr
    assert prices(folder) == [1.5, 2, None]
    backend = open_backend(".tapdock/state", folder)
    kept = {name: find(backend, f"default:crm-to-lake:{name}").catalog for name in ("acme", "beta", "empty")}
    assert [each.streams[0].inferred["price"] for each in kept.values() if each] == ["number"] * 3
    ended = tapdock("run", "shop[zoe]")
    assert ended.returncode == 2
    assert "field `price` of stream `users` is `string` here and `number` in `shop[acme]`" in ended.stderr
    assert prices(folder) == [1.5, 2, None], "nothing of the row was written"


def test_rows_with_tables_of_their_own_have_types_of_their_own(open_rows, folder):
    tapdock = open_rows({"acme": ["1.5"], "zoe": ['"a"']}, shared=False)
    ended = tapdock("run", "shop")
    assert ended.returncode == 0, ended.stderr


def test_rows_that_ran_at_the_same_time_are_compared_afterwards(open_rows, folder):
    """Neither knows of the other when it begins, which is here made so by removing what the first has kept."""
    tapdock = open_rows({"acme": ["1.5"], "zoe": ['"a"']})
    assert tapdock("run", "shop[acme]", "--quiet").returncode == 0
    kept = next((folder / ".tapdock" / "state").rglob("*catalog*acme*"))
    body = kept.read_bytes()
    kept.unlink()
    assert tapdock("run", "shop[zoe]", "--quiet").returncode == 0
    kept.write_bytes(body)
    ended = tapdock("run", "shop[zoe]")
    assert ended.returncode == 0, ended.stderr
    said = "field `price` of stream `users` is `string` in `shop[zoe]` and `number` in `shop[acme]`"
    assert said in ended.stderr


def test_a_dry_run_names_the_row_that_cannot_run_and_shows_the_others(project):
    rows = [*named("acme"), *named("beta", steps=7), *named("gamma"), *named("delta", steps="x")]
    tapdock = project(rows)
    ended = tapdock("run", "shop", "--dry-run")
    assert ended.returncode == 2
    assert "error: shop[beta]: " in ended.stderr
    assert "error: shop[delta]: " in ended.stderr
    assert [line.partition(":")[0] for line in ended.stdout.splitlines() if line.startswith("shop[")] == [
        "shop[acme]",
        "shop[gamma]",
    ]
    found = json.loads(tapdock("run", "shop", "--dry-run", "--json").stdout)
    assert (found["exit_code"], found["error"]["message"].startswith("shop[beta]: ")) == (2, True)
