"""Run as a folder by `scripts/survey`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from surveys.main import main

sys.exit(main())
