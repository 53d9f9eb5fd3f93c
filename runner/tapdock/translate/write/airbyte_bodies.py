"""Change the bodies of an Airbyte source's records for an Airbyte destination."""

from collections.abc import Callable, Iterable, Mapping

from tapdock.protocol.catalog import StreamKey
from tapdock.translate.base import TranslateOptions
from tapdock.translate.maps.landing import Landed
from tapdock.translate.notices import Notices
from tapdock.translate.tally import Tally
from tapdock.translate.write.conversion import conversion
from tapdock.translate.write.removal import removal
from tapdock.translate.write.rules import EMPTY, Rule, chain
from tapdock.translate.write.schemaless import REASON
from tapdock.translate.write.undeclared import declared_names, watching

__all__ = ["AirbyteBodies"]


class AirbyteBodies:
    """The changes of bodies by the streams of the target, after their maps. `tallies` are those that count them."""

    def __init__(
        self,
        landed: Iterable[Landed],
        tallies: Mapping[StreamKey, Tally],
        notices: Notices,
        translation: TranslateOptions,
    ) -> None:
        self.rules: dict[StreamKey, Rule] = {}
        self._tallies = tallies
        self._watched = {}
        for one, data_rule in ((each.target, each.data_rule) for each in landed):
            key, schema = one.stream.key, one.landed().stream.json_schema
            tally = tallies[key]
            found = {
                REASON: data_rule,
                "fields are excluded": removal(one.exclusion),
                "values are converted to the user's schema": conversion(
                    schema, one.fragments, notices.converter(tally)
                ),
            }
            if rule := chain([rule for rule in found.values() if rule]):
                self.rules[key] = rule
                tally.reason = "; ".join(reason for reason, rule in found.items() if rule)
            keys = [path[0] for path in (*one.primary_key, one.cursor_field) if path]
            policy = one.undeclared or translation.undeclared
            if watch := watching(declared_names(schema), tally, notices, policy, keys=keys):
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

    def written(self, data: bytes, key: StreamKey) -> bytes:
        """Return the body for a stream of the target: the same object if nothing changes it. Raises Unwritable."""
        rule, watch = self.rules.get(key), self._watched.get(key)
        kept = rule(data) if rule else data
        if watch and kept != EMPTY and not watch.fits(kept):
            before, kept = kept, watch.handled(kept)
            if kept is not before:
                tally = self._tallies[key]
                tally.reason = tally.reason or "undeclared fields are changed"
        return kept
