"""Find tapdock's own words and the user's names in a message: a secret that is one of them destroys no command."""

import re
from collections.abc import Collection, Iterator

__all__ = ["own_words"]

_PLACES = re.compile(
    r"`(?P<command>tapdock [^`]*)`"
    r"|\b(?:source|target|pipeline|task|job|state|did you mean) `(?P<name>[^`]*)`"
    r"|`(?P<state>[\w.-]+:[\w.-]+-to-[\w.:-]+)`"
    r"|\b(?:sources|targets|pipelines|tasks|jobs)\.(?P<key>[\w-]+)"
    r"|\b(?P<file>tapdock)(?=\.yaml\b)"
)
"""A command, a name after its role, the name of a state, a key of the project file, and that file."""
_WORD = re.compile(r"[^\s:=,|'\"]+")
_PART = re.compile(r"(?:^|(?<=-to-)).+?(?=-to-|$)")
_OPTION = re.compile(r"--[a-z]+(?:-[a-z]+)*")


def own_words(text: str, own: Collection[str]) -> list[tuple[int, int]]:
    """Return the start and the end of each word of a message that is one of `own`, or an option of a command.

    Connectors do not write such text: in all other places, a word counts as theirs.
    """
    return [span for place in _PLACES.finditer(text) for span in _words(text, *place.span(place.lastgroup or 0), own)]


def _words(text: str, start: int, end: int, own: Collection[str]) -> Iterator[tuple[int, int]]:
    """Yield the words in a part of a text. `shop-to-lake` in the name of a state has two of them."""
    for word in _WORD.finditer(text, start, end):
        if word[0] in own or _OPTION.fullmatch(word[0]):
            yield word.span()
            continue
        for part in _PART.finditer(word[0]):
            if part[0] in own:
                yield word.start() + part.start(), word.start() + part.end()
