"""What a run does not read, by the names that messages have, also of streams that discovery does not report."""

from collections.abc import Sequence

from tapdock.project.model import Connector, Kind
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.protocol.patterns import is_glob
from tapdock.translate.catalogs.singer import emitted_names

__all__ = ["denied_globs", "unread_names"]


def denied_globs(source: Connector, only: Sequence[str]) -> tuple[str, ...]:
    """Return the globs that exclude, of the project and of this run (`only`), without their `!`."""
    return tuple(each[1:] for each in (*source.select, *only) if each.startswith("!") and is_glob(each))


def unread_names(kind: Kind, offered: tuple[Stream, ...], streams: tuple[ConfiguredStream, ...]) -> tuple[str, ...]:
    """Return the names by which messages may refer to streams that are not read."""
    chosen = {stream.stream.key for stream in streams}
    if kind == "airbyte":
        names = {key.name for key in chosen}  # a message may lack the namespace
        unread = [stream.key for stream in offered if stream.key not in chosen]
        return tuple({**dict.fromkeys(map(str, unread)), **{key.name: None for key in unread if key.name not in names}})
    wanted = {name for stream in offered if stream.key in chosen for name in emitted_names(stream)}
    others = {name for stream in offered if stream.key not in chosen for name in emitted_names(stream)}
    return tuple(sorted(others - wanted))
