#!/usr/bin/env python3
"""A Singer target that does what its config says; Python's own library is all it needs.

    {"path": "/data/rows.jsonl", "after": 20, "then": "exit 1", "ack": "always"}

Rows are kept in memory and written with the next STATE, which is then printed: what was acknowledged is on disk.
The end of input writes the rest and a line `"done"`. `then` happens once `after` records were taken.
`ack` is `always`, `never`, `not-the-last` or `invented`.
"""

import json
import os
import signal
import sys
import time

rows = []


def write(path, *more):
    global rows
    with open(path, "a") as file:
        file.writelines(row + "\n" for row in [*rows, *more])
    rows = []


def happen(what):
    """`exit CODE`, `hang` (reads no more), `allocate`."""
    word, *rest = what.split()
    sys.stdout.flush()
    if word == "exit":
        sys.stderr.write("the target's last words\n")
        sys.stderr.flush()
        os._exit(int(rest[0]))
    held = []
    while word == "allocate":
        held.append(bytearray(os.urandom(1 << 20)))
    while word == "hang":
        time.sleep(60)
    raise ValueError(what)


def acknowledge(state, ack):
    if ack == "invented":
        state = {**state, "seq": state["seq"] + 1000}
    if ack != "never":
        sys.stdout.write(json.dumps(state) + "\n")
        sys.stdout.flush()


def main():
    if "--about" in sys.argv:
        sys.exit("there is nothing to tell")
    with open(sys.argv[sys.argv.index("--config") + 1]) as file:
        config = json.load(file)
    if config.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    after, then, ack = config.get("after"), config.get("then"), config.get("ack", "always")
    taken, waiting = 0, None
    if after == 0:
        happen(then)
    for line in sys.stdin.buffer:
        # A record goes on as it came: what a parser would do to its numbers is the point of some tests.
        if line.startswith(b'{"type":"RECORD"'):
            rows.append(line.decode().rstrip("\n"))
            taken += 1
            if taken == after:
                happen(then)
        else:
            message = json.loads(line)
            if message["type"] != "STATE":
                continue
            write(config["path"])
            if ack == "not-the-last":
                waiting, message = message, waiting
            if message:
                acknowledge(message["value"], ack)
    write(config["path"], '"done"')


main()
