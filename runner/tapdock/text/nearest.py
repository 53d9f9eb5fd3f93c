"""Find the word that a misspelled one may mean."""

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean"]

_NEAR = 0.62
"""How alike two words must be: `host` and `hostname` are, `dates` and `database` are not."""


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the hint `did you mean …?` with the nearest known word; None if no word is near."""
    words = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word.lower(), words, n=1, cutoff=_NEAR)
    return f"did you mean `{words[near[0]]}`?" if near else None
