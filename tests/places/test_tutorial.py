"""Follows the tutorial: its commands and files in their order, and the outputs that it shows."""

import subprocess

import pytest

from connectors.images import CHECKOUT
from support.pages import page_steps

pytestmark = pytest.mark.docker


@pytest.mark.slow
def test_the_tutorial(clone):
    subprocess.run([CHECKOUT / "scripts" / "images", "warehouse"], check=True, capture_output=True)
    ended = clone.follow(page_steps("tutorial.md"))
    (failed,) = (one for one in ended if "orders failed" in one.step.output)
    assert failed.code == 3
    assert not (clone.folder.parent / "shop").exists()
