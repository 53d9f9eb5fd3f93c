"""Check a SCHEMA of a tap against the catalog that its destination got before the start."""

from tapdock.errors import TranslationError
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.protocol.exclusion import Exclusion
from tapdock.protocol.singer import SchemaMessage
from tapdock.translate.read.schema_scan import schema_of

__all__ = ["SPOOL", "declared_fields", "require_known"]

SPOOL = "set `late_schema: spool`, which reads the whole tap before it creates the destination's catalog"


def declared_fields(message: SchemaMessage, landed: ConfiguredStream, number: int, *, expects_key: bool) -> set[str]:
    """Return the names of the fields in a SCHEMA. `landed` is its stream in the destination's catalog.

    With `expects_key`, the SCHEMA's key must be that of the catalog. Raises TranslationError, because the catalog
    cannot be changed any more.
    """
    key, names = landed.stream.key, message.key_properties
    if names is None:
        raise TranslationError(f"line {number}: a SCHEMA of stream `{key}` without `key_properties`")
    if not landed.stream.json_schema.get("properties"):
        what = f"line {number}: the tap declares no field of stream `{key}`"
        raise TranslationError(what, hint=f"exclude it with `!{key}` under `select`")
    before = [".".join(path) for path in landed.primary_key]
    if expects_key and names and set(names) != set(before):
        other = f"was created with the key {_listed(before)}" if before else "was created without a key"
        what = (
            f"line {number}: the tap merges stream `{key}` by {_listed(names)}, but the destination's catalog {other}"
        )
        yaml = f"`{key}: {{primary_key: [{', '.join(names)}]}}`"
        raise TranslationError(what, hint=f"write {yaml} under `streams`, or {SPOOL}")
    return set(schema_of(message.schema, key, number)["properties"])


def require_known(fields: set[str], landed: ConfiguredStream, exclusion: Exclusion, number: int) -> None:
    """Raise TranslationError for fields that are neither in the destination's catalog nor excluded."""
    unknown = fields - landed.stream.json_schema["properties"].keys()
    if new := {name for name in unknown if exclusion.verdict((name,)) != "remove"}:
        what = f"line {number}: stream `{landed.stream.key}` has new fields that are not in the destination's catalog"
        raise TranslationError(f"{what}: {_listed(sorted(new))}", hint=SPOOL)


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
