"""Tests the verdict of a run, for combinations of facts."""

from pathlib import Path

import pytest

from tapdock.connectors.paths import Unmounted
from tapdock.errors import EngineError, LeaseHeld, SourceError, StateError
from tapdock.events import StreamReport, Verdict
from tapdock.launch import Exit
from tapdock.runs.verdict import RunFacts, Unsaved, decide_verdict
from tapdock.text.lock_hints import lock_hint
from tapdock.text.network_hints import network_hint

STREAMS = (StreamReport(namespace=None, stream="users", records=5, bytes=9, status="running", path="splice"),)
WELL = Verdict(exit_code=0, streams=STREAMS, source_code=0, target_code=0)
SOURCE = Verdict(
    exit_code=3, side="source", message="the source exited with 1", hint="look", streams=STREAMS, source_code=1
)
MAPPER = Verdict(exit_code=10, side="mapper", message="the mapper exited with 1", mapper_code=1)
TARGET = Verdict(exit_code=4, side="target", message="the target exited with 0 without a word", target_code=0)
FAILED_TARGET = Verdict(exit_code=4, side="target", message="the target exited with 2", target_code=2)
KILLED_TARGET = Verdict(exit_code=4, side="target", message="the target exited with 137", target_code=137)
UNMOUNTED = {"source": (Unmounted("/x/a.csv", "sources.s.config.path", "add it"),), "target": ()}
AT = {"target": "`targets.x` (tapdock.yaml:3)"}
AS_TARGET = "the target seems to be a source: move `targets.x` (tapdock.yaml:3) to `sources`, or correct its `image`"
STOPPED = Verdict(
    exit_code=130, message="stopped by signal; the state is saved up to the last acknowledgement", streams=STREAMS
)
ABORTED = Verdict(exit_code=6, side="runner", message="s3://b is gone", streams=STREAMS)
LOCKED = (
    '_duckdb.IOException: IO Error: Could not set lock on file "/data/lake.duckdb": Conflicting lock is held in PID 0.'
)
KILLED = Exit(code=137, oom_killed=True, peak_memory_bytes=70 << 20)
FILE = Path("/p/unsaved-x.json")
UNSAVED = Unsaved(error=StateError("s3://b is gone", hint="see whether it is there"), file=FILE, state_id="x")
NOWHERE = Unsaved(error=StateError("s3://b is gone"), file=None, state_id="x")
KEPT = f"the state is in {FILE}: run `tapdock state set x {FILE}`"
LIMITS = {"source": 64 << 20, "mapper": 32 << 20, "target": None}
LOST = LeaseHeld("another run has the state", hint="wait for it")

# facts -> exit code, side, message, hint
CASES = {
    "all is well": ({"relay": WELL}, (0, None, None, None)),
    "nothing that the relay did not see matters then": (
        {"relay": WELL, "last_words": {"source": "bye"}, "exits": {"source": Exit(code=0)}},
        (0, None, None, None),
    ),
    "a source that failed, in its own words": (
        {"relay": SOURCE, "last_words": {"source": "no such table", "target": "bye"}},
        (3, "source", "the source exited with 1: no such table", "look"),
    ),
    "a mapper that failed, in its own words": (
        {"relay": MAPPER, "last_words": {"mapper": "KeyError: no field `email`", "source": "bye"}},
        (10, "mapper", "the mapper exited with 1: KeyError: no field `email`", None),
    ),
    "a mapper that ran out of memory": (
        {"relay": MAPPER, "exits": {"mapper": KILLED}},
        (
            10,
            "mapper",
            "the mapper ran out of memory (limit 32 MiB, peak 70 MiB)",
            "increase `memory` of the mapper in the project file",
        ),
    ),
    "a mapper in whose place is a target": (
        {
            "relay": MAPPER,
            "last_words": {"mapper": "usage: target-x [-h] -c CONFIG"},
            "places": {"mapper": "`mappers.m`"},
        },
        (
            10,
            "mapper",
            "the mapper exited with 1: usage: target-x [-h] -c CONFIG",
            "the mapper seems to be a target: move `mappers.m` to `targets`, or correct its `image`",
        ),
    ),
    "a source that cannot reach its server": (
        {"relay": SOURCE, "last_words": {"source": "connect ECONNREFUSED 10.0.0.5:1"}},
        (3, "source", "the source exited with 1: connect ECONNREFUSED 10.0.0.5:1", network_hint("ECONNREFUSED")),
    ),
    "a target whose file another run writes to": (
        {"relay": FAILED_TARGET, "last_words": {"target": LOCKED}},
        (4, "target", f"the target exited with 2: {LOCKED}", lock_hint(LOCKED)),
    ),
    "words that were told already": (
        {"relay": SOURCE, "last_words": {"source": "exited with 1"}},
        (3, "source", "the source exited with 1", "look"),
    ),
    "words of a side that exited with 0 explain nothing": (
        {"relay": TARGET, "last_words": {"target": "all done"}},
        (4, "target", "the target exited with 0 without a word", None),
    ),
    "what it printed on stdout explains it": (
        {"relay": TARGET, "last_words": {"target": "all done"}, "printed": {"target": "ERROR: disk quota exceeded"}},
        (4, "target", "the target exited with 0 without a word: ERROR: disk quota exceeded", None),
    ),
    "a source as the target": (
        {
            "places": AT,
            "relay": FAILED_TARGET,
            "last_words": {"target": "(choose from spec, check, discover)"},
        },
        (
            4,
            "target",
            "the target exited with 2: (choose from spec, check, discover)",
            AS_TARGET,
        ),
    ),
    "a tap as the target, which prints its messages": (
        {"relay": TARGET, "printed": {"target": '{"type":"STATE","value":{}}'}, "places": AT},
        (4, "target", 'the target exited with 0 without a word: {"type":"STATE","value":{}}', AS_TARGET),
    ),
    "a killed side did not choose its last line": (
        {"relay": KILLED_TARGET, "last_words": {"target": "storing"}, "unexplained": frozenset({"target"})},
        (4, "target", "the target exited with 137", None),
    ),
    "an error of a killed side explains it": (
        {"relay": KILLED_TARGET, "last_words": {"target": "ERROR disk full"}},
        (4, "target", "the target exited with 137: ERROR disk full", None),
    ),
    "a path that no mount covers": (
        {"relay": SOURCE, "last_words": {"source": "no such file: /x/a.csv"}, "unmounted": UNMOUNTED},
        (3, "source", "the source exited with 1: no such file: /x/a.csv", f"{UNMOUNTED['source'][0].found}: add it"),
    ),
    "another failure of a side with such a path": (
        {"relay": SOURCE, "last_words": {"source": "no"}, "unmounted": UNMOUNTED},
        (3, "source", "the source exited with 1: no", "look"),
    ),
    "memory": (
        {"relay": SOURCE, "exits": {"source": KILLED}, "last_words": {"source": "reading"}},
        (
            3,
            "source",
            "the source ran out of memory (limit 64 MiB, peak 70 MiB)",
            "increase `memory` of the source in the project file",
        ),
    ),
    "memory without a limit": (
        {"relay": TARGET, "exits": {"target": Exit(code=137, oom_killed=True)}},
        (
            4,
            "target",
            "the target ran out of memory (no limit configured)",
            "increase `memory` of the target in the project file",
        ),
    ),
    "memory of the side that did not fail": (
        {"relay": SOURCE, "exits": {"target": KILLED}},
        (3, "source", "the source exited with 1", "look"),
    ),
    "a state that was not saved ended the run": (
        {"relay": ABORTED, "unsaved": UNSAVED},
        (6, "runner", "s3://b is gone", f"see whether it is there; {KEPT}"),
    ),
    "the last state was not saved, when nobody was left to be told": (
        {"relay": WELL, "unsaved": UNSAVED},
        (6, "runner", "s3://b is gone", f"see whether it is there; {KEPT}"),
    ),
    "not saved, and not even kept": (
        {"relay": WELL, "unsaved": NOWHERE},
        (
            6,
            "runner",
            "s3://b is gone",
            "no file could be written either; the next run resumes from the last saved state",
        ),
    ),
    "stopped while saving fails": (
        {"relay": STOPPED, "unsaved": UNSAVED},
        (
            130,
            None,
            "stopped by signal; the state could not be saved: s3://b is gone",
            f"see whether it is there; {KEPT}",
        ),
    ),
    "stopped": ({"relay": STOPPED}, (130, None, STOPPED.message, None)),
    "the source killed while saving fails": (
        {"relay": SOURCE, "unsaved": UNSAVED},
        (
            3,
            "source",
            "the source exited with 1; the state could not be saved: s3://b is gone",
            f"look; see whether it is there; {KEPT}",
        ),
    ),
    "out of memory while saving fails": (
        {"relay": SOURCE, "unsaved": UNSAVED, "exits": {"source": KILLED}},
        (
            3,
            "source",
            "the source ran out of memory (limit 64 MiB, peak 70 MiB); the state could not be saved: s3://b is gone",
            f"increase `memory` of the source in the project file; see whether it is there; {KEPT}",
        ),
    ),
    "the engine is gone while saving fails": (
        {"relay": None, "broken": EngineError("no answer", hint="start it"), "unsaved": UNSAVED},
        (
            8,
            "runner",
            "no answer; the state could not be saved: s3://b is gone",
            f"start it; see whether it is there; {KEPT}",
        ),
    ),
    "the engine failed, and the relay was ended for that": (
        {"relay": Verdict(exit_code=8, message="stopped by signal"), "broken": EngineError("no image")},
        (8, "runner", "no image", None),
    ),
    "the engine is gone when the last state is to be saved": (
        {
            "relay": WELL,
            "unsaved": Unsaved(error=EngineError("no answer", hint="run it again"), file=FILE, state_id="x"),
        },
        (8, "runner", "no answer", f"run it again; {KEPT}"),
    ),
    "a lost lease, and both sides were ended for that": (
        {"relay": Verdict(exit_code=7, message="stopped by signal", streams=STREAMS), "lost": LOST},
        (7, "runner", "another run has the state", "wait for it"),
    ),
    "a lost lease counts before what came of it": (
        {"relay": SOURCE, "lost": LOST, "broken": EngineError("no answer")},
        (7, "runner", "another run has the state", "wait for it"),
    ),
    "a record that could not be set aside as the very last": (
        {"relay": WELL, "failed": EngineError("the disk is full")},
        (8, "runner", "the disk is full", None),
    ),
    "a config that changes too often": (
        {"relay": WELL, "failed": SourceError("more than 100 times")},
        (3, "source", "more than 100 times", None),
    ),
    "what failed while recording, and then a state": (
        {"relay": WELL, "failed": EngineError("the disk is full"), "unsaved": NOWHERE},
        (
            8,
            "runner",
            "the disk is full; the state could not be saved: s3://b is gone",
            "no file could be written either; the next run resumes from the last saved state",
        ),
    ),
    "what failed while recording came after what the relay saw": (
        {"relay": SOURCE, "failed": EngineError("the disk is full")},
        (3, "source", "the source exited with 1", "look"),
    ),
    "counts that differ": (
        {"relay": WELL, "differing": ("`users`: 5 sent, 4 counted", "`tags`: 1 sent, 0 counted")},
        (4, "target", "`users`: 5 sent, 4 counted", "without `--strict-counts`, this is a warning"),
    ),
    "counts matter less than a state that is not saved": (
        {"relay": WELL, "differing": ("`users`: 5 sent, 4 counted",), "unsaved": UNSAVED},
        (6, "runner", "s3://b is gone", f"see whether it is there; {KEPT}"),
    ),
    "counts of a run that failed": (
        {"relay": SOURCE, "differing": ("`users`: 5 sent, 4 counted",)},
        (3, "source", "the source exited with 1", "look"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_cases(case):
    facts, expected = CASES[case]
    verdict = decide_verdict(RunFacts(memory=LIMITS, **facts))
    assert (verdict.exit_code, verdict.side, verdict.message, verdict.hint) == expected
    assert verdict.streams == (facts["relay"].streams if facts["relay"] else ()), "the figures stay"


@pytest.mark.parametrize(
    ("relay", "broken", "lost"),
    [
        *((relay, None, None) for relay in (WELL, SOURCE, TARGET, STOPPED, ABORTED)),
        *((relay, EngineError("no answer"), None) for relay in (None, WELL, SOURCE, STOPPED)),
        *((relay, None, LOST) for relay in (WELL, SOURCE, STOPPED)),
    ],
)
@pytest.mark.parametrize("failed", [None, SourceError("too often")])
@pytest.mark.parametrize("exits", [{}, {"source": KILLED}])
@pytest.mark.parametrize("differing", [(), ("5 sent",)])
def test_a_state_that_is_not_saved_is_reported_whatever_else_happened(relay, broken, lost, failed, exits, differing):
    facts = RunFacts(
        relay=relay,
        broken=broken,
        lost=lost,
        failed=failed,
        exits=exits,
        differing=differing,
        unsaved=UNSAVED,
        memory=LIMITS,
    )
    verdict = decide_verdict(facts)
    assert verdict.exit_code
    assert "s3://b is gone" in verdict.message
    assert "is saved" not in verdict.message
    assert str(FILE) in verdict.hint


def test_what_may_pass_is_tried_again():
    gone = Unsaved(error=StateError("gone", retryable=True), file=FILE, state_id="x")
    assert decide_verdict(RunFacts(relay=WELL, unsaved=gone)).retryable
    assert not decide_verdict(RunFacts(relay=WELL, unsaved=UNSAVED)).retryable
    tired = Verdict(exit_code=3, side="source", message="m", retryable=True)
    assert decide_verdict(RunFacts(relay=tired)).retryable
    assert not decide_verdict(RunFacts(relay=tired, exits={"source": KILLED}, memory=LIMITS)).retryable
