"""The files of a user in place of discovery and of the saved state, for one run (`--catalog`, `--state`)."""

import dataclasses
from pathlib import Path

import msgspec

from tapdock.connectors import operations
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.errors import SourceError, UsageError
from tapdock.project.connector_values import CatalogFile
from tapdock.protocol.catalog import Stream, parse_catalog
from tapdock.state import edit
from tapdock.state.envelope import Envelope, a_kind
from tapdock.translate.catalogs.singer import singer_streams

__all__ = ["offer", "require_state", "with_own_state"]


class _Configured(msgspec.Struct):
    """A stream of a configured catalog of Airbyte."""

    stream: dict[str, msgspec.Raw] | str | None = None
    sync_mode: str | None = None


class _Catalog(msgspec.Struct):
    streams: list[_Configured]


def offer(
    context: Context, source: PreparedConnector, catalog: str | None, *, refresh: bool, namespaced: bool
) -> tuple[PreparedConnector, tuple[Stream, ...]]:
    """Return the source and the streams that it offers, by discovery or by the user's `catalog`.

    Raises UsageError for a file that is not a catalog as `discover --json` prints it.
    """
    if catalog is None:
        return source, operations.discover(context, source, refresh=refresh, namespaced=namespaced)
    body = catalog.encode()
    _require_offered(body)
    try:
        streams = parse_catalog(body) if source.kind == "airbyte" else singer_streams(body, namespaced=namespaced)
    except SourceError as error:
        raise UsageError(f"the file of `--catalog` cannot be used: {error.message}", hint=_hint(source)) from error
    if not streams:
        raise UsageError("the file of `--catalog` has no streams", hint=_hint(source))
    if source.kind == "singer":  # as if the project file named it
        connector = dataclasses.replace(source.connector, catalog=CatalogFile(file=Path("--catalog"), content=body))
        source = msgspec.structs.replace(source, connector=connector)
    return source, streams


def _require_offered(catalog: bytes) -> None:
    """Raise UsageError for a configured catalog: its sync modes and keys would be ignored."""
    try:
        streams = msgspec.json.decode(catalog, type=_Catalog).streams
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return  # reported by its reader
    if any(isinstance(each.stream, dict) for each in streams):
        raise UsageError(
            "the file of `--catalog` is a configured catalog, whose sync modes and keys would be ignored",
            hint="use a catalog as `tapdock discover NAME --json` prints it, and `streams:` for modes and keys",
        )


def _hint(source: PreparedConnector) -> str:
    return f"`tapdock discover {source.connector.name} --json` prints one"


def require_state(text: str | None, source: PreparedConnector) -> None:
    """Raise UsageError for a state of the user's that the source cannot start from."""
    if text is None:
        return
    found = edit.dialect_of(text, wanted=None, known=source.kind)
    if found != source.kind:
        raise UsageError(
            f"the file of `--state` is {a_kind(found)} state, but source `{source.connector.name}` needs"
            f" {a_kind(source.kind)} state",
            hint="`tapdock state get` prints a state that fits",
        )


def with_own_state(
    saved: Envelope | None, source: PreparedConnector, text: str | None, *, key: str, window: bool = False
) -> Envelope | None:
    """Return the saved state with the user's text in its place, if there is one. A `window` starts without a state."""
    if window and saved:
        return msgspec.structs.replace(saved, state=None)
    if text is None:
        return saved
    saved = saved or Envelope(key=key, run_id="", fence=0, nonce="", saved_at="")
    return msgspec.structs.replace(saved, state=text, dialect=source.kind)
