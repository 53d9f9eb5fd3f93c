from typing import Any

import pytest

from tapdock.connectors.selection import select_streams
from tapdock.errors import UsageError
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import ConfiguredStream, Stream


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
        (
            ["users.*", "!old.users", "!users.id", "!users.updated_at"],
            {"users": "id email address updated_at"},
        ),
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
        ("users.address.city", "there is no stream", "streams: "),
        ("free.x", "stream `free` has no field `x`", "fields: "),
        ("USERS", "there is no stream `USERS`", "streams: "),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(pattern: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(pattern)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_nothing_left_is_refused() -> None:
    with pytest.raises(UsageError, match="no stream is selected"):
        select("users", "!users")


def one(selected: Stream, *, full_refresh: bool = False, **options: Any) -> ConfiguredStream:
    (configured,) = select_streams(
        [selected],
        [],
        {selected.name: StreamOptions(**options)} if options else {},
        full_refresh=full_refresh,
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


def test_full_refresh_is_asked_of_every_stream_that_can() -> None:
    assert one(STREAMS[0], full_refresh=True).sync_mode == "full_refresh"
    only_incremental = stream("s", "a", supported_sync_modes=("incremental",), source_defined_cursor=True)
    assert one(only_incremental, full_refresh=True).sync_mode == "incremental"


def test_the_users_key_and_cursor_win_and_are_never_dropped() -> None:
    offered = stream("s", "a", "b", "c", supported_sync_modes=BOTH, source_defined_primary_key=(("a",),))
    options = {"s": StreamOptions(primary_key=(("b",),), cursor_field=("c",))}
    (configured,) = select_streams([offered], ["!s.b", "!s.c", "!s.a"], options)
    assert (configured.primary_key, configured.cursor_field, configured.excluded) == (
        (("b",),),
        ("c",),
        ("a",),
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
