"""Secrets that the project file refers to: `${file:PATH}` and `${exec:PROGRAM ARGUMENT…}`."""

import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakSet

from tapdock.errors import UsageError
from tapdock.project.programs import LARGEST, TooLong, printed
from tapdock.project.secret import Learner
from tapdock.project.values import flaw

__all__ = ["Reference", "References"]

_SECONDS = 60.0


@dataclass(kw_only=True)
class References:
    """Reads each secret when it is first needed, and once in a block of `used`. `folder` is that of the project.

    A value is passed to all `learners` before anything else gets it, so that no output can contain it.
    """

    folder: Path
    environ: Mapping[str, str] = field(repr=False)
    seconds: float = _SECONDS
    learners: "WeakSet[Learner]" = field(default_factory=WeakSet, repr=False)
    known: dict[str, str] = field(default_factory=dict, repr=False)
    _secrets: set[str] = field(default_factory=set, repr=False)
    _users: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def listen(self, learner: Learner) -> None:
        """Pass all secrets that were ever read, and all later ones, to `learner`, which is not kept alive."""
        with self._lock:
            self.learners.add(learner)
            learner.learn(list(self._secrets))

    def learn(self, secrets: Iterable[str]) -> None:
        """Pass secrets that were read elsewhere to all learners, and to later ones."""
        with self._lock:
            found = [text for text in secrets if text]
            self._secrets.update(found)
            for learner in self.learners:
                learner.learn(found)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Read secrets again after this block, unless another thread is still in one: a token may have expired then."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self.known.clear()

    def text(self, reference: str, read: Callable[[], str]) -> str:
        with self._lock:
            if reference not in self.known:
                value = read()
                self._secrets.add(value)
                for learner in self.learners:
                    learner.learn([value])
                self.known[reference] = value
            return self.known[reference]


@dataclass(frozen=True, eq=False)
class Reference:
    """One reference: `reference` is `file:PATH` or `exec:PROGRAM ARGUMENT…`, `place` says where it is written."""

    reference: str
    place: str
    references: References = field(repr=False)

    def __post_init__(self) -> None:
        if "${" in self.reference:
            raise UsageError(f"{self.place} has a reference inside of a reference", hint="write the value itself")
        if not self._argument.strip() or "\0" in self.reference:
            raise UsageError(f"{self.place} has `${{{self.reference}}}`, which names nothing", hint=_EXAMPLE)
        if self.reference.startswith("exec:"):
            self._words()

    @property
    def known(self) -> str | None:
        return self.references.known.get(self.reference)

    def read(self) -> str:
        """Return the secret. Raises UsageError, which never contains it."""
        return self.references.text(self.reference, self._file if self.reference.startswith("file:") else self._exec)

    @property
    def _argument(self) -> str:
        return self.reference.partition(":")[2]

    def _file(self) -> str:
        path = self.references.folder / self._argument
        needs = f"{self.place} needs the file {self._argument}, which"
        try:
            with path.open("rb") as opened:
                content = opened.read(LARGEST + 1)
        except OSError as error:
            hint = f"create {path}, or correct the path: it is relative to the project file"
            raise UsageError(f"{needs} cannot be read: {error.strerror}", hint=hint) from None
        if len(content) > LARGEST:
            raise UsageError(f"{needs} is larger than 1 MiB", hint="is it the right file?")
        return _decoded(content, needs)

    def _words(self) -> list[str]:
        try:
            return shlex.split(self._argument)
        except ValueError as error:
            raise UsageError(
                f"{self.place} has an `exec` whose words cannot be split: {error}", hint=_EXAMPLE
            ) from None

    def _exec(self) -> str:
        words = self._words()
        program = f"{self.place} needs the output of `{words[0]}`, which"
        try:
            done = printed(
                words,
                folder=self.references.folder,
                environ=self.references.environ,
                seconds=self.references.seconds,
            )
        except OSError as error:
            hint = "install it, or write its path; it is started without a shell, in the folder of the project"
            raise UsageError(f"{program} cannot be started: {error.strerror}", hint=hint) from None
        except TooLong as error:
            raise UsageError(f"{program} {error}", hint="run it by hand in the folder of the project") from None
        if done.code:
            said = _without(done.err, done.out)
            ending = f"exited with {done.code}" if done.code > 0 else f"was killed by signal {-done.code}"
            raise UsageError(f"{program} {ending}" + (f": {said}" if said else ""), hint=_BY_HAND)
        value = _decoded(done.out, program)
        if not value:
            raise UsageError(f"{program} printed nothing", hint=_BY_HAND)
        return value


_EXAMPLE = "for example `${file:secrets/token}` or `${exec:vault read -field=token secret/shop}`"
_BY_HAND = "run it by hand in the folder of the project"


def _decoded(content: bytes, needs: str) -> str:
    """Return the text without the line end at its end."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{needs} is not UTF-8 text (byte {error.start})") from None
    if problem := "contains a NUL character" if "\0" in text else flaw(text):
        raise UsageError(f"{needs} {problem}")
    return text.removesuffix("\n").removesuffix("\r")


def _without(words: bytes, secret: bytes) -> str:
    """Return the last line of what a program printed about its failure, without what may be the secret."""
    from tapdock.text.redaction import Redactor

    lines = [line for line in words.decode(errors="replace").splitlines() if line.strip()]
    return Redactor([secret.decode(errors="replace").strip()])(lines[-1].strip())[:500] if lines else ""
