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
        (["INFO reading", "2026-01-02 10:11:12,345 | INFO     | tap-x | ended", "DEBUG x"], ""),
        (["WARNING the table is locked", "INFO waiting"], "WARNING the table is locked"),
        (["cannot connect", "INFO closing", "    more"], "more"),
        (["CRITICAL disk full", "INFO closing", "closed", "WARNING late"], "CRITICAL disk full"),
        (["ERROR one", "ERROR two", "done"], "ERROR two"),
        (["ERROR failed:", "no space", "", "ended"], "ERROR failed: / no space"),
        ([*TRACEBACK, "ERROR the task failed", "INFO ended"], TRACEBACK[-1]),
        (["CRITICAL no", *TRACEBACK], TRACEBACK[-1]),
        ([*TRACEBACK[:-1], "INFO is the name of this exception"], "INFO is the name of this exception"),
        (["ERROR before", *TRACEBACK[:-1]], "ERROR before"),
        (
            ['Exception in thread "main" java.lang.RuntimeException: no', "\tat a.B.c(B.java:1)", "Caused by: E: why"],
            "Caused by: E: why",
        ),
        ([*TRACEBACK, "more", "INFO ended", "bye"], f"{TRACEBACK[-1]} / more"),
        ([*TRACEBACK, *["x" * 200] * 9], " / ".join([TRACEBACK[-1], *["x" * 200] * 9])[:500]),
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


def test_the_reason_of_duckdb_is_behind_the_first_line() -> None:
    """The row is not a part of it: it may be long and secret."""
    lines = [
        *TRACEBACK[:-1],
        "duckdb.ConversionException: Conversion Error: CSV Error on Line: 3",
        "Original Line: 2,secret",
        """Error when converting column "age". Could not convert string "abc" to 'INTEGER'""",
        "",
        "Column age is being converted as type INTEGER",
        "  delimiter = , (Auto-Detected)",
    ]
    assert said(*lines) == f"{lines[-6]} / {lines[-4]}"


def test_an_error_that_was_logged_has_its_own_lines() -> None:
    words = LastWords()
    words.error("the stream failed\nTraceback (most recent call last):\n  File x\nValueError: no\n")
    words.stderr("INFO ended")
    assert (words.last, words.explains) == ("ValueError: no", True)
    words.error("")
    words.reported("the password is wrong")
    words.error("another")
    assert words.last == "the password is wrong"


def test_text_on_stdout_is_a_reason_unless_it_is_for_information() -> None:
    words = LastWords()
    words.stdout("cannot write\nINFO ended\n")
    assert (words.last, words.printed, words.explains) == ("cannot write", "cannot write", False)
