"""Change the bodies of an Airbyte source's records for an Airbyte destination."""

from collections.abc import Callable, Mapping

from tapdock.errors import TranslationError
from tapdock.protocol.catalog import ConfiguredStream, StreamKey
from tapdock.translate.base import TranslateOptions
from tapdock.translate.notices import Notices
from tapdock.translate.tally import Tally
from tapdock.translate.write.conversion import conversion
from tapdock.translate.write.removal import removal
from tapdock.translate.write.rules import EMPTY, Rule, Unwritable, chain
from tapdock.translate.write.schemaless import REASON
from tapdock.translate.write.undeclared import declared_names, watching

__all__ = ["AirbyteBodies"]


class AirbyteBodies:
    """The changes of bodies by stream. `streams` are those of the target, `data_rules` those of `with_data`."""

    def __init__(
        self,
        streams: tuple[ConfiguredStream, ...],
        data_rules: Mapping[StreamKey, Rule],
        tallies: Mapping[StreamKey, Tally],
        notices: Notices,
        translation: TranslateOptions,
    ) -> None:
        self._notices = notices
        self.rules: dict[StreamKey, Rule] = {}
        self._watched = {}
        for one in streams:
            key, schema = one.stream.key, one.landed().stream.json_schema
            tally = tallies[key]
            found = {
                REASON: data_rules.get(key),
                "fields are excluded": removal(one.exclusion),
                "values are converted to the user's schema": conversion(
                    schema, one.fragments, notices.converter(tally)
                ),
            }
            if rule := chain([rule for rule in found.values() if rule]):
                self.rules[key] = rule
                tally.reason = "; ".join(reason for reason, rule in found.items() if rule)
            if watch := watching(declared_names(schema), tally, notices, translation.undeclared):
                self._watched[key] = watch

    def end_watch(self) -> bool:
        """Stop reading the streams of which enough records had no undeclared field. Return True if there are any."""
        over = [key for key, watch in self._watched.items() if watch.is_over]
        for key in over:
            del self._watched[key]
        return bool(over)

    def test(self, key: StreamKey) -> Callable[[bytes], bool] | None:
        """Return the test that a body of a stream without a rule must pass to stay as it is; None if each one stays."""
        watch = self._watched.get(key)
        return watch.fits if watch else None

    def changed(self, data: bytes, tally: Tally, number: int) -> bytes | None:
        """Return the body for the target; None if it has no field, or was set aside because it cannot be written."""
        rule, watch = self.rules.get(tally.key), self._watched.get(tally.key)
        try:
            kept = rule(data) if rule else data
            if watch and kept != EMPTY and not watch.fits(kept):
                before, kept = kept, watch.handled(kept)
                if kept is not before:
                    tally.reason = tally.reason or "undeclared fields are changed"
        except Unwritable as error:
            what = TranslationError(f"line {number}: a record of stream `{tally.key}` {error}")
            self._notices.bad_record(what, tally=tally, stream=str(tally.key), text=data)
            return None
        if kept is not data and kept == EMPTY:  # it has only excluded fields, or undeclared ones that are dropped
            tally.empty += 1
            return None
        return kept
