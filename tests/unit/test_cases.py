r"""Runs `tests/cases/*.case`. Each file describes one behavior of a route.

A case has three blocks, separated by lines `---`:

1. `#` lines that describe the behavior. Then the source's streams, one JSON object per line (AirbyteStream, or an entry
   of a Singer catalog). Optional lines: `route <name>` (the default is `airbyte-singer`), `select <pattern>`,
   `option <stream> <StreamOptions as JSON>`, `translation <TranslateOptions as JSON>`, `generation <number>`,
   `saved <state text>`, and `ignore STATE status`: kinds of lines that this case does not check.
2. The lines that the source prints, fed one by one. `< text` is a line that the target prints. `@ seconds` advances the
   clock. `exit <code>` is the exit code of the source, by default 0. `close` ends the output of the source; after that,
   only the target prints lines.
3. The complete result, in order: lines for the target byte for byte; log lines `info: …`, `warning: …`, `error: …` and
   `debug: …`, with `\n` for a line feed; `failed: stream: message`; `rotated: config`; `saved: state`; `aside: reason`;
   `catalog: …`, the catalog of a destination that waits for it; `TranslationError: message` and similar errors; at the
   end `status: stream status` for each stream, with `rewrite:` and the reason. Lines of ignored kinds are left out:
   SCHEMA, STATE, status, catalog and rewrite. The clock is fixed at 2023-11-14T22:13:20Z.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapdock.connectors.selection import select_streams
from tapdock.errors import TapdockError
from tapdock.events import Event, Failed, Logged, Rotated, SetAside
from tapdock.project.model import StreamOptions
from tapdock.protocol.catalog import parse_catalog
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions, Translator
from tapdock.translate.catalogs.singer import singer_streams

CASES = sorted((Path(__file__).parents[1] / "cases").glob("*.case"))
OPTIONAL = {"SCHEMA", "STATE", "status", "catalog", "rewrite"}
WORDS = ("route", "select", "option", "translation", "generation", "saved", "ignore")
WALL = 1_700_000_000.0


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


def translator(head: list[str], seen: list[str], clock: Time) -> Translator:
    words: dict[str, list[str]] = {word: [] for word in (*WORDS, "stream")}
    for line in head:
        word, _, rest = line.partition(" ")
        words[word if word in WORDS else "stream"].append(rest if word in WORDS else line)
    options = dict(option.split(" ", 1) for option in words["option"])
    route = words["route"][0] if words["route"] else "airbyte-singer"
    parse_streams = singer_streams if route.startswith("singer") else parse_catalog
    offered = parse_streams(f'{{"streams":[{",".join(words["stream"])}]}}'.encode())
    chosen = {name: msgspec.json.decode(text, type=StreamOptions) for name, text in options.items()}
    streams = select_streams(offered, words["select"], chosen) if offered else ()  # some taps report them later
    generation = int(words["generation"][0]) if words["generation"] else 0
    numbered = tuple(msgspec.structs.replace(stream, generation_id=generation) for stream in streams)

    def emit(event: Event) -> None:
        match event:
            case Logged(level=level, message=message):
                seen.append(f"{level}: {message}".replace("\n", "\\n"))
            case Failed(stream=stream, message=message):
                seen.append(f"failed: {stream}: {message}")
            case Rotated(config=config):
                seen.append(f"rotated: {config}")
            case SetAside(reason=reason):
                seen.append(f"aside: {reason}")

    given: dict[str, Any] = {"streams": numbered, "emit": emit, "clock": clock}
    given["saved"] = words["saved"][0] if words["saved"] else None
    given["translation"] = msgspec.json.decode(
        words["translation"][0] if words["translation"] else "{}", type=TranslateOptions
    )
    if route.endswith("airbyte"):
        given["wall"] = lambda: WALL
    return ROUTES[route](**given)


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
    text = "".join(f"{line}\n" for line in source if not line.startswith(("@ ", "< ", "exit ", "close")))
    if any(line.startswith("translation") and '"spool":true' in line for line in head):
        run.scan(text.encode())
        yield f"catalog: {(run.catalog() or b'').decode()}"
    yield from run.opening().decode().splitlines()
    code, closed = 0, False
    for line in source:
        match line.split(" ", 1):
            case ["@", seconds]:
                clock.now += float(seconds)
                yield from run.tick().decode().splitlines()
            case ["<", printed]:
                if run.acked(printed.encode()):
                    yield f"saved: {run.states.committed()}"
            case ["exit", number]:
                code = int(number)
            case ["close"]:
                closed = True
                yield from run.closing(complete=code == 0).decode().splitlines()
            case _:
                try:
                    yield from run.feed(line.encode() + b"\n").decode().splitlines()
                except TapdockError:
                    yield from run.partial.decode().splitlines()
                    raise
    if not closed:
        yield from run.closing(complete=code == 0).decode().splitlines()
    for report in run.counts.reports():
        yield f"status: {report.stream} {report.status}"
        if report.reason:
            yield f"rewrite: {report.stream} {report.reason}"


def kind(line: str) -> str:
    return json.loads(line)["type"] if line.startswith("{") else line.partition(":")[0]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    head, source, expected = parse(path.read_bytes().decode())
    ignored = {word for line in head if line.startswith("ignore ") for word in line.split()[1:]}
    seen = transcript(head, source)
    assert [line for line in seen if kind(line) not in ignored] == expected
    assert ignored <= OPTIONAL & {kind(line) for line in seen}, "nothing of that kind is left out"


def test_there_are_cases() -> None:
    assert len(CASES) >= 20
