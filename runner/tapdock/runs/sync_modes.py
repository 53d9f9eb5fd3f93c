"""Pure functions that compare the sync modes of a run with what its target supports."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from tapdock.connectors.about import About
from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.resolved import Resolved
from tapdock.connectors.stream_modes import Modes
from tapdock.errors import UsageError
from tapdock.project.model import DestinationMode
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.translate.base import Quirks
from tapdock.translate.catalogs.singer import says_keyless

__all__ = [
    "empties_first",
    "impossible",
    "overwrites",
    "require_described",
    "require_keys",
    "require_repaired",
    "with_load_method",
]


def overwrites(streams: Iterable[ConfiguredStream]) -> bool:
    """Return True if any stream overwrites its table."""
    return any(stream.destination_sync_mode == "overwrite" for stream in streams)


def impossible(
    source: PreparedConnector, target: PreparedConnector, about: About, config: Resolved, quirks: Quirks
) -> Modes:
    """Return the destination sync modes that the target does not support, each with a hint."""
    every: tuple[DestinationMode, ...] = get_args(DestinationMode)
    if source.kind == target.kind == "singer":
        return dict.fromkeys(
            every, "tapdock passes a tap's messages to the target unchanged; use the target's own settings"
        )
    if target.kind == "airbyte":
        can = about.modes
        return {} if can is None else {mode: f"it supports {', '.join(can)}" for mode in every if mode not in can}
    reason = _no_activation(target, about, config.given, quirks)
    return {"overwrite": reason} if reason else {}


def _no_activation(target: PreparedConnector, about: About, config: Mapping[str, Any], quirks: Quirks) -> str | None:
    """Return why a Singer target cannot replace a table's rows after all new ones arrived; None if it can."""
    where = f"targets.{target.connector.name}"
    loads = about.has_setting("load_method") and not quirks.ignores_load_method
    if target.connector.allow_unsafe_overwrite:
        if loads:
            return None
        return f"it has no working setting `load_method`, so `{where}.allow_unsafe_overwrite` cannot help"
    if not quirks.activates:
        unsafe = f"; `{where}.allow_unsafe_overwrite: true` empties tables first" * loads
        return f"the target does not advertise ACTIVATE_VERSION, so `overwrite` would append rows{unsafe}"
    for name in ("add_record_metadata", "activate_version"):
        if config.get(name) is False:
            return f"set `{where}.config.{name}: true`, so that the target can distinguish new rows from old ones"
    return None


def empties_first(target: PreparedConnector, streams: tuple[ConfiguredStream, ...], config: Resolved) -> bool:
    """Return True if the target empties its tables before it writes.

    Raises UsageError unless all streams are overwritten: such a target empties all tables or none.
    """
    if not (target.connector.allow_unsafe_overwrite and target.kind == "singer" and overwrites(streams)):
        return False
    for one in streams:
        if one.destination_sync_mode != "overwrite":
            raise UsageError(
                f"stream `{one.stream.key}` is not overwritten, but this target can only overwrite all streams",
                hint="`allow_unsafe_overwrite` is for pipelines that overwrite every stream",
            )
    said = config.user.get("load_method", "overwrite")
    if said != "overwrite":
        where = f"targets.{target.connector.name}.config.load_method"
        raise UsageError(f"`{where}` is `{said}`, but all streams are overwritten", hint="remove this setting")
    return True


def require_keys(
    source: PreparedConnector,
    target: PreparedConnector,
    config: Resolved,
    streams: tuple[ConfiguredStream, ...],
    quirks: Quirks,
) -> None:
    """Raise UsageError for a stream without a primary key if the target requires one for each stream.

    A tap's own SCHEMA has the key, whatever the sync mode is. If its catalog does not say, the target decides.
    """
    setting = quirks.wants_key
    if setting is None or config.given.get(setting) is False or config.given.get("append_only") is True:
        return  # `append_only` is a setting of pipelinewise-target-bigquery
    hint = f"set `targets.{target.connector.name}.config.{setting}: false`"
    for one in streams:
        what = f"stream `{one.stream.key}` has no primary key"
        if source.kind == "singer":
            if not says_keyless(one.stream):
                continue
        elif not one.primary_key:
            hint += ", or set a `primary_key`"
        elif one.destination_sync_mode == "append":
            what = f"stream `{one.stream.key}` is written without its primary key by `destination_sync_mode: append`"
        else:
            continue
        raise UsageError(f"{what}, but target `{target.connector.name}` requires one", hint=hint)


def require_repaired(target: PreparedConnector, config: Resolved, quirks: Quirks) -> None:
    """Raise UsageError for an image that is known to lose rows, unless the setting that avoids it is on."""
    setting = quirks.loses_rows_without
    if setting is None or config.given.get(setting) is True:
        return
    name = target.connector.name
    raise UsageError(
        f"target `{name}` loses the first row of each batch of a table of text, and its image `{target.facts.image}`"
        " was not repaired",
        hint=f"build the image with `targets.{name}.build` and run `tapdock build`, which repairs it,"
        f" or set `targets.{name}.config.{setting}: true`",
    )


def require_described(
    source: PreparedConnector,
    target: PreparedConnector,
    about: About,
    config: Resolved,
    streams: tuple[ConfiguredStream, ...],
    quirks: Quirks,
) -> None:
    """Raise UsageError if rows must be merged, but the target did not report in time whether it merges them by itself.

    A target of Meltano's SDK appends them unless it gets `load_method`, which other targets ignore.
    """
    if not about.silent or source.kind == "singer" or "load_method" in config.user or quirks.ignores_load_method:
        return
    for one in streams:
        if one.destination_sync_mode == "append_dedup":
            name = target.connector.name
            raise UsageError(
                f"target `{name}` did not report its settings in time, so it is not known whether it would merge the"
                f" rows of stream `{one.stream.key}` or append duplicates",
                hint=f"set `targets.{name}.config.load_method: upsert`, which a target without this setting ignores",
            )


def with_load_method(
    source: PreparedConnector, config: Resolved, about: About, streams: tuple[ConfiguredStream, ...], *, unsafe: bool
) -> Resolved:
    """Return the target's config with the `load_method` that the sync modes require, unless the user set one.

    A target with this setting loads all streams by the same method.
    """
    if source.kind == "singer" or not about.has_setting("load_method") or "load_method" in config.user:
        return config
    merges = any(stream.destination_sync_mode == "append_dedup" for stream in streams)
    method = "overwrite" if unsafe else "upsert" if merges else None
    return dataclasses.replace(config, given={**config.given, "load_method": method}) if method else config
