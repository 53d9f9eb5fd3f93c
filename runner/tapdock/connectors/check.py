"""Check a connector's config: by its own `check` command, by discovery, by records, or only against its spec."""

import dataclasses

import msgspec

from tapdock.connectors import operations, settings
from tapdock.connectors.about import spec
from tapdock.connectors.ask import ask
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds import airbyte, singer
from tapdock.connectors.mistaken import kind_hint, require_fitting
from tapdock.connectors.resolved import Resolved
from tapdock.errors import ERROR_OF, EngineError, SourceError, TapdockError
from tapdock.project.model import Connector
from tapdock.text.network_hints import network_hint

__all__ = ["Checked", "check", "failure"]

_OWN = "its `check` command"
_SPEC = "its config against its spec"
_DISCOVERY = "discovery"


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check. `how` is what was checked, None for nothing; `message` is the result in words.

    `is_partial`: the check succeeded, but certainly without the credentials, so nothing shows that they work.
    """

    succeeded: bool
    message: str | None
    how: str | None
    hint: str | None = None
    is_partial: bool = False


def check(context: Context, ready: PreparedConnector) -> Checked:
    """Run the connector's check of its config. A status FAILED has the exit code 0 (protocol.md 1.2)."""
    config = operations.resolved_config(context, ready)
    operations.say_laid(context, ready.connector, config)
    if ready.kind == "airbyte":
        return _by_itself(context, ready, config)
    has_spec = bool((spec(context, ready) or {}).get("properties"))
    if ready.connector.role == "source" and ready.connector.discovery.mode != "never":
        return _by_discovery(context, ready, config, has_spec=has_spec)
    return _by_spec(ready, has_spec=has_spec)


def failure(connector: Connector, result: Checked) -> TapdockError:
    """Return the error for a check that failed."""
    name, role = connector.name, connector.role
    hint = result.hint or f"correct `{role}s.{name}.config`; `tapdock spec {name}` shows what it takes"
    return ERROR_OF[role](f"{role} `{name}` failed its check: {result.message or 'no reason given'}", hint=hint)


def _by_spec(ready: PreparedConnector, *, has_spec: bool) -> Checked:
    """Return what is known of a connector that has answered `--about`, or not, and has nothing else to ask."""
    name, role = ready.connector.name, ready.connector.role
    what = "tap without discovery" if role == "source" else role
    untested = f"a Singer {what} has no check of its own, so nothing was contacted, and its credentials were not tested"
    hint = f"`tapdock check {name} {'--write' if role == 'target' else '--read 10'}` tests them"
    if role == "mapper":
        untested, hint = "a Singer mapper has no check of its own", _run_of(ready.connector)
    if has_spec:
        message = f"its image starts, and its config matches the settings that it reports; {untested}"
        return Checked(succeeded=True, message=message, how=_SPEC, hint=hint, is_partial=True)
    message = f"its image starts, but it reports no settings to compare its config with; {untested}"
    hint = f"{hint}; {ready.assumed}" if ready.assumed else hint
    return Checked(succeeded=True, message=message, how=None, hint=hint, is_partial=True)


def _run_of(mapper: Connector) -> str:
    return f"`tapdock run SOURCE {next(iter(mapper.mappings), mapper.name)} TARGET` uses it"


def _by_itself(context: Context, ready: PreparedConnector, config: Resolved) -> Checked:
    launch = airbyte.check(ready.connector, ready.facts, config.given)
    asked = ask(context, ready, launch, keep=operations.keeper(context, ready.connector, config))
    status = asked.answer.status
    if status is None:
        require_fitting(context, ready, asked)
        misspelled = settings.unknown(config.user, spec(context, ready) or {})  # a warning has named it
        hint = None if misspelled else kind_hint(ready, asked)
        return _failed(asked.failure("check failed for", hint=hint), how=_OWN)
    said = status.message and context.redacted(status.message)
    succeeded = status.status == "SUCCEEDED"
    if succeeded:
        return Checked(succeeded=True, message=said or None, how=_OWN)
    words = said or asked.words
    return Checked(succeeded=False, message=words or None, how=_OWN, hint=network_hint(words))


def _by_discovery(context: Context, ready: PreparedConnector, config: Resolved, *, has_spec: bool) -> Checked:
    """Discover the tap's streams. A tap whose streams are always the same reports them with any credentials."""
    how = f"{_SPEC}, and by {_DISCOVERY}" if has_spec else _DISCOVERY
    try:
        catalog, streams = operations.discovered(context, ready, config)
    except SourceError as error:
        return _failed(error, how=_DISCOVERY)
    found = f"it offers {len(streams)} stream{'s' * (len(streams) != 1)}"
    name = ready.connector.name
    if _is_static(context, ready, catalog):
        message = f"{found}; it lists the same streams without a config, so its credentials were not tested"
        hint = f"`tapdock check {name} --read 10` tests them: it reads ten records"
        return Checked(succeeded=True, message=message, how=how, hint=hint, is_partial=True)
    message = f"{found}; a tap may list them without logging in, so its credentials may be untested"
    return Checked(succeeded=True, message=message, how=how)


def _is_static(context: Context, ready: PreparedConnector, catalog: bytes) -> bool:
    """Return True if the tap reports the same catalog without a config, which is remembered for its program.

    It is then certain that the catalog depends on no credentials. Of a tap that refuses an empty config, nothing is
    known: wrong credentials are not tried, because a service may lock the account.
    """
    name = f"catalog-without-config-{ready.program}.json"
    known = context.cache.read(name)
    if known is None:
        alone = dataclasses.replace(ready.connector, mounts=(), env={})
        try:
            asked = ask(context, ready, singer.discover(alone, ready.facts, {}), optional=True)
        except (SourceError, EngineError):
            return False  # the check itself has succeeded
        known = asked.text.encode() if asked.code == 0 and not asked.timed_out else b""
        context.cache.write(name, known)
    return bool(known.strip()) and known == catalog


def _failed(error: TapdockError, *, how: str) -> Checked:
    return Checked(succeeded=False, message=error.message, how=how, hint=error.hint)
