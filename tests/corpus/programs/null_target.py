"""A target of Meltano's SDK that keeps nothing: tells how it takes each of the files that it is given.

It runs where the SDK is, in a process of its own. For each file, on stdout, a JSON object: `code`, `states` printed,
the `error`, and how many records of each stream came.
"""

import contextlib
import io
import json
import logging
import sys
from collections import Counter
from typing import Any

from singer_sdk.singerlib.encoding import SimpleSingerReader
from singer_sdk.singerlib.messages import ActivateVersionMessage, RecordMessage, SchemaMessage, StateMessage
from singer_sdk.sinks import RecordSink
from singer_sdk.target_base import Target

MESSAGES = {
    "RECORD": RecordMessage,
    "SCHEMA": SchemaMessage,
    "STATE": StateMessage,
    "ACTIVATE_VERSION": ActivateVersionMessage,
}
records: Counter[str] = Counter()


class NullSink(RecordSink):
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        records[self.stream_name] += 1


class NullTarget(Target):
    name = "target-null"
    config_jsonschema = {"properties": {}}  # noqa: RUF012 - as the SDK declares it
    default_sink_class = NullSink


def taken(path: str) -> dict[str, Any]:
    records.clear()
    printed, error = io.StringIO(), None
    try:
        with contextlib.redirect_stdout(printed), open(path) as lines:
            NullTarget(config={}).listen(lines)
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    states = printed.getvalue().splitlines()
    return {"code": 1 if error else 0, "states": states, "error": error, "records": dict(records)}


def misread(path: str) -> list[str]:
    """Lines that the SDK's message classes do not take."""
    found = []
    with open(path) as lines:
        for line in lines:
            try:
                fields = SimpleSingerReader().deserialize_json(line)
                MESSAGES[fields["type"]].from_dict(fields)
            except Exception as error:
                found.append(f"{type(error).__name__}: {error}: {line[:200]}")
    return found


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    for path in sys.argv[1:]:
        print(json.dumps({**taken(path), "misread": misread(path)}), flush=True)
