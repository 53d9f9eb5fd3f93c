"""Text that is complete only when it is needed: with built-in variables, or with secrets from files and programs."""

from collections.abc import Mapping
from typing import Any, Protocol

from tapdock.errors import UsageError
from tapdock.project.builtin import Builtin, Filled, filled
from tapdock.project.secret import Secret

__all__ = ["Composed", "Deferred", "Piece", "completed", "steady"]


class Deferred(Protocol):
    """A secret that is read when it is first needed. `reference` is its text in the file, without `${` and `}`."""

    @property
    def reference(self) -> str: ...

    @property
    def known(self) -> str | None: ...

    def read(self) -> str: ...


Piece = str | Secret | Builtin | Deferred


class Composed(Secret):
    """A text in pieces. `place` is for the error of a piece that has no value."""

    __slots__ = ("_place", "pieces")

    def __init__(self, pieces: tuple[Piece, ...], *, place: str) -> None:
        names = [name for piece in pieces for name in _names(piece)]
        super().__init__("", variables=tuple(dict.fromkeys(names)))
        self.pieces = pieces
        self._place = place

    @property
    def is_secret(self) -> bool:
        """True if a piece is from a variable, a file or a program. What is only built in is shown."""
        return any(not isinstance(piece, str | Builtin) for piece in self.pieces)

    @property
    def is_known(self) -> bool:
        """True if the text can be revealed without reading a file, and without starting a program."""
        return all(isinstance(each, str | Secret) or _known(each) is not None for each in self.pieces)

    @property
    def parts(self) -> tuple[str, ...]:
        """The secrets in the text, as far as they are known."""
        found = [piece.parts if isinstance(piece, Secret) else (_known(piece),) for piece in self.pieces]
        return tuple(part for parts in found for part in parts if part)

    @property
    def written(self) -> str:
        """The text with references in place of its secrets and its built-in variables."""
        return "".join(_written(piece) for piece in self.pieces)

    @property
    def builtins(self) -> tuple[Builtin, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Builtin))

    @property
    def steady(self) -> str:
        """The revealed text, with references in place of times and run ids."""
        return "".join(piece.steady if isinstance(piece, Filled) else self._revealed(piece) for piece in self.pieces)

    def reveal(self) -> str:
        return "".join(self._revealed(piece) for piece in self.pieces)

    def completed(self, names: Mapping[str, str], now: float) -> "Secret | Filled":
        """Return the text with values in place of its built-in variables, as far as they have a value in `names`."""
        values = [piece.value(names, now) if isinstance(piece, Builtin) else piece for piece in self.pieces]
        pieces = tuple(old if new is None else new for old, new in zip(self.pieces, values, strict=True))
        made = Composed(pieces, place=self._place)
        plain = all(isinstance(piece, str) for piece in pieces)
        return filled(made.reveal(), made.steady) if plain else made

    def _revealed(self, piece: Piece) -> str:
        if isinstance(piece, Builtin):
            raise UsageError(
                f"{self._place} needs `{piece.written}`, which only has a value in a pipeline",
                hint=f"name one with `--pipeline`, or write a value for this case: `${{{piece.name}:-text}}`",
            )
        return piece if isinstance(piece, str) else piece.reveal() if isinstance(piece, Secret) else piece.read()

    def __repr__(self) -> str:
        return "[secret]" if self.is_secret else self.written

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Composed) and other.pieces == self.pieces

    def __hash__(self) -> int:
        return hash(self.pieces)


def _known(piece: Piece) -> str | None:
    return None if isinstance(piece, str | Secret | Builtin) else piece.known


def _names(piece: Piece) -> tuple[str, ...]:
    if isinstance(piece, str | Builtin):
        return ()
    return piece.variables if isinstance(piece, Secret) else (piece.reference,)


def _written(piece: Piece) -> str:
    if isinstance(piece, str):
        return piece
    return piece.written if isinstance(piece, Builtin) else "".join(f"${{{name}}}" for name in _names(piece))


def completed(value: Any, names: Mapping[str, str], now: float) -> Any:
    """Return a value of a config in which built-in variables are replaced."""
    if isinstance(value, Mapping):
        return {key: completed(inner, names, now) for key, inner in value.items()}
    if isinstance(value, list):
        return [completed(inner, names, now) for inner in value]
    return value.completed(names, now) if isinstance(value, Composed) and value.builtins else value


def steady(value: Any) -> Any:
    """Return a value of a config for comparisons: with references in place of times and run ids."""
    if isinstance(value, Mapping):
        return {key: steady(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [steady(inner) for inner in value]
    if isinstance(value, Composed):
        return Secret(value.steady)
    return value.steady if isinstance(value, Filled) else value
