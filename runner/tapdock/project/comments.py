"""Add comments above keys of a YAML text. Everything else keeps its bytes."""

import textwrap
from collections.abc import Mapping, Sequence

import yaml

from tapdock.errors import UsageError
from tapdock.project import document
from tapdock.project.layers import Path

__all__ = ["with_comments"]

_WIDTH = 118
_MOST_LINES = 3


def with_comments(text: str, notes: Mapping[Path, Sequence[str]], *, label: str) -> str:
    """Return YAML text with comments above the keys at these paths. A long comment has several lines, and is cut.

    A line that begins with `|` is not wrapped. A key inside of `{}` gets no comment: there is no place for it. Raises
    UsageError if a comment would change a value.
    """
    line_end = "\r\n" if "\r\n" in text else "\n"
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    added: dict[int, str] = {}
    for path, wanted in notes.items():
        mark = _mark(root, path)
        if mark is None:
            continue
        begin = text.rfind("\n", 0, mark.index) + 1
        indent = text[begin : mark.index]
        if indent.strip():
            continue
        added[begin] = "".join(f"{indent}# {each}{line_end}" for note in wanted for each in _wrapped(note, mark.column))
    result = text
    for begin, comment in sorted(added.items(), reverse=True):
        result = result[:begin] + comment + result[begin:]
    if document.parse(result, label).tree != document.parse(text, label).tree:
        raise UsageError(f"{label}: the comments would change values of the file", hint="edit the file by hand")
    return result


def _wrapped(note: str, column: int) -> list[str]:
    if note.startswith("|"):
        return [note[1:]]
    width = max(40, _WIDTH - column - 2)
    return textwrap.wrap(note, width, max_lines=_MOST_LINES, placeholder=" …", break_long_words=True)


def _mark(node: yaml.Node | None, path: Path) -> yaml.Mark | None:
    """Return the beginning of the key at a path; None if there is none."""
    mark: yaml.Mark | None = None
    for part in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((key, value) for key, value in pairs if key.value == part), None)
        if found is None:
            return None
        mark, node = found[0].start_mark, found[1]
    return mark
