"""Tests which pipelines may have one state."""

import pytest

from tapdock.errors import UsageError
from tapdock.project.load import load
from tapdock.project.model import Pipeline
from tapdock.project.state_keys import require_same_rows


def loaded(folder, first, second):
    file = folder / "tapdock.yaml"
    entry = "source: shop, target: lake"
    file.write_text(
        "version: 1\nsources: {shop: {image: x}}\ntargets: {lake: {image: y}}\nmappers: {m: {image: z}}\n"
        f"pipelines:\n  first: {{{entry}, {first}}}\n  second: {{{entry}, {second}}}\n"
    )
    return load(file, environment=None, environ={})


DIFFERENT = [
    ("maps: {users: {__filter__: id > 1}}", "maps: {users: {__filter__: id < 2}}"),
    ("", "maps: {users: {__filter__: id < 2}}"),
    ("", "maps: {users: {__alias__: people}}"),
    ("prefix: a_", "prefix: b_"),
    ("", "namespace: source"),
    ("", "mappers: [m]"),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_pipelines_that_write_different_rows_are_refused_with_one_state(tmp_path, first, second):
    project = loaded(tmp_path, first, second)
    for one, other in (("first", "second"), ("second", "first")):
        with pytest.raises(UsageError, match=f"`{one}` and pipeline `{other}` have one state, `"):
            require_same_rows(project, project.pipelines[one])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("retries: 2, labels: {a: b}", "schema_changes: freeze"),
        ("maps: {users: null}", "maps: {orders: null}"),
        ("maps: {users: {name: null}}", ""),
        ("prefix: a_, state_suffix: a", "prefix: b_"),
        ("prefix: a_, state_id: a", "prefix: b_"),
    ],
)
def test_pipelines_with_the_same_rows_or_states_of_their_own_are_not(tmp_path, first, second):
    project = loaded(tmp_path, first, second)
    for pipeline in project.pipelines.values():
        require_same_rows(project, pipeline)


def test_a_pair_is_refused_with_the_state_of_a_pipeline_that_writes_other_rows(tmp_path):
    project = loaded(tmp_path, "prefix: a_", "prefix: a_")
    with pytest.raises(UsageError) as raised:
        require_same_rows(project, Pipeline(name="shop-to-lake", source="shop", target="lake"))
    assert raised.value.hint == "`tapdock run first`, or set its `state_suffix`"
