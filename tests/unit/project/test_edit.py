"""Edits of a YAML text: the value changes, and every other byte stays."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapdock.errors import UsageError
from tapdock.project import document
from tapdock.project.edit import remove, set_value

TEXT = """\
# top
version: 1  # the format

sources:
  faker: # a source
    image: airbyte/source-faker:7
    config:
      count: 100   # many
      flow: {a: 1, b: [1, 2]}
      key: |
        abc
        def

      # after
    select:
    - "users.*"   # all
    - '!users.email'
  # next
  other: {image: x}
  empty:
targets:
  lake:
    image: y
"""


def _difference(new: str, old: str = TEXT) -> list[str]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize(
    ("path", "value", "lines"),
    [
        ("sources faker config count", 5, ["-      count: 100   # many", "+      count: 5   # many"]),
        ("sources faker config new", "1e5", ["+      new: '1e5'"]),
        ("sources faker config new", "no", ["+      new: 'no'"]),
        ("sources faker config new", "${TOKEN}", ["+      new: ${TOKEN}"]),
        ("sources faker config new", "", ["+      new: ''"]),
        ("sources faker config new", None, ["+      new: null"]),
        ("sources faker config flow c", {"x": "y"}, [
            "-      flow: {a: 1, b: [1, 2]}", "+      flow: {a: 1, b: [1, 2], c: {x: y}}",
        ]),
        ("sources faker config flow b 2", "a, b", [
            "-      flow: {a: 1, b: [1, 2]}", "+      flow: {a: 1, b: [1, 2, 'a, b']}",
        ]),
        ("sources faker config key", "x", ["-      key: |", "-        abc", "-        def", "+      key: x"]),
        ("sources faker config count", {"a": 1}, [
            "-      count: 100   # many", "+      count:   # many", "+        a: 1",
        ]),
        ("sources faker select 2", "b.c", ["+    - b.c"]),
        ("sources faker select 1", "b", ["-    - '!users.email'", "+    - b"]),
        ("sources other config a", 1, ["-  other: {image: x}", "+  other: {image: x, config: {a: 1}}"]),
        ("sources empty config z", [1, {"q": 2}], ["+    config:", "+      z:", "+        - 1", "+        - q: 2"]),
        ("targets new", {"image": "i"}, ["+  new:", "+    image: i"]),
        ("pipelines demo source", "faker", ["+pipelines:", "+  demo:", "+    source: faker"]),
        ("version", 2, ["-version: 1  # the format", "+version: 2  # the format"]),
    ],
)  # fmt: skip
def test_only_the_lines_of_the_value_change(path: str, value: object, lines: list[str]) -> None:
    parts = tuple(int(part) if part.isdigit() else part for part in path.split())
    assert _difference(set_value(TEXT, parts, value, label="f")) == lines


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("sources faker select 1", ["-    - '!users.email'"]),
        ("sources faker config flow a", ["-      flow: {a: 1, b: [1, 2]}", "+      flow: {b: [1, 2]}"]),
        ("sources faker config flow b", ["-      flow: {a: 1, b: [1, 2]}", "+      flow: {a: 1}"]),
        ("sources faker config key", ["-      key: |", "-        abc", "-        def"]),
        ("sources other", ["-  other: {image: x}"]),
        ("sources other image", ["-  other: {image: x}", "+  other: {}"]),
        ("targets lake", ["-targets:", "-  lake:", "-    image: y", "+targets: {}"]),
    ],
)
def test_only_the_lines_of_the_entry_go(path: str, lines: list[str]) -> None:
    parts = tuple(int(part) if part.isdigit() else part for part in path.split())
    assert _difference(remove(TEXT, parts, label="f")) == lines


@pytest.mark.parametrize(
    ("path", "line"),
    [(("sources", "faker"), 5), (("sources", "faker", "select", 0), 16), (("sources", "faker", "config"), 8)],
)
def test_an_edit_that_would_lose_a_comment_is_refused(path: tuple[str | int, ...], line: int) -> None:
    with pytest.raises(UsageError, match=rf"tapdock.yaml:{line}: the edit would lose the comment `# "):
        remove(TEXT, path, label="tapdock.yaml")
    assert "faker" not in document.parse(remove(TEXT, path[:2], label="f", keep_comments=False), "f").tree["sources"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: &x {k: 1}\nb: *x\n", ("b", "k")),  # would change `a` as well
        ("a: &x {k: 1}\nb: *x\n", ("a", "k")),
        ("a: &x 1\nb: *x\n", ("b",)),
        ("a: {inner: &x 1}\nb: *x\n", ("a",)),
        ("base: &x\n  k: 1\na:\n  <<: *x\n  own: 2\n", ("base",)),
    ],
)
def test_an_alias_is_not_edited(text: str, path: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"f:\d"):
        set_value(text, path, 5, label="f")


def test_a_key_beside_a_merge_is_added() -> None:
    text = "base: &x {k: 1}\na:\n  <<: *x\n  own: 2\n"
    assert _difference(set_value(text, ("a", "k"), 5, label="f"), text) == ["+  k: 5"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "a:\n  b: 1\n"),
        ("# only a comment\n", "# only a comment\na:\n  b: 1\n"),
        ("x: 1", "x: 1\na:\n  b: 1\n"),
        ("x: 1\r\n# end\r\n", "x: 1\r\na:\r\n  b: 1\r\n# end\r\n"),
        ("a:\n\n# end\n", "a:\n  b: 1\n\n# end\n"),
        ("a: {}  # c\n", "a: {b: 1}  # c\n"),
        ("a:   # c\n", "a:   # c\n  b: 1\n"),
        ("{}\n", "{a: {b: 1}}\n"),
    ],
)
def test_missing_mappings_are_added(text: str, expected: str) -> None:
    assert set_value(text, ("a", "b"), 1, label="f") == expected


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**6), 10**6), st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=20),
    st.sampled_from(["no", "12:30", "2024-01-01", "007", "0x1f", "1e5", "~", "", "a: b", "# c", "- x", "${A}", "*x"]),
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
_PATHS = st.sampled_from(
    [
        ("sources", "faker", "config", "count"), ("sources", "faker", "config", "new"), ("sources", "other", "new"),
        ("sources", "faker", "config", "flow", "b", 1), ("sources", "faker", "select", 2), ("targets", "lake"),
        ("sources", "faker", "config", "key"), ("sources", "empty", "a", "b"), ("version",), ("new", "a", 0),
    ]
)  # fmt: skip


@given(_PATHS, _VALUES)
def test_what_was_written_is_read_again(path: tuple[str | int, ...], value: object) -> None:
    changed = set_value(TEXT, path, value, label="f")
    found = document.parse(changed, "f").tree
    for part in path:
        found = found[part]
    assert found == value
    assert type(found) is type(value)
