"""Decide how a stream is read and written: its sync modes, from the options and from what both sides support."""

from collections.abc import Mapping

from tapdock.errors import UsageError
from tapdock.project.model import DestinationMode, StreamOptions, SyncMode
from tapdock.protocol.catalog import Stream

__all__ = ["Modes", "destination_mode", "merges", "sync_mode"]

Modes = Mapping[DestinationMode, str]
"""The destination sync modes that a target does not support, each with a hint."""


def destination_mode(
    stream: Stream, options: StreamOptions, mode: SyncMode, *, has_key: bool, modes: Modes
) -> DestinationMode:
    """Return the user's mode, else `append_dedup` if there is a key and the target supports it, else `append`.

    `overwrite` is never a default. Raises UsageError for a mode that is not possible.
    """
    wanted = options.destination_sync_mode
    if wanted is None:
        return "append_dedup" if has_key and "append_dedup" not in modes else "append"
    what = f"stream `{stream.key}`: `destination_sync_mode: {wanted}`"
    if wanted == "append_dedup" and not has_key:
        hint = f"write `{stream.key}: {{primary_key: [<field>]}}` under `streams`"
        raise UsageError(f"{what} needs a key", hint=hint)
    if wanted == "overwrite" and mode == "incremental":
        hint = "set `sync_mode: full_refresh`, so that all rows are read"
        raise UsageError(f"{what} would replace all rows by only the new ones", hint=hint)
    if wanted in modes:
        raise UsageError(f"{what} is not supported by the target", hint=modes[wanted])
    return wanted


def sync_mode(stream: Stream, options: StreamOptions, *, has_cursor: bool) -> SyncMode:
    supported = stream.supported_sync_modes
    can_increment = "incremental" in supported and (stream.source_defined_cursor or has_cursor or options.log_based)
    if options.sync_mode and options.sync_mode not in supported:
        raise UsageError(
            f"stream `{stream.key}` does not support `sync_mode: {options.sync_mode}`",
            hint=f"it supports {', '.join(supported)}",
        )
    if options.sync_mode == "incremental" and not can_increment:
        raise UsageError(
            f"stream `{stream.key}` needs a cursor for `sync_mode: incremental`",
            hint=f"write `{stream.key}: {{sync_mode: incremental, cursor_field: <field>}}` under `streams`",
        )
    if options.sync_mode:
        return options.sync_mode
    increments = can_increment or ("incremental" in supported and "full_refresh" not in supported)
    return "incremental" if increments else "full_refresh"


def merges(options: StreamOptions, destination: DestinationMode, modes: Modes | None) -> bool:
    """Return True if the target merges rows by key: from Singer to Singer, where no mode applies, by the tap's key."""
    if modes is None:
        return options.destination_sync_mode == "append_dedup"
    return destination == "append_dedup" or (destination == "append" and "append" in modes)
