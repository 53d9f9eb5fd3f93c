"""Tests import and export of states: digits, order and spelling of values are unchanged."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.errors import UsageError
from tapdock.state.edit import renamed
from tapdock.state.formats import exported, imported

BIG = "12345678901234567890123"
BOOKMARKS = f'{{"bookmarks":{{"users":{{"id":{BIG},"at":1.10}}}}}}'
STREAM = (
    f'{{"type":"STREAM","stream":{{"stream_descriptor":{{"name":"users"}},"stream_state":{{"n":{BIG},"f":1.10}}}}}}'
)


def taken(text: str, source: str, **renames: str) -> tuple[str, str]:
    return tuple(imported(text, source=source, renames=renames))


@pytest.mark.parametrize(
    "text",
    [
        f'{{"completed": {{"singer_state": {BOOKMARKS}}}, "partial": {{}}}}',
        f'{{"completed": {{}}, "partial": {{"singer_state": {BOOKMARKS}}}}}',
        f'{{"singer_state": {BOOKMARKS}}}',
        BOOKMARKS,
        json.dumps(json.loads(BOOKMARKS, parse_float=str, parse_int=str), indent=2)
        .replace(f'"{BIG}"', BIG)
        .replace('"1.10"', "1.10"),
    ],
)
def test_every_shape_of_meltanos(text):
    assert taken(text, "meltano") == (BOOKMARKS, "singer")


def test_a_partial_state_of_meltanos_is_laid_over_the_completed_one():
    """The merge is deep, as in Meltano before a run: keys that are missing in the later state are kept."""
    completed = '{"bookmarks":{"a":{"id":1,"x":[1,2]},"b":{"id":1.0}},"currently_syncing":"a"}'
    partial = '{"bookmarks":{"a":{"id":2.50,"x":[3]},"c":{"id":null}},"currently_syncing":null}'
    text = f'{{"completed":{{"singer_state":{completed}}},"partial":{{"singer_state":{partial}}}}}'
    assert taken(text, "meltano")[0] == (
        '{"bookmarks":{"a":{"id":2.50,"x":[3]},"b":{"id":1.0},"c":{"id":null}},"currently_syncing":null}'
    )


@pytest.mark.parametrize("inner", [f"[{STREAM}]", json.dumps(f"[{STREAM}]")])
def test_an_airbyte_source_behind_a_wrapper_in_meltano(inner):
    assert taken(f'{{"singer_state":{{"airbyte_state":{inner}}}}}', "meltano") == (f"[{STREAM}]", "airbyte")


API = {
    "stream": f'{{"streamDescriptor":{{"name":"users"}},"streamState":{{"n":{BIG},"f":1.10}}}}',
    "global": '{"sharedState":{"lsn":1.0},"streamStates":[{"streamDescriptor":{"name":"a","namespace":"p"},'
    '"streamState":{"x":0.10}}]}',
}
GLOBAL = (
    '[{"type":"GLOBAL","global":{"shared_state":{"lsn":1.0},"stream_states":'
    '[{"stream_descriptor":{"name":"a","namespace":"p"},"stream_state":{"x":0.10}}]}}]'
)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (f'{{"stateType":"stream","connectionId":"c","streamState":[{API["stream"]}]}}', f"[{STREAM}]"),
        (f"[{API['stream']}]", f"[{STREAM}]"),
        (f"[{STREAM}]", f"[{STREAM}]"),
        (f'{{"stateType":"global","globalState":{API["global"]}}}', GLOBAL),
        (API["global"], GLOBAL),
        (GLOBAL, GLOBAL),
        ('{"stateType":"legacy","state":{"cdc": false, "n": 1.0}}', '{"cdc":false,"n":1.0}'),
        ('{"cdc": false, "n": 1.0}', '{"cdc":false,"n":1.0}'),
    ],
)
def test_every_shape_of_airbytes(text, state):
    assert taken(text, "airbyte") == (state, "airbyte")


@pytest.mark.parametrize(
    ("text", "source", "message"),
    [
        ("{", "meltano", "not a JSON"),
        ("3", "airbyte", "not a JSON object or list"),
        ("[]", "meltano", "must be an object"),
        ("[]", "airbyte", "is empty"),
        ('{"singer_state": {}}', "meltano", "is empty"),
        ('{"completed": {}, "partial": {}}', "meltano", "is empty"),
        ('{"stateType": "not_set"}', "airbyte", "no state yet"),
        ('[{"type": "STREAM"}]', "airbyte", "not a STREAM"),
        ("[1]", "airbyte", "does not have this format"),
        ('{"stateType": "stream"}', "airbyte", "not have the format of Airbyte"),
        ('{"stateType": "legacy"}', "airbyte", "not have the format of Airbyte"),
        ('{"stateType": null}', "airbyte", "not have the format of Airbyte"),
        ('{"globalState": {}}', "airbyte", "not have the format of Airbyte"),
        ('{"stateType": "stream", "streamState": null}', "airbyte", "not have the format of Airbyte"),
        ('{"singer_state": {"bookmarks": [1]}}', "meltano", "not an object"),
    ],
)
def test_what_is_no_state(text, source, message):
    with pytest.raises(UsageError, match=message):
        imported(text, source=source, renames={})


def test_streams_get_other_names():
    assert taken(BOOKMARKS, "meltano", users="people")[0] == BOOKMARKS.replace("users", "people")
    assert taken(f"[{STREAM}]", "airbyte", users="people")[0] == f"[{STREAM}]".replace("users", "people")
    text = imported(GLOBAL, source="airbyte", renames={"p.a": "q.b"}).text
    assert text == GLOBAL.replace('"name":"a","namespace":"p"', '"name":"b","namespace":"q"')
    with pytest.raises(UsageError, match="no stream `nope`"):
        taken(BOOKMARKS, "meltano", nope="x")


def test_states_go_back_where_they_came_from():
    assert exported(BOOKMARKS, "singer", target="meltano") == f'{{"singer_state":{BOOKMARKS}}}'
    assert exported(f"[{STREAM}]", "airbyte", target="airbyte") == f"[{STREAM}]"
    wrapped = exported(f"[{STREAM}]", "airbyte", target="meltano")
    assert taken(wrapped, "meltano") == (f"[{STREAM}]", "airbyte")
    with pytest.raises(UsageError, match="cannot be exported for Airbyte"):
        exported(BOOKMARKS, "singer", target="airbyte")


NAMES = st.text(min_size=1, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.long
@given(bookmarks=st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
def test_meltano_and_back(bookmarks):
    text = json.dumps({"bookmarks": bookmarks}, ensure_ascii=False, separators=(",", ":"))
    assert imported(exported(text, "singer", target="meltano"), source="meltano", renames={}) == (text, "singer")


@given(names=st.lists(NAMES, min_size=1, max_size=4, unique=True), other=NAMES)
def test_a_rename_there_and_back(names, other):
    """This works if no other stream has the new name."""
    if other in names:
        return
    text = json.dumps({"bookmarks": {name: {"n": 1} for name in names}}, ensure_ascii=False, separators=(",", ":"))
    there = renamed(text, "singer", {names[0]: other})
    assert renamed(there, "singer", {other: names[0]}) == text


@pytest.mark.parametrize(
    ("text", "source", "state"),
    [
        (
            f'{{"stateType":"stream","state":null,"streamState":[{API["stream"]}],"globalState":null}}',
            "airbyte",
            f"[{STREAM}]",
        ),
        (f'{{"state":null,"streamState":null,"globalState":{API["global"]}}}', "airbyte", GLOBAL),
        (f'{{"streamState":null,{API["global"][1:]}', "airbyte", GLOBAL),
        (
            '{"stateType":"global","globalState":{"sharedState":{"lsn":1.0},"streamStates":null}}',
            "airbyte",
            '[{"type":"GLOBAL","global":{"shared_state":{"lsn":1.0},"stream_states":[]}}]',
        ),
        ('{"cdc": null}', "airbyte", '{"cdc":null}'),
        (f'{{"completed": {{"singer_state": {BOOKMARKS}}}, "partial": null}}', "meltano", BOOKMARKS),
        (
            f'{{"completed": {{"singer_state": {BOOKMARKS}}}, "partial": {{"singer_state": null}}}}',
            "meltano",
            BOOKMARKS,
        ),
        ('{"singer_state":{"airbyte_state":null,"bookmarks":{"a":1}}}', "meltano", None),
    ],
)
def test_null_is_the_same_as_nothing(text, source, state):
    taken_state, dialect = taken(text, source)
    assert dialect == ("singer" if source == "meltano" else "airbyte")
    assert taken_state == (state or '{"airbyte_state":null,"bookmarks":{"a":1}}')


@pytest.mark.parametrize(
    "text", ['{"singer_state": null}', '{"completed": null}', '{"completed": {}, "partial": null}']
)
def test_a_state_of_nulls_is_empty(text):
    with pytest.raises(UsageError, match="is empty"):
        imported(text, source="meltano", renames={})
