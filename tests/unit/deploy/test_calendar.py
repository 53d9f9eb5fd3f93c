"""Cron lines for other schedulers fire at the same times: compared minute by minute, or by systemd itself."""

import re
import shutil
import subprocess
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from tapdock.deploy.calendar import Inexpressible, in_utc, offset_text, on_calendar, portable
from tapdock.project.cron import parsed, times

START = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
LINES = [
    "0 3 * * *", "*/15 * * * *", "5/20 2-4 * * *", "30 23 * * MON-FRI", "0 0 * * 7", "0 0 1,15 * MON", "0 0 */2 * MON",
    "10 5 1 JAN,JUL *", "@weekly", "0 1-23/2 * * *",
]  # fmt: skip


def upcoming(lines: list[str], zone: str, count: int = 40) -> list[float]:
    return sorted({at for line in lines for at in islice(times(line, zone, START), count)})[:count]


@pytest.mark.parametrize("cron", LINES)
def test_a_portable_line_is_the_same_for_classic_cron(cron):
    line = portable(parsed(cron))
    assert re.fullmatch(r"[\d*,/ -]+", line)
    assert not re.search(r"(^|[ ,])\d+/", line)
    assert upcoming([line], "UTC") == upcoming([cron], "UTC")


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Tokyo", "America/Phoenix", "UTC"])
@pytest.mark.parametrize("cron", ["0 3 * * *", "*/15 * * * *", "30 23 * * MON-FRI", "15 4,20 * * SUN", "0 22 1 * *"])
def test_lines_in_utc_fire_at_the_same_times(cron, zone):
    offset = int(datetime.now(ZoneInfo(zone)).utcoffset().total_seconds() // 60)
    try:
        lines = in_utc(parsed(cron), offset)
    except Inexpressible:
        assert (cron, zone) == ("0 22 1 * *", "America/Phoenix")  # it would be on the second day of the month
        return
    assert upcoming(lines, "UTC", 20) == upcoming([cron], zone, 20)


@pytest.mark.parametrize("cron", ["0 3 * * MON#1", "0 3 L * *", "0 3 LW * *"])
def test_what_classic_cron_cannot_express(cron):
    with pytest.raises(Inexpressible):
        portable(parsed(cron))
    with pytest.raises(Inexpressible):
        in_utc(parsed(cron), 60)


def test_an_offset_is_written_as_date_prints_it():
    assert [offset_text(each) for each in (0, 120, -210, 330)] == ["+0000", "+0200", "-0330", "+0530"]


CALENDARS = [
    *LINES, "0 9 * * MON#1", "0 9 * * 5L", "0 9 L * *", "0 0 13 * FRI", "59 23 31 12 *", "0 9 * * TUE#5",
    "0 9 * * MON,WED#2",
]  # fmt: skip


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("cron", CALENDARS)
def test_systemd_computes_the_same_times(cron, zone):
    lines = on_calendar(parsed(cron), zone)
    base = datetime.fromtimestamp(START, UTC)
    found: set[float] = set()
    for line in lines:
        words = ["systemd-analyze", "calendar", "--iterations=12", f"--base-time={base:%Y-%m-%d %H:%M:%S} UTC", line]
        environ = {"TZ": "UTC", "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
        done = subprocess.run(words, capture_output=True, text=True, env=environ)
        assert done.returncode == 0, done.stderr
        stamps = re.findall(r"(?:Next elapse|Iter\. #\d+): \w+ (\S+ \S+) UTC", done.stdout)
        found |= {datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp() for stamp in stamps}
    assert found
    assert sorted(found)[:12] == upcoming([cron], zone, 12)


def test_what_systemd_cannot_express():
    with pytest.raises(Inexpressible, match="LW"):
        on_calendar(parsed("0 3 LW * *"), "UTC")
    with pytest.raises(Inexpressible, match="#"):
        on_calendar(parsed("0 3 */2 * MON#1"), "UTC")
