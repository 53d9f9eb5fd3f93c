"""A connector's description of itself: its settings, its sync modes and its capabilities."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tapdock.connectors import known_specs
from tapdock.connectors.ask import NO_PROGRAM, ask
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds import airbyte, singer
from tapdock.connectors.mistaken import Role, kind_hint, require_fitting, require_role, role_shown
from tapdock.connectors.spec_checks import cleaned, flaw
from tapdock.errors import ERROR_OF, TapdockError

__all__ = ["About", "about", "spec"]

_SILENT_SECONDS = 24 * 3600.0
_LAST_OF_ITS_OWN = 127
"""Higher exit codes are those of signals."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """A connector's description of itself; each value is None if it reports none.

    `config` is the JSON schema of its config, `modes` are the destination sync modes that it supports, `capabilities`
    are those of Singer connectors. `role` is that of the program, with the `reason` that shows it. `silent`: it did
    not answer in time, so it may have all of them.
    """

    config: dict[str, Any] | None = None
    modes: tuple[str, ...] | None = None
    capabilities: tuple[str, ...] | None = None
    role: Role | None = None
    reason: str = ""
    silent: bool = False

    def has_setting(self, name: str) -> bool:
        return name in ((self.config or {}).get("properties") or {})

    def default(self, name: str) -> Any:
        """Return the default of a setting, which targets of Meltano's SDK apply; None if it has none."""
        found = ((self.config or {}).get("properties") or {}).get(name)
        return found.get("default") if isinstance(found, dict) else None


def about(context: Context, ready: PreparedConnector) -> About:
    """Return the connector's description, cached by image. Raises TapdockError if it cannot be read."""
    name = f"about-{ready.program}.json"
    found = _cached(context, name)
    if found is None:
        found = _asked_airbyte(context, ready) if ready.kind == "airbyte" else _asked_singer(context, ready)
        if found is None:
            return About(silent=True)
        if found.config is not None and (what := flaw(found.config)):
            named = f"{ready.connector.role} `{ready.connector.name}`"
            message = f"{named} reported a spec that cannot be used: {what}"
            raise _failed(ready)(message, hint="check the origin of its image")
        if found.config is not None:
            found = msgspec.structs.replace(found, config=cleaned(found.config))
        context.cache.write(name, msgspec.json.encode(found))
    if ready.kind == "airbyte":
        require_role(context, ready, *_role_in_label(ready.facts.labels.get("io.airbyte.name", "")))
    require_role(context, ready, found.role, found.reason)
    known_specs.remember(context.cache, ready.connector, found.config)
    return found


def _cached(context: Context, name: str) -> About | None:
    """Return a cached description; None if there is none, or if its file is damaged."""
    known = context.cache.read(name)
    try:
        found = msgspec.json.decode(known, type=About) if known is not None else None
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    return None if found is None or flaw(found.config) else found


def _failed(ready: PreparedConnector) -> type[TapdockError]:
    return ERROR_OF[ready.connector.role]


def spec(context: Context, ready: PreparedConnector) -> Mapping[str, Any] | None:
    """Return the JSON schema of the connector's config; None if the connector does not report one."""
    return about(context, ready).config


def _asked_airbyte(context: Context, ready: PreparedConnector) -> About:
    if ready.connector.manifest:  # its program's spec is only that of a manifest (decision 0011)
        schema = ready.connector.manifest.spec
        return About(config=dict(schema) if schema is not None else None)
    asked = ask(context, ready, airbyte.spec(ready.connector, ready.facts))
    reported = asked.answer.spec
    if reported is None:
        require_fitting(context, ready, asked)
        raise asked.failure(after="did not report its spec", hint=kind_hint(ready, asked))
    try:
        schema = msgspec.json.decode(reported.connection_specification)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise asked.failure(after=f"reported a spec that cannot be read: {error}") from error
    if not isinstance(schema, dict | None):
        raise asked.failure(after="reported a spec that is not an object")
    return About(config=schema, modes=reported.supported_destination_sync_modes)


def _asked_singer(context: Context, ready: PreparedConnector) -> About | None:
    """Return the answer to `--about`, which is optional; None if there was none in time.

    Only connectors made with Meltano's SDK answer. Of the others, some ignore the option and wait for something else.
    """
    silent = f"silent-{ready.program}"
    now = context.now()
    if context.cache.read(silent, written=(now - _SILENT_SECONDS, now)) is not None:
        return None
    asked = ask(context, ready, singer.about(ready.connector, ready.facts), optional=True)
    if asked.code in NO_PROGRAM:
        raise asked.failure(after="could not be started")
    found = _answered(asked.text)
    if found is not None:
        return found
    require_fitting(context, ready, asked)
    if asked.timed_out:
        waited = f"{ready.connector.name} did not answer `--about` within {context.patience:g} s"
        context.progress(f"{waited}; tapdock uses it without its settings and capabilities, and asks again tomorrow")
        context.cache.write(silent, b"")
        return None
    if asked.code > _LAST_OF_ITS_OWN:
        raise asked.failure(after="was killed while reporting its settings")  # maybe out of memory
    role, reason = role_shown(context, asked)
    return About(role=role, reason=reason)


def _answered(text: str) -> About | None:
    """Return the description in the output of `--about`; None if there is none."""
    try:
        reported = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    if not isinstance(reported, dict) or not reported.keys() & {"settings", "capabilities"}:
        return None
    settings, capabilities = reported.get("settings"), reported.get("capabilities")
    role, reason = _role_in(reported)
    return About(
        config=settings if isinstance(settings, dict) else None,
        capabilities=tuple(map(str, capabilities)) if isinstance(capabilities, list) else None,
        role=role,
        reason=reason,
    )


def _role_in(reported: Mapping[str, Any]) -> tuple[Role | None, str]:
    """Return the role of a Singer connector that describes itself, with the reason."""
    name, capabilities = reported.get("name"), reported.get("capabilities")
    if isinstance(capabilities, list) and "discover" in capabilities:
        return "source", "it reports the capability `discover`"
    if isinstance(name, str) and name.startswith("target-"):
        return "target", f"it reports the name `{name}`"
    return None, ""


def _role_in_label(label: str) -> tuple[Role | None, str]:
    """Return the role in the name of Airbyte's image. Specs do not show it: a few sources report sync modes as well."""
    name = label.rpartition("/")[2]
    roles: dict[str, Role] = {"source": "source", "destination": "target"}
    return roles.get(name.partition("-")[0]), f"its image has the label `io.airbyte.name={label}`"
