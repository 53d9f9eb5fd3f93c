import pytest

from tapdock.errors import UsageError
from tapdock.protocol.catalog import StreamKey
from tapdock.translate.names import singer_names


def key(name: str, namespace: str | None = None) -> StreamKey:
    return StreamKey.of(namespace, name)


def test_without_namespaces_names_are_kept() -> None:
    assert list(singer_names([key("a-b"), key("C d", "")]).values()) == ["a-b", "C d"]


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
