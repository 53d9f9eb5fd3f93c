"""Write one stream of a Singer tap for an Airbyte destination: its catalog entry and its records."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from tapdock.errors import UsageError
from tapdock.protocol.catalog import ConfiguredStream, Stream, StreamKey, configured
from tapdock.protocol.exclusion import Exclusion
from tapdock.protocol.schema_edits import Fragment, pruned
from tapdock.protocol.singer import body_problem, milliseconds
from tapdock.translate.base import TranslateOptions
from tapdock.translate.catalogs.singer import declared_schema
from tapdock.translate.notices import Notices
from tapdock.translate.schemas.validate import checker
from tapdock.translate.tally import Tally
from tapdock.translate.write.conversion import conversion
from tapdock.translate.write.removal import removal
from tapdock.translate.write.rules import Rule, Unwritable, chain, marked_deleted, may_have, without
from tapdock.translate.write.schemaless import DATA, REASON, data_columns, data_rule, data_schema, is_data, refused
from tapdock.translate.write.undeclared import EXTRA, EXTRA_FRAGMENT, is_member, require_no_extra, watching

__all__ = ["SEQUENCE", "AirbyteStream", "destination_stream", "destination_streams", "unexpected", "without_fields"]

SEQUENCE = "_sdc_sequence"
"""A column with a growing number: of two records, the later one wins, even in one millisecond (protocol.md 3.4)."""
_AIRBYTE_DELETED, _SINGER_DELETED = "_ab_cdc_deleted_at", "_sdc_deleted_at"
_TIME = {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"}
_ENCODE = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_Schema = Mapping[str, Any]
_UNNUMBERED = without((SEQUENCE,))


def destination_stream(
    configured: ConfiguredStream, schema: _Schema, translation: TranslateOptions | None = None
) -> ConfiguredStream:
    """Return the stream for the destination's catalog, with the columns that tapdock adds.

    Raises UsageError for a key that is not in the schema, for a stream without fields that is refused, and for a field
    with the name of a column of tapdock. A cursor that is not in the schema is ignored.
    """
    properties, translation = dict(schema.get("properties", {})), translation or TranslateOptions()
    if not properties:
        if (configured.schemaless or translation.schemaless) == "refuse":
            raise refused(configured.stream.key)
        properties = data_schema(data_columns(configured))["properties"]
    elif (configured.undeclared or translation.undeclared) == "json":
        require_no_extra(configured.stream.key, properties)
        properties[EXTRA] = EXTRA_FRAGMENT[1]
    for path in configured.primary_key:
        if configured.destination_sync_mode == "append_dedup" and path[0] not in properties:
            raise UsageError(
                f"stream `{configured.stream.key}` has the key `{path[0]}`, which is not in its schema",
                hint=f"name another under `streams`: `{configured.stream.key}: {{primary_key: [<field>]}}`",
            )
    cursor = configured.cursor_field if set(configured.cursor_field[:1]) <= schema.get("properties", {}).keys() else ()
    if _SINGER_DELETED in properties:
        properties.setdefault(_AIRBYTE_DELETED, _TIME)
    ordered = configured.destination_sync_mode == "append_dedup" or configured.sync_mode == "incremental"
    if ordered and not cursor:
        properties.setdefault(SEQUENCE, {"type": ["null", "integer"]})
        cursor = (SEQUENCE,)
    key = configured.stream.key
    stream = Stream(
        name=key.name,
        namespace=key.namespace,
        json_schema={**schema, "properties": properties},
        supported_sync_modes=configured.stream.supported_sync_modes,
        source_defined_cursor=bool(cursor),
        default_cursor_field=cursor,
        source_defined_primary_key=configured.primary_key,
    )
    return msgspec.structs.replace(
        configured, stream=stream, cursor_field=cursor, excluded=(), nested=(), hidden=(), fragments=()
    )


def destination_streams(
    streams: tuple[ConfiguredStream, ...], translation: TranslateOptions | None = None
) -> tuple[ConfiguredStream, ...]:
    """Return the destination's streams from the tap's discovery, for a run that does not wait for SCHEMA messages."""
    return tuple(
        destination_stream(stream, without_fields(declared_schema(stream), stream.exclusion), translation)
        for stream in streams
    )


def without_fields(schema: Mapping[str, Any], exclusion: Exclusion) -> dict[str, Any]:
    """Return a schema without the excluded fields."""
    text, removed = pruned(msgspec.json.encode(schema), exclusion)
    kept = msgspec.json.decode(text, type=dict[str, Any]) if removed else schema
    return {**kept, "properties": kept.get("properties", {})}


def unexpected(key: StreamKey, fields: Iterable[str]) -> ConfiguredStream:
    """Return a stream that is in no catalog, from its SCHEMA. It is merged by its key if it has one."""
    stream = Stream(name=key.name, namespace=key.namespace)
    return configured(stream, "full_refresh", cursor=(), key=tuple((name,) for name in fields), excluded=())


class AirbyteStream:
    """Turns bodies into RECORDs; `target` is the stream's name in the destination, `numbers` returns the sequence.

    `declared` are the fields in the tap's own SCHEMA, `exclusion` are those that are removed. `fragments` are the
    user's schemas of fields, whose values are converted.
    """

    def __init__(
        self,
        landed: ConfiguredStream,
        target: StreamKey,
        tally: Tally,
        numbers: Callable[[], int],
        *,
        declared: Collection[str],
        exclusion: Exclusion | None = None,
        notices: Notices,
        translation: TranslateOptions,
        fragments: Sequence[Fragment] = (),
        watched: Tally | None = None,
    ) -> None:
        self.tally = tally
        properties = landed.stream.json_schema.get("properties", {})
        self.fields = frozenset(properties)
        self._check = checker(landed.stream.json_schema) if translation.validate_records else None
        ours = self.fields - set(declared)
        self._numbers = numbers if SEQUENCE in ours else None
        self._last = 0
        self._keys: list[str] = []
        if landed.destination_sync_mode == "append_dedup":
            self._keys = [path[0] for path in landed.primary_key if len(path) == 1]
        self._missing = _missing_of(self._keys)
        # If its key is read, reading the other names as well costs little.
        policy = landed.undeclared or translation.undeclared or ("pass" if self._keys else None)
        self._undeclared = watching(self.fields, watched or tally, notices, policy)
        reasons = []
        rules: list[Rule] = []
        if exclusion and (rule := removal(exclusion)):
            rules.append(rule)
            are, them = ("is", "it") if exclusion.is_one else ("are", "them")
            reasons.append(f"{exclusion} {are} excluded, if the tap sends {them}")
        if rule := conversion(landed.stream.json_schema, fragments, notices.converter(tally)):
            rules.append(rule)
            reasons.append("values are converted to the user's schema")
        if is_data(landed.stream.json_schema):
            rules.append(data_rule(Exclusion(()), [name for name in properties if name not in (DATA, SEQUENCE)]))
            reasons.append(REASON)
        if _AIRBYTE_DELETED in ours:
            rules.append(marked_deleted(_SINGER_DELETED, _AIRBYTE_DELETED))
            reasons.append(f"deletes are copied to `{_AIRBYTE_DELETED}`")
        if self._numbers:
            reasons.append(f"the order of records is added as `{SEQUENCE}`")
        self._rule = chain(rules)
        tally.reason = "; ".join(reasons) or None
        namespace = b'"namespace":%s,' % _ENCODE(target.namespace) if target.namespace else b""
        self._start = b'{"type":"RECORD","record":{"stream":%s,%s"data":' % (_ENCODE(target.name), namespace)

    def end_watch(self) -> None:
        """Stop reading records for undeclared fields, if enough of them had none."""
        if self._undeclared and self._undeclared.is_over:
            self._undeclared = None

    def _problem(self, body: bytes) -> str | None:
        """Return why a record cannot be written: it is not an object, or its key is incomplete; else None."""
        if not body.startswith(b"{"):
            return body_problem(body)
        if self._keys and (name := self._missing(body)):
            return f"has no value for `{name}`, which is part of its key"
        return None

    def record(self, body: bytes, extracted: str | None, *, now: int, nulled: Iterable[str] = ()) -> bytes:
        """Return the line; nothing for a record without fields, which is counted as empty.

        Raises Unwritable for a record that the destination must not get.

        `now`, in epoch milliseconds, is used if the tap does not report the time of extraction.
        """
        if body[1:2] != b'"' and body.startswith(b"{") and not body[1:-1].strip():
            self.tally.empty += 1
            return b""
        if problem := self._problem(body):
            raise Unwritable(problem)
        if self._rule:
            body = self._rule(body)
        if self._check and (problem := self._check(body)):
            raise Unwritable(problem)
        if self._numbers and may_have(body, SEQUENCE):  # the tap sends it, although it does not declare it
            body = _UNNUMBERED(body)
        if self._undeclared and not self._undeclared.fits(body):
            new = self._undeclared.handled(body)
            if new is not body:
                self.tally.reason = self.tally.reason or "undeclared fields are changed"
            body = new
        if body[1:2] != b'"' and not body[1:-1].strip():
            self.tally.empty += 1
            return b""
        if self._numbers:
            body = b'{"%s":%d,%s' % (SEQUENCE.encode(), self._numbers(), body.lstrip()[1:])
        at = milliseconds(extracted) if extracted else None
        self._last = max(self._last, now if at is None else at)  # for destinations, the latest time is the last record
        self.tally.records += 1
        self.tally.bytes += len(body)
        changes = [{"field": name, "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"} for name in nulled]
        meta = b',"meta":{"changes":%s}' % _ENCODE(changes) if changes else b""
        return b'%s%s,"emitted_at":%d%s}}\n' % (self._start, body, self._last, meta)


def _missing_of(names: Sequence[str]) -> Callable[[bytes], str | None]:
    """Return a function that returns the first of the names that a body does not have, or whose value is null."""
    if not all(map(is_member, names)):  # a type cannot have these names

        def missing(body: bytes) -> str | None:
            members = _OBJECT.decode(body)
            return next((name for name in names if bytes(members.get(name, b"null")) == b"null"), None)

        return missing
    slots = {f"f{place}": name for place, name in enumerate(names)}
    absent = Raw(b"null")
    decode = msgspec.json.Decoder(
        msgspec.defstruct("Key", [(slot, Raw, absent) for slot in slots], rename=slots, gc=False)
    ).decode

    def missing_slot(body: bytes) -> str | None:
        key = decode(body)
        for slot, name in slots.items():
            if bytes(getattr(key, slot)) == b"null":
                return name
        return None

    return missing_slot
