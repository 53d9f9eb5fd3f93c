"""Tests the dialog about a connector's config without a terminal: the questions of a spec, and the new config."""

import json

import pytest

from corpus.material import CORPUS
from tapdock.connectors.config_keys import ABSENT
from tapdock.connectors.questions import SKIP, Kept, Wrong, answer, changes, questions
from tapdock.connectors.settings import violations
from tapdock.connectors.spec_checks import cleaned


def talk(spec, lines, config=None):
    """Return the titles of the questions, and the new config, if each question gets a line."""
    walk, titles, left = questions(spec, config or {}), [], list(lines)
    try:
        question = next(walk)
        while True:
            titles.append(question.title)
            question = walk.send(answer(question, left.pop(0), spec))
    except StopIteration as ending:
        assert not left
        return titles, ending.value


def new(wanted):
    if isinstance(wanted, Kept):
        return wanted.raw
    if isinstance(wanted, dict):
        return {key: new(value) for key, value in wanted.items()}
    return [new(item) for item in wanted] if isinstance(wanted, list) else wanted


def spec(required=(), **properties):
    return {"type": "object", "required": list(required), "properties": properties}


TEXT = {"type": "string"}
LOGIN = {
    "title": "Login",
    "type": "object",
    "oneOf": [
        {
            "title": "Token",
            "required": ["kind", "token"],
            "properties": {"kind": {"const": "token"}, "token": {**TEXT, "airbyte_secret": True}},
        },
        {
            "title": "Password",
            "required": ["kind", "user", "password"],
            "properties": {"kind": {"const": "basic"}, "user": TEXT, "password": TEXT, "realm": TEXT},
        },
    ],
}


def test_settings_are_asked_in_their_order_and_hidden_ones_are_not():
    one = spec(b={**TEXT, "order": 1}, a={**TEXT, "order": 0}, c={**TEXT, "airbyte_hidden": True}, d={"const": 5})
    assert talk(one, ["x", "y"], {"c": "old"}) == (["a", "b"], {"a": "x", "b": "y", "c": Kept("old"), "d": 5})


def test_required_settings_come_first_and_the_others_can_be_skipped_at_once():
    one = spec(["b"], a=TEXT, b=TEXT, c=TEXT)
    assert talk(one, ["x", ""]) == (["b", "Also ask about 2 optional settings? a, c"], {"b": "x"})
    assert talk(one, ["x", "y", "1", ""])[1] == {"b": "x", "a": "1"}


def test_a_choice_sets_the_mark_of_its_branch():
    one = spec(["login"], login=LOGIN)
    titles, wanted = talk(one, ["Password", "me", "secret", "n"])
    assert titles == [
        "Login (login)",
        "login.user",
        "login.password",
        "Also ask about 1 optional setting? realm",
    ]
    assert wanted == {"login": {"kind": "basic", "user": "me", "password": "secret"}}


def test_another_branch_removes_the_settings_of_the_old_one():
    old = {"login": {"kind": "token", "token": "${T}"}, "other": 1}
    _, wanted = talk(spec(["login"], login=LOGIN), ["2", "me", "secret", ""], old)
    assert sorted(changes(wanted, old), key=str) == sorted(
        [
            (("login", "token"), ABSENT),
            (("login", "kind"), "basic"),
            (("login", "user"), "me"),
            (("login", "password"), "secret"),
        ],
        key=str,
    )


def test_empty_lines_change_nothing():
    old = {"login": {"kind": "token", "token": "${T}"}, "hosts": ["a"], "other": 1, "n": 5}
    one = spec(["login", "hosts", "n"], login=LOGIN, hosts={"type": "array", "items": TEXT}, n={"type": "integer"})
    _, wanted = talk(one, ["", "", "", ""], old)
    assert (list(changes(wanted, old)), new(wanted)) == ([], old)


def test_the_default_of_a_required_setting_is_written():
    one = spec(
        ["n", "m"], n={"type": "integer", "default": 5}, m={"enum": ["a", "b"], "default": "b"}, o={"default": 1}
    )
    assert talk(one, ["", "", ""])[1] == {"n": 5, "m": "b"}


def test_lists_of_text_and_of_objects():
    hosts = {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True}
    pairs = {"type": "array", "items": spec(["k"], k=TEXT), "maxItems": 2}
    one = spec(["hosts", "pairs"], hosts=hosts, pairs=pairs)
    assert talk(one, ["a", "b", "", "y", "x", "y", "z"])[1] == {"hosts": ["a", "b"], "pairs": [{"k": "x"}, {"k": "z"}]}
    walk = questions(one, {})
    question = next(walk)
    with pytest.raises(Wrong, match="required"):
        answer(question, "", one)
    with pytest.raises(Wrong, match="uniqueItems"):
        answer(walk.send("a"), "a", one)


@pytest.mark.parametrize(
    ("schema", "text", "reason"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, "0", "minimum is 1"),
        ({"type": "integer", "maximum": 9}, "10", "maximum is 9"),
        ({"type": "integer"}, "x", "is text, not integer"),
        (
            {"type": "string", "pattern": "^[a-z]+$", "pattern_descriptor": "letters"},
            "A",
            r"does not match .* \(letters\)",
        ),
        ({"type": "string", "minLength": 3}, "ab", "minLength is 3"),
        ({"enum": ["a", "b"]}, "c", "a number from 1 to 2"),
        ({"type": "boolean"}, "maybe", "`y` or `n`"),
        ({"type": "object"}, "[1]", "is .*, not object"),
        (TEXT, "", "required"),
    ],
)
def test_a_wrong_answer_names_the_rule(schema, text, reason):
    one = spec(["a"], a=schema)
    with pytest.raises(Wrong, match=reason):
        answer(next(questions(one, {})), text, one)


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": ["integer", "null"]}, "5", 5),
        (TEXT, "007", "007"),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "x", "x"),
        ({"oneOf": [{"const": "a", "title": "First"}, {"const": 2, "title": "Second"}]}, "second", 2),
        ({"$ref": "#/definitions/n"}, "5", 5),
        ({"type": ["boolean", "null"]}, "n", False),
        ({"enum": [1, 2], "type": "integer"}, "2", 2),
    ],
)
def test_answers_have_the_type_of_the_spec(schema, text, value):
    one = {**spec(["a"], a=schema), "definitions": {"n": {"type": "integer"}}}
    assert talk(one, [text]) == (["a"], {"a": value})


@pytest.mark.parametrize(
    ("schema", "is_secret"),
    [
        ({**TEXT, "airbyte_secret": True}, True),
        ({**TEXT, "writeOnly": True}, True),
        ({**TEXT, "secret": True}, True),
        (TEXT, False),
    ],
)
def test_what_is_hidden_while_it_is_typed(schema, is_secret):
    assert next(questions(spec(a=schema), {})).is_secret == is_secret
    assert next(questions(spec(password=TEXT), {})).is_secret


def test_a_root_with_choices():
    one = {"oneOf": LOGIN["oneOf"]}
    assert talk(one, ["Token", "abc"])[1] == {"kind": "token", "token": "abc"}


REGISTRY = CORPUS.parent / "registry" / "airbyte" / "oss_registry.json"
GUESSES = ("x", "5", "2020-01-01", "2020-01-01T00:00:00Z", "{}", "https://example.com", "123-456-7890", "x" * 20)


def guessed(question, spec, *, whole):
    """Return an answer that the spec accepts: for as few settings as possible, or for the `whole` of them."""
    is_second = isinstance(question.path[-1] if question.path else "", int) and question.path[-1] > 0
    if question.kind == "flag":
        return whole and not is_second
    if not question.is_required and (is_second or not whole):
        return SKIP
    if question.kind == "choice":
        return question.choices[-1 if whole else 0][1]
    examples = question.schema.get("examples")
    for text in (*(map(str, examples) if isinstance(examples, list) else ()), *GUESSES):
        try:
            return answer(question, text, spec)
        except Wrong:
            continue
    assert not question.is_required, question
    return SKIP


@pytest.mark.parametrize("whole", [False, True])
def test_a_dialog_about_each_connector_of_the_registry_ends_with_a_valid_config(whole):
    """A second dialog with only empty lines then changes nothing."""
    if not REGISTRY.is_file():
        pytest.skip(f"{REGISTRY} is not there: the specs of real connectors")
    entries = [entry for group in json.loads(REGISTRY.read_text()).values() for entry in group]
    assert len(entries) > 30
    for entry in entries:
        spec = cleaned(entry["spec"]["connectionSpecification"])
        config = finished(spec, {}, lambda question, spec=spec: guessed(question, spec, whole=whole))
        assert violations(new(config), spec) == [], entry["dockerRepository"]
        again = finished(spec, new(config), lambda question, spec=spec: answer(question, "", spec))
        assert list(changes(again, new(config))) == [], entry["dockerRepository"]


def finished(spec, config, reply):
    walk = questions(spec, config)
    try:
        question = next(walk)
        while True:
            question = walk.send(reply(question))
    except StopIteration as ending:
        return ending.value


def test_a_single_branch_keeps_optional_settings_without_a_required_one():
    one = {**spec(a=TEXT), "anyOf": [{"properties": {"b": TEXT, "c": TEXT}, "required": ["b"]}]}
    _, found = talk(one, ["bb", "y", "", ""], {"a": "x", "c": "z"})
    assert new(found) == {"a": "x", "b": "bb", "c": "z"}


def test_a_reference_to_a_whole_object_is_kept_unless_it_is_to_be_replaced():
    one = spec(["login"], login=LOGIN)
    titles, found = talk(one, [""], {"login": "${J}"})
    assert (titles, found) == (["Keep the reference of Login (login)?"], {"login": Kept("${J}")})
    _, found = talk(one, ["n", "1", "t"], {"login": "${J}"})
    assert new(found) == {"login": {"kind": "token", "token": "t"}}
