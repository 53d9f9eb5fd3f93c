"""measured.py REPORT COMMAND [ARG]...: runs a command and writes its costs to REPORT, as JSON.

It is a small process of its own, because the kernel adds the memory of the starting process to that of the program.
"""

import json
import os
import signal
import sys
import time

signal.signal(signal.SIGTERM, lambda *_: None)  # the signal is for the command, which is in the same group
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
with open(sys.argv[1], "w") as file:  # noqa: PTH123 - pathlib would double what this program loads
    json.dump(report, file)
