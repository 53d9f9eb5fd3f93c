"""Tests which batches of a spool are run, by the state that is saved, and when their state is saved."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from tapdock.cli.spools import options_of_batches
from tapdock.errors import UsageError
from tapdock.events import Committed, Verdict
from tapdock.project.model import Pipeline
from tapdock.runs.options import Options
from tapdock.runs.replay import due, prepare_replay, require_next, saved_at_the_end
from tapdock.runs.spool_files import Batch, Manifest
from tapdock.state.envelope import Envelope


def spool(*borders):
    """Batches between these states; each state is a number, or None."""
    texts = [None if border is None else f'{{"at": {border}}}' for border in borders]
    return tuple(
        Batch(
            folder=Path(f"{number:05}"),
            manifest=Manifest(
                tapdock="1",
                source="s",
                kind="singer",
                read_at="",
                offered=(),
                streams=(),
                records={},
                parts=(),
                start=start,
                end=end,
            ),
        )
        for number, (start, end) in enumerate(pairwise(texts), start=1)
    )


def envelope(at):
    return (
        None
        if at is None
        else Envelope(key="k", run_id="r", fence=1, nonce="n", saved_at="", dialect="singer", state=f'{{"at":{at}}}')
    )


def numbers(batches, at, **options):
    found = due(batches, envelope(at), Options(**options), state_id="default:s-to-t")
    return [int(batch.folder.name) for batch in found]


@pytest.mark.parametrize(
    ("borders", "at", "found"),
    [
        ((None, 1, 2), None, [1, 2]),
        ((None, 1, 2), 1, [2]),
        ((None, 1, 2), 2, []),
        ((None, 1, 1), 1, [2]),  # its rows may be new although its state is not
        ((None, None, None), None, [1, 2]),
        ((3, 4), 3, [1]),
    ],
)
def test_only_what_follows_on_the_saved_state_is_run(borders, at, found):
    assert numbers(spool(*borders), at) == found


@pytest.mark.parametrize(("borders", "at"), [((None, 1), 2), ((3, 4), None), ((3, 4), 1), ((None, None), 1)])
def test_a_state_at_no_border_is_refused(borders, at):
    with pytest.raises(UsageError, match="is not one at which a batch of this spool begins or ends"):
        numbers(spool(*borders), at)
    assert numbers(spool(*borders), at, save_state=False) == [1]


def test_everything_again_needs_the_first_records():
    assert numbers(spool(None, 1, 2), 9, full_refresh=True) == [1, 2]
    with pytest.raises(UsageError, match="does not begin with the first records"):
        numbers(spool(3, 4), 9, full_refresh=True)


@pytest.mark.parametrize(
    ("borders", "anew"),
    [
        ((None, 1, 2), [True, False]),  # the second batch goes on where the first one ends
        ((None, None, 1, 2), [True, True, False]),  # no state was saved behind the first one
        ((None, None, None), [True, True]),
    ],
)
def test_everything_again_forgets_the_saved_state_until_a_batch_has_one(borders, anew):
    operations = SimpleNamespace(
        backend=SimpleNamespace(get=lambda _: None), project=SimpleNamespace(environment="default")
    )
    wanted = Pipeline(name="p", source="s", target="t")
    found = options_of_batches(operations, wanted, spool(*borders), Options(full_refresh=True))
    assert [each.full_refresh for each in found] == anew
    for each, at in zip(found, [9, *borders[1:]], strict=False):
        require_next(each.spool, envelope(at or 9), each)


def test_a_run_in_between_is_noticed_under_the_lease():
    (batch,) = spool(3, 4)
    require_next(batch, envelope(3), Options())
    with pytest.raises(UsageError, match="does not begin where the saved state ends"):
        require_next(batch, envelope(5), Options())
    require_next(batch, envelope(5), Options(save_state=False))


@pytest.mark.parametrize(
    ("events", "saved"),
    [
        ([Committed("{}"), Verdict(exit_code=0)], ['{"at": 4}']),
        ([Committed("{}"), Verdict(exit_code=4)], []),
        ([Committed("{}"), Verdict(exit_code=130)], []),
        ([Verdict(exit_code=0)], []),
    ],
)
def test_the_state_is_saved_once_all_is_acknowledged(events, saved):
    seen = []
    receive = saved_at_the_end(spool(3, 4)[0], seen.append)
    for event in events:
        receive(event)
    assert [each.state for each in seen if isinstance(each, Committed)] == saved
    assert seen[-1] is events[-1]


def test_a_pipeline_with_a_mapper_is_refused():
    """Its target would get what the mapper hides."""
    wanted = Pipeline(name="p", source="s", mappers=("hide",), target="t")
    with pytest.raises(UsageError, match="pipeline `p` has the mapper `hide`, and a spool is run without mappers"):
        prepare_replay(None, wanted, Options(spool=spool(None, 1)[0]))
