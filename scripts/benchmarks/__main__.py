"""The entry point of `scripts/bench`, which runs this folder with the project's own Python."""

import sys
from pathlib import Path

sys.path[0] = str(
    Path(__file__).resolve().parents[1]
)  # Python puts this folder there, not the one that it is a package of

from benchmarks.main import main  # noqa: E402

sys.exit(main())
