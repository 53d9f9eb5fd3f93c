"""Translators, one per pair of dialects; `ROUTES` is the table of them."""

from tapdock.catalog import ConfiguredStream
from tapdock.events import Event
from tapdock.translate.to_singer import AirbyteToSinger

__all__ = ["ROUTES", "require_translatable"]

ROUTES = {"airbyte-singer": AirbyteToSinger}


def require_translatable(route: str, streams: tuple[ConfiguredStream, ...]) -> None:
    """Raise the UsageError that the relay would, while nothing runs yet."""

    def silent(event: Event) -> None: ...

    ROUTES[route](streams=streams, saved=None, emit=silent, clock=lambda: 0.0)
