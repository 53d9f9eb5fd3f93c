"""Put a window into the config of its source: into the settings that `window` names."""

import dataclasses
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tapdock.connectors import config_keys, settings
from tapdock.connectors.about import spec
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds.base import place_of
from tapdock.connectors.resolved import Resolved
from tapdock.errors import UsageError
from tapdock.project.layers import Path, dotted
from tapdock.project.model import Connector
from tapdock.project.window import DATE, Window, WindowKeys, formatted, is_whole, unit_of, unit_word, written

__all__ = ["texts", "values", "with_window"]

Schema = Mapping[str, Any]
_SECONDS = "%Y-%m-%dT%H:%M:%SZ"
_FINE = "%Y-%m-%dT%H:%M:%S.%fZ"
_RANGE = re.compile(r"(.*_)?(start|end|since|until|from|to|begin|after|before|date)(_.*)?", re.IGNORECASE)
_SHOWN = 30
_SAMPLE = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)


def with_window(context: Context, ready: PreparedConnector, config: Resolved, window: Window) -> Resolved:
    """Return the config with a window in the settings that take it. What the connector has rotated stays.

    Raises UsageError with the place if the source has no such settings, or if they do not accept the window.
    """
    connector, schema = ready.connector, spec(context, ready) or {}
    given, user = config.given, config.user
    for path, value in values(connector, schema, given, window, context.project.origins).items():
        given, user = (config_keys.with_value(each, path, value) for each in (given, user))
    if connector.window and not settings.settings_of(schema, schema):
        named = f"`{connector.window.start}` and `{connector.window.end}`"
        what = f"source `{connector.name}` does not report its settings, so make sure that it has {named}"
        context.once(f"warning: {what}: without them, each window reads all rows")
    return dataclasses.replace(config, given=given, user=user)


def values(
    connector: Connector, schema: Schema, config: Mapping[str, Any], window: Window, origins: Mapping[str, str]
) -> dict[Path, Any]:
    """Return the values of the settings that take a window, by path. `schema` is the connector's spec.

    Raises UsageError.
    """
    if connector.window is None:
        raise _without(connector, schema, origins)
    found: dict[Path, Any] = {}
    whole: Any = config
    for which in ("start", "end"):
        place = place_of(connector, f"window.{which}", origins)
        try:
            path = config_keys.place_of(config_keys.key_of(getattr(connector.window, which)), whole, schema)
        except UsageError as error:
            raise UsageError(f"{place}{error.message}", hint=error.hint) from None
        found[path] = _value(connector.window, which, window, config_keys.schema_of(path, whole, schema), schema, place)
        whole = config_keys.with_value(whole, path, found[path])
    for which, path in zip(("start", "end"), found, strict=True):
        around = config_keys.complaints(whole, schema).items()
        refused = config_keys.refusals(path, whole, schema)[0]
        refused += [f"`{dotted(at)}` {problem}" for at, problem in around if at and at == path[: len(at)] != path]
        if refused:
            place = place_of(connector, f"window.{which}", origins)
            hint = f"`tapdock spec {connector.name}` shows its settings"
            raise UsageError(f"{place}{'; '.join(refused)}", hint=hint)
    return found


def _without(connector: Connector, schema: Schema, origins: Mapping[str, str]) -> UsageError:
    known = sorted(settings.settings_of(schema, schema))
    ranges = [name for name in known if _RANGE.fullmatch(name)]
    has = f"; its settings: {', '.join((ranges or known)[:_SHOWN])}" if known else ""
    what = "there is no `window`, so it is not known which of the settings of the source take a date range"
    hint = f"for example `window: {{start: start_date, end: end_date}}`{has}"
    return UsageError(f"{place_of(connector, 'window', origins)}{what}", hint=hint)


def _value(keys: WindowKeys, which: str, window: Window, own: Schema, root: Schema, place: str) -> Any:
    form = keys.format or _form(keys, own, root)
    unit = unit_of(form or "")
    if form is None or unit is None:
        hint = "add `format`, such as `%s` for the number of seconds since 1970"
        raise UsageError(f"{place}the setting is a number, so the format of its times is not known", hint=hint)
    time: datetime = getattr(window, which)
    if not is_whole(time, unit):
        word = unit_word(unit)
        hint = f"use a range that begins and ends with a {word}, in UTC"
        raise UsageError(f"{place}the setting takes whole {word}s, so it cannot be {written(time)}", hint=hint)
    return config_keys.value_of(texts(keys, time, form, unit)[which == "end"], own, root)


def texts(keys: WindowKeys, time: datetime, form: str, unit: timedelta) -> tuple[str, str]:
    """Return a time as a start, and as an end. An inclusive end is the last unit before it.

    >>> keys = WindowKeys(start="a", end="b", end_is="inclusive")
    >>> texts(keys, datetime(2026, 2, 1, tzinfo=UTC), DATE, timedelta(days=1))
    ('2026-02-01', '2026-01-31')
    """
    last = time - unit if keys.end_is == "inclusive" else time
    return formatted(time, form), formatted(last, form)


def _form(keys: WindowKeys, own: Schema, root: Schema) -> str | None:
    """Return the first format that fits the setting; None for a number.

    With an inclusive end, the finest one comes first: rows of the last second must not be lost.
    """
    types = settings.types_of(own, root)
    if types and "string" not in types:
        return None
    fine = (_FINE, _SECONDS) if keys.end_is == "inclusive" else (_SECONDS, _FINE)
    forms = (DATE, *fine) if own.get("format") == "date" else (*fine, DATE)
    return next((form for form in forms if _fits(own, formatted(_SAMPLE, form))), forms[0])


def _fits(own: Schema, text: str) -> bool:
    return not list(settings.problems(text, {"pattern": own["pattern"]}, {})) if "pattern" in own else True
