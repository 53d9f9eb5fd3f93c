"""Secrets of a project: text that is hidden when it is printed."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

__all__ = ["LateSecrets", "Learner", "Secret"]


class Secret:
    """Text that came from the environment: shown as `[secret]` wherever it is printed.

    `parts` are the variables' own values in a longer text: a connector may print only the password of an address.
    `variables` are the names to which the project file refers.
    """

    __slots__ = ("_parts", "_text", "variables")

    def __init__(self, text: str, *, parts: tuple[str, ...] = (), variables: tuple[str, ...] = ()) -> None:
        self._text = text
        self._parts = parts
        self.variables = variables

    @property
    def parts(self) -> tuple[str, ...]:
        return self._parts

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "[secret]"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Learner(Protocol):
    def learn(self, secrets: Iterable[str], /) -> None: ...


class LateSecrets(Protocol):
    """Secrets that are read when they are first needed."""

    def listen(self, learner: Learner, /) -> None:
        """Pass all secrets that were ever read, and all later ones, to `learner`."""

    def used(self) -> AbstractContextManager[None]:
        """Return a block, after which secrets are read again, unless another thread is still in such a block."""
