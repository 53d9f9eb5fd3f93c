"""The thread that reads the target's acknowledgements."""

import itertools
import os
from collections.abc import Callable
from functools import partial

from tapdock.errors import TargetError, TranslationError
from tapdock.protocol.lines import split
from tapdock.relay.pump import Output, each_batch, whole_lines
from tapdock.translate.base import Translator

__all__ = ["read_acks"]

_CHUNK = 128 << 10


def read_acks(
    target: Output, translator: Translator, *, acked: Callable[[], None], wrong: Callable[[TargetError], None]
) -> None:
    """Read the target's lines until its output ends. Call `acked` after each progress, `wrong` for an invalid state.

    The rest is read even after an error: a target whose output is not read would never end, and it may renew tokens.
    """
    chunks = iter(lambda: os.read(target.out, _CHUNK), b"")
    batches = whole_lines(chunks)
    try:
        for lines in batches:
            for line in split(lines):
                try:
                    if translator.acked(line):
                        acked()
                except TargetError as error:
                    wrong(error)
                    each_batch(itertools.chain([lines], batches), partial(translator.left, side="target"), chunks)
                    return
    except TranslationError as error:
        wrong(TargetError(f"the target's output cannot be read: {error.message}"))
        each_batch(whole_lines(chunks), partial(translator.left, side="target"), chunks)
