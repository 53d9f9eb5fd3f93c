"""The result of one check of `tapdock doctor`."""

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from tapdock.errors import TapdockError

__all__ = ["Finding", "looked_at"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check. With the level `error`, a run would not start. `fix` is the next step, or advice."""

    what: str
    level: Literal["ok", "warning", "error"] = "ok"
    found: str
    fix: str | None = None


def looked_at(what: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return the findings of `look`. A TapdockError that it raises becomes a finding as well."""
    findings: list[Finding] = []
    try:
        findings.extend(look())
    except TapdockError as error:
        findings.append(Finding(what=what, level="error", found=error.message, fix=error.hint))
    return findings
