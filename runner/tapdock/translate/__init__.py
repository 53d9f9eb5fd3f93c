"""Translators, one per pair of dialects; `ROUTES` is the table of them."""

from tapdock.translate.to_singer import AirbyteToSinger

__all__ = ["ROUTES"]

ROUTES = {"airbyte-singer": AirbyteToSinger}
