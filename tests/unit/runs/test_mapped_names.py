"""Tests the messages for a selection that does not fit the maps: names after the maps, and fields that a map uses."""

import json

import pytest

from tapdock.errors import UsageError
from tapdock.project.load import load
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.protocol.patterns import unescaped
from tapdock.runs.mapped_names import name_hint
from tapdock.translate.maps.plan import maps_of
from tapdock.translate.maps.settings import settings_of

MAPS = {
    "users": {"__alias__": "people", "label": "name", "secret": "email.upper()"},
    "public-*": {"__alias__": "'t_' + __stream_name__"},
    "copies": {"__source__": "orders", "total": "price * 2"},
}
STREAMS = [Stream(name=name, json_schema={}) for name in ("users", "orders", "public-a.b")]


@pytest.fixture
def maps(tmp_path):
    text = {"version": 1, "sources": {"shop": {"image": "x", "maps": MAPS}}, "targets": {"lake": {"image": "y"}}}
    text["pipelines"] = {"demo": {"source": "shop", "target": "lake"}}
    (tmp_path / "tapdock.yaml").write_text(json.dumps(text))
    project = load(tmp_path / "tapdock.yaml", environment=None, environ={})
    return settings_of(project.pipelines["demo"], project.sources["shop"])


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("people", "`people` is the name of `users` after its map; select by the source's name: `users`"),
        ("!people.*", "`people` is the name of `users` after its map; select by the source's name: `users.*`"),
        ("people.id", "`people` is the name of `users` after its map; select by the source's name: `users.id`"),
        ("people.label", "`people` is the name of `users` after its map; select by the source's name: `users`"),
        ("copies", "`copies` is the name of `orders` after its map; select by the source's name: `orders`"),
        ("t_public-a\\.b.x", "`t_public-a.b` is the name of `public-a.b` after its map"),
        ("users.label", "`label` is computed by the map of `users`: select the fields that it is computed of"),
        ("persons", None),
        ("users.nothing", None),
    ],
)
def test_a_name_after_the_maps_has_a_hint(maps, pattern, hint):
    plain = unescaped(pattern.removeprefix("!"))
    for error in (f"there is no stream `{plain}`", f"stream `x` has no field `{plain.rpartition('.')[2]}`"):
        found = name_hint([pattern], STREAMS, maps, error=error)
        assert found is None if hint is None else found and found.startswith(hint)


def test_a_pattern_that_is_right_gives_no_hint_for_another_one(maps):
    error = "stream `users` has no field `nationalty`"
    assert name_hint(["users.label", "users.nationalty"], STREAMS, maps, error=error) is None


@pytest.mark.parametrize(("excluded", "field"), [("name", "label"), ("email", "secret")])
def test_a_field_that_a_map_uses_and_that_is_not_read_is_named(maps, excluded, field):
    schema = {"properties": {name: {"type": "string"} for name in ("id", "name", "email")}}
    one = ConfiguredStream(
        stream=Stream(name="users", json_schema=schema), sync_mode="full_refresh", excluded=(excluded,)
    )
    with pytest.raises(UsageError) as caught:
        maps_of([one], maps, all_known=False)
    assert caught.value.message == (
        f"`sources.shop.maps.users.{field}` uses the field `{excluded}` of `users`, which is not selected"
    )
    assert caught.value.hint == f"select `{excluded}`; `{excluded}: null` in the same entry keeps it out of the target"
