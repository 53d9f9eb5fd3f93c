"""Tests outputs of taps to a Singer target: unchanged bytes, except for junk lines and ACTIVATE_VERSION."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpus.material import CORPUS, Run, needs_corpus, read, singer_files, singer_records
from tapdock.errors import TranslationError

pytestmark = needs_corpus

FILES = singer_files(
    "meltano-sdk/target_test_streams", "target-postgres", "pipelinewise-target-postgres", "singer-tools"
)
REFUSED = {
    "fixerio-invalid-bad-type.json": "line 2: .*`exchange_rate` cannot be read: there is no message type `FOO`",
    "fixerio-invalid-no-stream.json": "line 2: a RECORD without `stream`",
    "fixerio-invalid-truncated.json": "line 2: .*`exchange_rate` cannot be read: it is not complete JSON",
}
BASELINE = b'{"type":"STATE","value":{"bookmarks":{}}}'
PASSED = [param for param in FILES if Path(param.values[1]).name not in REFUSED]


def messages(file: Path) -> list[bytes]:
    return [line for line in file.read_bytes().split(b"\n") if line.startswith(b"{")]


def is_activation(line: bytes) -> bool:
    return bool(json.loads(line)["type"] == "ACTIVATE_VERSION")


def with_nullable_elements(schema: Any) -> Any:
    """Return a schema in which elements of arrays may be null, as targets get it."""
    if not isinstance(schema, dict):
        return schema
    made = {name: with_nullable_elements(value) for name, value in schema.items()}
    items = made.get("items")
    if isinstance(items, dict) and "type" in items and "enum" not in items:
        kinds = items["type"] if isinstance(items["type"], list) else [items["type"]]
        made["items"] = {**items, "type": kinds if "null" in kinds else ["null", *kinds]}
    return made


def is_passed_on(sent: list[bytes], own: list[bytes]) -> bool:
    """Return True if the lines are the same, byte for byte; schemas may allow more elements of arrays."""
    return len(sent) == len(own) and all(
        one == other or (b'"SCHEMA"' in other and json.loads(one) == with_nullable_elements(json.loads(other)))
        for one, other in zip(sent, own, strict=True)
    )


@pytest.mark.parametrize(("name", "file"), PASSED)
def test_bytes_go_through_unchanged(name: str, file: Path) -> None:
    own = messages(file)
    run = Run("singer-singer", (), file.read_bytes())
    expected = [line for line in own if not is_activation(line)]
    assert run.out[0] == BASELINE
    assert is_passed_on(run.out[1 : len(expected) + 1], expected)
    assert singer_records(run.out) == singer_records(own)
    assert not run.logged("warning", "error")
    junk = [line for line in file.read_bytes().split(b"\n") if line.strip() and not line.startswith(b"{")]
    assert [event.message for event in run.logged("info")] == [line.decode() for line in junk]
    assert sum(report.records for report in run.translator.counts.reports()) == len(singer_records(own))


@pytest.mark.parametrize(("name", "file"), PASSED)
def test_activations_come_once_and_last_and_the_last_state_behind_them(name: str, file: Path) -> None:
    own = messages(file)
    wanted = list({json.loads(line)["stream"]: line for line in own if is_activation(line)}.values())
    states = [line for line in own if json.loads(line)["type"] == "STATE" and json.loads(line)["value"]]
    ends_with_record = json.loads([line for line in own if not is_activation(line)][-1])["type"] == "RECORD"
    run = Run("singer-singer", (), file.read_bytes())
    tail = run.out[1 + len([line for line in own if not is_activation(line)]) :]
    again = [json.loads(line) for line in states[-1:]]
    assert [json.loads(line) for line in tail] == [*map(json.loads, wanted), *again * bool(wanted or ends_with_record)]
    assert tail[: len(wanted)] == wanted
    for line in wanted:
        schemas = [index for index, one in enumerate(run.out) if json.loads(one)["type"] == "SCHEMA"]
        assert run.out.index(line) > max(schemas)


@pytest.mark.parametrize(("name", "file"), PASSED)
def test_a_tap_that_failed_activates_nothing(name: str, file: Path) -> None:
    run = Run("singer-singer", (), file.read_bytes(), complete=False)
    assert read(run.out, "ACTIVATE_VERSION") == []
    assert is_passed_on(run.out[1:], [line for line in messages(file) if not is_activation(line)])


@pytest.mark.parametrize(("name", "file"), PASSED)
def test_a_state_is_saved_as_the_tap_wrote_it_once_it_came_back(name: str, file: Path) -> None:
    run = Run("singer-singer", (), file.read_bytes())
    own = [line for line in messages(file) if json.loads(line)["type"] == "STATE"]
    own = [line for line in own if json.loads(line)["value"]]  # no target prints an empty state
    assert run.translator.states.committed() is None
    seen = []
    for line in own:
        text = run.acknowledge([line])
        assert text is not None
        assert text.encode() in line
        seen.append(json.loads(text))
    assert seen == [json.loads(line)["value"] for line in own]
    assert run.translator.states.settled


@pytest.mark.parametrize(("name", "file"), [param for param in FILES if Path(param.values[1]).name in REFUSED])
def test_what_no_target_could_read_is_refused_by_its_line(name: str, file: Path) -> None:
    with pytest.raises(TranslationError, match=REFUSED[file.name]):
        Run("singer-singer", (), file.read_bytes())


def test_the_next_run_begins_with_what_the_last_one_saved() -> None:
    file = CORPUS / "pipelinewise-target-postgres" / "messages-pg-logical-streams.json"
    first = Run("singer-singer", (), file.read_bytes())
    saved = first.acknowledge()
    second = Run("singer-singer", (), b"".join(line + b"\n" for line in messages(file)[:5]), saved=saved)
    assert second.out[0] == b'{"type":"STATE","value":%s}' % (saved or "").encode()
    assert second.acknowledge(second.out[:1]) in (None, saved), "what was saved before is nothing new"


def test_a_target_that_puts_bookmarks_together_commits_what_each_stream_reached() -> None:
    """PipelineWise's targets do this when one stream was flushed and the others were not (protocol.md 2.4)."""
    file = CORPUS / "pipelinewise-target-postgres" / "messages-pg-logical-streams.json"
    run = Run("singer-singer", (), file.read_bytes())
    states = [json.loads(line)["value"] for line in messages(file) if json.loads(line)["type"] == "STATE"]
    stream = next(iter(states[0]["bookmarks"]))
    partly = {**states[0], "bookmarks": {**states[0]["bookmarks"], stream: states[-1]["bookmarks"][stream]}}
    assert partly not in states
    assert run.translator.acked(json.dumps(partly).encode())
    assert json.loads(run.translator.states.committed() or "") == partly
    assert not run.translator.states.settled
    partly["bookmarks"][stream] = {"lsn": -1}
    assert not run.translator.acked(json.dumps(partly).encode()), "a bookmark that no tap sent"
