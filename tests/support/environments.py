"""Virtual environments for programs that have too many dependencies to be installed beside tapdock: Airflow, Dagster.

They are made once, in `TAPDOCK_TEST_ENVIRONMENTS` or a folder of the user's cache, and kept by what is installed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.turns import one_builder

__all__ = ["environment"]

_UV = "uv==0.13.9"  # Airflow has 150 dependencies: pip takes minutes


def environment(name: str, *requirements: str, before: str) -> Path:
    """Return the folder with the programs of an environment. Packages are of before a date: newer ones may not fit."""
    content = hashlib.sha256(repr((requirements, before, sys.version_info[:2])).encode()).hexdigest()[:12]
    default = Path.home() / ".cache" / "tapdock-test-environments"
    base = Path(os.environ.get("TAPDOCK_TEST_ENVIRONMENTS", default))
    made = base / f"{name}-{content}"
    with one_builder():
        if not (made / "whole").exists():
            shutil.rmtree(made, ignore_errors=True)
            for folder in (base / "uv", made):
                subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([base / "uv" / "bin" / "pip", "install", "--quiet", _UV], check=True)
            words = [base / "uv" / "bin" / "uv", "pip", "install", "--quiet", "--python", made / "bin" / "python"]
            subprocess.run([*words, "--exclude-newer", before, *requirements], check=True)
            (made / "whole").touch()
    return made / "bin"
