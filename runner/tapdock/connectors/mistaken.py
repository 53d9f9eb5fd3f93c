"""Refuse a connector whose `kind` or place in the project file contradicts what its program is."""

from typing import Literal

from tapdock.connectors.ask import Asked
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.kinds.base import kind_line, whole_place
from tapdock.errors import UsageError
from tapdock.project.model import ConnectorRole, Kind
from tapdock.protocol.answer import is_airbyte
from tapdock.text.usage import Seen, seen

Role = Literal["source", "target"]
"""The roles that the output of a program can show."""

__all__ = ["Role", "kind_hint", "require_fitting", "require_role", "role_shown"]

_NOUNS: dict[tuple[Kind, ConnectorRole | None], str] = {
    ("airbyte", None): "an Airbyte connector",
    ("airbyte", "source"): "an Airbyte source",
    ("airbyte", "target"): "an Airbyte destination",
    ("airbyte", "mapper"): "an Airbyte mapper",
    ("singer", None): "a Singer connector",
    ("singer", "mapper"): "a Singer mapper",
    ("singer", "source"): "a Singer tap",
    ("singer", "target"): "a Singer target",
}


def require_fitting(context: Context, ready: PreparedConnector, asked: Asked) -> None:
    """Raise UsageError if the output of a question without an answer shows that the connector is something else."""
    found = seen(asked.printed)
    if found is None and ready.kind == "singer" and is_airbyte(asked.text.encode()):
        found = Seen(kind="airbyte", role=None, text="messages of Airbyte's protocol")
    if found is not None:
        _require(context, ready, found.kind, found.role, context.redacted(f"it printed {found.text}"))


def kind_hint(ready: PreparedConnector, asked: Asked) -> str | None:
    """Return how to correct the kind that was assumed; None if the output shows that the kind is right."""
    return None if ready.kind == "airbyte" and is_airbyte(asked.text.encode()) else ready.assumed


def role_shown(context: Context, asked: Asked) -> tuple[Role | None, str]:
    """Return the role that the output of a question without an answer shows, with the reason."""
    found = seen(asked.printed)
    return (found.role, context.redacted(f"it printed {found.text}")) if found else (None, "")


def require_role(context: Context, ready: PreparedConnector, role: Role | None, reason: str) -> None:
    """Raise UsageError if a connector of this role is used in the other one."""
    _require(context, ready, ready.kind, role, reason)


def _require(context: Context, ready: PreparedConnector, kind: Kind, role: Role | None, reason: str) -> None:
    connector = ready.connector
    if kind == ready.kind and role in (None, connector.role):
        return
    origins = context.project.origins
    fixes = [] if kind == ready.kind else [kind_line(connector, kind, origins)]
    if role not in (None, connector.role):
        fixes.append(f"move {whole_place(connector, origins)} to `{role}s`")
    raise UsageError(
        f"{connector.role} `{connector.name}` is used as {_NOUNS[ready.kind, connector.role]}, "
        f"but it seems to be {_NOUNS[kind, role]}: {reason}",
        hint=f"{' and '.join(fixes)}, or correct its `image`",
    )
