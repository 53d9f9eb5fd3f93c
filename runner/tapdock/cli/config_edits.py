"""What the commands that change a connector's config share: its spec, the check before writing, and the report."""

from collections.abc import Mapping
from typing import Any

from tapdock.cache import Cache
from tapdock.cli.assembly import operations_of
from tapdock.cli.config_rows import origin_of
from tapdock.cli.session import Session
from tapdock.connectors import about, config_keys, known_specs, operations, settings
from tapdock.connectors.config_edit import ConfigEdit
from tapdock.connectors.config_keys import ABSENT
from tapdock.errors import UsageError
from tapdock.project.composed import Composed
from tapdock.project.interpolate import Unset
from tapdock.project.layers import Path, dotted
from tapdock.project.model import Connector, Project
from tapdock.relay.signals import Signals
from tapdock.text.output import err, said_at_once

__all__ = ["above", "edit_of", "known_spec", "of", "report_all", "save", "spec_of"]


def edit_of(session: Session, connector: Connector) -> ConfigEdit:
    """Return an edit of a connector's config. Only `--environment` chooses the block of an environment."""
    return ConfigEdit(session.project, connector, session.chosen_environment or None, session.environ)


def known_spec(project: Project, connector: Connector) -> Mapping[str, Any] | None:
    """Return the spec that the connector reported last."""
    return known_specs.remembered(Cache(project.private / "cache"), connector)


def spec_of(session: Session, connector: Connector, *, ask: bool) -> Mapping[str, Any] | None:
    """Return the connector's spec: the one that is known, else its answer. None if it reports none."""
    found = known_spec(session.project, connector)
    if found is not None or not ask:
        return found
    with Signals(said_at_once) as signals:
        needed = operations_of(session, signals)
        return about.spec(needed, operations.prepare(needed, connector))


def save(edit: ConfigEdit, path: Path, schema: Mapping[str, Any], *, value: Any = ABSENT) -> None:
    """Check a change of one setting, write it, and report it. Raises UsageError if the spec refuses it.

    `value` is the new value, which may differ from the one in effect: a variable may override it.
    """
    after = edit.after()
    place = dotted((*edit.place, *path))
    notes: list[str] = []
    if schema:
        config, unknown = _plain(of(after, edit.connector), schema)
        if value is not ABSENT:
            config = config_keys.with_value(config, path, value)
        refused, notes = config_keys.refusals(path, config, schema, unknown)
        if refused:
            hint = f"`tapdock spec {edit.connector.name}` lists the settings; `--no-validate` writes it anyway"
            raise UsageError(f"{edit.label}: {place}: {refused[0]}", hint=hint)
    changed = edit.write()
    _report(edit, after, path, changed=changed)
    for line in notes:
        err(f"note: {line}")


def _plain(connector: Connector, schema: Mapping[str, Any]) -> tuple[dict[str, Any], set[Path]]:
    """Return the config in plain values, without those that are not known before a run, and the paths of those.

    The variable of a reference may not be set here, and no program or file is read for `${exec:…}` and `${file:…}`.
    """
    unknown: set[Path] = set()
    return settings.coerce(_known(connector.config, (), unknown), schema), unknown


def _known(value: Any, path: Path, unknown: set[Path]) -> Any:
    if isinstance(value, Mapping):
        inner = {key: _known(one, (*path, key), unknown) for key, one in value.items()}
        return {key: one for key, one in inner.items() if one is not ABSENT}
    if isinstance(value, list):
        found = [_known(one, (*path, index), unknown) for index, one in enumerate(value)]
        return ["" if one is ABSENT else one for one in found]
    if isinstance(value, Unset) or (isinstance(value, Composed) and not value.is_known):
        unknown.add(path)
        return ABSENT
    return value


def report_all(edit: ConfigEdit, after: Project, paths: list[Path], schema: Mapping[str, Any]) -> None:
    """Report where settings were written, what overrides them, and what the spec refuses in the config as it is now."""
    for path in paths:
        _overridden(edit, after, path)
    err(f"wrote {len(paths)} setting{'s' * (len(paths) != 1)} into `{dotted(edit.place)}` in {edit.label}")
    config, unknown = _plain(of(after, edit.connector), schema)
    for place, problem in config_keys.complaints(config, schema, unknown).items():
        err(f"note: `{dotted(place)}` {problem}")


def _report(edit: ConfigEdit, after: Project, path: Path, *, changed: bool) -> None:
    place, file = dotted((*edit.place, *path)), edit.label
    kept = f"; its value is in .env ({', '.join(edit.secrets)})" if edit.secrets else ""
    err(f"{'wrote' if changed else 'already set:'} `{place}` in {file}{kept}")
    _overridden(edit, after, path)


def _overridden(edit: ConfigEdit, after: Project, path: Path) -> None:
    """Warn if the value at a path has no effect."""
    file = edit.label
    origin = origin_of(after, (*above(edit.connector), *path))
    own = f"environment {edit.environment} ({file}:" if edit.environment else f"{file}:"
    if not origin.startswith(own) and config_keys.at(of(after, edit.connector).config, path) is not ABSENT:
        err(f"warning: the value of `{dotted(path)}` in {file} has no effect: it is overridden by {origin}")


def above(connector: Connector) -> Path:
    """Return the path of a connector's config in a loaded project."""
    return f"{connector.role}s", connector.name, "config"


def of(project: Project, connector: Connector) -> Connector:
    """Return the connector of this name in another state of the project."""
    found = project.connector(connector.name)
    assert found is not None, "it was in the file before the edit"
    return found
