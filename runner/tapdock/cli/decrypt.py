"""`tapdock decrypt`: read values that the function `encrypt` of stream maps has made."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tapdock.errors import UsageError
from tapdock.text.output import out_json
from tapdock.translate.maps.private import decrypted
from tapdock.translate.maps.texts import dumps

__all__ = ["decrypt"]


def decrypt(
    values: Annotated[list[str] | None, typer.Argument(help="Values to decrypt. Without one, lines of stdin.")] = None,
    *,
    key: Annotated[Path, typer.Option(help="A file with the private key, as PEM without a password.")],
) -> None:
    """Decrypt values that a stream map encrypted

    Prints each value as JSON on a line of its own. An empty line is null. The first value that cannot be decrypted ends
    the command.

    Example: tapdock decrypt --key private.pem tapdock:enc1:8f14e45fceea167a:Zm9v

    Example: tapdock decrypt --key private.pem < values.txt
    """
    pem = _read(key)
    for place, text in _given(values):
        try:
            value = decrypted(text, pem) if text else None
        except UsageError as error:
            raise UsageError(f"{place}: {error.message}", hint=error.hint) from None
        out_json(dumps(value, ensure_ascii=False))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        hint = "`--key FILE` is the private key that belongs to the `encrypt_key` of the run"
        raise UsageError(f"the private key {file} cannot be read: {error.strerror}", hint=hint) from error


def _given(values: list[str] | None) -> Iterator[tuple[str, str]]:
    """Yield each value with its place. The lines of stdin are read one after the other."""
    if values:
        yield from ((f"value {number}", value.strip()) for number, value in enumerate(values, 1))
        return
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("there is no value to decrypt", hint="give values as arguments, or as lines of stdin")
    yield from ((f"line {number} of stdin", line.strip()) for number, line in enumerate(sys.stdin, 1))
