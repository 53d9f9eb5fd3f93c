"""Tests what people are told about the names and counts of mapped streams."""

import pytest

from tapdock.events import StreamReport
from tapdock.runs.target_metrics import Metrics
from tapdock.runs.target_place import renamed

METRIC = 'INFO METRIC: {"metric": "record_count", "value": %d, "tags": {"stream": "%s"}}'


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        ({"users": "users"}, {"users": "users"}, None),
        ({"users": "users"}, {"users": "people"}, "stream `users` is now written to `people`"),
        ({"users": "users"}, {"users": "users", "users as c": "c"}, "stream `users` is now also written to `c`"),
        ({"users": "u", "users as c": "c"}, {"users": "u", "users as c": "d"}, "`users as c` is now written to `d`"),
        ({"users": "users", "users as c": "c"}, {"users": "users", "users as c": "c"}, None),
        ({"orders": "orders"}, {"orders": "orders", "users": "users", "users as c": "c"}, None),
        ({"users": "users", "users as c": "c"}, {"users": "users"}, None),
    ],
)
def test_rows_of_earlier_runs_that_a_new_name_lacks(before, now, reason):
    found = renamed(before, now)
    assert (found is None) if reason is None else (found is not None and reason in found)


def report(**counts):
    return StreamReport(namespace=None, stream="users", bytes=1, status="complete", path="rewrite", **counts)


def test_the_targets_count_is_compared_by_its_own_stream():
    metrics = Metrics()
    metrics.hear(METRIC % (3, "people"))
    metrics.hear(METRIC % (2, "adults"))
    same = report(records=3, written={"people": 3, "adults": 2})
    assert metrics.mismatches((same,), (), {}) == []
    other = report(records=3, written={"people": 3, "adults": 1})
    assert metrics.mismatches((other,), (), {}) == [
        "stream `adults`: the target counted 2 records, but 1 were sent",
    ]


def test_copies_are_named_with_their_counts():
    assert report(records=3, written={"users": 3}).copies == ""
    assert report(records=3, written={"people": 1_500, "adults": 0}).copies == "`people` (1,500), `adults` (0)"
    assert report(records=3).copies == ""
