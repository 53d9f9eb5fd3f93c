"""Find the first cause of a failure, which the verdict of the relay names."""

import msgspec

from tapdock.errors import SourceError, TapdockError, TargetError, TranslationError
from tapdock.events import Failed, StreamReport, Verdict
from tapdock.protocol.catalog import StreamKey
from tapdock.relay.limit import marked
from tapdock.translate.base import Mismatch, Translator

__all__ = ["FirstFailure"]

_UNFORESEEN = "Something went wrong in the connector"


class FirstFailure:
    """Keep the first cause of a failure. Its consequences, such as a target that exits with 1 afterwards, are ignored.

    `error` is None for a run that nothing is wrong with. `ending` is the exit code of a run that was asked to end;
    from then on nothing else counts.
    """

    def __init__(self) -> None:
        self.error: TapdockError | None = None
        self.ending: int | None = None
        self._trouble: Failed | None = None
        self._trouble_of_run: Failed | None = None
        self._target_trouble: Failed | None = None
        self._torn: TranslationError | None = None
        self._exit: SourceError | None = None
        self._later: TapdockError | None = None

    def fail(self, error: TapdockError) -> None:
        """Record a failure."""
        if self.error is None and self.ending is None:
            self.error = error
        elif self._exit and self.error is self._exit:
            self._later = self._later or error

    def end(self, code: int) -> None:
        """Record that the run was asked to end."""
        self.ending = self.ending or code

    def reported(self, trouble: Failed) -> None:
        """Record an error that a side reported: it becomes the reason for its exit code."""
        if trouble.side == "source":
            self._trouble = trouble
            if trouble.stream is None:
                self._trouble_of_run = trouble
        else:
            self._target_trouble = trouble

    def source_exited(self, code: int) -> None:
        """Record that the source failed. Its reason may still be unread in its pipe: `source_read` adds it."""
        self._exit = self._exit_error(code)
        self.fail(self._exit)

    def source_read(self, code: int, *, limited: bool = False) -> None:
        """Record that all output of the source was read. An error that names no stream then fails the run.

        `limited`: the source was stopped because nothing more was wanted, so that its exit code does not count.
        """
        if limited:
            self.error = self._later if self._exit and self.error is self._exit else self.error
            self._exit = None
        if self._exit and self.error is self._exit:
            self.error = self._exit = self._exit_error(code)
        if self._torn and code == 0:
            self.fail(self._torn)
        if trouble := self._trouble_of_run:
            message = f"the source reported an error: {_words(trouble)}"
            self.fail(SourceError(message, retryable=_is(trouble, "transient_error")))

    def unfinished(self, failures: tuple[str, ...]) -> None:
        """Record the streams that the source itself reported as failed or incomplete."""
        if not failures:
            return
        names = ", ".join(failures)
        why = f": {_words(self._trouble)}" if self._trouble else ""
        retryable = not _is(self._trouble, "config_error")
        self.fail(SourceError(f"the source could not finish {names}{why}", retryable=retryable))
        more = f"it could not finish {names}"
        if self._exit and self.error is self._exit and more not in self._exit.message:
            self._exit.message = f"{self._exit.message}; {more}"

    def target_exited(self, message: str) -> None:
        """Record that the target ended although it should not have. It may have reported a reason."""
        trouble = self._target_trouble
        what = f": {_words(trouble)}" if trouble and trouble.message else ""
        hint = "correct the target's `config`" if _is(trouble, "config_error") else None
        self.fail(TargetError(f"{message}{what}", hint=hint, retryable=_is(trouble, "transient_error")))

    @property
    def is_sound(self) -> bool:
        """True if nothing failed so far, no side reported an error of the run, and the run was not asked to end."""
        troubles = (self._trouble_of_run, self._target_trouble)
        return self.error is None and self.ending is None and not any(troubles)

    def counts_differ(self, mismatches: tuple[Mismatch, ...]) -> None:
        """Record counts that differ from those of tapdock, if they fail the run."""
        hint = "without `--strict-counts` this is a warning"
        for side, message in mismatches:
            self.fail((SourceError if side == "source" else TargetError)(message, hint=hint))

    def bad_line(self, error: TranslationError) -> None:
        """Record a line that cannot be translated. The source wrote it before it exited, so it precedes that exit."""
        if self._exit and self.error is self._exit:
            self.error = error
        self.fail(error)

    def torn(self, error: TranslationError) -> None:
        """Record a last line without an end. It is a failure of its own only if the source exited with 0."""
        self._torn = error

    def _exit_error(self, code: int) -> SourceError:
        trouble = self._trouble
        what = f": {_words(trouble)}" if trouble else ""
        hint = "correct the source's `config`, then `tapdock check` it" if _is(trouble, "config_error") else None
        return SourceError(f"the source exited with {code}{what}", hint=hint, retryable=_is(trouble, "transient_error"))

    def settle(self, translator: Translator, *, strict_counts: bool = False) -> None:
        """Check, after both sides exited, that no side reported an error and that all states are acknowledged."""
        if self._target_trouble:
            self.target_exited("the target reported an error")
        if not translator.states.settled:
            message = "the target exited successfully but never acknowledged the final state"
            hint = "the state is saved up to its last acknowledgement; the next run sends the rest again"
            self.fail(TargetError(message, hint=hint))
        self.unfinished(translator.counts.failures())
        if strict_counts:
            self.counts_differ(translator.counts.mismatches())

    def streams(
        self, translator: Translator, *, target_code: int | None, limit: int | None = None
    ) -> tuple[StreamReport, ...]:
        """Return the counts of the streams. A stream is complete only if the target ended well and acknowledged it all.

        Otherwise it is not known which records the target stored. No stream is left as pending or running.
        """
        failed = self._target_trouble or isinstance(self.error, TargetError)
        stored = target_code == 0 and translator.states.settled and not failed
        reports = tuple(self._at_the_end(report, stored=stored) for report in translator.counts.reports())
        return reports if limit is None else tuple(marked(report, limit) for report in reports)

    def _at_the_end(self, report: StreamReport, *, stored: bool) -> StreamReport:
        status = report.status
        if self._names(StreamKey.of(report.namespace, report.stream)):
            status = "failed"
        elif status == "pending" and not (report.empty or report.set_aside):
            status = "not reached"
        elif status in ("pending", "running") or (status == "complete" and not stored):
            status = "incomplete"
        return msgspec.structs.replace(report, status=status)

    def _names(self, stream: StreamKey) -> bool:
        """Return True if the failure is one of this stream. Each error of a translation names its stream like this."""
        trouble = self._target_trouble
        if trouble and trouble.stream == str(stream):
            return True
        return isinstance(self.error, TranslationError) and f"stream `{stream}`" in self.error.message

    def verdict(self) -> Verdict:
        """Return how the run ended, without the counts of its streams."""
        error = self.error
        if error is None:
            message = "stopped by signal; the state is saved up to the last acknowledgement" if self.ending else None
            return Verdict(exit_code=self.ending or 0, message=message)
        return Verdict(
            exit_code=error.exit_code,
            side=error.side,
            message=error.message,
            hint=error.hint,
            retryable=error.retryable,
        )


def _words(trouble: Failed) -> str:
    """Return the message of an error. If it is the generic one of a connector framework, the reason is added."""
    told = trouble.reason and trouble.message.startswith(_UNFORESEEN)
    return f"{trouble.message} ({trouble.reason})" if told else trouble.message


def _is(trouble: Failed | None, failure_type: str) -> bool:
    return trouble is not None and trouble.failure_type == failure_type
