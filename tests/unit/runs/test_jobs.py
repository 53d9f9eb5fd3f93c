"""Tests in which order steps run, what failures and signals stop, and what hooks change: without an engine."""

import threading
from collections.abc import Callable, Iterator

import msgspec
import pytest

from tapdock.errors import Interrupted, TaskError, UsageError
from tapdock.project.blocks import TaskBlock, parse_blocks
from tapdock.project.load import load
from tapdock.project.model import Project
from tapdock.runs.jobs import perform
from tapdock.runs.performed import Ended
from tapdock.runs.records import ErrorRecord, RunRecord, Seconds, StateRecord
from tapdock.runs.steps import AT_ONCE, JobStep, Step, require_own_states, steps_of, together, tree_of

FILE = """\
version: 1
sources: {s: {image: x}}
targets: {t: {image: y}}
tasks: {x: {image: z, commands: {1: a, 2: a, 3: a, 4: a, 5: a, 6: a}}}
pipelines:
  a: {source: s, target: t}
  b: {source: s, target: t, state_suffix: b}
  c: {source: s, target: t, state_suffix: c}
  d: {source: s, target: t, state_suffix: d}
"""


@pytest.fixture
def project(tmp_path) -> Callable[[str], Project]:
    def loaded(more: str) -> Project:
        file = tmp_path / "tapdock.yaml"
        file.write_text(FILE + more)
        return load(file, environment=None, environ={})

    return loaded


def record(name: str, code: int, *, kind: str = "pipeline") -> RunRecord:
    return RunRecord(
        kind=kind,  # type: ignore[arg-type]
        run_id=f"run-of-{name}",
        pipeline=name,
        state_id="",
        started_at="",
        status="succeeded" if code == 0 else "failed",
        exit_code=code,
        state=StateRecord(committed=0, backend=""),
        seconds=Seconds(total=0),
    )


class Received:
    count = 0

    @property
    def code(self) -> int | None:
        return 130 if self.count else None


class FakeActs:
    """Leaves that end as `codes` says, by name; with an exception or a function of `effects` instead."""

    def __init__(self, codes: dict[str, int], effects: dict[str, Callable[[], None]] | None = None) -> None:
        self.codes = codes
        self.effects = effects or {}
        self.jobs: list[tuple[str, int | None]] = []
        self.holds: set[str] = set()
        self.begun: list[str] = []
        self.told: list[str] = []
        self.ends: list[tuple[str, int | None, int]] = []
        self.most = self.now = 0
        self.lock = threading.Lock()

    def _leaf(self, name: str, kind: str) -> RunRecord:
        with self.lock:
            self.begun.append(name)
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            if effect := self.effects.get(name):
                effect()
            return record(name, self.codes.get(name, 0), kind=kind)
        finally:
            with self.lock:
                self.now -= 1

    def pipeline(self, step: Step) -> RunRecord:
        return self._leaf(step.name, "pipeline")

    def task(self, block: TaskBlock) -> RunRecord:
        return self._leaf(block.name, "task")

    def held(self, step: Step) -> RunRecord | None:
        return record(step.name, 7) if step.name in self.holds else None

    def refused(self, step: Step, error: TaskError) -> RunRecord:
        return self.failed_after(record(step.name, 0), error)

    def failed_after(self, record: RunRecord, error: TaskError) -> RunRecord:
        told = ErrorRecord(side="task", message=error.message, hint=error.hint)
        return msgspec.structs.replace(record, exit_code=error.exit_code, status="failed", error=told)

    def ended(self, step: Step, record: RunRecord) -> None:
        self.ends.append((step.name, record.exit_code, len(self.begun)))

    def job_begins(self, job: JobStep) -> None:
        self.jobs.append((job.place, None))

    def job_ended(self, job: JobStep, ended: Ended) -> None:
        self.jobs.append((job.place, ended.exit_code))

    def job_failed(self, error: TaskError) -> None:
        self.told.append(error.message)


def performed(
    project: Project, words: str, acts: FakeActs, *, concurrency: int | None = None, received: Received | None = None
) -> Ended:
    order = "at once" if (concurrency or 1) > 1 else "in order"
    tree = tree_of(project, parse_blocks(project, words.split()), order=order)  # type: ignore[arg-type]
    return perform(tree, acts, limit=concurrency or AT_ONCE, received=received or Received())


ORDERS = {
    "in order": ("", "a b x:1", {}, "a b x:1", 0, ""),
    "nothing after a failure": ("", "a b c", {"b": 4}, "a b", 4, "c"),
    "a task has its own code": ("", "a x:1 c", {"x:1": 77}, "a x:1", 77, "c"),
    "a job": ("jobs: {j: [a, x:1, b]}", "j", {}, "a x:1 b", 0, ""),
    "a failure in a job": ("jobs: {j: [a, x:1, b]}", "j c", {"x:1": 9}, "a x:1", 9, "b c"),
    "a member of a group that fails": (
        "jobs: {j: [{parallel: [[a, b], [c, d]]}, x:1]}",
        *("j", {"a": 3}, "a c d", 3, "b x:1"),
    ),
    "all members of a group": ("jobs: {j: [{parallel: [[a, b], [c, d]]}, x:1]}", "j", {}, "a b c d x:1", 0, ""),
    "a job in a job": ("jobs: {i: [a, b], j: [i, c]}", "j", {"b": 5}, "a b", 5, "c"),
    "groups in groups": (
        "jobs: {j: [{parallel: [[a, {parallel: [b, c]}, d], x:1]}]}",
        *("j", {"b": 5}, "a b c x:1", 5, "d"),
    ),
}


@pytest.mark.parametrize("case", ORDERS, ids=str)
@pytest.mark.parametrize("limit", [None, 1])
def test_order(project, case, limit):
    jobs, words, codes, begun, code, left = ORDERS[case]
    acts = FakeActs(codes)
    ended = performed(project(jobs), words, acts, concurrency=limit)
    assert sorted(acts.begun) == sorted(begun.split())
    if limit == 1 or "parallel" not in jobs:
        assert acts.begun == begun.split() or "parallel" in jobs
    assert ended.exit_code == code
    assert [step.name for step in ended.not_started] == left.split()
    assert {each.record.pipeline for each in ended.runs} == set(begun.split())


HOOKED = "after: {always: x:4, success: x:5, failure: x:6}"
HOOKS = {
    "around a pipeline": ({}, "x:1 x:2 a x:5 x:4", 0, 0),
    "a failed before": ({"x:1": 3}, "x:1 x:6 x:4", 11, 11),
    "a failed pipeline": ({"a": 4}, "x:1 x:2 a x:6 x:4", 4, 4),
    "a failed after": ({"x:5": 3}, "x:1 x:2 a x:5 x:4", 11, 11),
    "a failed pipeline and a failed after": ({"a": 4, "x:6": 3, "x:4": 3}, "x:1 x:2 a x:6 x:4", 4, 4),
}


@pytest.mark.parametrize("case", HOOKS, ids=str)
def test_hooks_of_a_pipeline(project, case):
    codes, begun, code, own = HOOKS[case]
    loaded = project(f"  h: {{source: s, target: t, before: [x:1, x:2], {HOOKED}}}")
    acts = FakeActs({**codes, **({"h": codes["a"]} if "a" in codes else {})})
    ended = performed(loaded, "h b", acts)
    assert acts.begun == [*(name.replace("a", "h") for name in begun.split()), *(["b"] if code == 0 else [])]
    assert (ended.exit_code, ended.records[0].exit_code) == (code, own)
    assert [step.name for step in ended.not_started] == ([] if code == 0 else ["b"])
    assert {each.place for each in ended.runs if each.is_hook} <= {"1/before", "1/after"}
    assert acts.ends[0] == ("h", own, len(begun.split()))  # people are told after the hooks, by the last record


@pytest.mark.parametrize(("own", "code"), [(1, 1), (7, 11), (130, 11), (143, 11), (77, 77)])
def test_a_code_of_a_task_does_not_look_like_a_skipped_or_stopped_run(project, own, code):
    ended = performed(project("jobs: {j: [x:1]}"), "j", FakeActs({"x:1": own}))
    assert (ended.exit_code, ended.records[0].exit_code) == (code, own)


def test_a_signal_that_stops_what_runs_after_is_in_the_record(project):
    received = Received()
    loaded = project("  h: {source: s, target: t, after: {success: [x:5], always: x:4}}\njobs: {j: [h, a]}")
    acts = FakeActs({"x:5": 130}, {"x:5": lambda: setattr(received, "count", 1)})
    ended = performed(loaded, "j", acts, received=received)
    assert (acts.begun, ended.exit_code) == (["h", "x:5", "x:4"], 130)
    assert (ended.runs[0].place, ended.runs[0].record.exit_code) == ("j/1", 130)
    assert acts.ends == [("h", 130, 3)]


def test_a_job_that_runs_twice_has_two_places(project):
    acts = FakeActs({})
    acts.effects["b"] = lambda: acts.codes.update(a=3)
    ended = performed(project("jobs: {j: [a, b]}"), "j j", acts)
    assert [(each.place, each.record.exit_code) for each in ended.runs] == [("#1/j/1", 0), ("#1/j/2", 0), ("#2/j/1", 3)]
    assert [step.place for step in ended.not_started] == ["#2/j/2"]


def test_an_error_in_a_thread_is_raised(project):
    acts = FakeActs({})
    acts.ended = lambda *_: (_ for _ in ()).throw(ValueError("a"))  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="a"):
        performed(project("jobs: {j: [{parallel: [a, x:1]}, b]}"), "j", acts)
    assert "b" not in acts.begun


@pytest.mark.parametrize("case", HOOKS, ids=str)
def test_hooks_of_a_job(project, case):
    codes, begun, code, _ = HOOKS[case]
    loaded = project(f"jobs: {{j: {{steps: [a], before: [x:1, x:2], {HOOKED}}}}}")
    acts = FakeActs(codes)
    ended = performed(loaded, "j b", acts)
    assert acts.begun == [*begun.split(), *(["b"] if code == 0 else [])]
    assert ended.exit_code == code
    hook_failed = code == 11
    assert len(acts.told) == len(ended.errors) == int(hook_failed)
    assert ("a" in [step.name for step in ended.not_started]) == ("x:1" in codes)


@pytest.mark.parametrize("before", [True, False])
def test_no_hook_runs_while_another_run_holds_the_state(project, before):
    """Its state was held before its hooks began, or another run took it while they ran."""
    loaded = project(f"  h: {{source: s, target: t, before: [x:1], {HOOKED}}}\njobs: {{j: {{steps: [h], {HOOKED}}}}}")
    acts = FakeActs({"h": 7})
    acts.holds = {"h"} if before else set()
    ended = performed(loaded, "h a", acts)
    assert acts.begun == ([] if before else ["x:1", "h"])
    assert (ended.exit_code, [each.name for each in ended.not_started]) == (7, ["a"])
    assert acts.ends == [("h", 7, len(acts.begun))]
    acts.begun.clear()
    assert performed(loaded, "j", acts).exit_code == 7
    assert acts.begun[-2:] == ["x:6", "x:4"], "those of a job run: it has started, and no other job excludes it"


def test_a_failed_hook_has_its_own_message(project):
    loaded = project("  h: {source: s, target: t, before: x:1, after: [x:2]}\njobs: {j: {steps: [a], before: x:1}}")
    acts = FakeActs({"x:1": 3})
    error = performed(loaded, "h", acts).records[0].error
    assert error is not None
    expected = "task `x:1`, which runs before `h`, failed with exit code 3, so `h` did not start"
    assert (error.message, error.side, error.hint) == (expected, "task", "`tapdock runs logs run-of-x:1`")
    performed(loaded, "j", acts)
    assert acts.told == [expected.replace("`h`", "`j`")]
    error = performed(loaded, "h", FakeActs({"x:2": 5})).records[0].error
    assert error is not None
    assert error.message == "task `x:2`, which runs after `h`, failed with exit code 5"


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (2, 2), (3, 3), (None, 4)])
def test_a_limit_holds_for_the_whole_run(project, concurrency, most):
    """Each leaf waits until as many run as may: with fewer, the barrier breaks."""
    jobs = "jobs: {j: [{parallel: [a, b, [{parallel: [c, d]}], x:1, x:2, x:3, x:4, x:5]}], k: [{parallel: [a, b]}]}"
    barrier = threading.Barrier(most)
    names = [*"abcd", "x:1", "x:2", *(() if most == 3 else ("x:3", "x:4"))]  # the barrier is for `most` at a time
    acts = FakeActs({}, {name: lambda: barrier.wait(20) and None for name in names})
    assert performed(project(jobs), "j", acts, concurrency=concurrency).exit_code == 0
    assert acts.most == most


def test_blocks_at_the_same_time_start_none_after_a_failure(project):
    loaded, acts = project("jobs: {j: [{parallel: [a, b, c]}]}"), FakeActs({"a": 3})
    tree = tree_of(loaded, parse_blocks(loaded, ["a", "b", "c"]), order="at once")
    ended = perform(tree, acts, limit=1, received=Received())
    assert (acts.begun, ended.exit_code) == (["a"], 3)
    assert [step.name for step in ended.not_started] == ["b", "c"]
    assert performed(loaded, "j", acts, concurrency=1).exit_code == 3
    assert acts.begun == [*"aabc"]  # in a job, the other members of a group go on


@pytest.mark.parametrize(("signals", "begun"), [(1, "x:1 a x:4"), (2, "x:1 a")])
def test_after_a_signal_only_what_always_runs_still_starts(project, signals, begun):
    received = Received()

    def stopped() -> None:
        received.count = signals

    acts = FakeActs({"a": 130}, {"a": stopped})
    ended = performed(project(f"jobs: {{j: {{steps: [a, b], before: x:1, {HOOKED}}}}}"), "j c", acts, received=received)
    assert acts.begun == begun.split()
    assert ended.exit_code == 130
    assert [step.name for step in ended.not_started] == ["b", "c"]
    assert not ended.errors


def test_a_signal_during_a_hook_is_not_the_failure_of_the_hook(project):
    received = Received()

    def stopped() -> None:
        received.count = 1
        raise Interrupted("stopped by signal", exit_code=130)

    acts = FakeActs({"x:1": 143}, {"x:1": stopped})
    loaded = project(f"  h: {{source: s, target: t, before: x:1, {HOOKED}}}")
    ended = performed(loaded, "h", acts, received=received)
    assert acts.begun == ["x:1", "x:4"]
    assert (ended.exit_code, ended.records, len(ended.not_started)) == (130, [], 1)


def test_an_error_that_is_raised_ends_the_run_but_not_what_runs_already(project):
    def broken() -> None:
        raise RuntimeError("broken")

    acts = FakeActs({}, {"a": broken})
    with pytest.raises(RuntimeError, match="broken"):
        performed(project(f"jobs: {{j: {{steps: [{{parallel: [a]}}, b], {HOOKED}}}}}"), "j c", acts)
    assert acts.begun == ["a", "x:6", "x:4"]


def test_the_end_of_a_job_is_told_once_with_what_is_its_own(project):
    loaded = project("jobs: {i: [b], j: {steps: [{parallel: [a, i]}, c], after: {failure: x:1}}, k: [d]}")
    acts = FakeActs({"b": 4})
    ends: dict[str, Ended] = {}
    acts.job_ended = lambda job, ended: ends.update({job.place: ended})  # type: ignore[method-assign]
    assert performed(loaded, "j", acts, concurrency=1).exit_code == 4
    assert {place: ended.exit_code for place, ended in ends.items()} == {"j/1/2/i": 4, "j": 4}
    assert [each.place for each in ends["j"].runs] == ["j/1/1", "j/1/2/i/1", "j/after"]
    assert [step.name for step in ends["j"].not_started] == ["c"]
    assert performed(loaded, "k", acts).exit_code == 0
    assert (ends["k"].exit_code, len(ends["k"].runs)) == (0, 1)


def test_places(project):
    loaded = project("jobs: {i: [a], j: [a, {parallel: [b, [c, x:1]]}, i]}")
    tree = tree_of(loaded, parse_blocks(loaded, ["a", "j"]))
    found = {step.place: step.name for step in steps_of(tree)}
    assert found == {"1": "a", "j/1": "a", "j/2/1": "b", "j/2/2/1": "c", "j/2/2/2": "x:1", "j/3/i/1": "a"}


def pairs(project: Project, words: str, **options) -> Iterator[tuple[str, str]]:
    tree = tree_of(project, parse_blocks(project, words.split()), order=options.get("order", "in order"))
    for one, other in together(tree, options.get("limit", AT_ONCE)):
        yield one.name, other.name


def test_what_may_run_at_the_same_time(project):
    loaded = project("jobs: {i: [a, b], j: [a, {parallel: [b, [c, i]]}, d]}")
    assert set(pairs(loaded, "j")) == {("b", "c"), ("b", "a"), ("b", "b")}
    assert not set(pairs(loaded, "j", limit=1))
    assert set(pairs(loaded, "a b c")) == set()
    assert set(pairs(loaded, "a b d", order="at once")) == {("a", "b"), ("a", "d"), ("b", "d")}


def test_one_state_cannot_be_written_twice_at_the_same_time(project):
    loaded = project("jobs: {j: [{parallel: [[b, a], [x:1, s t]]}]}")
    tree = tree_of(loaded, parse_blocks(loaded, ["j"]))
    with pytest.raises(UsageError) as raised:
        require_own_states(loaded, list(together(tree, AT_ONCE)))
    assert "`a` (j/1/1/2) and `s-to-t` (j/1/2/2) would run at the same time" in raised.value.message
    assert "state_suffix" in (raised.value.hint or "")
    require_own_states(loaded, list(together(tree, 1)))
