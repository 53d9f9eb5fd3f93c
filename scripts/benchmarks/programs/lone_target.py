"""A Singer target that writes the latency of each record, in nanoseconds, to a file."""

import json
import os
import sys
import time

if "--about" in sys.argv:
    sys.exit("there are no settings")
with open(sys.argv[sys.argv.index("--config") + 1]) as file:  # noqa: PTH123 - as small as a program can be
    path = json.load(file)["path"]
taken: list[int] = []
rest = b""
while chunk := os.read(0, 1 << 16):
    arrived = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    *lines, rest = (rest + chunk).split(b"\n")
    for line in lines:
        message = json.loads(line)
        if message["type"] == "RECORD":
            record = message["record"]
            taken.append(arrived - record.get("data", record)["sent"])
        elif message["type"] == "STATE":
            os.write(1, json.dumps(message["value"]).encode() + b"\n")
with open(path, "w") as file:  # noqa: PTH123
    json.dump(taken, file)
