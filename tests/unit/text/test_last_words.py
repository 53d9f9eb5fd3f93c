import pytest

from tapdock.text.last_words import LastWords

TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "a.py", line 1, in f',
    "    f()",
    "pkg.BadSchema: `x` is no number",
]


def said(*lines: str) -> str:
    words = LastWords()
    for line in lines:
        words.stderr(line)
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
    words = LastWords()
    words.stderr("starting")
    words.reported("the password is wrong")
    for line in TRACEBACK:
        words.stderr(line)
    assert words.last == "the password is wrong"
