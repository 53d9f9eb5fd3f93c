"""Which runs can read a window: those that keep the rows outside of it. Their state is neither used nor changed."""

from datetime import UTC, datetime

from tapdock.connectors.context import Context
from tapdock.errors import UsageError
from tapdock.project.window import Window
from tapdock.runs.begin import drops_rows
from tapdock.runs.options import Options
from tapdock.runs.prepare import PreparedRun
from tapdock.runs.records import WindowRecord

__all__ = ["require_windowable", "window_record"]


def window_record(options: Options) -> WindowRecord | None:
    """Return the window of a run as its record has it."""
    if options.window is None:
        return None
    start, end = options.window.ends
    return WindowRecord(start=start, end=end)


def require_windowable(context: Context, prepared: PreparedRun, options: Options) -> None:
    """Raise UsageError for a window whose rows would replace all others, or that has not begun.

    Warn of rows that are in the target twice if the window is read again.
    """
    if options.window is None:
        return
    target = prepared.target.connector.name
    if names := [f"`{one.stream.key}`" for one in prepared.streams if one.destination_sync_mode == "overwrite"]:
        raise UsageError(
            f"the rows of the window would replace all rows of {', '.join(names)} in target `{target}`",
            hint="set `destination_sync_mode: append_dedup` for these streams, or leave them out with `--exclude`",
        )
    if drops_rows(prepared):
        raise UsageError(
            f"the rows of the window would replace those of earlier runs: target `{target}` removes them when it starts"
        )
    _require_begun(context, options.window)
    if options.attempt == 1:
        _warn(context, prepared)


def _require_begun(context: Context, window: Window) -> None:
    now = datetime.fromtimestamp(context.now(), UTC)
    if window.start > now:
        raise UsageError(f"the window {window} is in the future: there is nothing to read yet")
    if window.end > now:
        context.once(f"warning: the window {window} has not ended yet: this run misses rows that come later")


def _warn(context: Context, prepared: PreparedRun) -> None:
    added = [one for one in prepared.streams if one.destination_sync_mode == "append"]
    if added and prepared.route != "singer-singer":  # there, the target decides
        names = ", ".join(f"`{one.stream.key}`" for one in added)
        context.once(f"warning: rows of {names} are appended: a window that is read twice is in the target twice")
    whole = ", ".join(f"`{one.stream.key}`" for one in prepared.streams if one.sync_mode == "full_refresh")
    if whole:
        context.once(
            f"warning: {whole} is read with `full_refresh`: if the source does not apply the window to it, each window"
            " reads all of its rows"
        )
