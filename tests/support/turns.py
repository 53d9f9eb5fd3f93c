"""Tests that share the Docker Engine of this machine with others that run at the same time, and tests that cannot."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
_GATE, _ENGINE, _IMAGES = HERE / "turns.py", HERE / "pod.py", HERE.parent / "connectors" / "images.py"


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait until this test may begin. One that has to be `alone` begins when no other runs, and holds back the next."""
    with _GATE.open() as gate, _ENGINE.open() as engine:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(engine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


@contextmanager
def one_builder() -> Iterator[None]:
    """Wait until no other test process builds an image: it may be the same one."""
    with _IMAGES.open() as images:
        fcntl.flock(images, fcntl.LOCK_EX)
        yield
