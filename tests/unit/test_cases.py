r"""Runs `tests/cases/*.case`: one behaviour of the translation to Singer a file.

A case is three blocks, parted by lines `---`:

1. `#` lines that say what holds; the source's streams, a JSON object (AirbyteStream) a line; optionally
   `select <pattern>`, `option <stream> <StreamOptions as JSON>` and `saved <state text>`.
2. What the source prints, a line each, fed one by one. `< text` is a line that the target prints, `@ seconds`
   lets time pass, `exit <code>` is the source's exit code, if not 0.
3. All that comes of it, in order: lines for the target byte for byte; `info: …`, `warning: …`, `error: …` and
   `debug: …` of the log, with `\n` for a line feed; `failed: stream: message`; `rotated: config`;
   `saved: state`; `TranslationError: message` and its like; at the end `status: stream status` for each
   stream. SCHEMA, STATE and status lines are not compared in a case that names none of that kind.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tapdock.catalog import parse_catalog
from tapdock.config import StreamOptions
from tapdock.errors import TapdockError
from tapdock.events import Event, Failed, Logged, Rotated
from tapdock.selection import select_streams
from tapdock.translate.to_singer import AirbyteToSinger

CASES = sorted((Path(__file__).parents[1] / "cases").glob("*.case"))
OPTIONAL = ("SCHEMA", "STATE", "status")


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def parse(text: str) -> tuple[list[str], list[str], list[str]]:
    blocks: list[list[str]] = [[]]
    for line in text.removesuffix("\n").split("\n"):
        if line == "---":
            blocks.append([])
        elif not (len(blocks) == 1 and (line.startswith("#") or not line)):
            blocks[-1].append(line)
    head, source, expected = blocks
    return head, source, expected


def translator(head: list[str], seen: list[str], clock: Time) -> AirbyteToSinger:
    words: dict[str, list[str]] = {"select": [], "option": [], "saved": []}
    for line in head:
        word, _, rest = line.partition(" ")
        words.setdefault(word if word in words else "stream", []).append(rest if word in words else line)
    options = dict(option.split(" ", 1) for option in words["option"])
    streams = select_streams(
        parse_catalog(f'{{"streams":[{",".join(words["stream"])}]}}'.encode()),
        words["select"],
        {name: msgspec.json.decode(text, type=StreamOptions) for name, text in options.items()},
    )

    def emit(event: Event) -> None:
        match event:
            case Logged(level=level, message=message):
                seen.append(f"{level}: {message}".replace("\n", "\\n"))
            case Failed(stream=stream, message=message):
                seen.append(f"failed: {stream}: {message}")
            case Rotated(config=config):
                seen.append(f"rotated: {config}")

    saved = words["saved"][0] if words["saved"] else None
    return AirbyteToSinger(streams=streams, saved=saved, emit=emit, clock=clock)


def transcript(head: list[str], source: list[str]) -> list[str]:
    seen: list[str] = []
    try:
        for line in perform(head, source, seen):
            seen.append(line)  # noqa: PERF402 - `perform` appends to the same list while it runs
    except TapdockError as error:
        seen.append(f"{type(error).__name__}: {error.message}")
    return seen


def perform(head: list[str], source: list[str], seen: list[str]) -> Iterator[str]:
    clock = Time()
    run = translator(head, seen, clock)
    yield from run.opening().decode().splitlines()
    code = 0
    for line in source:
        match line.split(" ", 1):
            case ["@", seconds]:
                clock.now += float(seconds)
                yield from run.tick().decode().splitlines()
            case ["<", printed]:
                if run.acked(printed.encode()):
                    yield f"saved: {run.committed()}"
            case ["exit", number]:
                code = int(number)
            case _:
                try:
                    yield from run.feed(line.encode() + b"\n").decode().splitlines()
                except TapdockError:
                    yield from run.partial.decode().splitlines()
                    raise
    yield from run.closing(complete=code == 0).decode().splitlines()
    yield from (f"status: {report.stream} {report.status}" for report in run.reports())


def kind(line: str) -> str:
    return json.loads(line)["type"] if line.startswith("{") else line.partition(":")[0]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    head, source, expected = parse(path.read_bytes().decode())
    named = {kind(line) for line in expected}
    seen = transcript(head, source)
    assert [line for line in seen if kind(line) not in OPTIONAL or kind(line) in named] == expected


def test_there_are_cases() -> None:
    assert len(CASES) >= 20
