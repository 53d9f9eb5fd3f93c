"""The ACTIVATE_VERSION messages of a tap, which are held until the source has ended well."""

from collections.abc import Collection, Iterator

from tapdock.errors import TranslationError
from tapdock.translate.base import TranslateOptions
from tapdock.translate.notices import Notices
from tapdock.translate.read.singer_tap import SingerSource

__all__ = ["Activations"]


class Activations:
    """The held messages, by stream, and the versions of the records that were sent.

    A tap may send the message at its start, and then a target would delete old rows before the new ones are written.
    In a run of a window of the source, none is passed on, and neither is one for a table that rows of a matrix share,
    or for which another pipeline has saved a state.
    """

    def __init__(self, notices: Notices, source: SingerSource, translation: TranslateOptions) -> None:
        self._notices = notices
        self._source = source
        self._translation = translation
        self._texts: dict[str, bytes] = {}
        self._versions: dict[str, int] = {}
        self._latest: dict[str, int] = {}
        self._unversioned: set[str] = set()

    def __contains__(self, stream: str) -> bool:
        return stream in self._texts

    def hold(self, stream: str, text: bytes, version: float | None) -> None:
        if self._translation.keeps_rows:
            _require_snapshot(stream, self._source)
            return
        if others := self._others(stream):
            what = f"rows of stream `{stream}` that the source no longer has stay in the target: its ACTIVATE_VERSION"
            why = f"is not passed on, because it would delete the rows of {others}"
            self._notices.warn_once(f"{what} {why}", about=("shared", stream))
            return
        self._texts[stream] = text
        self._versions[stream] = int(version or 0)

    def _others(self, stream: str) -> str | None:
        if self._translation.shares_tables:
            return "other rows of the matrix in the same table"
        if key := self._translation.written_by.get(stream):
            apart = "write one of the two to another schema"
            return f"the state `{key}` in the same table: {apart}, or `tapdock state clear {key}` if its rows may go"
        return None

    def version(self, stream: str) -> int | None:
        """Return the version of the last held message of a stream."""
        return self._versions.get(stream)

    def note(self, stream: str, version: float | None) -> None:
        """Note the version of a record that is sent; None if it has none."""
        if version is None:
            self._unversioned.add(stream)
        else:
            self._latest[stream] = max(int(version), self._latest.get(stream, 0))

    def allowed(self, declared: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the streams whose old rows can be replaced, with their messages. `declared` have sent a SCHEMA.

        Targets delete rows of other versions and without a version, and fail for a stream without a SCHEMA.
        """
        for stream, text in self._texts.items():
            if stream in self._unversioned or self._latest.get(stream, 0) > self._versions[stream]:
                what = f"stream `{stream}` has records of a later version, or without a version: its old rows are kept"
                self._notices.warn_once(what, about=("version", stream))
            elif stream in declared:
                yield stream, text


def _require_snapshot(stream: str, source: SingerSource) -> None:
    """Raise TranslationError for an activation in a run of a window, unless the stream is read whole.

    Rows of a stream that is not read whole keep their version from run to run: the next run would activate its own
    version, and the target would delete the rows of the window. A stream that is read whole gets a new version, and
    all of its rows, in each run.
    """
    configured = source.expected.get(source.key(stream))
    if configured is None or configured.sync_mode != "full_refresh":
        what = f"the tap gives versions to the rows of stream `{stream}` (ACTIVATE_VERSION)"
        hint = f"leave it out with `--exclude '{stream}'`: this stream cannot be read by windows"
        raise TranslationError(f"{what}, so a later run would delete the rows of the window", hint=hint)
