"""The window of a run: `--from` and `--to` with dates or times. All other texts are folders of spools."""

import re

from tapdock.errors import UsageError
from tapdock.project.window import Window, is_time, time_of
from tapdock.runs.options import Options

__all__ = ["with_window"]

_OTHER_DATE = re.compile(r"\d{1,4}([./-]?)\d{1,2}\1\d{1,4}")
"""A date in another form than `2026-01-01`."""


def with_window(options: Options, *, to: str | None, from_: str | None) -> tuple[Options, str | None, str | None]:
    """Return the options with the window, and what is left of `to` and `from_`: folders. Raises UsageError."""
    given = {"--from": from_, "--to": to}
    if to is not None and from_ is not None:
        for one in (from_, to):
            if _OTHER_DATE.fullmatch(one) and not is_time(one):
                time_of(one)
    times = {name: text for name, text in given.items() if text is not None and is_time(text)}
    if not times:
        return options, to, from_
    for name, text in given.items():
        if text is None:
            (first,) = times
            hint = f"add `{name}` with a date; a folder is `{first} ./{times[first]}`"
            raise UsageError(f"`{first} {times[first]}` is one end of a window, which needs two", hint=hint)
        if name not in times:
            (first,) = times
            hint = "use two dates for a window, or one folder; a folder with the name of a date is `./2026-01-01`"
            raise UsageError(f"`{first} {times[first]}` is a date, and `{name} {text}` is a folder", hint=hint)
    for name, is_given in {"--state": options.state is not None, "--full-refresh": options.full_refresh}.items():
        if is_given:
            hint = "a window is always read from its start, without a state"
            raise UsageError(f"`{name}` cannot be used together with a window", hint=hint)
    return options.of_window(Window.of(times["--from"], times["--to"])), None, None
