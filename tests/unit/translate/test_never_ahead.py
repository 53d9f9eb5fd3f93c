"""Tests that no saved state covers an unwritten record, for every order of acknowledgements."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapdock.events import Event
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.translate import ROUTES
from tapdock.translate.base import Quirks, TranslateOptions
from unit.translate.targets import Coalescing, Destination, PipelineWise, Sdk, Singer

NAMES = ("a", "b")
SCHEMA = {"properties": {"id": {"type": "integer"}}}
STREAMS = tuple(
    ConfiguredStream(stream=Stream(name=name, json_schema=SCHEMA), sync_mode="incremental", cursor_field=("id",))
    for name in NAMES
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.sampled_from(NAMES)),
        st.tuples(st.just("record"), st.just("a")),
        st.tuples(st.just("state"), st.sampled_from(NAMES)),
        st.tuples(st.just("flush"), st.sampled_from((None, *NAMES))),
        st.just(("wait", None)),
    ),
    max_size=40,
)
pytestmark = pytest.mark.long

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class Airbyte:
    """A source whose states count its records in threes.

    Some states are repeated although records were sent in between.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.sent: Counter[str] = Counter()
        self.said: dict[str, int] = {}
        self.stated = False

    def opening(self) -> bytes:
        return b""

    def record(self, stream: str) -> bytes:
        self.sent[stream] += 1
        return b'{"type":"RECORD","record":{"stream":"%s","data":{"id":1},"emitted_at":1}}\n' % stream.encode()

    def state(self, stream: str) -> bytes:
        self.stated = True
        counts = {name: self.sent[name] // 3 * 3 for name in NAMES}
        state: dict[str, Any] = {"type": self.kind}
        if self.kind == "STREAM":
            state["stream"] = {"stream_descriptor": {"name": stream}, "stream_state": {"n": counts[stream]}}
            self.said[stream] = counts[stream]
        else:
            state |= (
                {"global": {"shared_state": counts, "stream_states": []}} if self.kind == "GLOBAL" else {"data": counts}
            )
            self.said = dict(counts)
        return json.dumps({"type": "STATE", "state": state}).encode() + b"\n"

    def covered(self, committed: str) -> dict[str, int]:
        """Return the number of records of each stream that the next run would skip."""
        saved = json.loads(committed)
        match saved:
            case {}:
                return dict(saved)
            case [{"type": "GLOBAL", "global": {"shared_state": counts}}]:
                return dict(counts)
        return {one["stream"]["stream_descriptor"]["name"]: one["stream"]["stream_state"]["n"] for one in saved}


class Tap(Airbyte):
    def opening(self) -> bytes:
        said = [{"type": "SCHEMA", "stream": name, "schema": SCHEMA, "key_properties": []} for name in NAMES]
        return b"".join(json.dumps(one).encode() + b"\n" for one in said)

    def record(self, stream: str) -> bytes:
        self.sent[stream] += 1
        return b'{"type": "RECORD", "stream": "%s", "record": {"id": 1}}\n' % stream.encode()

    def state(self, stream: str) -> bytes:
        self.stated = True
        self.said = {name: self.sent[name] // 3 * 3 for name in NAMES}
        bookmarks = {name: {"n": count} for name, count in self.said.items()}
        value = {"bookmarks": bookmarks, "currently_syncing": None}
        return json.dumps({"type": "STATE", "value": value}).encode() + b"\n"

    def covered(self, committed: str) -> dict[str, int]:
        return {name: mark["n"] for name, mark in json.loads(committed)["bookmarks"].items()}


class Simulated:
    """A source, a route and a target in single steps. The invariant is checked after each step."""

    def __init__(
        self, route: str, source: Airbyte, target: Singer, *, saved: str | None = None, **translation: Any
    ) -> None:
        self.source, self.target, self.now = source, target, 0.0
        if saved:  # the source resumes there, and the run before has written the records that it covers
            self.source.said = self.source.covered(saved)
            self.source.sent, self.target.written = Counter(self.source.said), Counter(self.source.said)
        self.events: list[Event] = []
        given: dict[str, Any] = {"streams": STREAMS, "saved": saved, "translation": TranslateOptions(**translation)}
        self.translator = ROUTES[route](**given, clock=lambda: self.now, emit=self.events.append)
        self.reads(self.translator.opening() + self.translator.feed(source.opening()))

    def reads(self, lines: bytes) -> None:
        for line in lines.splitlines():
            self.hears(self.target.take(line))

    def hears(self, printed: list[Any]) -> None:
        for one in printed:
            self.translator.acked(json.dumps(one).encode())
            self.look()

    def look(self) -> None:
        committed = self.translator.states.committed()
        covered = self.source.covered(committed) if committed else {}
        assert all(count <= self.target.written[name] for name, count in covered.items()), (
            covered,
            self.target.written,
        )

    def step(self, what: str, stream: Any) -> None:
        match what:
            case "record":
                self.reads(self.translator.feed(self.source.record(stream)))
            case "state":
                self.reads(self.translator.feed(self.source.state(stream)))
            case "flush":
                self.hears(self.target.flush(stream))
            case "wait":
                self.now += 2
                self.reads(self.translator.tick())

    def end(self) -> None:
        """End the run. Everything is written, so the last state of the source is saved."""
        self.reads(self.translator.closing(complete=True))
        self.hears(self.target.end())
        if self.target.commits_on_exit:
            self.translator.states.acked_all()
        self.look()
        assert self.target.written == self.source.sent
        assert self.translator.states.settled
        committed = self.translator.states.committed()
        assert committed is None or self.source.covered(committed) == self.source.said
        assert committed is not None or not self.source.stated


SINGER = [Singer, Sdk, PipelineWise]
AIRBYTE = [Destination, Coalescing]


def runs(route: str, source: Any, target: type[Singer], **translation: Any) -> None:
    @QUICK
    @given(STEPS, STEPS)
    def hold(before: list[tuple[str, Any]], steps: list[tuple[str, Any]]) -> None:
        """Check an interrupted run, and a second run that resumes from the saved state and succeeds."""
        broken = Simulated(route, source(), target(), **translation)
        for step in before:
            broken.step(*step)
        simulated = Simulated(route, source(), target(), saved=broken.translator.states.committed(), **translation)
        for step in steps:
            simulated.step(*step)
        simulated.end()

    hold()


@pytest.mark.parametrize("target", SINGER)
@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL", "LEGACY"])
def test_airbyte_to_singer(kind: str, target: type[Singer]) -> None:
    runs("airbyte-singer", lambda: Airbyte(kind), target)


@pytest.mark.parametrize("target", AIRBYTE)
@pytest.mark.parametrize("kind", ["STREAM", "GLOBAL", "LEGACY"])
def test_airbyte_to_airbyte(kind: str, target: type[Singer]) -> None:
    runs("airbyte-airbyte", lambda: Airbyte(kind), target)


@pytest.mark.parametrize("target", SINGER)
def test_singer_to_singer(target: type[Singer]) -> None:
    runs("singer-singer", lambda: Tap("SINGER"), target)


@pytest.mark.parametrize("target", AIRBYTE)
@pytest.mark.parametrize("state_type", ["global", "stream"])
def test_singer_to_airbyte(state_type: Any, target: type[Singer]) -> None:
    runs("singer-airbyte", lambda: Tap("SINGER"), target, quirks=Quirks(state_type=state_type))


@pytest.mark.parametrize(("route", "source"), [("airbyte-singer", Airbyte("STREAM")), ("singer-singer", Tap("SINGER"))])
def test_without_a_baseline_a_first_state_would_be_believed(route: str, source: Airbyte) -> None:
    """This is the reason for the baseline: such a target acknowledges its first state before it writes the records."""
    simulated = Simulated(route, source, PipelineWise(), baseline=False)
    for stream in "aaabbb":
        simulated.step("record", stream)
    simulated.step("wait", None)
    simulated.step("state", "b")
    simulated.step("record", "a")
    with pytest.raises(AssertionError):
        simulated.step("flush", "a")


def test_a_state_that_says_the_same_again_is_acknowledged_once_by_who_coalesces() -> None:
    simulated = Simulated("airbyte-airbyte", Airbyte("STREAM"), Coalescing())
    for step in ("record", "record", "record", "state", "record", "state"):
        simulated.step(step, "a")
    simulated.step("flush", None)
    simulated.end()
