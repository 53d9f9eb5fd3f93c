"""Keep the marks of deleted rows in targets that drop them by default."""

import dataclasses

from tapdock.connectors.about import About
from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.resolved import Resolved
from tapdock.engines.base import Logs
from tapdock.protocol.catalog import ConfiguredStream

__all__ = ["with_deletes"]

_SETTING = "add_record_metadata"
_MARKS = ("_sdc_deleted_at", "_ab_cdc_deleted_at")


def with_deletes(
    target: PreparedConnector, config: Resolved, about: About, streams: tuple[ConfiguredStream, ...], *, say: Logs
) -> Resolved:
    """Return the target's config with `add_record_metadata`, if a stream has deletes and the setting is not set.

    Without it, targets of Meltano's SDK (0.54.9) remove `_sdc_deleted_at` from records. If the user turned it off, or
    the target does not have the setting, a warning is reported.
    """
    if target.kind != "singer" or (about.config is None and not about.silent):
        return config
    found = next((str(one.stream.key) for one in streams if _has_deletes(one)), None)
    if found is None or _is_on(config, about):
        return config
    name = target.connector.name
    if about.has_setting(_SETTING) and config.given.get(_SETTING) is None:
        say(f"{name} gets `{_SETTING}: true`, because it would drop the marks of deleted rows of stream `{found}`")
        return dataclasses.replace(config, given={**config.given, _SETTING: True})
    off = f"it has no `{_SETTING}`"
    if about.has_setting(_SETTING) or about.silent:
        off = f"set `targets.{name}.config.{_SETTING}: true`"
    say(f"warning: {name} may drop the marks of deleted rows (`_sdc_deleted_at`) of stream `{found}`; {off}")
    return config


def _is_on(config: Resolved, about: About) -> bool:
    said = config.given.get(_SETTING)
    if said is None:
        said = about.default(_SETTING)
    return said is True


def _has_deletes(one: ConfiguredStream) -> bool:
    """Return True if the stream's records may mark deleted rows; taps declare that only while they read a log."""
    properties = one.stream.json_schema.get("properties")
    declared = properties if isinstance(properties, dict) else {}
    return one.log_based or any(name in declared and name not in one.excluded for name in _MARKS)
