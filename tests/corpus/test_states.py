"""Tests states of Airbyte's database sources: they are stored and passed back byte for byte."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpus.material import CORPUS, Run, exact, named, needs_corpus, read
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.translate.states.airbyte import state_to_pass

pytestmark = needs_corpus

FILES = named((file.stem, file) for file in sorted((CORPUS / "airbyte-states").glob("*.json")))
ROUTES = ["airbyte-airbyte", "airbyte-singer"]


def descriptors(state: Any) -> list[tuple[str | None, str]]:
    """Return the streams in a state of the corpus."""
    match state:
        case {"streams": streams}:
            return [(stream["stream_namespace"], stream["stream_name"]) for stream in streams]
        case [{"global": {"stream_states": inner}}]:
            found = [one["stream_descriptor"] for one in inner]
        case _:
            found = [one["stream"]["stream_descriptor"] for one in state]
    return [(one.get("namespace"), one["name"]) for one in found]


def streams(state: Any) -> tuple[ConfiguredStream, ...]:
    schema = {"properties": {"id": {"type": "integer"}}}
    return tuple(
        ConfiguredStream(stream=Stream(name=name, namespace=namespace, json_schema=schema), sync_mode="incremental")
        for namespace, name in descriptors(state)
    )


def said(text: str) -> bytes:
    """Return the lines with which a source emits such a state: one item per line, otherwise with unchanged bytes."""
    flat = " ".join(line.strip() for line in text.splitlines())
    if text.lstrip().startswith("{"):
        return b'{"type":"STATE","state":{"type":"LEGACY","data":%s}}\n' % flat.encode()
    texts = split_list(flat)
    return b"".join(b'{"type":"STATE","state":%s}\n' % one.encode() for one in texts)


def split_list(text: str) -> list[str]:
    """Return the raw texts of a list's items."""
    decoder, found, at = json.JSONDecoder(), [], text.index("[") + 1
    while (rest := text[at:].lstrip(" ,\n")) and not rest.startswith("]"):
        start = len(text) - len(rest)
        at = decoder.raw_decode(text, start)[1]
        found.append(text[start:at])
    return found


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("name", "file"), FILES)
def test_a_state_that_went_through_is_saved_and_passed_back_byte_for_byte(name: str, file: Path, route: str) -> None:
    text = file.read_text()
    data = said(text)
    configured = streams(json.loads(text))
    run = Run(route, configured, data)
    if route == "airbyte-airbyte":
        assert run.out[: data.count(b"\n")] == data.splitlines()
    committed = run.acknowledge()
    assert committed is not None
    assert run.translator.states.settled
    assert exact(committed) == exact(text)
    raw = [line.removeprefix(b'{"type":"STATE","state":')[:-1].decode() for line in data.splitlines()]
    if name == "legacy":
        assert committed in raw[0]
    else:
        assert committed == f"[{','.join(raw)}]"
    assert state_to_pass(committed, configured) == committed


@pytest.mark.parametrize(("name", "file"), FILES)
def test_a_saved_state_is_passed_as_its_bytes_are(name: str, file: Path) -> None:
    text = file.read_text()
    assert state_to_pass(text, streams(json.loads(text))) == text


@pytest.mark.parametrize("route", ROUTES)
def test_a_stream_that_says_nothing_keeps_what_it_had(route: str) -> None:
    text = (CORPUS / "airbyte-states" / "per_stream.json").read_text()
    configured = streams(json.loads(text))
    first = said(text).splitlines(keepends=True)[0].replace(b'"5"', b'"6"')
    run = Run(route, configured, first, saved=text)
    committed = run.acknowledge()
    assert committed is not None
    assert committed.count('"cursor": "6"') == 1
    assert split_list(text)[1] in committed


@pytest.mark.parametrize("route", ROUTES)
def test_a_destination_that_writes_a_state_anew_gives_back_the_sources_own_text(route: str) -> None:
    text = (CORPUS / "airbyte-states" / "global.json").read_text().replace('"baz": 5', '"baz": 5.50')
    run = Run(route, streams(json.loads(text)), said(text))
    if route == "airbyte-airbyte":
        (state,) = (message["state"] for message in map(json.loads, run.states()))
        state["destinationStats"] = {"recordCount": 0.0}
        anew = json.dumps({"type": "STATE", "state": state}, sort_keys=True, indent=None).encode()
        assert anew.count(b"5.5,") + anew.count(b"5.5}") == 1
        assert run.translator.acked(anew)
    else:
        run.acknowledge()
    assert '"baz": 5.50' in (run.translator.states.committed() or "")
    assert len(read(run.states())) == len(run.states())
