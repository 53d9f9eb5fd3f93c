"""A Singer tap of records of 1 kB, with 10 ms after every 50 of them. It never makes up for time in which it waited."""

import json
import sys
import time

TOGETHER = 50
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "text": {"type": "string"}}}
METADATA = [{"breadcrumb": [], "metadata": {"inclusion": "available", "selected": True}}]
STREAM = {"stream": "paced", "tap_stream_id": "paced", "schema": SCHEMA, "metadata": METADATA}


def say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")


def read(records: int) -> None:
    say({"type": "SCHEMA", "stream": "paced", "schema": SCHEMA, "key_properties": ["id"]})
    for number in range(1, records + 1):
        say({"type": "RECORD", "stream": "paced", "record": {"id": number, "text": "x" * 930}})
        if number % TOGETHER == 0:
            sys.stdout.flush()
            time.sleep(0.01)
    say({"type": "STATE", "value": {"bookmarks": {"paced": {"id": records}}}})


if "--about" in sys.argv:
    sys.exit("there are no settings")
elif "--discover" in sys.argv:
    say({"streams": [STREAM]})
else:
    with open(sys.argv[sys.argv.index("--config") + 1]) as file:  # noqa: PTH123 - as small as a program can be
        read(json.load(file)["records"])
