import pytest

from tapdock.errors import UsageError
from tapdock.project.model import Namespacing
from tapdock.protocol.catalog import StreamKey
from tapdock.translate.names import singer_names, target_keys
from tapdock.translate.tables import TableNames, TableRule


def key(name: str, namespace: str | None = None) -> StreamKey:
    return StreamKey.of(namespace, name)


@pytest.mark.parametrize("rule", ["kept", "whole"])
def test_a_target_that_does_not_cut_gets_names_unchanged(rule: TableRule) -> None:
    names = singer_names([key("a-b"), key("C d", "")], tables=TableNames(rules=(rule,)))
    assert list(names.values()) == ["a-b", "C d"]


@pytest.mark.parametrize("rules", [None, ("split",), ("last",), ("last_kept",)])
def test_a_target_that_may_cut_gets_names_that_it_cannot_cut(rules: tuple[TableRule, ...] | None) -> None:
    keys = [key("Q1-2024"), key("Q2-2024"), key("google-ads"), key("meta-ads")]
    tables = TableNames(rules=rules, schema="main")
    names = list(singer_names(keys, tables=tables).values())
    assert names == ["Q1_2024", "Q2_2024", "google_ads", "meta_ads"]
    assert len({table for name in names for table in tables.tables(name)[:1]}) == 4


def test_with_a_namespace_only_the_joint_is_a_hyphen() -> None:
    names = singer_names([key("a-b", "x-y"), key("c-d")])
    assert list(names.values()) == ["x_y-a_b", "c_d"]


@pytest.mark.parametrize(
    ("first", "second"),
    [(key("a"), key("A")), (key("a-b", "x"), key("a_b", "x")), (key("STRASSE", "x"), key("straße", "X"))],
)
def test_collisions_are_refused_by_name(first: StreamKey, second: StreamKey) -> None:
    with pytest.raises(UsageError, match=f"`{first}` and `{second}`") as caught:
        singer_names([first, second])
    assert f"!{second}" in (caught.value.hint or "")


LONG = "n" * 63
EU_US = [key("orders", "eu"), key("orders", "us")]


@pytest.mark.parametrize(
    ("keys", "tables", "table", "hint"),
    [
        (EU_US, TableNames(rules=("split",), schema="main"), "main.orders", "set the target's `schema_mapping`"),
        (EU_US, TableNames(rules=("last",), schema="main"), "main.orders", "remove the target's"),
        (EU_US, TableNames(schema="main"), "main.orders", "set the target's `schema_mapping`"),
        (EU_US, TableNames(rules=("split",), schemas={"eu": "eu", "us": "us"}), None, None),
        (EU_US, TableNames(rules=("split",), schemas={"eu": "all", "us": "all"}), "all.orders", "in a pipeline of"),
        (EU_US, TableNames(rules=("last",)), None, None),
        (EU_US, TableNames(), None, None),
        (EU_US, TableNames(rules=("kept",), schema="main"), None, None),
        ([key("orders", "eu"), key("orders")], TableNames(rules=("last",), schema="main"), "main.orders", "`!orders`"),
        ([key("a.b"), key("a_b")], TableNames(rules=("split",), schema="main"), "main.a_b", "`!a_b`"),
        ([key("a.b"), key("a_b")], TableNames(rules=("last_kept",), schema="main"), None, None),
        ([key("a.b"), key("a_b")], TableNames(), "a_b", "`!a_b`"),
        ([key("a b"), key("a_b")], TableNames(rules=("split",), schema="main"), None, None),
        ([key("a b"), key("a_b")], TableNames(rules=("split_words",), schema="main"), "main.a_b", "`!a_b`"),
        ([key("sold!"), key("sold")], TableNames(rules=("last",), schema="main"), "main.sold", "`!sold`"),
        ([key("2024"), key("c024")], TableNames(rules=("last",), schema="main"), "main.c024", "`!c024`"),
        ([key("a.b"), key("a-b")], TableNames(rules=("whole",)), "a_b", "`!a-b`"),
        ([key(f"{LONG}x"), key(f"{LONG}y")], TableNames(), LONG, f"`!{LONG}y`"),
        ([key(f"{LONG}x"), key(f"{LONG}y")], TableNames(rules=("split",), longest=63), LONG, f"`!{LONG}y`"),
        ([key(f"{LONG}x"), key(f"{LONG}y")], TableNames(rules=("split",)), None, None),
    ],
)
def test_two_streams_in_one_table_are_refused(
    keys: list[StreamKey], tables: TableNames, table: str | None, hint: str | None
) -> None:
    if table is None or hint is None:
        assert len(set(singer_names(keys, tables=tables).values())) == 2
        return
    with pytest.raises(UsageError) as caught:
        singer_names(keys, tables=tables)
    first, second = keys
    assert caught.value.message == (
        f"streams `{first}` and `{second}` would both be written to the table `{table}` of the target"
    )
    assert hint in (caught.value.hint or "")


def test_a_destination_that_drops_namespaces_is_known() -> None:
    tables = TableNames(rules=("bare",))
    for keys in (EU_US, [key("Line-Items"), key("line_items")]):
        assert len(target_keys(keys, Namespacing(), TableNames(rules=()))) == 2
        with pytest.raises(UsageError, match="would both be written to the table"):
            target_keys(keys, Namespacing(), tables)
    assert len(target_keys([key("a", "eu"), key("b", "us")], Namespacing(), tables)) == 2
