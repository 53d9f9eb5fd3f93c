"""Documents in which one value or one name is replaced by nonsense, as connectors and people write it by mistake."""

from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["NAMES", "NONSENSE", "damaged"]

NONSENSE: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    5,
    1.5,
    2**63,
    2**64,
    -(2**64),
    10**400,
    1e308,
    "",
    " ",
    "x",
    "null",
    'a"b',
    "a`b\n",
    "\x00",
    "#",
    "#/",
    "#/properties/0",
    "9" * 5000,
    "\ud800",
    [],
    [None],
    ["x", 5, {}],
    [[[]]],
    {},
    {"": None},
    {"x": []},
    {"$ref": "#"},
    {"$ref": ["#"]},
)
NAMES = ("", 'a"b', "a`b", "a.b", "a/b~c", "\x00", "\ud800", "$ref", "__proto__", "a\nb", "x" * 5000)


def damaged(document: Any, *, values: Sequence[Any] = NONSENSE, names: Sequence[str] = NAMES) -> Iterator[Any]:
    """Yield the document with each value, and each name of a member, replaced by each nonsense."""
    yield from values
    if isinstance(document, dict):
        for key, value in document.items():
            for worse in damaged(value, values=values, names=names):
                yield {**document, key: worse}
            for name in names:
                yield {(name if each == key else each): inner for each, inner in document.items()}
            yield {each: inner for each, inner in document.items() if each != key}
    elif isinstance(document, list):
        for place, value in enumerate(document):
            for worse in damaged(value, values=values, names=names):
                yield [*document[:place], worse, *document[place + 1 :]]
