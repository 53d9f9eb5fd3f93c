"""An Airbyte source of single records: each contains its time of sending, by the clock that all processes share."""

import json
import os
import sys
import time

SETTINGS = {"records": {"type": "integer"}, "gap_seconds": {"type": "number"}}
STREAM = {
    "name": "lone",
    "json_schema": {"type": "object", "properties": {"sent": {"type": "integer"}}},
    "supported_sync_modes": ["full_refresh"],
}


def say(**message: object) -> None:
    os.write(1, json.dumps(message, separators=(",", ":")).encode() + b"\n")


def read(config: dict[str, float]) -> None:
    for _ in range(int(config["records"])):
        time.sleep(config["gap_seconds"])
        data = {"sent": time.clock_gettime_ns(time.CLOCK_MONOTONIC)}
        say(type="RECORD", record={"stream": "lone", "emitted_at": 0, "data": data})


match sys.argv[1:]:
    case ["spec", *_]:
        say(type="SPEC", spec={"connectionSpecification": {"type": "object", "properties": SETTINGS}})
    case ["discover", *_]:
        say(type="CATALOG", catalog={"streams": [STREAM]})
    case ["read", "--config", path, *_]:
        with open(path) as file:  # noqa: PTH123 - as small as a program can be
            read(json.load(file))
