"""Write one stream of an Airbyte source for a Singer target: its SCHEMA, and the rule for its records."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tapdock.errors import UsageError
from tapdock.protocol import singer
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.translate.base import TranslateOptions
from tapdock.translate.notices import Notices
from tapdock.translate.schemas.to_singer import singer_schema, without_fields
from tapdock.translate.tally import Tally
from tapdock.translate.write.conversion import conversion, of_times
from tapdock.translate.write.fit import Fit
from tapdock.translate.write.removal import removal
from tapdock.translate.write.rules import Rule, chain, copied, marked_deleted
from tapdock.translate.write.schemaless import REASON
from tapdock.translate.write.undeclared import Undeclared

__all__ = ["CHANGES", "SingerStream"]

CHANGES = "_airbyte_meta_changes"
"""The column for the source's own changes of a record, as JSON text."""
_AIRBYTE_DELETED, _SINGER_DELETED = "_ab_cdc_deleted_at", "_sdc_deleted_at"
_TIME = {"type": ["null", "string"], "format": "date-time"}


class SingerStream:
    """A stream: `start` precedes each record, `rule` changes bodies (None if they stay), `version` is the snapshot.

    `match` raises msgspec.MsgspecError for a body that does not fit the schema, or has fields that are not in it.
    `handled` handles such fields, and `fit` fits the result to the schema.

    `data_rule` puts the records of a stream without declared fields into one column.

    Raises UsageError for a key that a target cannot have (protocol.md 3.2).
    """

    __slots__ = ("_undeclared", "configured", "fit", "match", "name", "rule", "schema", "start", "tally", "version")

    def __init__(
        self,
        configured: ConfiguredStream,
        name: str,
        tally: Tally,
        notices: Notices,
        translation: TranslateOptions,
        *,
        data_rule: Rule | None = None,
    ) -> None:
        declared = configured.landed().stream
        exclusion = configured.exclusion
        translated = singer_schema(without_fields(declared, exclusion))
        self.configured = configured
        self.name = name
        self.tally = tally
        self.schema = translated.schema
        self.start = singer.record_start(name)
        self.version = configured.generation_id if configured.destination_sync_mode == "overwrite" else None
        reasons = [translated.reason] if translated.reason else []
        rules: list[Rule] = [translated.rule] if translated.rule else []
        if data_rule:
            rules.insert(0, data_rule)
            reasons.append(REASON)
        if rule := removal(exclusion):
            rules.insert(0, rule)
            reasons.append(f"{exclusion} {'is' if exclusion.is_one else 'are'} excluded")
        if rule := conversion(declared.json_schema, of_times(configured.fragments), notices.converter(tally)):
            rules.insert(bool(exclusion), rule)  # the fit of all fields converts everything else
            reasons.append("dates and times are written in the form of their format")
        properties = self.schema["properties"]
        if copies := self._flattened(properties):
            rules.insert(bool(exclusion), copied(copies, key=configured.primary_key))
            reasons.append(f"its key is copied to {_listed(copies)}")
        if _AIRBYTE_DELETED in properties and _SINGER_DELETED not in properties:
            properties[_SINGER_DELETED] = _TIME
            rules.append(marked_deleted(_AIRBYTE_DELETED, _SINGER_DELETED))
            reasons.append(f"deletes are copied to `{_SINGER_DELETED}`")
        if translation.meta_changes:
            properties[CHANGES] = {"type": ["null", "string"]}
            reasons.append(f"the source's changes are added as `{CHANGES}`")
        self.rule = chain(rules)
        self.fit = Fit(self.schema)
        policy = configured.undeclared or translation.undeclared or "pass"
        self._undeclared = functools.cache(lambda: Undeclared(self.fit.types, tally, notices, policy))
        tally.undeclared = {}
        self.match: Callable[[bytes], object] = self._first_match
        tally.reason = "; ".join(reasons) or None

    def _first_match(self, body: bytes) -> object:
        """Match the first record. Most streams of a large catalog send none, so they need no decoder."""
        self.match = self._undeclared().match
        return self.match(body)

    def matches(self, body: bytes) -> bool:
        try:
            self.match(body)
        except msgspec.MsgspecError:
            return False
        return True

    def handled(self, body: bytes) -> bytes:
        """Return a body that does not match with its undeclared fields as the user chose. Raises Unwritable."""
        new = self._undeclared().handled(body)
        self.match = self._undeclared().match  # it may know more fields now
        return new

    @property
    def key(self) -> StreamKey:
        return self.configured.stream.key

    def _flattened(self, properties: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        """Return the columns for nested parts of the key if `flatten_keys` is set, and add them to the schema."""
        if not self.configured.flatten_keys or self.configured.destination_sync_mode == "append":
            return {}
        copies = {"__".join(path): path for path in self.configured.primary_key if len(path) > 1}
        for column, path in copies.items():
            if column in properties:
                raise UsageError(f"stream `{self.key}` already has a field `{column}`", hint="name another key")
            properties[column] = self._nested(properties, path)
        return copies

    def _nested(self, properties: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        """Return the schema of a nested field; text if nothing declares it. Raises UsageError if it cannot exist."""
        found: Any = {"properties": properties}
        for name in path:
            inner = found.get("properties")
            if inner and name not in inner:
                raise UsageError(
                    f"stream `{self.key}` has the key `{'.'.join(path)}`, but its schema has no such field",
                    hint=f"name another key under `streams`: `{self.key}: {{primary_key: [[<field>, <field>]]}}`",
                )
            found = (inner or {}).get(name, {})
        return dict(found) if found else {"type": ["null", "string"]}

    def opening(self) -> bytes:
        """Return the SCHEMA. For `append`, it has no key, because a target would merge rows by it."""
        configured = self.configured
        key = () if configured.destination_sync_mode == "append" else configured.primary_key
        cursor = configured.cursor_field
        return singer.schema_line(
            self.name,
            self.schema,
            key_properties=[self._key_property(path) for path in key],
            bookmark_properties=cursor if len(cursor) == 1 and cursor[0] in self.schema["properties"] else (),
        )

    def _key_property(self, path: tuple[str, ...]) -> str:
        column = path[0] if len(path) == 1 else "__".join(path)
        if column in self.schema["properties"] and (len(path) == 1 or self.configured.flatten_keys):
            return column
        field = ".".join(path)
        problem = "is nested" if len(path) > 1 else "is not in its schema"
        flatten = f", or copy it: `{self.key}: {{flatten_keys: true}}`" if len(path) > 1 else ""
        raise UsageError(
            f"stream `{self.key}` has the key `{field}`, which {problem}",
            hint=f"name a top-level key under `streams`: `{self.key}: {{primary_key: [<field>]}}`{flatten}",
        )


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}`" for name in names)
