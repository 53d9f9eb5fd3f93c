"""Find out what a target makes of stream names: from the quirks, from its settings, from its config."""

from tapdock.connectors.about import About
from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.resolved import Resolved
from tapdock.translate.base import Quirks
from tapdock.translate.tables import TableNames, TableRule

__all__ = ["table_names"]

_SCHEMA = "default_target_schema"


def table_names(target: PreparedConnector, about: About, config: Resolved, quirks: Quirks) -> TableNames:
    """Return how the target makes tables of stream names.

    A destination that is not known keeps namespaces and names. Of a Singer target that is not known, the settings that
    it reports tell whether it is an SQL target of Meltano's SDK, which cuts names.
    """
    if target.kind == "airbyte":
        return TableNames(rules=quirks.tables or (), longest=quirks.longest_table)
    rules: tuple[TableRule, ...] | None = quirks.tables
    if rules is None and about.has_setting(_SCHEMA):
        rules = ("last",)
    elif rules is None and about.config is not None and _SCHEMA not in config.given:
        rules = ("whole",)
    schema = config.given.get(_SCHEMA, about.default(_SCHEMA))
    return TableNames(
        rules=rules,
        schema=(schema.strip() or None) if isinstance(schema, str) else None,
        schemas=_schemas(config.given.get("schema_mapping")),
        longest=quirks.longest_table,
    )


def _schemas(mapping: object) -> dict[str, str]:
    """Return the schemas in PipelineWise's `schema_mapping`, by namespace."""
    if not isinstance(mapping, dict):
        return {}
    found = {str(name): each.get("target_schema") for name, each in mapping.items() if isinstance(each, dict)}
    return {name: schema for name, schema in found.items() if isinstance(schema, str) and schema}
