"""Tests what a run decides about a tap and its target before it starts: all with `--dry-run`, and real programs."""

import json
import sys

import pytest

pytestmark = pytest.mark.long

PROGRAM = """#!%s
import json, sys
if "--discover" in sys.argv:
    print(open("%s").read())
elif "--about" in sys.argv:
    print(json.dumps({"settings": {"properties": json.load(open("%s"))}, "capabilities": ["about"]}))
else:
    sys.exit(0)
"""
STREAM = {
    "tap_stream_id": "shop-orders",
    "stream": "orders",
    "key_properties": ["id"],
    "schema": {
        "properties": {
            "id": {"type": "integer"},
            "born": {"inclusion": "unsupported", "description": "Unsupported column type year"},
            "photo": {"type": ["null", "string"]},
            "note": {"inclusion": "unsupported"},
        }
    },
    "metadata": [{"breadcrumb": ["properties", "photo"], "metadata": {"inclusion": "unsupported"}}],
}


@pytest.fixture
def command(tapdock, folder):
    """command(catalog, *words) -> the result of a command for a tap with this catalog, and a target.

    `target` is the name of the target's program, `settings` are those that it reports, `config` is its config.
    """

    def program(name):
        path = folder / name
        path.write_text(PROGRAM % (sys.executable, folder / "catalog.json", folder / "settings.json"))
        path.chmod(0o755)
        return {"image": str(path), "kind": "singer"}

    def ended(catalog, *words, target="target", settings=None, config=None, **options):
        (folder / "catalog.json").write_text(json.dumps({"streams": catalog}))
        (folder / "settings.json").write_text(json.dumps(settings or {}))
        project = {
            "version": 1,
            "sources": {"s": {**program("tap"), **options}},
            "targets": {"t": {**program(target), "config": config or {}}},
        }
        (folder / "tapdock.yaml").write_text(json.dumps(project))
        return tapdock(*words, TAPDOCK_ENGINE="local")

    return ended


def test_discovery_marks_the_fields_that_the_tap_cannot_read(command):
    ended = command([STREAM], "discover", "s")
    assert ended.stdout.splitlines()[1].endswith("  4, not readable: born, photo, note")


@pytest.mark.parametrize("select", [{}, {"select": ["*", "!shop-orders.note"]}, {"select": ["orders.id"]}])
def test_a_run_warns_once_for_each_stream(command, select):
    ended = command([STREAM], "run", "s", "t", "--dry-run", **select)
    assert ended.returncode == 0
    fields = {(): "`born`, `photo`, `note`", ("*", "!shop-orders.note"): "`born`, `photo`", ("orders.id",): None}
    named = fields[tuple(select.get("select", ()))]
    warning = f"warning: source `s` cannot read these fields of stream `orders`: {named}\n"
    assert ended.stderr.count("cannot read these fields") == (1 if named else 0)
    assert named is None or warning in ended.stderr


@pytest.mark.parametrize(
    ("options", "words", "named"),
    [
        ({"select": ["orders.*", "!orders.photo"]}, (), "`select`"),
        ({"streams": {"orders": {"primary_key": ["id"]}}}, (), "`streams`"),
        ({}, ("--select", "orders"), "`--select` or `--exclude`"),
        ({}, ("--exclude", "orders.photo"), "`--select` or `--exclude`"),
    ],
)
def test_a_choice_that_a_tap_without_discovery_would_ignore_is_refused(command, options, words, named):
    """An excluded field would reach the target."""
    ended = command([STREAM], "run", "s", "t", "--dry-run", *words, discovery=False, **options)
    assert ended.returncode == 2
    assert f"error: {named} has no effect for source `s`: with `discovery: false`" in ended.stderr
    assert "catalog: FILE" in ended.stderr
    assert command([STREAM], "run", "s", "t", "--dry-run", discovery=False).returncode == 0


def test_the_options_of_a_run_select_among_what_the_project_selects(command):
    words = ("run", "s", "t", "--dry-run", "--json")
    plan = json.loads(command([STREAM], *words, "--exclude", "orders.photo", "--exclude", "!orders.note").stdout)
    assert plan["streams"][0]["excluded"] == ["photo", "note"]
    shown = command([STREAM], *words[:-1], "--exclude", "orders.photo", "--exclude", "orders.note").stdout
    assert "\nnot read: orders.photo, orders.note\n" in shown
    refused = command([STREAM], *words, "--select", "orders.photo", select=["orders.*", "!orders.photo"])
    assert refused.returncode == 2
    assert "`--select orders.photo` matches only what the project's `select` leaves out" in refused.stderr


def test_a_catalog_without_streams_is_an_error_and_is_read_again(command):
    """A user who may read nothing gets an empty catalog. The run must not succeed without a row."""
    for words in (("run", "s", "t"), ("run", "s", "t", "--dry-run")):
        ended = command([], *words)
        assert ended.returncode == 2
        assert "the source offers no streams" in ended.stderr
        assert "its user may lack the permission" in ended.stderr
    assert "the source offers no streams" in command([], "discover", "s").stderr
    assert command([STREAM], "run", "s", "t", "--dry-run").returncode == 0


def of(schema, *fields, **entry):
    """Return the entry of a table `orders` in a schema of a database."""
    properties = {name: {"type": ["null", "string"]} for name in ("id", *fields)}
    root = {"schema-name": schema, "table-key-properties": ["id"], **entry}
    metadata = [{"breadcrumb": [], "metadata": root}]
    number = f"{schema}-orders"
    return {"tap_stream_id": number, "stream": "orders", "schema": {"properties": properties}, "metadata": metadata}


MAIN = {"default_target_schema": "main"}
TIMES = {**MAIN, "add_metadata_columns": True}
"""The config of a target-duckdb whose image was not repaired."""
TIMED = {"file_naming_scheme": "{stream_name}-{timestamp}.csv"}
INCREMENTAL = {"replication-key": "id", "replication-method": "INCREMENTAL"}


@pytest.mark.parametrize(
    ("target", "settings", "config", "problem"),
    [
        ("target-duckdb", {}, TIMES, "would both be written to the table `main.orders`"),
        ("target-unknown", {}, MAIN, "would both be written to the table `main.orders`"),
        ("target-sql", {"default_target_schema": {"default": "melty"}}, {}, "to the table `melty.orders`"),
        ("target-sql", {"default_target_schema": {}}, {}, None),
        ("target-jsonl", {}, MAIN, None),
    ],
)
def test_two_schemas_in_one(command, target, settings, config, problem):
    both = [of("eu"), of("us")]
    ended = command(both, "run", "s", "t", "--dry-run", target=target, settings=settings, config=config)
    assert ended.returncode == (2 if problem else 0), ended.stderr
    if problem:
        assert "streams `eu-orders` and `us-orders` would both be" in ended.stderr
        assert problem in ended.stderr


@pytest.mark.parametrize(
    ("entry", "target", "config", "problem"),
    [
        (of("eu"), "target-duckdb", TIMES, None),
        (of("eu", **{"table-key-properties": []}), "target-duckdb", TIMES, "stream `orders` has no primary key"),
        (of("eu"), "target-duckdb", MAIN, "loses the first row of each batch"),
        (of("eu", **INCREMENTAL), "meltanolabs-target-csv", {}, "stream `orders` is incremental, but target `t` repl"),
        (of("eu", **INCREMENTAL), "meltanolabs-target-csv", TIMED, None),
    ],
)
def test_a_target_gets_only_what_it_can_keep(command, entry, target, config, problem):
    ended = command([entry], "run", "s", "t", "--dry-run", target=target, config=config)
    assert ended.returncode == (2 if problem else 0), ended.stderr
    assert (problem or "") in ended.stderr


def test_the_marks_of_deleted_rows_are_kept(command):
    ended = command([of("eu", "_sdc_deleted_at")], "run", "s", "t", "--dry-run", settings={"add_record_metadata": {}})
    assert ended.returncode == 0
    assert "t gets `add_record_metadata: true`" in ended.stderr


def test_fields_that_are_read_although_they_are_not_selected_are_named_once(command, folder):
    planned = command([STREAM], "run", "s", "t", "--dry-run", select=["orders.born"])
    assert planned.stdout.count("read although not selected, because they are keys or cursors: orders.id\n") == 1
    planned = command([STREAM], "run", "s", "t", "--dry-run", "--json", select=["orders.born"])
    assert json.loads(planned.stdout)["streams"][0]["added"] == ["id"]
    ended = command([STREAM], "run", "s", "t", select=["orders.born"])
    assert ended.stderr.count("fields=orders.id") == 1
    (log,) = folder.glob(".tapdock/runs/*/log.jsonl")
    assert log.read_text().count('"fields":"orders.id"') == 1
    assert "although not selected" not in command([STREAM], "run", "s", "t", "--dry-run").stdout


def test_an_excluded_key_is_refused_before_the_run(command):
    ended = command([STREAM], "run", "s", "t", select=["orders.*", "!orders.id"])
    assert ended.returncode == 2
    assert "`select` excludes the field `id` of stream `orders`, but it is part of its key" in ended.stderr
    assert "hint: remove the `!` pattern of `id`" in ended.stderr
    assert command([STREAM], "discover", "s", select=["orders.*", "!orders.id"]).returncode == 0


LOADS = {"load_method": {"default": "append-only"}}


@pytest.mark.parametrize(
    ("target", "settings", "config", "key", "mode"),
    [
        ("target-duckdb", {}, TIMES, ["id"], "append_dedup"),
        ("target-duckdb", {}, {**TIMES, "primary_key_required": False}, [], "append"),
        ("target-duckdb", {}, TIMES, None, None),
        ("meltanolabs-target-postgres", LOADS, {"load_method": "append-only"}, ["id"], "append_dedup"),
        ("pipelinewise-target-bigquery", {}, {"append_only": True}, ["id"], "append"),
        ("target-sdk", LOADS, {}, ["id"], "append"),
        ("target-sdk", LOADS, {"load_method": "upsert"}, ["id"], "append_dedup"),
        ("target-sdk", LOADS, {"load_method": "overwrite"}, ["id"], "overwrite"),
        ("target-jsonl", {}, {}, ["id"], "append"),
        ("meltanolabs-target-csv", {}, {}, ["id"], "overwrite"),
        ("meltanolabs-target-csv", {}, TIMED, ["id"], "append"),
        ("target-unknown", {}, {}, ["id"], None),
    ],
)
def test_a_dry_run_claims_only_what_is_known_of_a_target(command, target, settings, config, key, mode):
    entry = {"tap_stream_id": "orders", "schema": {"properties": {"id": {"type": "integer"}}}}
    entry |= {} if key is None else {"key_properties": key}
    entry |= {"metadata": [{"breadcrumb": [], "metadata": {"forced-replication-method": "FULL_TABLE"}}]}
    words = ("run", "s", "t", "--dry-run", "--json")
    ended = command([entry], *words, target=target, settings=settings, config=config)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["streams"][0]["destination_sync_mode"] == mode


def test_a_dry_run_shows_that_only_the_target_decides(command):
    assert "full_refresh  set by the target  id" in command([STREAM], "run", "s", "t", "--dry-run").stdout


def test_a_glob_that_matches_nothing_is_a_warning_of_a_run_and_of_its_plan(command):
    for words in (("run", "s", "t", "--dry-run"), ("check", "s", "--read", "1")):
        ended = command([STREAM], *words, select=["orders", "!*.*_ssn"], streams={"x*": {"sync_mode": "full_refresh"}})
        assert "warning: the pattern `!*.*_ssn` of `select` matches no stream and no field" in ended.stderr
        assert "warning: the name `x*` under `streams` matches no stream" in ended.stderr
    assert "orders" in command([STREAM], "run", "s", "t", "--dry-run", select=["orders", "!x*"]).stdout


def test_the_plan_of_a_run_names_the_fields_inside_of_others_that_are_not_read(command):
    nested = {"type": "object", "properties": {"ssn": {"type": "string"}, "name": {"type": "string"}}}
    entry = {"tap_stream_id": "u", "schema": {"properties": {"id": {"type": "integer"}, "owner": nested}}}
    ended = command([entry], "run", "s", "t", "--dry-run", select=["!u.owner.ssn"])
    assert "not read: u.owner.ssn" in ended.stdout
