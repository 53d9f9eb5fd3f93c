"""tapdock where people run it: as a container, by compose, against engines of other kinds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.images import base_image


@pytest.fixture(scope="session")
def demo(api, tmp_path_factory) -> Path:
    """The example project, with its images made."""
    folder = tmp_path_factory.mktemp("places") / "demo"
    environ = {**os.environ, "TAPDOCK_BASE_IMAGE": base_image(), "TAPDOCK_PROJECT": str(folder)}
    tapdock = Path(sys.executable).with_name("tapdock")
    for words in (["init"], ["build"]):
        subprocess.run([tapdock, *words], env=environ, check=True, capture_output=True)
    return folder


@pytest.fixture
def project(demo, tmp_path) -> Path:
    """The example in a folder of one test's own, of somebody who is not root."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(demo / "tapdock.yaml", folder)
    for path in (folder, folder / "tapdock.yaml"):
        os.chown(path, 1234, 1234)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o011)
    return folder
