import pytest

from tapdock.runs.last_words import Words

TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "a.py", line 1, in f',
    "    f()",
    "pkg.BadSchema: `x` is no number",
]


def said(*lines: str) -> str:
    words = Words()
    for line in lines:
        words.hear(line)
    return words.last


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        (["reading", "cannot connect", ""], "cannot connect"),
        (["reading", *TRACEBACK], TRACEBACK[-1]),
        ([*TRACEBACK, "", "On instance:", "    True"], TRACEBACK[-1]),
        (
            [*TRACEBACK, "The above exception was the cause of this:", *TRACEBACK[:-1], "ValueError: no"],
            "ValueError: no",
        ),
        ([], ""),
    ],
)
def test_the_reason_stands_behind_the_traceback(lines: list[str], last: str) -> None:
    assert said(*lines) == last


def test_a_connector_s_own_report_is_preferred() -> None:
    words = Words()
    words.hear("starting")
    words.told("the password is wrong")
    for line in TRACEBACK:
        words.hear(line)
    assert words.last == "the password is wrong"
