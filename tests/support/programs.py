"""Programs that packages of the tests bring along."""

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import pytest


def require_valid_workflows(files: Iterable[Path], folder: Path) -> None:
    """Check workflows of GitHub Actions with actionlint. Skips where its package has no program for the machine."""
    program = shutil.which("actionlint", path=os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"])))
    if program is None:
        pytest.skip("the package of actionlint has no program for this machine")
    done = subprocess.run([program, *files], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
