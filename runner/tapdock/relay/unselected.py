"""Remove what `select` leaves out from a tap's messages, before a mapper gives its stream another name."""

import msgspec
from msgspec import Raw

from tapdock.errors import TranslationError
from tapdock.protocol.schema_edits import pruned
from tapdock.protocol.singer import Message, RecordMessage, SchemaMessage, StateMessage
from tapdock.relay.plan import RelayPlan
from tapdock.translate.base import Emit
from tapdock.translate.notices import Notices
from tapdock.translate.read.singer_tap import SingerSource
from tapdock.translate.write.removal import may_repeat, removal
from tapdock.translate.write.rules import Rule

__all__ = ["Unselected"]


class Unselected:
    """The streams and fields of a run that are not read. A tap may send them nevertheless: then they are removed.

    It is false if the run reads everything.
    """

    def __init__(self, plan: RelayPlan, emit: Emit) -> None:
        translation = plan.translation
        self._any = bool(translation.excluded or translation.denied or any(one.exclusion for one in plan.streams))
        self._source = SingerSource(plan.streams, Notices(emit, airbyte=()), translation, saved=None)
        self._rules: dict[str, Rule | None] = {}

    def __bool__(self) -> bool:
        return self._any

    def without(self, message: Message, text: bytes) -> bytes:
        """Return the text of a message without excluded fields; nothing for a message of a stream that is not read."""
        stream = "" if isinstance(message, StateMessage) else message.stream or ""
        if not stream:
            return text
        if self._source.is_left_out(stream, record=isinstance(message, RecordMessage)):
            return b""
        match message:
            case SchemaMessage():
                return self._schema(message, stream, text)
            case RecordMessage():
                rule = self._rule(stream)
                new = rule(bytes(message.record)) if rule else message.record
                if rule and (new != bytes(message.record) or may_repeat(text, b'"record"')):
                    return _with(text, "record", bytes(new))
        return text

    def _rule(self, stream: str) -> Rule | None:
        if stream not in self._rules:
            self._rules[stream] = removal(self._source.exclusion(stream))
        return self._rules[stream]

    def _schema(self, message: SchemaMessage, stream: str, text: bytes) -> bytes:
        self._source.learn_key(stream, message.key_properties or ())
        self._rules.pop(stream, None)  # the key is never removed
        try:
            schema, sent = pruned(message.schema, self._source.exclusion(stream), strict=True)
        except msgspec.MsgspecError as error:
            raise TranslationError(f"the schema of stream `{stream}` cannot be read: {error}") from error
        return _with(text, "schema", schema) if sent else text


def _with(text: bytes, name: str, value: bytes) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(text, type=dict[str, Raw]), name: Raw(value)})
