"""measured.py REPORT COMMAND [ARG]...: runs a command and writes what it took into REPORT, as JSON.

A process of its own, and a small one: the kernel counts the memory of whoever starts a program as the program's.
"""

import json
import os
import signal
import sys
import time

signal.signal(signal.SIGTERM, lambda *_: None)  # it is meant for the command, which is in the same group
started = time.monotonic()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.monotonic() - started
report = {
    "code": os.waitstatus_to_exitcode(status),
    "seconds": seconds,
    "cpu_seconds": usage.ru_utime + usage.ru_stime,
    "megabytes": usage.ru_maxrss * 1024 / 1e6,
}
with open(sys.argv[1], "w") as file:  # noqa: PTH123 - pathlib is half of what this program would load
    json.dump(report, file)
