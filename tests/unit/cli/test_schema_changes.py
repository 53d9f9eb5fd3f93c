"""Tests what runs report of a source whose catalog changes, and what `schema_changes` makes of it."""

import json
import sys

import pytest

SOURCE = """#!%s
import json, sys
offered = json.load(open(%r))
rows = json.load(open(%r))
def say(message):
    print(json.dumps(message), flush=True)
args = sys.argv
if "spec" in args:
    say({"type": "SPEC", "spec": {"connectionSpecification": {}}})
elif "discover" in args:
    say({"type": "CATALOG", "catalog": {"streams": offered}})
elif "read" in args:
    catalog = json.load(open(args[args.index("--catalog") + 1]))
    for one in catalog["streams"]:
        name = one["stream"]["name"]
        for row in rows[name]:
            say({"type": "RECORD", "record": {"stream": name, "data": row, "emitted_at": 1}})
        state = {"stream_descriptor": {"name": name}, "stream_state": {"at": 1}}
        say({"type": "STATE", "state": {"type": "STREAM", "stream": state}})
        status = {"stream_descriptor": {"name": name}, "status": "COMPLETE"}
        say({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1.0, "stream_status": status}})
"""
TAP = """#!%s
import json, sys
offered = json.load(open(%r))
rows = json.load(open(%r))
def say(message):
    print(json.dumps(message), flush=True)
if "--discover" in sys.argv:
    say({"streams": [
        {"tap_stream_id": one["name"], "stream": one["name"], "schema": one["json_schema"], "key_properties":
         [path[0] for path in one.get("source_defined_primary_key", [])]} for one in offered]})
elif "--about" in sys.argv:
    sys.exit(2)
else:  # a tap that ignores the selection
    for one in offered:
        name, keys = one["name"], [path[0] for path in one.get("source_defined_primary_key", [])]
        say({"type": "SCHEMA", "stream": name, "schema": one["json_schema"], "key_properties": keys})
        for row in rows[name]:
            say({"type": "RECORD", "stream": name, "record": row})
    say({"type": "STATE", "value": {"bookmarks": {"at": 1}}})
"""
TARGET = """#!%s
import json, sys
if "--about" in sys.argv:
    sys.exit(2)
with open(%r, "a") as out:
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "STATE":
            print(json.dumps(message["value"]), flush=True)
        else:
            out.write(line)
"""
DESTINATION = """#!%s
import json, sys
def say(message):
    print(json.dumps(message), flush=True)
if "spec" in sys.argv:
    modes = ["append", "append_dedup", "overwrite"]
    say({"type": "SPEC", "spec": {"connectionSpecification": {}, "supported_destination_sync_modes": modes}})
elif "write" in sys.argv:
    with open(%r, "a") as out:
        out.write(open(sys.argv[sys.argv.index("--catalog") + 1]).read() + "\\n")
        for line in sys.stdin:
            message = json.loads(line)
            if message["type"] == "STATE":
                print(line, end="", flush=True)
            elif message["type"] == "RECORD":
                out.write(line)
"""
pytestmark = pytest.mark.long
INTEGER, TEXT = {"type": ["null", "integer"]}, {"type": ["null", "string"]}


def stream(called, /, *, key=(), **fields):
    """Return a stream of an Airbyte source, with `id` and these fields."""
    properties = {"id": INTEGER, **fields}
    return {
        "name": called,
        "json_schema": {"type": "object", "properties": properties},
        "supported_sync_modes": ["full_refresh"],
        "source_defined_primary_key": [[part] for part in key],
    }


USERS = stream("users", name=TEXT)
MORE = stream("users", name=TEXT, email=TEXT)
ORDERS = stream("orders")
ROWS = {"users": [{"id": 1, "name": "Ann", "email": "secret@x"}], "orders": [{"id": 7}]}
PROGRAMS = {"airbyte": SOURCE, "singer": TAP}
ENDS = {"airbyte": DESTINATION, "singer": TARGET}


class Shop:
    """A project with the pipeline `demo`, whose source offers what a test says."""

    def __init__(self, folder, tapdock, source="airbyte", target="singer"):
        self.folder, self.tapdock = folder, tapdock
        self.kinds = source, target
        self.files = {name: str(folder / name) for name in ("offered.json", "rows.json", "written")}
        self.program("source", PROGRAMS[source] % (sys.executable, self.files["offered.json"], self.files["rows.json"]))
        self.program("target", ENDS[target] % (sys.executable, self.files["written"]))
        self.has()

    def has(self, **rows):
        (self.folder / "rows.json").write_text(json.dumps({**ROWS, **rows}))

    def program(self, name, text):
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def offer(self, *streams):
        (self.folder / "offered.json").write_text(json.dumps(streams))

    def call(self, *words, policy="evolve", more=None, **source):
        ends = {"s": {"image": str(self.folder / "source"), "kind": self.kinds[0], "discovery": "always", **source}}
        target = {"t": {"image": str(self.folder / "target"), "kind": self.kinds[1]}}
        demo = {"source": "s", "target": "t", "schema_changes": policy}
        project = {"version": 1, "sources": ends, "targets": target, "pipelines": {"demo": demo, **(more or {})}}
        (self.folder / "tapdock.yaml").write_text(json.dumps(project))
        return self.tapdock(*words, TAPDOCK_ENGINE="local")

    def run(self, *words, **keys):
        """Return the exit code, and the changes in the record, by name: what changed, and its marks."""
        ended = self.call("run", "demo", "--json", *words, **keys)
        self.record, self.stderr = json.loads(ended.stdout), ended.stderr
        return ended.returncode, {changed(each): marks(each) for each in self.record.get("schema_changes", ())}

    def written(self):
        """Return what the target got since the last call."""
        file = self.folder / "written"
        text = file.read_text() if file.exists() else ""
        file.unlink(missing_ok=True)
        return text


def changed(each):
    name = f"{each['stream']}.{each['field']}" if each["field"] else each["stream"]
    return f"{each['change']} {name}"


def marks(each):
    return {name for name in ("is_read", "breaking", "left_out") if each[name]}


@pytest.fixture
def shop(folder, tapdock):
    return Shop(folder, tapdock)


def test_each_run_reports_what_has_changed_since_the_last_successful_one(shop):
    shop.offer(USERS, ORDERS)
    assert shop.run() == (0, {})
    shop.offer(stream("users", email=TEXT), stream("refunds"))
    shop.has(refunds=[])
    expected = {
        "added users.email": {"is_read"},
        "removed users.name": {"is_read", "breaking"},
        "removed orders": {"is_read", "breaking"},
        "added refunds": {"is_read"},
    }
    assert shop.run() == (0, expected)
    assert 'breaking="users.name removed, orders removed"' in shop.stderr
    assert 'added="users.email added (string or null), refunds added"' in shop.stderr
    shown = shop.tapdock("runs", "show").stdout
    assert "removed  users.name" in shown
    assert "breaking" in shown
    assert "the source's schema has changed" in shop.tapdock("runs", "logs").stdout
    assert shop.run() == (0, {}), "the next run compares with the new catalog"


def test_a_failed_run_does_not_replace_the_last_successful_catalog(shop):
    shop.offer(USERS)
    assert shop.run() == (0, {})
    shop.offer(MORE)
    target = (shop.folder / "target").read_text()
    shop.program("target", f"#!{sys.executable}\nimport sys\nsys.exit('--about' in sys.argv and 2 or 9)\n")
    code, found = shop.run()
    assert (code, found) == (4, {"added users.email": {"is_read"}})
    shop.program("target", target)
    assert shop.run() == (0, {"added users.email": {"is_read"}})
    assert shop.run() == (0, {})


def test_a_run_without_state_keeps_no_catalog(shop):
    shop.offer(USERS)
    assert shop.run() == (0, {})
    shop.offer(MORE)
    for _ in range(2):
        assert shop.run("--no-state-update") == (0, {"added users.email": {"is_read"}})


def test_pipelines_of_one_source_compare_with_their_own_catalog(shop):
    """Each has its own last run, and what one of them has seen is new for the other."""
    other = {"other": {"source": "s", "target": "t", "state_suffix": "b", "schema_changes": "fail"}}
    shop.offer(USERS)
    for name in ("demo", "other"):
        assert shop.call("run", name, more=other).returncode == 0
    shop.offer(MORE)
    assert shop.call("run", "demo", more=other).returncode == 0
    assert shop.call("run", "other", more=other).returncode == 2


def test_what_is_not_selected_is_reported_but_breaks_nothing(shop):
    select = ["users.*", "!users.n*"]
    shop.offer(stream("users", name=TEXT, nick=TEXT), ORDERS)
    assert shop.run(select=select) == (0, {})
    shop.offer(stream("users", nick=TEXT, email=TEXT))
    found = {"removed orders": set(), "removed users.name": set(), "added users.email": {"is_read"}}
    assert shop.run(select=select, policy="evolve") == (0, found)


def test_a_wider_selection_is_not_a_change_of_the_source(shop):
    """What was offered at the last run but not selected is not new: both catalogs are whole."""
    shop.offer(MORE, ORDERS)
    assert shop.run(select=["users.name"]) == (0, {})
    for policy in ("freeze", "fail"):
        shop.written()
        assert shop.run(policy=policy) == (0, {})
        assert "secret@x" in shop.written()


@pytest.mark.parametrize("policy", ["freeze", "fail"])
def test_a_run_of_single_streams_hides_no_change_of_the_others(shop, policy):
    """Its catalog must not make the new stream a known one for the next run of all streams."""
    shop.offer(USERS)
    assert shop.run(policy=policy) == (0, {})
    shop.offer(USERS, ORDERS)
    code, found = shop.run("--select", "users", policy=policy)
    assert (code, set(found)) == (0 if policy == "freeze" else 2, {"added orders"})
    shop.written()
    code, found = shop.run(policy=policy)
    assert (code, set(found)) == (0 if policy == "freeze" else 2, {"added orders"})
    assert '"orders"' not in shop.written()


ROUTES = [("airbyte", "airbyte"), ("airbyte", "singer"), ("singer", "airbyte"), ("singer", "singer")]


@pytest.mark.parametrize(("source", "target"), ROUTES)
def test_frozen_fields_and_streams_reach_no_target(folder, tapdock, source, target):
    shop = Shop(folder, tapdock, source, target)
    shop.offer(USERS)
    assert shop.run(policy="freeze") == (0, {})
    assert "Ann" in shop.written()
    shop.offer(MORE, ORDERS)
    left = {"added users.email": {"is_read", "left_out"}, "added orders": {"is_read", "left_out"}}
    for _ in range(2):  # a run that leaves them out does not make them known ones
        assert shop.run(policy="freeze") == (0, left)
        written = shop.written()
        assert "Ann" in written
        assert not [word for word in ("email", "secret@x", "orders") if word in written]
        assert 'left_out="users.email added (string or null), orders added"' in shop.stderr
    assert shop.run("--accept-schema-changes", policy="freeze")[0] == 0
    written = shop.written()
    assert "secret@x" in written
    assert "orders" in written
    assert shop.run(policy="freeze") == (0, {}), "what was accepted once is known"


BREAKING = [
    (stream("users"), "users.name removed"),
    (stream("users", name=INTEGER), "users.name changed (string or null -> integer or null)"),
    (stream("users", name={"type": "string"}), "users.name changed (string or null -> string)"),
    (stream("users", name=TEXT, key=["id"]), "users changed (key none -> id)"),
]


@pytest.mark.parametrize(("offered", "named"), BREAKING)
def test_freeze_refuses_what_it_cannot_leave_out(shop, offered, named):
    shop.has(users=[{"id": 1}])
    shop.offer(USERS)
    assert shop.run(policy="freeze") == (0, {})
    shop.written()
    shop.offer(offered)
    code, found = shop.run(policy="freeze")
    assert (code, list(found.values())) == (2, [{"is_read", "breaking"}])
    assert shop.written() == ""
    assert f"cannot leave out: {named}" in shop.record["error"]["message"]
    assert shop.run("--accept-schema-changes", policy="freeze")[0] == 0
    assert shop.run(policy="freeze") == (0, {})


FIRST, LAST = {"first": "Ann"}, {"first": "Ann", "last": "secret@x"}


def people(**fields):
    name = {"type": ["null", "object"], "properties": fields}
    return stream("users", name=name, friends={"type": ["null", "array"], "items": name})


@pytest.mark.parametrize(("source", "target"), ROUTES)
def test_frozen_nested_fields_reach_no_target(folder, tapdock, source, target):
    shop = Shop(folder, tapdock, source, target)
    shop.has(users=[{"id": 1, "name": FIRST, "friends": [FIRST]}])
    shop.offer(people(first=TEXT))
    assert shop.run(policy="freeze") == (0, {})
    shop.has(users=[{"id": 1, "name": LAST, "friends": [FIRST, LAST]}])
    shop.offer(people(first=TEXT, last=TEXT))
    shop.written()
    left = {f"added users.{name}": {"is_read", "left_out"} for name in ("name.last", "friends.[].last")}
    for _ in range(2):
        assert shop.run(policy="freeze") == (0, left)
        written = shop.written()
        assert written.count("Ann") == 3
        assert "last" not in written
        assert "secret@x" not in written
    assert shop.run("--accept-schema-changes", policy="freeze")[0] == 0
    assert shop.written().count("secret@x") == 2


def test_freeze_reads_on_with_a_wider_type(shop):
    shop.offer(stream("users", name={"type": "string"}))
    assert shop.run(policy="freeze") == (0, {})
    shop.offer(USERS)
    assert shop.run(policy="freeze") == (0, {"changed users.name": {"is_read"}})
    assert shop.run(policy="freeze") == (0, {})


def test_fail_ends_before_reading_and_says_how_to_go_on(shop):
    shop.offer(USERS)
    assert shop.run(policy="fail") == (0, {})
    run_id = shop.record["run_id"]
    shop.written()
    shop.offer(MORE)
    assert shop.run(policy="fail") == (2, {"added users.email": {"is_read"}})
    message = f"the schema of source `s` has changed since run {run_id}: users.email added (string or null)"
    assert shop.record["error"]["message"] == message
    assert "`tapdock run demo --accept-schema-changes` reads on" in shop.record["error"]["hint"]
    assert "`tapdock catalog diff s` shows" in shop.record["error"]["hint"]
    assert shop.written() == ""
    for words in (["--dry-run"], ["--dump", "catalog"], ["--dump", "messages"]):
        ended = shop.call("run", "demo", *words, policy="fail")
        assert (ended.returncode, ended.stdout) == (2, ""), "a run would not read"
    assert shop.run("--accept-schema-changes", policy="fail")[0] == 0
    assert shop.run(policy="fail") == (0, {})


def test_fail_goes_on_if_only_unselected_streams_change(shop):
    shop.offer(USERS)
    assert shop.run(policy="fail", select=["users"]) == (0, {})
    shop.offer(USERS, ORDERS)
    assert shop.run(policy="fail", select=["users"]) == (0, {"added orders": set()})


@pytest.mark.parametrize("content", ["{", '{"version": 1}', '{"version": 2}'])
def test_a_damaged_catalog_stops_only_what_depends_on_it(shop, content):
    shop.offer(USERS)
    assert shop.run() == (0, {})
    (kept,) = shop.folder.glob(".tapdock/state/catalog*")
    kept.write_text(content)
    code, _ = shop.run(policy="fail")
    assert code == 6
    assert (
        "the catalog that is kept beside the state `default:s-to-t` cannot be read" in shop.record["error"]["message"]
    )
    hint = "use the newer tapdock that wrote it" if "2" in content else "--accept-schema-changes"
    assert hint in shop.record["error"]["hint"]
    assert shop.run() == (0, {})
    assert "this run compares with nothing" in shop.stderr
    assert (kept.read_text() == content) == ("2" in content), "the catalog of a newer tapdock is not replaced"


def test_a_catalog_that_cannot_be_kept_does_not_fail_the_run(shop, folder):
    shop.offer(USERS)
    assert shop.run() == (0, {})
    (kept,) = shop.folder.glob(".tapdock/state/catalog*")
    kept.unlink()
    kept.mkdir()  # nothing can be read or written there
    assert shop.run() == (0, {})
    assert "schema changes are not known" in shop.stderr


@pytest.mark.parametrize("policy", ["freeze", "fail"])
def test_a_policy_that_cannot_be_kept_is_refused(folder, tapdock, policy):
    shop = Shop(folder, tapdock, "singer", "singer")
    shop.offer(USERS)
    code, _ = shop.run(policy=policy, discovery=False)
    assert code == 2
    assert f"`schema_changes: {policy}` has no effect for source `s`" in shop.record["error"]["message"]


def test_a_dry_run_names_the_changes(shop):
    shop.offer(USERS)
    assert shop.run() == (0, {})
    shop.offer(MORE)
    shown = shop.call("run", "demo", "--dry-run", policy="freeze").stdout
    assert "left out: users.email added (string or null)" in shown
    assert "not read: users.email" in shown


@pytest.mark.parametrize("policy", ["freeze", "fail"])
def test_a_policy_does_not_compare_with_an_old_discovery(shop, policy):
    """A new column would arrive although the cached catalog does not have it."""
    shop.offer(USERS)
    assert shop.run(policy=policy, discovery="7d") == (0, {})
    shop.offer(MORE)
    shop.written()
    code, found = shop.run(policy=policy, discovery="7d")
    assert (code, set(found)) == (0 if policy == "freeze" else 2, {"added users.email"})
    assert "secret@x" not in shop.written()


def test_a_catalog_of_the_user_for_one_run_is_not_compared_and_not_kept(shop):
    shop.offer(USERS)
    assert shop.run(policy="fail") == (0, {})
    (shop.folder / "mine.json").write_text(json.dumps({"streams": [MORE]}))
    assert shop.run("--catalog", "mine.json", policy="fail") == (0, {})
    assert shop.run(policy="fail") == (0, {})


@pytest.mark.parametrize("policy", ["freeze", "fail"])
def test_accepted_changes_are_those_of_a_new_discovery(shop, policy):
    shop.offer(USERS)
    assert shop.call("discover", "s", discovery="7d").returncode == 0
    shop.offer(MORE)
    shop.written()
    assert shop.run("--accept-schema-changes", policy=policy, discovery="7d")[0] == 0
    assert "secret@x" in shop.written()
    assert shop.run(policy=policy, discovery="7d") == (0, {})


def test_freeze_keeps_to_a_catalog_of_the_user(folder, tapdock):
    shop = Shop(folder, tapdock, "singer", "singer")
    shop.offer(USERS, ORDERS)
    catalog = {"streams": [{"tap_stream_id": "users", "stream": "users", "schema": USERS["json_schema"]}]}
    (folder / "mine.json").write_text(json.dumps(catalog))
    assert shop.run("--catalog", "mine.json", policy="freeze") == (0, {})
    written = shop.written()
    assert ("Ann" in written, "orders" in written) == (True, False)


def test_a_copied_state_has_its_catalog(shop):
    other = {"other": {"source": "s", "target": "t", "state_suffix": "b", "schema_changes": "fail"}}
    shop.offer(USERS)
    assert shop.run(more=other) == (0, {})
    assert shop.call("state", "copy", "demo", "other", more=other).returncode == 0
    shop.offer(MORE)
    assert shop.call("run", "other", more=other).returncode == 2
    assert shop.run(policy="fail", more=other)[0] == 2


def test_a_renamed_state_keeps_its_catalog(shop):
    """Otherwise the next run would have nothing to compare with, and would go on."""
    other = {"other": {"source": "s", "target": "t", "state_suffix": "b", "schema_changes": "fail"}}
    shop.offer(USERS)
    assert shop.run(more=other) == (0, {})
    assert shop.call("state", "move", "demo", "other", more=other).returncode == 0
    shop.offer(MORE)
    assert shop.call("run", "other", more=other).returncode == 2
    assert shop.run(more=other) == (0, {}), "the old name has no catalog any more"
