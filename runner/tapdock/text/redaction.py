"""Replace secrets in the output of connectors. This is the second line of defense, for connectors that print them."""

import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping

from tapdock.text.clean import defused, plain
from tapdock.text.own_words import own_words
from tapdock.text.secret_forms import SHORTEST_SECRET, Form, forms_of
from tapdock.text.secret_names import MASK

__all__ = ["Redactor"]

_CONFIG = re.compile(r"[\"']CONTROL\\*[\"']|connector_?config", re.IGNORECASE)
_CONFIG_WORDS = ("CONTROL", "onnector", "ONNECTOR")  # cheap test: without one of these, the expression cannot match
_CONFIG_MASK = "[a message with a config]"
_BLOCK = 3
_STEP = SHORTEST_SECRET - _BLOCK + 1
_MAY_BE_CUT = (64 << 10) // 4
"""In characters: lines are cut at 64 KiB, and a character has at most four bytes."""


class Redactor:
    """Cleans text and replaces the secrets in it. Safe to use from several threads.

    It checks every `_STEP`th position of a text: each form of a secret has one of its first blocks at such a position.
    So the time for a text does not grow with the number of secrets. `own` are tapdock's commands and the names of the
    project file, which stay readable in tapdock's own messages.
    """

    def __init__(self, secrets: Iterable[str] = (), *, own: Collection[str] = ()) -> None:
        self._own = own
        self._known: Mapping[str, tuple[Form, ...]] = {}
        self._blocks: frozenset[str] = frozenset()
        self._learned: set[str] = set()
        self._lock = threading.Lock()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Replace these secrets as well from now on, except short ones, which are parts of too many words."""
        with self._lock:
            new = set(secrets) - self._learned
            if not new:
                return
            self._learned |= new
            starts: dict[str, set[Form]] = {}
            for secret in new:
                for form in forms_of(secret):
                    starts.setdefault(form.text[:SHORTEST_SECRET], set()).add(form)
            longest_first = {
                start: tuple(sorted({*forms, *self._known.get(start, ())}, key=lambda form: -len(form.text)))
                for start, forms in starts.items()
            }
            blocks = {start[at : at + _BLOCK] for start in starts for at in range(_STEP)}
            self._known = {**self._known, **longest_first}  # replaced as a whole: other threads read it
            self._blocks |= blocks

    def __call__(self, text: str) -> str:
        """Return clean text without secrets. Cleaning comes first: an escape code inside of a secret would hide it."""
        return defused(self._replaced(_without_config(plain(text)), kept=()))

    def message(self, text: str) -> str:
        """Return the same for a message of tapdock, in which a command keeps its own words."""
        text = _without_config(plain(text))
        return defused(self._replaced(text, kept=own_words(text, self._own)))

    def _replaced(self, text: str, *, kept: Collection[tuple[int, int]]) -> str:
        known = self._known
        parts: list[str] = []
        done = 0  # text before this position is in `parts`
        end = 0  # end of the last secret
        for start in self._candidates(text):
            forms = known.get(text[start : start + SHORTEST_SECRET], ())
            form = next((form for form in forms if _begins(form, text, start)), None)
            if form is None:
                continue
            first, last = start - form.before, start + len(form.text) + form.after
            if any(begin <= first and last <= end_ for begin, end_ in kept):
                continue
            if start - form.before > end or not parts:
                parts += (text[done : max(done, start - form.before)], MASK)
            end = done = max(end, _end(text, start, form))
        return "".join(parts) + text[done:]

    def _candidates(self, text: str) -> Iterator[int]:
        """Yield the positions where a form may start, in order."""
        blocks = self._blocks
        for at in [at for at in range(0, len(text), _STEP) if text[at : at + _BLOCK] in blocks]:
            yield from range(max(0, at - _STEP + 1), at + 1)

    def __repr__(self) -> str:
        return "Redactor()"


def _begins(form: Form, text: str, start: int) -> bool:
    """Return True if the secret is at `start`, or if its first part is at the end of a text that may have been cut."""
    left = len(text) - start
    if left < len(form.text) and len(text) >= _MAY_BE_CUT:
        return form.text.startswith(text[start:])
    return text.startswith(form.text, start)


def _end(text: str, start: int, form: Form) -> int:
    """Return the position where the secret ends, including the padding of base64."""
    end = start + len(form.text) + form.after
    while form.after and text[end : end + 1] == "=":
        end += 1
    return min(end, len(text))


def _without_config(text: str) -> str:
    """Return text without a possible CONTROL message: its config may contain tokens that are not known yet."""
    found = _CONFIG.search(text) if any(word in text for word in _CONFIG_WORDS) else None
    brace = text.find("{")
    return text if found is None or brace < 0 else text[:brace] + _CONFIG_MASK
