"""A Singer target that reads nothing for 2 s after every 10,000 records, as if it loaded them into a database."""

import json
import sys
import time

BATCH = 10_000
SECONDS = 2.0

if "--about" in sys.argv:
    sys.exit("there are no settings")
records = 0
for line in sys.stdin.buffer:
    if line.startswith(b'{"type":"RECORD"'):
        records += 1
        if records % BATCH == 0:
            time.sleep(SECONDS)
    elif line.startswith(b'{"type":"STATE"'):
        sys.stdout.write(json.dumps(json.loads(line)["value"]) + "\n")
        sys.stdout.flush()
