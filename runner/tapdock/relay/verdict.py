"""Why a run did not succeed: the one thing that its verdict names."""

from tapdock.errors import SourceError, TapdockError, TargetError, TranslationError
from tapdock.events import Failed, Verdict
from tapdock.translate.base import Mismatch, Translator

__all__ = ["FirstFailure"]

_UNFORESEEN = "Something went wrong in the connector"


class FirstFailure:
    """The first cause counts. What follows from it (a source stopped, a target that then exits with 1) does not.

    `error` is None for a run that nothing is wrong with. `ending` is the exit code of a run that was asked to end;
    from then on nothing else counts.
    """

    def __init__(self) -> None:
        self.error: TapdockError | None = None
        self.ending: int | None = None
        self._trouble: Failed | None = None
        self._target_trouble: Failed | None = None
        self._torn: TranslationError | None = None
        self._exit: SourceError | None = None

    def fail(self, error: TapdockError) -> None:
        """Something is wrong."""
        if self.error is None and self.ending is None:
            self.error = error

    def end(self, code: int) -> None:
        """Somebody asked for the end."""
        self.ending = self.ending or code

    def heard(self, trouble: Failed) -> None:
        """A side told what is wrong: the words for its exit code."""
        if trouble.side == "source":
            self._trouble = trouble
        else:
            self._target_trouble = trouble

    def source_exited(self, code: int) -> None:
        """The source failed of itself. Its reason may still be unread in its pipe: `source_read` comes back to it."""
        self._exit = self._exit_error(code)
        self.fail(self._exit)

    def source_read(self, code: int) -> None:
        """Everything that the source wrote has been read: an error of no single stream is one of the whole."""
        if self._exit and self.error is self._exit:
            self.error = self._exit = self._exit_error(code)
        if self._torn and code == 0:
            self.fail(self._torn)
        if self._trouble and self._trouble.stream is None:
            message = f"the source reported an error: {_words(self._trouble)}"
            self.fail(SourceError(message, retryable=_is(self._trouble, "transient_error")))

    def unfinished(self, failures: tuple[str, ...]) -> None:
        """Streams that the source itself calls failed or incomplete."""
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
        """The target ended, and should not have; it may have told why."""
        trouble = self._target_trouble
        what = f": {_words(trouble)}" if trouble and trouble.message else ""
        hint = "correct the target's `config`" if _is(trouble, "config_error") else None
        self.fail(TargetError(f"{message}{what}", hint=hint, retryable=_is(trouble, "transient_error")))

    def counts_differ(self, mismatches: tuple[Mismatch, ...]) -> None:
        """Counts that are not ours, where the user wants that to fail the run."""
        hint = "without `--strict-counts` this is a warning"
        for side, message in mismatches:
            self.fail((SourceError if side == "source" else TargetError)(message, hint=hint))

    def bad_line(self, error: TranslationError) -> None:
        """A line that cannot be translated: written before the source exited, though it may be read after that."""
        if self._exit and self.error is self._exit:
            self.error = error
        self.fail(error)

    def torn(self, error: TranslationError) -> None:
        """The last line has no end. That is the source's own doing if it exited with 0, else of what ended it."""
        self._torn = error

    def _exit_error(self, code: int) -> SourceError:
        trouble = self._trouble
        what = f": {_words(trouble)}" if trouble else ""
        hint = "correct the source's `config`, then `tapdock check` it" if _is(trouble, "config_error") else None
        return SourceError(f"the source exited with {code}{what}", hint=hint, retryable=_is(trouble, "transient_error"))

    def settle(self, translator: Translator) -> None:
        """Both sides exited with 0: is all acknowledged, and did the source report no error?"""
        if not translator.states.settled:
            message = "the target exited with 0 without acknowledging the last state that it was sent"
            hint = "what it acknowledged is saved; the next run sends the rest again"
            self.fail(TargetError(message, hint=hint))
        self.unfinished(translator.counts.failures())

    def verdict(self) -> Verdict:
        """How the run ended, without its figures."""
        error = self.error
        if error is None:
            message = "stopped on request; what the target acknowledged is saved" if self.ending else None
            return Verdict(exit_code=self.ending or 0, message=message)
        return Verdict(
            exit_code=error.exit_code,
            side=error.side,
            message=error.message,
            hint=error.hint,
            retryable=error.retryable,
        )


def _words(trouble: Failed) -> str:
    """What went wrong. Some connectors say the same of all that they did not foresee, and the reason beside it."""
    told = trouble.reason and trouble.message.startswith(_UNFORESEEN)
    return f"{trouble.message} ({trouble.reason})" if told else trouble.message


def _is(trouble: Failed | None, failure_type: str) -> bool:
    return trouble is not None and trouble.failure_type == failure_type
