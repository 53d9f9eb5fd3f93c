"""The entry point of `python -m tapdock`."""

import sys

from tapdock.cli import main

sys.exit(main())
