from typing import Any

import msgspec
import pytest

from tapdock.connectors.selection import select_streams
from tapdock.errors import UsageError
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.translate.catalogs.singer import singer_streams


def stream(name: str, *fields: str, **more: Any) -> Stream:
    return Stream(name=name, json_schema={"properties": {field: {"type": "string"} for field in fields}}, **more)


BOTH = ("full_refresh", "incremental")
STREAMS = (
    stream(
        "users",
        "id",
        "email",
        "address",
        "updated_at",
        supported_sync_modes=BOTH,
        default_cursor_field=("updated_at",),
        source_defined_primary_key=(("id",),),
    ),
    stream("purchases", "id", "user_id"),
    stream("users", "id", "note", namespace="old"),
    stream("a.b", "c"),
    Stream(name="free"),
)


def select(*patterns: str, **more: Any) -> tuple[ConfiguredStream, ...]:
    return select_streams(STREAMS, patterns, more.pop("options", {}), **more)


def read(*patterns: str) -> dict[str, str]:
    """Return the fields that a run reads, by stream."""
    return {
        str(one.stream.key): " ".join(
            field for field in one.stream.json_schema.get("properties", {}) if field not in one.excluded
        )
        for one in select(*patterns)
    }


ALL = {
    "users": "id email address updated_at",
    "purchases": "id user_id",
    "old.users": "id note",
    "a.b": "c",
    "free": "",
}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], ALL),
        (["*"], ALL),
        (["*.*"], ALL),
        (["purchases"], {"purchases": "id user_id"}),
        (["purchases.*"], {"purchases": "id user_id"}),
        (["purchases.user_id"], {"purchases": "user_id"}),
        (["users.email"], {"users": "id email updated_at"}),
        (["users.email", "users.add*"], {"users": "id email address updated_at"}),
        (["users"], {"users": ALL["users"], "old.users": ALL["old.users"]}),
        (["old.users"], {"old.users": "id note"}),
        (["old.users.note"], {"old.users": "note"}),
        (["old.*"], {"old.users": "id note"}),
        (["a.b"], {"a.b": "c"}),
        (["a.b.c"], {"a.b": "c"}),
        (["free"], {"free": ""}),
        (["p*"], {"purchases": "id user_id"}),
        (["*.user_id"], {"purchases": "user_id"}),
        (["purchases", "!purchases.id"], {"purchases": "user_id"}),
        (["!purchases.id", "purchases"], {"purchases": "user_id"}),
        (["!users", "!a.*", "!free"], {"purchases": "id user_id"}),
        (["users.*", "!old.users", "!users.id"], {"users": "email address updated_at"}),
    ],
)
def test_patterns(patterns: list[str], expected: dict[str, str]) -> None:
    assert read(*patterns) == expected


@pytest.mark.parametrize(
    ("pattern", "message", "hint"),
    [
        ("user", "there is no stream `user`", "did you mean `users`? streams: users, purchases"),
        ("!usres", "there is no stream `usres`", "did you mean `users`?"),
        ("users.emial", "stream `users` has no field `emial`", "did you mean `email`? fields: id, email"),
        (
            "users.address.city",
            "field `address` of stream `users` declares no field `city`",
            "whole field: `users.address`",
        ),
        ("free.x", "stream `free` has no field `x`", "fields: "),
        ("USERS", "there is no stream `USERS`", "streams: "),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(pattern: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(pattern)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


PROJECT = ("users.*", "!old.users", "!users.email", "purchases.id")


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (("*",), {"users": "id address updated_at", "purchases": "id"}),
        (("users",), {"users": "id address updated_at"}),
        (("*.id",), {"users": "id updated_at", "purchases": "id"}),
        (("purchases.*",), {"purchases": "id"}),
        (("users.address", "purchases"), {"users": "id address updated_at", "purchases": "id"}),
        (("!users.address",), {"users": "id updated_at", "purchases": "id"}),
        (("!users",), {"purchases": "id"}),
        (("users.*", "!users.a*"), {"users": "id updated_at"}),
    ],
)
def test_the_patterns_of_a_run_select_among_those_of_the_project(only, expected) -> None:
    """`email` and `old.users` are excluded for a reason: no option of a run brings them back."""
    found = select(*PROJECT, only=only)
    fields = {
        str(one.stream.key): " ".join(name for name in one.stream.json_schema["properties"] if name not in one.excluded)
        for one in found
    }
    assert fields == expected
    assert [one.denied for one in found if str(one.stream.key) == "users"] in ([], [("email", *_denied(only))])


def _denied(only: tuple[str, ...]) -> tuple[str, ...]:
    return ("address",) if {"!users.address", "!users.a*"} & set(only) else ()


@pytest.mark.parametrize("pattern", ["users.email", "old.users", "old.*", "purchases.user_id", "a.b", "fre*"])
def test_a_run_cannot_read_what_the_project_leaves_out(pattern) -> None:
    with pytest.raises(UsageError, match="matches only what the project's `select` leaves out") as caught:
        select(*PROJECT, only=(pattern,))
    assert caught.value.message.startswith(f"`--select {pattern}`")


@pytest.mark.parametrize("pattern", ["usres", "!usres"])
def test_a_misspelt_pattern_of_a_run_is_refused(pattern) -> None:
    with pytest.raises(UsageError, match="there is no stream `usres`"):
        select(*PROJECT, only=(pattern,))


def test_nothing_left_is_refused() -> None:
    with pytest.raises(UsageError, match="no stream is selected"):
        select("users", "!users")


def one(selected: Stream, **options: Any) -> ConfiguredStream:
    (configured,) = select_streams(
        [selected],
        [],
        {selected.name: StreamOptions(**options)} if options else {},
    )
    return configured


def test_incremental_with_a_key_dedups() -> None:
    configured = one(STREAMS[0])
    assert (configured.sync_mode, configured.destination_sync_mode) == ("incremental", "append_dedup")
    assert (configured.cursor_field, configured.primary_key) == (("updated_at",), (("id",),))


@pytest.mark.parametrize(
    ("offered", "options", "mode"),
    [
        (stream("s", "a"), {}, "full_refresh"),
        (stream("s", "a", supported_sync_modes=BOTH), {}, "full_refresh"),
        (stream("s", "a", supported_sync_modes=BOTH), {"cursor_field": ("a",)}, "incremental"),
        (stream("s", "a", supported_sync_modes=BOTH, source_defined_cursor=True), {}, "incremental"),
        (stream("s", "a", supported_sync_modes=("incremental",)), {}, "incremental"),
        (stream("s", "a", supported_sync_modes=(), default_cursor_field=("a",)), {}, "full_refresh"),
        (stream("s", "a", default_cursor_field=("a",)), {}, "full_refresh"),
        (
            stream("s", "a", supported_sync_modes=BOTH, default_cursor_field=("a",)),
            {"sync_mode": "full_refresh"},
            "full_refresh",
        ),
    ],
)
def test_sync_mode(offered: Stream, options: dict[str, Any], mode: str) -> None:
    configured = one(offered, **options)
    assert configured.sync_mode == mode
    assert configured.destination_sync_mode == "append"


def test_the_users_key_and_cursor_win_and_are_always_read() -> None:
    offered = stream("s", "a", "b", "c", supported_sync_modes=BOTH, source_defined_primary_key=(("a",),))
    options = {"s": StreamOptions(primary_key=(("b",),), cursor_field=("c",))}
    (configured,) = select_streams([offered], ["s.c", "!s.a"], options)
    assert (configured.primary_key, configured.cursor_field, configured.excluded, configured.added) == (
        (("b",),),
        ("c",),
        ("a",),
        ("b",),
    )


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"sync_mode": "incremental"}, "needs a cursor", "cursor_field: <field>"),
        ({"cursor_field": ("aa",)}, "has no field `aa`", "did you mean `aab`"),
        ({"primary_key": (("x",),)}, "has no field `x`", "fields: aab"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        one(stream("s", "aab", supported_sync_modes=BOTH), **options)
    assert hint in (caught.value.hint or "")


def test_a_mode_that_the_source_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="does not support `sync_mode: incremental`"):
        one(stream("s", "a"), sync_mode="incremental", cursor_field=("a",))


def test_options_of_an_unknown_stream_are_refused() -> None:
    with pytest.raises(UsageError, match="there is no stream `purchase`"):
        select(options={"purchase": StreamOptions()})


def test_a_full_name_wins_over_a_bare_one() -> None:
    options = {
        "old.users": StreamOptions(primary_key=(("note",),)),
        "users": StreamOptions(primary_key=(("id",),)),
    }
    keys = {str(one.stream.key): one.primary_key for one in select("users", options=options)}
    assert keys == {"users": (("id",),), "old.users": (("note",),)}


ODD = (stream("Report [2024]", "id", "x"), stream("Report 2", "id"), stream("a", "b", "c.d"), stream("a.b.c", "id"))


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["Report [2024]"], {"Report [2024]": {"id", "x"}}),
        (["Report [2024].id"], {"Report [2024]": {"id"}}),
        (["Report [2024].*"], {"Report [2024]": {"id", "x"}}),
        (["Report [2024].[x]"], {"Report [2024]": {"x"}}),
        (["Report [[]2024]"], {"Report [2024]": {"id", "x"}}),
        (["Report [2-9]"], {"Report 2": {"id"}}),
        (["*", "!Report [2024]", "!a", "!a.b.c"], {"Report 2": {"id"}}),
        (["a.c.d"], {"a": {"c.d"}}),
        (["a.c.[d]"], {"a": {"c.d"}}),
        (["a.c.*"], {"a": {"c.d"}}),
        (["a.b.c"], {"a.b.c": {"id"}}),
        (["a.b.c.id"], {"a.b.c": {"id"}}),
        (["a.b"], {"a": {"b"}}),
    ],
)
def test_names_with_the_characters_of_patterns(patterns: list[str], expected: dict[str, set[str]]) -> None:
    found = select_streams(ODD, patterns, {})
    fields = {one.stream.name: set(one.stream.json_schema["properties"]) - set(one.excluded) for one in found}
    assert fields == expected


def test_a_name_with_two_meanings_is_refused_with_both() -> None:
    both = (stream("a", "b", "c"), stream("a.b", "id"))
    with pytest.raises(UsageError, match=r"`a\.b` is both a stream and a field of stream `a`") as caught:
        select_streams(both, ["!a.b"], {})
    assert caught.value.hint == "write `a\\.b` for the stream, or `a.[b]` for the field"
    assert [one.stream.name for one in select_streams(both, ["!a[.]b"], {})] == ["a"]
    assert [one.excluded for one in select_streams(both, ["!a.[b]"], {})] == [("b",), ()]


def test_an_empty_catalog_is_reported_as_such() -> None:
    for patterns in ([], ["users"]):
        with pytest.raises(UsageError, match="the source offers no streams"):
            select_streams((), patterns, {})


def tapped(*streams: tuple[str, str, str], namespaced: bool = False) -> tuple[Stream, ...]:
    """Return streams of a tap with `tap_stream_id`, name and database schema."""
    entries = [
        {
            "tap_stream_id": number,
            "stream": name,
            "schema": {"properties": {"id": {"type": "integer"}}},
            "metadata": [{"breadcrumb": [], "metadata": {"schema-name": schema}}],
        }
        for number, name, schema in streams
    ]
    return singer_streams(msgspec.json.encode({"streams": entries}), namespaced=namespaced)


ALONE = ("shop-types", "types", "shop")


@pytest.mark.parametrize(
    ("streams", "namespaced"),
    [([ALONE], False), ([ALONE, ("blog-types", "types", "blog")], False), ([ALONE], True)],
)
def test_a_tap_stream_id_names_a_stream_whatever_its_neighbors_are(
    streams: list[tuple[str, str, str]], *, namespaced: bool
) -> None:
    offered = tapped(*streams, namespaced=namespaced)
    for pattern in ("shop-types", "shop-types.id", "shop-ty*", "shop-types.*"):
        options = {"shop-types": StreamOptions(primary_key=(("id",),))}
        (one,) = select_streams(offered, [pattern], options)
        assert (one.stream.key, one.primary_key) == (offered[0].key, (("id",),))
    if len(offered) > 1:
        (other,) = select_streams(offered, ["!shop-types"], {})
        assert other.stream.key == offered[1].key


def test_an_id_that_is_the_name_of_another_stream_means_that_stream() -> None:
    offered = tapped(("b", "a", "x"), ("c", "b", "x"))
    assert [one.stream.name for one in select_streams(offered, ["b"], {})] == ["b"]
    options = {"b": StreamOptions(primary_key=(("id",),))}
    assert [one.primary_key for one in select_streams(offered, [], options)] == [(), (("id",),)]


def test_a_glob_for_names_does_not_also_match_ids() -> None:
    """All ids of a database begin with its name, so `s*` would match every stream."""
    offered = tapped(("shop-orders", "orders", "shop"), ("shop-stock", "stock", "shop"))
    for patterns in (["s*"], ["s*.id"], ["!orders"], ["!o*"]):
        assert [one.stream.name for one in select_streams(offered, patterns, {})] == ["stock"]
    assert len(select_streams(offered, ["shop-*"], {})) == 2


def test_a_stream_keeps_its_own_name_if_that_is_also_its_id() -> None:
    offered = tapped(("orders", "orders", "eu"), ("us-orders", "orders", "us"), namespaced=True)
    assert len(select_streams(offered, ["orders"], {})) == 2
    assert [str(one.stream.key) for one in select_streams(offered, ["us-orders"], {})] == ["us.orders"]


NESTED = {
    "properties": {
        "id": {"type": ["null", "integer"]},
        "org": {"type": ["null", "object"], "properties": {"id": {"type": "integer"}, "free": {"type": "object"}}},
        "either": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"x": {}}}]},
        "referred": {"$ref": "#/definitions/org"},
        "untyped": {},
    }
}


@pytest.mark.parametrize("option", ["primary_key", "cursor_field"])
@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        (("org", "idd"), "field `org` of stream `s` has no field `idd`", "did you mean `id`? fields: id, free"),
        (("id", "x"), "field `id` of stream `s` is not an object: it has no field `x`", "name a field that exists"),
        (("orgg", "id"), "stream `s` has no field `orgg`", "did you mean `org`?"),
    ],
)
def test_a_nested_field_that_cannot_exist_is_refused(
    option: str, path: tuple[str, ...], message: str, hint: str
) -> None:
    """Such a key would be null in every row, and all rows would become one."""
    offered = Stream(name="s", json_schema=NESTED, supported_sync_modes=BOTH)
    with pytest.raises(UsageError) as caught:
        one(offered, **{option: (path,) if option == "primary_key" else path})
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "path", [("org", "id"), ("org", "free", "x"), ("either", "x"), ("referred", "x"), ("untyped", "x")]
)
def test_a_nested_field_that_may_exist_is_accepted(path: tuple[str, ...]) -> None:
    assert one(Stream(name="s", json_schema=NESTED), primary_key=(path,)).primary_key == (path,)


def test_a_stream_without_a_selected_field_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no field of stream `a\.b` is selected") as caught:
        select("a.b", "!a.b.c")
    assert "exclude the stream with `!a.b`" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("options", "modes", "learns"),
    [
        ({}, {}, True),
        ({"destination_sync_mode": "append"}, {}, False),
        ({"primary_key": (("a",),)}, {}, False),
        ({}, {"append_dedup": "it supports append"}, False),
    ],
)
def test_a_key_of_the_tap_counts_where_the_user_left_it_open(
    options: dict[str, Any], modes: dict[Any, str], *, learns: bool
) -> None:
    (found,) = select_streams([stream("s", "a")], [], {"s": StreamOptions(**options)}, modes=modes)
    assert found.learns_key is learns


ADDRESS = {"properties": {"city": {"type": "string"}, "home_url": {"type": "string"}, "geo": {"properties": {"x": {}}}}}
DEEP = Stream(
    name="users",
    json_schema={
        "properties": {
            "id": {"type": "integer"},
            "avatar_url": {"type": "string"},
            "address": {"type": ["null", "object"], **ADDRESS},
            "orders": {"type": "array", "items": {"properties": {"total": {"type": "number"}, "note": {}}}},
            "payload": {"type": ["null", "object"]},
            "a.b": {"type": "string"},
        }
    },
)
DOTTED = stream("animals.data", "id", "name")


def left(*patterns: str, only: tuple[str, ...] = ()) -> set[str]:
    """Return the fields of `users` that are not read, or none if the stream is not."""
    found = select_streams((DEEP, DOTTED), patterns, {}, only=only)
    (one,) = [each for each in found if each.stream.name == "users"]
    return {*one.excluded, *(".".join(path) for path in one.nested)}


ALL_BUT = {"id", "avatar_url", "address", "orders", "payload", "a.b"}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["users"], set()),
        (["users.*"], set()),
        (["users.address"], ALL_BUT - {"address"}),
        (["users.address.city"], ALL_BUT - {"address"} | {"address.home_url", "address.geo"}),
        (["users.address.geo"], ALL_BUT - {"address"} | {"address.home_url", "address.city"}),
        (["users.address.geo.x"], ALL_BUT - {"address"} | {"address.home_url", "address.city"}),
        (["users.address.*"], ALL_BUT - {"address"}),
        (["*.*_url"], ALL_BUT - {"avatar_url", "address"} | {"address.city", "address.geo"}),
        (["users.orders.total"], ALL_BUT - {"orders"} | {"orders.note"}),
        (["users", "!users.address.city"], {"address.city"}),
        (["!users.address.city", "users.address.city", "users.id"], ALL_BUT - {"id", "address"} | {"address"}),
        (["!users.address"], {"address"}),
        (["!users.address", "users.address.city", "users.id"], ALL_BUT - {"id"}),
        (["!*.*_url"], {"avatar_url", "address.home_url"}),
        (["!users.*geo*"], {"address.geo"}),
        (["!users.orders.note"], {"orders.note"}),
        (["!users.payload.secret.key"], {"payload.secret.key"}),
        ([r"users.a\.b"], ALL_BUT - {"a.b"}),
        (["users.a.b"], ALL_BUT - {"a.b"}),
        (["!users.[ai]*"], {"id", "avatar_url", "address", "a.b"}),
        (["users.i?", "!users.orders"], ALL_BUT - {"id"}),
    ],
)
def test_fields_inside_of_others(patterns: list[str], expected: set[str]) -> None:
    if patterns == ["!users.address.city", "users.address.city", "users.id"]:
        expected = expected - {"address"} | {"address.city", "address.home_url", "address.geo"}
    assert left(*patterns) == expected


@pytest.mark.parametrize("pattern", [r"animals\.data.id", "animals.data.id", "animals[.]data.id", r"animals\.*.id"])
def test_dots_in_the_name_of_a_stream(pattern: str) -> None:
    (one,) = select_streams((DEEP, DOTTED), [pattern], {})
    assert (one.stream.name, one.excluded) == ("animals.data", ("name",))


def test_an_escaped_dot_is_not_between_names() -> None:
    with pytest.raises(UsageError, match=r"there is no stream `users\.id`"):
        select_streams((DEEP, DOTTED), [r"users\.id"], {})


def test_a_run_selects_among_the_fields_inside_of_others() -> None:
    assert left("!users.address.city", only=("users.address", "users.id")) == ALL_BUT - {"id", "address"} | {
        "address.city"
    }
    with pytest.raises(UsageError, match="matches only what the project's `select` leaves out"):
        left("!users.address", only=("users.address.city",))


@pytest.mark.parametrize(
    ("pattern", "message", "hint"),
    [
        ("users.address.citi", "stream `users` has no field `address.citi`", "did you mean `address.city`?"),
        ("!users.adress.city", "stream `users` has no field `adress.city`", "fields: id, avatar_url"),
        ("!users.id.x", "field `id` of stream `users` declares no field `x`", "whole field: `users.id`"),
        ("users.payload.x", "field `payload` of stream `users` declares no field `x`", "field: `users.payload`"),
    ],
)
def test_an_unknown_nested_field_is_refused(pattern: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        left(pattern)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_glob_that_matches_nothing_is_a_warning_that_names_it() -> None:
    said: list[str] = []
    found = select_streams(STREAMS, ["users.*", "ordr*", "!*.*_ssn"], {}, only=["users", "!x*"], warn=said.append)
    assert [str(one.stream.key) for one in found] == ["users", "old.users"]
    assert said == [
        "warning: the pattern `ordr*` of `select` matches no stream and no field",
        "warning: the pattern `!*.*_ssn` of `select` matches no stream and no field",
        "warning: the pattern `!x*` of `--select` or `--exclude` matches no stream and no field",
    ]


@pytest.mark.parametrize("fields", [("id",), ("id", "tmp_note")])
def test_an_excluding_glob_means_streams_and_fields(fields: tuple[str, ...]) -> None:
    offered = (
        stream("orders", *fields, namespace="a"),
        stream("tmp_load", "id", namespace="a"),
        stream("tmp_x", "id", namespace="b"),
    )
    (chosen,) = select_streams(offered, ("!*.tmp_*",), {})
    assert (chosen.stream.name, chosen.excluded) == ("orders", tuple(name for name in fields if name != "id"))


@pytest.mark.parametrize("mark", ["_sdc_deleted_at", "_ab_cdc_deleted_at"])
def test_only_its_name_excludes_the_mark_of_deleted_rows(mark: str) -> None:
    offered = (stream("users", "id", "seen_at", mark),)
    for pattern in ("!*.*_at", "!users.*_at"):
        (chosen,) = select_streams(offered, (pattern,), {})
        assert chosen.excluded == ("seen_at",)
        assert chosen.exclusion.verdict((mark,)) != "remove"
        assert chosen.exclusion.verdict(("later_at",)) == "remove"
        assert chosen.exclusion.verdict(("inside", mark)) == "remove"
    for pattern in (f"!*.{mark}", f"!users.{mark}"):
        (chosen,) = select_streams(offered, (pattern,), {})
        assert chosen.exclusion.verdict((mark,)) == "remove"


def test_globs_that_all_match_nothing_are_an_error() -> None:
    with pytest.raises(UsageError, match="no stream is selected"):
        select("ordr*", "x.*")


def test_a_nested_key_is_read_and_cannot_be_excluded() -> None:
    options = {"users": StreamOptions(primary_key=(("address", "city"),), destination_sync_mode="append_dedup")}
    (one, _) = select_streams((DEEP, DOTTED), ["!users.address.home_url"], options)
    assert (one.added, one.nested) == ((), (("address", "home_url"),))
    (one,) = select_streams((DEEP, DOTTED), ["users.id", "!users.address.home_url"], options)
    assert one.added == ("address",)
    assert one.nested == (("address", "home_url"),), "an excluded field does not come back with the key around it"
    for pattern in ("!users.address.city", "!users.address", "!users.*.city"):
        with pytest.raises(UsageError, match=r"`select` excludes the field `address\.city`"):
            select_streams((DEEP, DOTTED), [pattern], options)


def test_options_of_globs_are_merged_key_by_key() -> None:
    options = {
        "users": StreamOptions(primary_key=(("id",),)),
        "*": StreamOptions(destination_sync_mode="append", flatten_keys=True, sync_mode="full_refresh"),
        "us*": StreamOptions(destination_sync_mode="append_dedup", primary_key=(("note",),)),
        "old.users": StreamOptions(given=frozenset({"flatten_keys"})),
    }
    found = {str(one.stream.key): one for one in select("users", "purchases", options=options)}
    assert found["purchases"].destination_sync_mode == "append"
    assert (found["users"].destination_sync_mode, found["users"].primary_key) == ("append_dedup", (("id",),))
    assert {name: one.flatten_keys for name, one in found.items()} == {
        "users": True, "purchases": True, "old.users": False,
    }  # fmt: skip


def test_a_glob_of_options_that_matches_no_stream_is_a_warning() -> None:
    said: list[str] = []
    select_streams(STREAMS, [], {"x*": StreamOptions(sync_mode="full_refresh")}, warn=said.append)
    assert said == ["warning: the name `x*` under `streams` matches no stream"]


def test_a_schema_for_an_unknown_field_is_refused() -> None:
    for name in ("emial", "address.citi"):
        with pytest.raises(UsageError, match="has no field"):
            select_streams((DEEP,), [], {"users": StreamOptions(schema={name: {"type": "string"}})})
    (one,) = select_streams((DEEP,), [], {"users": StreamOptions(schema={"payload.x": {}, "orders.total": {}})})
    assert [path for path, _ in one.fragments] == [("payload", "x"), ("orders", "total")]
