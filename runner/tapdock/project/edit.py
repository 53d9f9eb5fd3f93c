"""Change single values of a YAML text. Everything else keeps its bytes: comments, order, quotes, blank lines.

Each edit is a splice at the marks that PyYAML reports. The result is read again and compared with what it must be, so
an edit that cannot be made in this way is refused.
"""

import copy
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import yaml

from tapdock.errors import UsageError
from tapdock.project import document
from tapdock.project.layers import Path, dotted

__all__ = ["comments", "remove", "set_value"]

_BY_HAND = "edit the file by hand"


def set_value(text: str, path: Path, value: Any, *, label: str) -> str:
    """Return YAML text in which the value at `path` is `value`: None, a boolean, a number, text, a list or a mapping.

    Missing mappings on the way are added. An index equal to the length of a list appends to it. `label` is the file's
    name, for errors. Raises UsageError with `label:line` if a comment would be lost, or if the place is an alias.
    """
    return _edited(text, path, value, label, keep_comments=True)


def remove(text: str, path: Path, *, label: str, keep_comments: bool = True) -> str:
    """Return YAML text without the entry at `path`, which must exist. The last entry leaves `{}` or `[]`.

    Raises UsageError if a comment would be lost; with `keep_comments=False`, comments of the entry go with it: those in
    it, and those right above it, except above the first entry, where they may be about all entries.
    """
    return _edited(text, path, _NOTHING, label, keep_comments=keep_comments)


_NOTHING: Any = object()


def _edited(text: str, path: Path, value: Any, label: str, *, keep_comments: bool) -> str:
    before = document.parse(text, label).tree
    wanted = _changed(before, path, value)
    edit = _Edit(text, label)
    result = edit.replaced(path, value) if value is not _NOTHING else edit.removed(path, whole=not keep_comments)
    if document.parse(result, label).tree != wanted:
        raise UsageError(
            f"{edit.place(path)}: `{dotted(path)}` cannot be changed without changing other values", hint=_BY_HAND
        )
    if keep_comments and (lost := Counter(c for _, c in comments(text)) - Counter(c for _, c in comments(result))):
        line, comment = next((line, comment) for line, comment in comments(text) if comment in lost)
        raise UsageError(f"{label}:{line}: the edit would lose the comment `{comment[:60]}`", hint=_BY_HAND)
    return result


def _changed(tree: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return a copy of the tree with the change."""
    result: Any = copy.deepcopy(tree)
    inner = result
    for part, following in pairwise(path):
        if isinstance(inner, dict) and inner.get(str(part)) is None:
            inner[part] = [] if isinstance(following, int) else {}
        inner = inner[part]
    if value is _NOTHING:
        del inner[path[-1]]
    elif isinstance(inner, list) and path[-1] == len(inner):
        inner.append(value)
    else:
        inner[path[-1]] = value
    return result  # type: ignore[no-any-return] # a copy of `tree`


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each comment: what is between two tokens is white space or a comment."""
    end = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        gap = text[end : token.start_mark.index]
        for found in re.finditer(r"#[^\r\n]*", gap):
            yield text.count("\n", 0, end + found.start()) + 1, found[0].rstrip()
        end = max(end, token.end_mark.index)


class _Edit:
    """One edit of a text."""

    def __init__(self, text: str, label: str) -> None:
        self._text = text
        self._label = label
        self._line_end = "\r\n" if "\r\n" in text else "\n"
        self._root: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)

    def place(self, path: Path) -> str:
        """Return `label:line` of the deepest part of the path that exists."""
        known = self._found(path)[-1]
        return f"{self._label}:{known.start_mark.line + 1}" if known else self._label

    def replaced(self, path: Path, value: Any) -> str:
        nodes = self._found(path)
        inside = nodes[-1]
        rest = path[len(nodes) - 1 :]
        for part in reversed(rest[1:]):
            value = [value] if isinstance(part, int) else {part: value}
        if inside is None:  # an empty file
            return self._text + _block({rest[0]: value}, 0, self._line_end)
        if not rest:
            return self._spliced(nodes, inside, value)
        if isinstance(inside, yaml.CollectionNode) and inside.value:
            return self._added(inside, rest[0], value)
        return self._spliced(nodes, inside, [value] if isinstance(rest[0], int) else {rest[0]: value})

    def removed(self, path: Path, *, whole: bool = False) -> str:
        """Return the text without an entry; if `whole`, also without the comment right above it."""
        nodes = self._found(path)
        if len(nodes) <= len(path) or nodes[-2] is None:
            raise UsageError(f"{self.place(path)}: `{dotted(path)}` is not written there", hint=_BY_HAND)
        parent: Any = nodes[-2]
        if len(parent.value) == 1:
            empty = _inline([] if isinstance(parent, yaml.SequenceNode) else {})
            return self._at(parent, parent.flow_style, empty) if len(nodes) > 2 else ""
        starts = [(item[0] if isinstance(item, tuple) else item).start_mark.index for item in parent.value]
        ends = [self._end(item[1] if isinstance(item, tuple) else item) for item in parent.value]
        index = next(
            i for i, item in enumerate(parent.value) if nodes[-1] is (item[1] if isinstance(item, tuple) else item)
        )
        if parent.flow_style:
            first, last = (ends[index - 1], ends[index]) if index else (starts[0], starts[1])
            return self._text[:first] + self._text[last:]
        line = self._text.rfind("\n", 0, starts[index]) + 1
        if isinstance(parent, yaml.MappingNode) and self._text[line : starts[index]].strip():
            return self._text[: starts[0]] + self._text[starts[1] :]  # the first key, on the line of a `-`
        begin = self._comment_above(line, starts[index] - line) if whole and index else line
        return self._text[:begin] + self._text[self._after(ends[index]) :]

    def _comment_above(self, line: int, column: int) -> int:
        """Return the start of the comment lines above a line that begin in the same column as its entry."""
        while line:
            start = self._text.rfind("\n", 0, line - 1) + 1
            if not self._text[start:line].startswith(" " * column + "#"):
                break
            line = start
        return line

    def _found(self, path: Path) -> list[yaml.Node | None]:
        """Return the nodes along the path, from the root to the deepest that exists. Raises UsageError for an alias."""
        nodes: list[yaml.Node | None] = [self._root]
        for depth, part in enumerate(path):
            inner: Any = nodes[-1]
            after = inner.start_mark.index if inner else 0
            if isinstance(inner, yaml.MappingNode):
                pair = next(((key, value) for key, value in inner.value if key.value == part), None)
                after, found = (pair[0].end_mark.index, pair[1]) if pair else (0, None)
            elif isinstance(inner, yaml.SequenceNode) and isinstance(part, int):
                found = inner.value[part] if part < len(inner.value) else None
            else:
                found = None
            if found is None:
                break
            if found.start_mark.index < after or self._text[found.start_mark.index : found.end_mark.index].startswith(
                "&"
            ):
                raise UsageError(
                    f"{self._label}:{inner.start_mark.line + 1}: `{dotted(path[: depth + 1])}` is an alias or has one",
                    hint=_BY_HAND,
                )
            nodes.append(found)
        return nodes

    def _end(self, node: yaml.Node) -> int:
        """Return the end of a node's last character. Blank lines and comments after it do not belong to it."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            return self._end(last[1] if isinstance(last, tuple) else last)
        end = int(node.end_mark.index)
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            end = len(self._text[:end].rstrip())
        return end

    def _after(self, index: int) -> int:
        """Return the start of the line after `index`."""
        end = self._text.find("\n", index)
        return len(self._text) if end < 0 else end + 1

    def _at(self, node: yaml.Node, flow: bool, new: str) -> str:
        """Return the text with one line of `new` in place of a node."""
        start, end = node.start_mark.index, self._end(node)
        if not flow and isinstance(node, yaml.CollectionNode):
            start = len(self._text[:start].rstrip())  # the collection begins on a line of its own
        if (isinstance(node, yaml.ScalarNode) and start == end) or self._text[start - 1 : start] in (":", "-"):
            new = f" {new}"
        return self._text[:start] + new + self._text[end:]

    def _spliced(self, nodes: Sequence[yaml.Node | None], node: yaml.Node, value: Any) -> str:
        """Return the text with `value` in place of a node."""
        flow = any(isinstance(each, yaml.CollectionNode) and each.flow_style for each in nodes if each is not node)
        if not (isinstance(value, dict | list) and value) or flow or getattr(node, "flow_style", False):
            return self._at(node, not isinstance(node, yaml.CollectionNode) or bool(node.flow_style), _inline(value))
        parent = nodes[-2] if len(nodes) > 1 else None
        if parent is None:
            return _block(value, 0, self._line_end)
        column = parent.start_mark.column + 2
        start, end = node.start_mark.index, self._end(node)
        line = self._text.find("\n", end)
        rest = self._text[end : len(self._text) if line < 0 else line].rstrip("\r")
        before = self._text[:start].rstrip()
        block = _block(value, column, self._line_end)
        return before + rest.rstrip() + self._line_end + block + self._text[self._after(end) :]

    def _added(self, node: Any, part: str | int, value: Any) -> str:
        """Return the text with one more entry at the end of a collection that has entries."""
        entry: Any = [value] if isinstance(part, int) else {part: value}
        last = node.value[-1]
        end = self._end(last[1] if isinstance(last, tuple) else last)
        if node.flow_style:
            return f"{self._text[:end]}, {_inline(entry)[1:-1]}{self._text[end:]}"
        after = self._after(end)
        before = self._text[:after] + ("" if self._text[:after].endswith("\n") else self._line_end)
        return before + _block(entry, node.start_mark.column, self._line_end) + self._text[after:]


class _Dumper(yaml.SafeDumper):
    """Writes text in quotes if YAML 1.1 or YAML 1.2 would read it as something else."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"), list("-+.0123456789")
)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?\d+$"), list("-+0123456789"))
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def _dumped(value: Any, *, flow: bool) -> str:
    return str(
        yaml.dump(
            value, Dumper=_Dumper, default_flow_style=flow, sort_keys=False, allow_unicode=True, width=float("inf")
        )
    )


def _inline(value: Any) -> str:
    """Return a value in one line."""
    if isinstance(value, dict | list):
        return _dumped(value, flow=True).strip()
    return _dumped([value], flow=True).strip()[1:-1]


def _block(value: Any, column: int, line_end: str) -> str:
    """Return the lines of a mapping or a list at a column."""
    lines = _dumped(value, flow=False).splitlines()
    return "".join(f"{' ' * column if line else ''}{line}{line_end}" for line in lines)
