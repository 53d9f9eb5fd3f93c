"""The entry point of the command, and of `python -m tapdock`."""

import signal
import sys

__all__ = ["start"]


def start() -> int:
    """Run the command line and return its exit code. Ctrl-C during the imports ends it without a traceback."""
    handler = signal.getsignal(signal.SIGINT)
    catches = handler is signal.default_int_handler  # it is ignored, for example, behind `nohup` and `&`
    if catches:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tapdock.cli import main

    if catches:
        signal.signal(signal.SIGINT, handler)
    return main()


if __name__ == "__main__":
    sys.exit(start())
