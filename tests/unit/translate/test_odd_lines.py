"""Runs `tests/cases/odd-lines.yaml`: lines that a source should not print have one outcome on every route."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tapdock.errors import TranslationError
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.translate import ROUTES
from tapdock.translate.airbyte_to_singer import AirbyteToSinger
from tapdock.translate.base import Translator
from tapdock.translate.states.wrapped_tap import EmbeddedStates

ODD = yaml.safe_load((Path(__file__).parents[2] / "cases" / "odd-lines.yaml").read_text())
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}}
STREAM = ConfiguredStream(
    stream=Stream(name="users", json_schema=SCHEMA, supported_sync_modes=("full_refresh", "incremental")),
    sync_mode="incremental",
    cursor_field=("id",),
    destination_sync_mode="append",
)
PLACEHOLDER = re.compile(r"<([RS])(\d)( sorted)?( cut| spread)?>")


def record(source: str, number: int) -> dict[str, Any]:
    if source == "singer":
        return {"type": "RECORD", "stream": "users", "record": {"id": number}}
    return {"type": "RECORD", "record": {"stream": "users", "data": {"id": number}, "emitted_at": 1}}


def state(source: str, number: int) -> dict[str, Any]:
    if source == "singer":
        return {"type": "STATE", "value": {"bookmarks": {"users": {"at": f"mark {number}"}}}}
    stream = {"stream_descriptor": {"name": "users"}, "stream_state": {"at": f"mark {number}"}}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": stream}}


def compact(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))


def printed(source: str, case: dict[str, Any]) -> bytes:
    """Return the whole output of a source."""

    def message(match: re.Match[str]) -> str:
        whole = (record if match[1] == "R" else state)(source, int(match[2]))
        if match[4] == " spread":
            return json.dumps(whole, indent=2)
        text = json.dumps(whole, separators=(",", ":"), sort_keys=True) if match[3] else compact(whole)
        cut = text.index("1") + 1 if match[3] else -3  # in the middle of the body, before the type
        return text[:cut] if match[4] == " cut" else text

    odd = PLACEHOLDER.sub(message, case["printed"])
    for old, new in case.get("change", {}).items():
        assert old in odd
        odd = odd.replace(old, new)
    start = [compact(record(source, 0)), compact(state(source, 0))]
    if source == "singer":
        start.insert(0, compact({"type": "SCHEMA", "stream": "users", "schema": SCHEMA, "key_properties": []}))
    end = [compact(record(source, 9)), compact(state(source, 9))]
    lines = ("\n".join(part) + "\n" for part in (start, end))
    return next(lines).encode() + (odd + "\n").encode(case.get("encoding", "utf-8")) + next(lines).encode()


def whole(output: bytes) -> list[bytes]:
    return [output]


def by_line(output: bytes) -> list[bytes]:
    return (
        output.splitlines(keepends=True) if b"\r" not in output else [one + b"\n" for one in output.split(b"\n")[:-1]]
    )


def halves(output: bytes) -> list[bytes]:
    lines = by_line(output)
    middle = len(lines) // 2
    return [b"".join(lines[:middle]), b"".join(lines[middle:])]


def translator(route: str) -> Translator:
    common: dict[str, Any] = {"streams": (STREAM,), "saved": None, "emit": [].append, "clock": lambda: 100.0}
    if route == "wrapped tap":
        return AirbyteToSinger(**common, ledger=EmbeddedStates(None))
    return ROUTES[route](**common)


def run(route: str, batches: list[bytes]) -> tuple[list[bytes], str | None, TranslationError | None]:
    """Return the lines for the target, the state that is saved when it acknowledged all of them, and the error."""
    it = translator(route)
    out, error = [it.opening()], None
    try:
        out.extend(map(it.feed, batches))
    except TranslationError as found:
        error = found
        out.append(it.partial)
    out.append(it.closing(complete=error is None))
    lines = b"".join(out).splitlines()
    states = [line for line in lines if json.loads(line)["type"] == "STATE"]
    if route == "wrapped tap":
        return lines, states[-1].decode() if states else None, error
    for line in states:
        it.acked(
            line
            if route.endswith("airbyte")
            else bytes(msgspec.json.decode(line, type=dict[str, msgspec.Raw])["value"])
        )
    return lines, it.states.committed(), error


def ids(lines: list[bytes]) -> list[int]:
    messages = [message for message in map(json.loads, lines) if message["type"] == "RECORD"]
    return [(one["record"].get("data") or one["record"])["id"] for one in messages]


@pytest.mark.parametrize("cut", [whole, by_line, halves])
@pytest.mark.parametrize("route", [*ROUTES, "wrapped tap"])
@pytest.mark.parametrize("case", ODD, ids=[case["name"] for case in ODD])
def test_an_odd_line_has_one_outcome(case: dict[str, Any], route: str, cut: Callable[[bytes], list[bytes]]) -> None:
    source = "singer" if route.startswith("singer") else "airbyte"
    lines, saved, error = run(route, cut(printed(source, case)))
    if "refused" in case:
        assert error is not None
        assert case["refused"] in error.message
        assert ids(lines) == [0, *case.get("rows_before", [])]
        assert "mark 9" not in (saved or "")
        assert "mark 1" not in (saved or "")
        return
    assert error is None
    assert ids(lines) == [0, *case["rows"], 9]
    assert "mark 9" in (saved or "")
