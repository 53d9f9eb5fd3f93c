"""Remove excluded fields from the bodies of records. A body without any of them keeps its bytes."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
from msgspec import Raw

from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.protocol.exclusion import Exclusion
from tapdock.protocol.patterns import Path, pieces
from tapdock.translate.write.rules import Rule, chain, finder, without

__all__ = ["Withheld", "may_repeat", "removal"]

_ENCODE = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])
_NOT_KEPT = b"(not kept: it may have what `select` or `maps` leave out)"
_PLAIN = re.compile(r"[A-Za-z0-9_ -]+")


def removal(exclusion: Exclusion) -> Rule | None:
    """Return the rule that removes the fields; None if there are none.

    Names are compared by value, in each form that JSON allows for them. Arrays are searched for objects; any other
    value on the way to a nested field is unchanged.
    """
    if not exclusion:
        return None
    if not exclusion.patterns and all(len(path) == 1 for path in exclusion.paths):  # the usual case, in half the time
        return without([name for (name,) in exclusion.paths])
    may_contain = _finder(exclusion)

    def rewrite(body: bytes) -> bytes:
        return _pruned(body, (), exclusion) if may_contain(body) else body

    return rewrite


def may_repeat(text: bytes, *marks: bytes) -> bool:
    """Return True if a message may have a member twice. `marks` are the names of the members, in quotes."""
    return b"\\u00" in text or any(text.count(mark) > 1 for mark in marks)


class Withheld:
    """Removes excluded fields from the text of a record that cannot be translated."""

    def __init__(
        self,
        streams: Iterable[ConfiguredStream],
        left_out: Iterable[str] = (),
        *,
        protected: Mapping[StreamKey, Iterable[Rule]] | None = None,
    ) -> None:
        """`left_out` are names of streams that the source offers, and that are not read.

        `protected` are rules of streams that remove the fields which their maps protect; None if the run has no maps.
        """
        rules: dict[str, list[Rule]] = {}
        for one in streams:
            rule = removal(one.exclusion)
            found = [*([rule] if rule else []), *(protected or {}).get(one.stream.key, ())]
            for name in {str(one.stream.key), one.stream.name}:
                rules.setdefault(name, []).extend(found)
        self._rules = {name: chain(found) for name, found in rules.items()}
        self.has_rules = protected is not None or any(self._rules.values())
        self._left_out = frozenset(left_out)

    def kept(self, stream: str | None, text: bytes) -> bytes:
        """Return the text of a message, or of a body, without the excluded fields of its stream.

        The text of a stream that is not read is not kept. Text that is not a record, or whose stream is not known,
        is not kept if a stream of the run has excluded fields.
        """
        if stream in self._left_out:
            return _NOT_KEPT
        if not self.has_rules or (stream in self._rules and self._rules[stream] is None):
            return text
        rule = self._rules.get(stream or "")
        try:
            members = _OBJECT.decode(text)
            if rule is None:
                return _NOT_KEPT
            if "record" in members:
                members["record"] = Raw(_without(bytes(members["record"]), rule))
            return rule(_ENCODE(members))
        except msgspec.MsgspecError:
            return _NOT_KEPT


def _without(record: bytes, rule: Rule) -> bytes:
    """Return the record of a message without the fields; that of an Airbyte source has its body in `data`.

    Raises MsgspecError if one of them is not an object.
    """
    members = _OBJECT.decode(record)
    if "data" in members:
        members["data"] = Raw(rule(_ENCODE(_OBJECT.decode(members["data"]))))
    return rule(_ENCODE(members))


def _pruned(value: bytes, path: Path, exclusion: Exclusion) -> bytes:
    match value[:1]:
        case b"{":
            return _object(value, path, exclusion)
        case b"[":
            old = [bytes(item) for item in _ARRAY.decode(value)]
            new = [_pruned(item, path, exclusion) for item in old]
            same = all(after is before for after, before in zip(new, old, strict=True))
            return value if same else b"[" + b",".join(new) + b"]"
        case _:
            return value


def _object(value: bytes, path: Path, exclusion: Exclusion) -> bytes:
    members = _OBJECT.decode(value)
    changed = entered = False
    for name in list(exclusion.candidates(path, members.keys())):
        within = (*path, name)
        verdict = exclusion.verdict(within)
        if verdict == "remove":
            del members[name]
            changed = True
        elif verdict == "enter":
            entered = True
            old = bytes(members[name])
            new = _pruned(old, within, exclusion)
            if new is not old:
                members[name] = Raw(new)
                changed = True
    return _ENCODE(members) if changed or (entered and _repeats(value, members)) else value


def _repeats(value: bytes, members: dict[str, Raw]) -> bool:
    """Return True if an object has a name twice: only the last one was searched, so only that one may stay."""
    if len(_ENCODE(members)) == len(value):
        return False
    try:
        return int(json.loads(value, object_pairs_hook=len, parse_int=len, parse_float=len)) != len(members)
    except (ValueError, RecursionError):
        return True


def _finder(exclusion: Exclusion) -> Callable[[bytes], bool]:
    """Return a fast test: False only if a body has none of the fields."""
    parts = [_literal(pattern) for pattern in exclusion.patterns]
    if not all(parts):
        return lambda _: True
    return finder({path[-1] for path in exclusion.paths}, parts=[part for part in parts if part])


def _literal(pattern: str) -> bytes | None:
    """Return text that the name of each matching field contains; None if there is none."""
    texts = _texts(pieces(pattern)[-1])
    return max(texts, key=len, default="").encode() or None


def _texts(pattern: str) -> Iterator[str]:
    """Yield the parts of a pattern between its globs, if they are plain text. A `*` may stand for other names too."""
    if "[" in pattern or "\\" in pattern:
        return
    yield from (text for text in re.split(r"[*?]", pattern) if _PLAIN.fullmatch(text))
