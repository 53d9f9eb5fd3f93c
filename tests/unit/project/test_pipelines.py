"""Tests pipelines and options of streams: the resulting values, and every mistake with its place."""

import json
from typing import Any

import pytest

from tapdock.errors import UsageError
from tapdock.project.load import load
from tapdock.project.model import Namespacing, Pipeline, Project


@pytest.fixture
def project(tmp_path):
    """Return a project with these keys of the pipeline `demo`, and of the source `tap`."""

    def loaded(pipeline: str = "", source: str = "") -> Project:
        file = tmp_path / "tapdock.yaml"
        file.write_text(
            f"version: 1\nsources:\n  tap: {{image: x, {source}}}\ntargets:\n  lake: {{image: y}}\n"
            f"pipelines:\n  demo: {{source: tap, target: lake, {pipeline}}}\n"
        )
        return load(file, environment=None, environ={})

    return loaded


def demo(read: Project) -> Pipeline:
    return read.pipelines["demo"]


def options(read: Project) -> Any:
    return read.sources["tap"].streams["users"]


def test_what_is_not_said(project):
    read = demo(project())
    assert (read.source, read.target, read.retries) == ("tap", "lake", 0)
    assert (read.late_schema, read.on_bad_record, read.meta_changes) == ("spool", "fail", False)
    assert read.namespacing == Namespacing()
    assert read.buffer == 64 << 20


@pytest.mark.parametrize(("written", "size"), [("0", 0), ("256m", 256 << 20), ("1000", 1000)])
def test_how_far_a_source_is_read_ahead(project, written, size):
    assert demo(project(f"buffer: {written}")).buffer == size


@pytest.mark.parametrize(
    ("keys", "namespacing"),
    [
        ("namespace: source", Namespacing(kind="source")),
        ("namespace: destination, prefix: raw_", Namespacing(kind="destination", prefix="raw_")),
        (
            'namespace: customformat, namespace_format: "lake_$${SOURCE_NAMESPACE}"',
            Namespacing(kind="customformat", format="lake_${SOURCE_NAMESPACE}"),
        ),
    ],
)
def test_what_streams_are_called_in_the_target(project, keys, namespacing):
    assert demo(project(keys)).namespacing == namespacing


def test_what_happens_to_odd_schemas_and_records(project):
    read = demo(project("late_schema: stream, on_bad_record: set_aside, meta_changes: true, state_suffix: b"))
    assert (read.late_schema, read.on_bad_record, read.meta_changes) == ("stream", "set_aside", True)
    assert read.state_suffix == "b"


@pytest.mark.parametrize(
    ("keys", "message", "hint"),
    [
        ("namespace: customformat", "`pipelines.demo.namespace` must be used together with", "namespace_format"),
        (
            "namespace_format: x",
            "`pipelines.demo.namespace_format` must be used together with",
            "namespace: customformat",
        ),
        ("namespace: mine", "`pipelines.demo.namespace` is `mine`, not one of `source`", None),
        ("on_bad_record: skip", "`pipelines.demo.on_bad_record` is `skip`, not one of `fail`", None),
        ("late_schema: spol", "`pipelines.demo.late_schema` is `spol`", "did you mean `spool`?"),
        ("meta_changes: 3", "`pipelines.demo.meta_changes` is `3`", None),
        ("buffer: full", "`pipelines.demo.buffer` is `full`, not a size", "write a size such as `512m`"),
        ("buffer: {memory: 64m, disk: 2g}", "`pipelines.demo.buffer` is", "write a size such as `512m`"),
        ("buffer: -1", "`pipelines.demo.buffer` is `-1`, not a size", None),
        ("buffer: 2000t", "`pipelines.demo.buffer` is `2000t`, not a size from `0` to `1024t`", None),
        ("retries: -1", "`pipelines.demo.retries` is `-1`", None),
        ("schedule: daily", "`pipelines.demo.schedule` is not a key here", ""),
        ("streams: {}", "`pipelines.demo.streams` is not a key here", "under `streams` of the source"),
        ("destination: lake", "`pipelines.demo.destination` is not a key here", "write `target`"),
        ("prefx: a", "`pipelines.demo.prefx` is not a known key", "did you mean `prefix`?"),
    ],
)
def test_a_mistake_is_reported_with_its_place(project, keys, message, hint):
    with pytest.raises(UsageError) as raised:
        project(keys)
    assert message in raised.value.message
    assert "tapdock.yaml:7: " in raised.value.message
    if hint:
        assert hint in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("{target: lake}", "`pipelines.demo` has no `source`", "known sources: tap"),
        ("{source: tap}", "`pipelines.demo` has no `target`", "known targets: lake"),
        ("{source: tab, target: lake}", "names `tab`, but there is no such source", "did you mean `tap`?"),
        ("{source: lake, target: lake}", "names `lake`, which is a target, not a source", None),
    ],
)
def test_both_sides_exist(tmp_path, line, message, hint):
    file = tmp_path / "tapdock.yaml"
    sides = "sources:\n  tap: {image: x}\ntargets:\n  lake: {image: y}\n"
    file.write_text(f"version: 1\n{sides}pipelines:\n  demo: {line}\n")
    with pytest.raises(UsageError, match=r"tapdock.yaml:7: ") as raised:
        load(file, environment=None, environ={})
    assert message in raised.value.message
    assert (hint or "") in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("said", "mode", "log_based"),
    [
        ("sync_mode: full_refresh", "full_refresh", False),
        ("replication_method: FULL_TABLE", "full_refresh", False),
        ("replication_method: INCREMENTAL", "incremental", False),
        ("replication_method: LOG_BASED", "incremental", True),
        ("flatten_keys: true", None, False),
    ],
)
def test_how_a_stream_is_read(project, said, mode, log_based):
    read = options(project(source=f"streams: {{users: {{{said}}}}}"))
    assert (read.sync_mode, read.log_based) == (mode, log_based)


def test_paths_of_fields(project):
    read = options(project(source="streams: {users: {cursor_field: [a, b], primary_key: [id, [org, id]]}}"))
    assert read.cursor_field == ("a", "b")
    assert read.primary_key == (("id",), ("org", "id"))


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ("sync_mode: full", "`sources.tap.streams.users.sync_mode` is `full`", None),
        ("sync_mode: incremental, replication_method: FULL_TABLE", "means the same as `sync_mode`", "one of the two"),
        ("destination_sync_mode: merge", "not one of `append`, `overwrite`, `append_dedup`", None),
        ("replication_key: id", "is not a key here", "write `cursor_field`"),
        ("selected: true", "is not a key here", "use `select`"),
    ],
)
def test_mistakes_about_a_stream(project, said, message, hint):
    with pytest.raises(UsageError, match=r"tapdock.yaml:3: ") as raised:
        project(source=f"streams: {{users: {{{said}}}}}")
    assert message in raised.value.message
    assert (hint or "") in (raised.value.hint or "")


def test_a_catalog_may_be_kept_in_a_file(project, tmp_path):
    content = json.dumps({"streams": []})
    (tmp_path / "catalog.json").write_text(content)
    assert project(source="catalog: catalog.json").sources["tap"].catalog.content == content.encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: No such file"), ("[]", "is not a catalog"), ("{", "is not a catalog")],
)
def test_a_catalog_that_is_none(project, tmp_path, content, message):
    if content is not None:
        (tmp_path / "catalog.json").write_text(content)
    with pytest.raises(UsageError, match=r"`sources.tap.catalog` names .*catalog.json") as raised:
        project(source="catalog: catalog.json")
    assert message in raised.value.message


OLD = "version: 1\nsources: {s: {image: x}}\ntargets: {t: {image: y}}\npipelines: {p: {source: s, target: t%s}}\n%s"


@pytest.mark.parametrize(
    ("pipeline", "environment", "variable", "mode", "origin"),
    [
        (", on_schema_change: stream", "", None, "stream", "tapdock.yaml:4"),
        (", late_schema: spool", "on_schema_change: stream", None, "stream", "tapdock.yaml:5"),
        (", on_schema_change: spool", "late_schema: stream", None, "stream", "tapdock.yaml:4"),
        (", late_schema: spool", "", "stream", "stream", "TAPDOCK_PIPELINES__P__ON_SCHEMA_CHANGE"),
    ],
)
def test_the_old_name_of_a_key_works_with_a_warning(tmp_path, pipeline, environment, variable, mode, origin):
    file, name = tmp_path / "tapdock.yaml", "TAPDOCK_PIPELINES__P__ON_SCHEMA_CHANGE"
    file.write_text(OLD % (pipeline, f"environments: {{e: {{pipelines: {{p: {{{environment}}}}}}}}}\n"))
    read = load(file, environment="e", environ={name: variable} if variable else {})
    assert read.pipelines["p"].late_schema == mode
    assert [each.endswith(": `on_schema_change` is now `late_schema`: rename it") for each in read.warnings] == [True]
    assert f"warning: {origin}: " in read.warnings[0]


def test_the_old_and_the_new_name_of_a_key_together_are_refused(tmp_path):
    file = tmp_path / "tapdock.yaml"
    file.write_text(OLD % (", late_schema: spool, on_schema_change: stream", ""))
    with pytest.raises(UsageError, match=r"`pipelines\.p\.on_schema_change` is the old name of `late_schema`"):
        load(file, environment=None, environ={})


@pytest.mark.parametrize(
    ("written", "mode", "seconds"),
    [
        ("true", "cached", 86400),
        ("cached", "cached", 86400),
        ("false", "never", 86400),
        ('"false"', "never", 86400),
        ("always", "always", 86400),
        ("committed", "committed", 86400),
        ("6h", "cached", 21600),
        ("90", "cached", 90),
    ],
)
def test_when_a_source_is_discovered(project, written, mode, seconds):
    read = project(source=f"discovery: {written}").sources["tap"].discovery
    assert (read.mode, read.seconds) == (mode, seconds)


@pytest.mark.parametrize(
    ("keys", "message", "hint"),
    [
        ("discovery: comitted", "`sources.tap.discovery` is `comitted`, not `cached`", "did you mean `committed`?"),
        ("discovery: 0", "`sources.tap.discovery` is `0`, not a duration", None),
        ("discovery: [6h]", "`sources.tap.discovery` is a list, not a duration", None),
    ],
)
def test_a_mistake_in_discovery(project, keys, message, hint):
    with pytest.raises(UsageError) as raised:
        project(source=keys)
    assert message in raised.value.message
    assert (hint or "") in (raised.value.hint or "")


@pytest.mark.parametrize("mode", ["always", "committed"])
def test_a_catalog_of_the_user_and_discovery_exclude_each_other(project, tmp_path, mode):
    (tmp_path / "mine.json").write_text('{"streams": []}')
    with pytest.raises(UsageError, match=r"`sources\.tap\.discovery` has no effect beside `catalog`"):
        project(source=f"catalog: mine.json, discovery: {mode}")
    assert project(source="catalog: mine.json, discovery: true").sources["tap"].catalog


def test_a_state_that_a_store_cannot_have(project):
    for name in ("history/x", "probe"):
        with pytest.raises(UsageError, match=rf"`pipelines.demo.state_id` is `{name}`, which stores use"):
            project(f"state_id: {name}")


@pytest.mark.parametrize("name", ["two\\nlines", "..", "default:a/../b", "--all", " spaced", "spaced ", "a\\tb"])
def test_a_state_id_that_no_command_could_name(project, name):
    with pytest.raises(UsageError, match=r"`pipelines.demo.state_id` is .*, which is not the name of a state"):
        project(f'state_id: "{name}"')


def test_a_state_of_its_own_name(project):
    assert demo(project("state_id: nightly run")).state_id == "nightly run"
    assert demo(project()).state_id is None


@pytest.mark.parametrize("other", ["state_id: nightly", "state_suffix: eu"])
def test_two_pipelines_with_one_state(project, other):
    """The second would resume from the bookmarks of the first."""
    name = "nightly" if "nightly" in other else "default:tap-to-lake:eu"
    with pytest.raises(UsageError, match=r"tapdock.yaml:\d+: `pipelines.demo.state_id` is the name of the state of"):
        project(f'state_id: "{name}"}}\n  more: {{source: tap, target: lake, {other}')
