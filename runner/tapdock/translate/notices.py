"""Report what a translator finds beside its data: log lines, warnings, counts that differ, bad records."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable

from msgspec import Raw

from tapdock.errors import Side, TranslationError
from tapdock.events import Level, Logged, Rotated, SetAside
from tapdock.project.model import OnBadRecord
from tapdock.protocol.airbyte import DIALECT, ControlMessage, control_config, is_config, may_be_config
from tapdock.protocol.catalog import StreamKey
from tapdock.protocol.junk import Junk
from tapdock.protocol.lines import split
from tapdock.translate.base import Emit, Mismatch
from tapdock.translate.tally import Tally
from tapdock.translate.write.removal import Withheld

__all__ = ["Notices"]

_ASIDE = "to write such records to a file instead, set `on_bad_record: set_aside` in the pipeline"
_LONGEST_LOG = 64 << 10


class Notices:
    """The notices of one translator. Two threads may emit events; only the pump's thread changes the counts.

    `airbyte` are the sides that may report a renewed config in a CONTROL message. `withheld` removes excluded fields
    from records that are set aside.
    """

    def __init__(
        self,
        emit: Emit,
        *,
        on_bad_record: OnBadRecord = "fail",
        airbyte: Collection[str] = ("source", "target"),
        withheld: Withheld | None = None,
    ) -> None:
        self.emit = emit
        self.mismatches: list[Mismatch] = []
        self._sets_aside = on_bad_record == "set_aside"
        self._warned: set[object] = set()
        self._airbyte = airbyte
        self._withheld = withheld or Withheld(())
        self._configs: dict[Side, str] = {}
        self._mended: Counter[str] = Counter()
        self._junk: dict[Side, Junk] = {"source": Junk(hides_json=self._withheld.has_rules), "target": Junk()}

    def log(self, level: Level, message: str, *, side: Side = "source") -> None:
        self.emit(Logged(side, level, message[:_LONGEST_LOG]))

    def junk(self, line: bytes, number: int, *, side: Side = "source") -> None:
        """Log a line that is not a message, unless it may contain a config."""
        shown = self._junk[side].shown(line, number)
        if shown is not None:
            self.emit(Logged(side, "info", shown, printed=not self._junk[side].is_hidden(number)))

    def control(self, raw: Raw, number: int | None, *, side: Side = "source") -> None:
        """Report the config in a CONTROL message. One that was reported last is not repeated."""
        try:
            config = control_config(raw)
        except (ValueError, RecursionError):
            config = None
        if config and config != self._configs.get(side):
            self._configs[side] = config
            self.emit(Rotated(side, config))
        elif not config and is_config(raw):
            self._bad_control(raw, number, side=side)

    def left(self, lines: bytes, *, side: Side = "source") -> None:
        """Report the last config in lines that are not used any more, because a failure came before them."""
        if side not in self._airbyte or not may_be_config(lines):
            return
        found = [
            part.message.control
            for text in split(lines)
            if may_be_config(text)
            for part in DIALECT.parts(text)
            if isinstance(part.message, ControlMessage) and is_config(part.message.control)
        ]
        if found:
            self.control(found[-1], None, side=side)

    def _bad_control(self, raw: Raw, number: int | None, *, side: Side) -> None:
        """Warn about a CONTROL whose config cannot be read. Its renewed values are lost, and must not be shown."""
        where = "after the failure" if number is None else f"line {number}"
        size = len(bytes(raw))
        self.log("warning", f"{where}: a CONTROL message of {size} bytes has no readable config", side=side)

    def warn_once(self, message: str, *, about: object, side: Side = "source") -> None:
        """Log a warning, unless there was one about the same thing."""
        if about not in self._warned:
            self._warned.add(about)
            self.log("warning", message, side=side)

    def mismatch(self, side: Side, message: str, *, about: object) -> None:
        """Report two counts that differ, only the first time for each `about`."""
        if about not in self._warned:
            self.mismatches.append((side, message))
        self.warn_once(message, about=about, side=side)

    def mended(self, notes: Iterable[str], *, number: int) -> None:
        """Count the repairs of a line. The first one of each kind is logged, and `closing` logs the totals."""
        for note in notes:
            self._mended[note] += 1
            if self._mended[note] == 1:
                self.log("warning", f"line {number}: {note}")

    def converter(self, tally: Tally) -> Callable[[str], None]:
        """Return a function that counts the conversions of a stream's values like repairs, without their lines."""

        def converted(note: str) -> None:
            what = f"stream `{tally.key}`: {note}"
            self._mended[what] += 1
            if self._mended[what] == 1:
                self.log("warning", what)

        return converted

    def bad_record(self, error: TranslationError, *, tally: Tally | None, stream: str | None, text: bytes) -> None:
        """Raise `error` for a record that cannot be translated, or set the record aside and count it."""
        if not self._sets_aside:
            error.hint = f"{error.hint}; {_ASIDE}" if error.hint else _ASIDE
            raise error
        if tally:
            tally.set_aside += 1
        text = self._withheld.kept(stream, text)
        self.emit(SetAside(stream=stream, reason=error.message, record=text.decode(errors="replace")))
        self.warn_once(f"set aside: {error.message}", about=("aside", stream))

    def closing(self, tallies: Iterable[Tally]) -> None:
        """Log the totals of skipped, set aside, rejected and repaired records, and of undeclared fields."""
        for what, counts in (
            ("empty records were skipped", {str(tally.key): tally.empty for tally in tallies if tally.empty}),
            ("records were set aside", {str(tally.key): tally.set_aside for tally in tallies if tally.set_aside}),
            ("records were rejected", {str(tally.key): tally.rejected for tally in tallies if tally.rejected}),
        ):
            if counts:
                each = ", ".join(f"`{name}` {count}" for name, count in counts.items())
                self.log("warning", f"{sum(counts.values())} {what}: {each}")
        for report in (tally.report() for tally in tallies if tally.undeclared):
            stream, found = StreamKey.of(report.namespace, report.stream), report.undeclared_fields
            self.log("warning", f"stream `{stream}`: fields that its schema does not declare: {found}")
        for note, count in self._mended.items():
            if count > 1:
                self.log("warning", f"{note}, on {count} lines in total")
