"""Run an Airbyte source as a Singer tap: the program that `tapdock wrap` puts into an image (images/wrapper).

It starts the image's own connector as a child, translates its output as `tapdock run` does, and writes Singer messages
to stdout. It is one static program without a command line library, because it must start fast, and it uses nothing of
the image.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from tapdock import __version__
from tapdock.connectors import masking
from tapdock.connectors.wrap.child import ask_to_end, started
from tapdock.connectors.wrap.files import keep_rotated, merged, read_file, saved_states
from tapdock.errors import SourceError, TapdockError, UsageError
from tapdock.events import Event, Failed, Logged, Rotated, Verdict
from tapdock.log import Log
from tapdock.protocol.answer import Answer, read_answer
from tapdock.protocol.catalog import ConfiguredStream, configured_catalog, parse_catalog
from tapdock.relay.pump import Pump
from tapdock.relay.verdict import FirstFailure
from tapdock.text.output import log_text, out_json
from tapdock.text.redaction import Redactor
from tapdock.translate.airbyte_to_singer import AirbyteToSinger
from tapdock.translate.catalogs.wrapped_tap import selected_streams, singer_catalog
from tapdock.translate.states.airbyte import state_to_pass, unread_streams, without_streams
from tapdock.translate.states.wrapped_tap import EmbeddedStates

__all__ = ["main"]

COMMAND = Path("/opt/tapdock/command.json")


def main(argv: Sequence[str] | None = None, *, command: Path = COMMAND) -> int:
    """Run the tap with these arguments and return its exit code. `command` is the file with the connector's command."""
    options = _parser().parse_args(argv)
    redact = Redactor()
    log = Log("", write=lambda text: log_text(redact(text)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        config = merged(options.config)
        redact.learn(masking.secret_texts(config, None))
        tap = _Tap(_command(command), log, redact)
        if options.about:
            return tap.about()
        if options.discover:
            return tap.discover(config, options)
        if options.test:
            return tap.test(config, options)
        return tap.sync(config, options)
    except TapdockError as error:
        log.error(error.message, hint=error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        log.error("the reader of this tap's output has closed it")
        return 141


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tap", description="An Airbyte source as a Singer tap.")
    parser.add_argument("--version", action="version", version=f"tapdock {__version__}")
    parser.add_argument("--config", action="append", default=[], metavar="FILE", help="the source's own config")
    parser.add_argument(
        "--catalog", "--properties", "-p", metavar="FILE", help="the streams to read, from `--discover`"
    )
    parser.add_argument("--state", metavar="FILE", help="the state to resume from, which this tap emitted last")
    parser.add_argument("--discover", action="store_true", help="print the streams as a Singer catalog")
    parser.add_argument("--test", action="store_true", help="check that the config works")
    parser.add_argument("--about", action="store_true", help="print the settings of the source")
    parser.add_argument("--format", choices=["json"], default="json", help="the format of `--about`")
    return parser


def _command(file: Path) -> list[str]:
    """Return the connector's command. The build saved it, because this program replaces it as the ENTRYPOINT."""
    command: list[str] = json.loads(file.read_bytes())
    return command


class _Tap:
    """The wrapped connector with the commands of a Singer tap."""

    def __init__(self, command: list[str], log: Log, redact: Redactor) -> None:
        self._command = command
        self._log = log
        self._redact = redact

    def about(self) -> int:
        answer = self._asked("spec")
        if answer.spec is None:
            raise SourceError("the connector did not report its settings")
        about = {
            "name": "tap",
            "version": __version__,
            "capabilities": ["about", "catalog", "discover", "state", "test"],
            "settings": answer.spec.connection_specification,
        }
        out_json(msgspec.json.encode(about).decode())
        return 0

    def discover(self, config: Mapping[str, Any], options: argparse.Namespace) -> int:
        answer = self._asked("discover", options.config, config=config)
        if answer.catalog is None:
            raise SourceError(f"discovery failed{_why(answer)}")
        out_json(msgspec.json.encode(singer_catalog(parse_catalog(answer.catalog))).decode())
        return 0

    def test(self, config: Mapping[str, Any], options: argparse.Namespace) -> int:
        answer = self._asked("check", options.config, config=config)
        if answer.status is None:
            raise SourceError(f"the connector did not report a result of its check{_why(answer)}")
        if answer.status.status != "SUCCEEDED":
            raise SourceError(answer.status.message or "the config does not work")
        self._log.info("the config works")
        return 0

    def _asked(self, command: str, given: Sequence[str] = (), **files: Mapping[str, Any]) -> Answer:
        """Return the connector's answer. A config that it renewed is written into the `given` file."""
        inputs = {name: msgspec.json.encode(value) for name, value in files.items()}
        with started(self._command, command, inputs, hear=self._hear) as (child, folder):
            assert child.stdout is not None, "piped"
            output = child.stdout.read()
            child.wait()
            answer = read_answer(output)
            if answer.config:
                self._learn(answer.config, files.get("config", {}))
            keep_rotated(given, folder / "config.json", inputs.get("config", b""), answer.config)
        for level, message in answer.logs:
            self._log.line("source", level, message)
        return answer

    def _hear(self, line: str) -> None:
        self._log.line("source", "info", line)

    def sync(self, config: Mapping[str, Any], options: argparse.Namespace) -> int:
        if not options.catalog:
            raise UsageError("the option `--catalog` is missing", hint="create a catalog with `--discover`")
        streams = selected_streams(read_file(options.catalog, "catalog"))
        saved = saved_states(options.state)
        files = {"config": msgspec.json.encode(config), "catalog": configured_catalog(streams)}
        known = [one.stream.key for one in streams]
        if state := state_to_pass(without_streams(saved, unread_streams(saved, known)), streams):
            files["state"] = state.encode()
        with started(self._command, "read", files, hear=self._hear) as (child, folder):
            sync = _Sync(child, streams, saved, self._log, learn=lambda text: self._learn(text, config))
            try:
                verdict = sync.run()
            finally:
                keep_rotated(options.config, folder / "config.json", files["config"], sync.rotated)
        if verdict.message:
            self._log.error(verdict.message, hint=verdict.hint)
        return verdict.exit_code

    def _learn(self, rotated: str, config: Mapping[str, Any]) -> None:
        """Redact the values that the connector renewed from now on."""
        with contextlib.suppress(ValueError):
            self._redact.learn(masking.new_texts(json.loads(rotated), config))


def _why(answer: Answer) -> str:
    return f": {answer.error.words}" if answer.error and answer.error.words else ""


class _Stdio:
    """This program's stdout as the target side of the pump. Its reader acknowledges nothing."""

    input = 1

    def taken(self) -> bool:
        return True

    def end_input(self) -> None: ...


class _Read:
    def __init__(self, out: int) -> None:
        self.out = out


class _Sync:
    """One sync: the pump translates the connector's output and writes it to stdout."""

    def __init__(
        self,
        child: "subprocess.Popen[bytes]",
        streams: tuple[ConfiguredStream, ...],
        saved: str | None,
        log: Log,
        *,
        learn: Callable[[str], None],
    ) -> None:
        assert child.stdout is not None, "piped"
        self.rotated: str | None = None
        self._child = child
        self._log = log
        self._learn = learn
        self._cause = FirstFailure()
        ledger = EmbeddedStates(saved, [one.stream.key for one in streams])
        self._translator = AirbyteToSinger(
            streams=streams, saved=None, emit=self._handle, clock=time.monotonic, ledger=ledger
        )
        self._pump = Pump(_Read(child.stdout.fileno()), _Stdio(), self._translator, time.monotonic)

    def run(self) -> Verdict:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        self._pump.run(self._turned)
        self._cause.settle(self._translator)
        return self._cause.verdict()

    def _stop(self, number: int, _: FrameType | None) -> None:
        """Stop the connector. Its output so far is passed on, with the last state. A second signal kills it."""
        ask_to_end(self._child, signal.SIGKILL if self._cause.ending else signal.SIGTERM)
        self._cause.end(128 + number)

    def _turned(self) -> None:
        """Handle a line that cannot be translated, and the end of the connector's output."""
        if self._pump.error and self._pump.torn:
            self._cause.torn(self._pump.error)
        elif self._pump.error:
            self._cause.bad_line(self._pump.error)
            ask_to_end(self._child, signal.SIGTERM)
        if not self._pump.source_ended:
            return
        code = self._child.wait()
        code = code if code >= 0 else 128 - code  # the exit code of a shell for a signal
        if code and not (self._pump.error and not self._pump.torn):
            self._cause.source_exited(code)
        self._cause.source_read(code)
        self._pump.ending.tell(complete=code == 0 and self._cause.is_sound)

    def _handle(self, event: Event) -> None:
        match event:
            case Logged():
                self._log.line(event.side, event.level, event.message)
            case Failed():
                self._cause.reported(event)
                self._log.error("the connector reported an error", stream=event.stream, error=event.message)
            case Rotated():
                self.rotated = event.config
                self._learn(event.config)
            case _:
                pass


if __name__ == "__main__":
    sys.exit(main())
