"""Tests which life of a container a process belongs to: a restart keeps its id, and ends its processes."""

import pytest

from tapdock.engines import owner
from tapdock.engines.own_container import find_own, is_this_life

ID = "c" * 64


def facts(started: str, *, running: bool = True) -> dict:
    return {"Id": ID, "Name": "/scheduler", "State": {"Running": running, "StartedAt": started}}


@pytest.mark.parametrize(
    ("now", "alive"),
    [
        (facts("2026-11-29T10:00:00.1Z"), True),
        (facts("2026-11-29T10:05:00.1Z"), False),
        (facts("2026-11-29T10:00:00.1Z", running=False), False),
        (None, False),
    ],
)
def test_a_container_that_was_started_again_is_another_life(now, alive):
    own = find_own(
        lambda _: facts("2026-11-29T10:00:00.1Z"), mountinfo=f"/containers/{ID}/hosts ", hostname="h", named=None
    )
    assert own
    assert is_this_life(own.life, now) is alive
    for engine in ("", "/ENGINE.machine"):
        elsewhere = "boot.1/7/99/" + owner.mine(own.life).split("/", 3)[3] + engine
        assert owner.is_alive(elsewhere, runs=lambda life: is_this_life(life, now)) is alive


def test_a_life_without_a_time_is_that_of_a_container_that_runs():
    """An engine may not report the time of the start."""
    assert is_this_life(ID, facts("2026-11-29T10:05:00.1Z"))
    assert is_this_life(ID, facts(""))
    found: list[str] = []
    owner.is_alive(f"boot.1/7/99/{ID}/ENGINE.machine", runs=lambda life: bool(found.append(life)))
    assert found == [ID], "what a process of an older version or another engine has written"
