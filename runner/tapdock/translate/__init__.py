"""The four routes between the protocols (`ROUTES`), with the readers, writers, schemas and ledgers that they share."""

from tapdock.events import Event
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.translate.airbyte_to_airbyte import AirbyteToAirbyte
from tapdock.translate.airbyte_to_singer import AirbyteToSinger
from tapdock.translate.base import TranslateOptions
from tapdock.translate.singer_to_airbyte import SingerToAirbyte
from tapdock.translate.singer_to_singer import SingerToSinger

__all__ = ["ROUTES", "require_translatable"]

ROUTES = {
    "airbyte-airbyte": AirbyteToAirbyte,
    "airbyte-singer": AirbyteToSinger,
    "singer-airbyte": SingerToAirbyte,
    "singer-singer": SingerToSinger,
}


def require_translatable(route: str, streams: tuple[ConfiguredStream, ...], translation: TranslateOptions) -> None:
    """Raise the UsageError that the relay would raise, before any container starts."""

    def silent(event: Event) -> None: ...

    ROUTES[route](streams=streams, saved=None, emit=silent, clock=lambda: 0.0, translation=translation)
