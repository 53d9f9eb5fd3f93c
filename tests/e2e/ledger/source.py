#!/usr/bin/env python3
"""An Airbyte source whose `entries` grow with its config and have more digits than a float can hold.

`entries` is read incrementally by `id`, `accounts` always from its beginning: two with one number, at two branches.
"""

import json
import sys
import time

EXACT = "12345678901234567.123456789"
WHOLE = "12345678901234567890"
SPEC = {
    "type": "object",
    "required": ["rows", "token"],
    "properties": {
        "rows": {"type": "integer", "minimum": 1, "description": "How many entries there are"},
        "state_every": {"type": "integer", "minimum": 1, "description": "Entries between two states; all of them"},
        "pause": {"type": "number", "description": "Seconds behind each state"},
        "token": {"type": "string", "airbyte_secret": True},
    },
}
ENTRIES = {
    "name": "entries",
    "json_schema": {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "note": {"type": ["null", "string"]},
            "exact": {"type": ["null", "number"]},
            "whole": {"type": ["null", "number"]},
        },
    },
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["id"],
    "source_defined_primary_key": [["id"]],
}
ACCOUNTS = {
    "name": "accounts",
    "json_schema": {
        "type": "object",
        "properties": {"branch": {"type": "string"}, "number": {"type": "integer"}, "owner": {"type": "string"}},
    },
    "supported_sync_modes": ["full_refresh"],
    "source_defined_primary_key": [["branch"], ["number"]],
}


def say(kind, body):
    print(f'{{"type":"{kind}","{body[0]}":{body[1]}}}', flush=True)


def read(config, catalog, cursor):
    for stream in (configured["stream"]["name"] for configured in catalog["streams"]):
        if stream == "accounts":
            for branch in ("north", "south"):
                record(stream, f'{{"branch":"{branch}","number":1,"owner":"owner in the {branch}"}}')
        else:
            for number in range(cursor + 1, config["rows"] + 1):
                # Written by hand: Python's own floats would lose the digits.
                record(stream, f'{{"id":{number},"note":"entry {number}","exact":{EXACT},"whole":{WHOLE}}}')
                if number % config.get("state_every", config["rows"]) == 0 and number < config["rows"]:
                    state(stream, number)
                    time.sleep(config.get("pause", 0))
            state(stream, config["rows"])


def state(stream, number):
    last = {"stream_descriptor": {"name": stream}, "stream_state": {"id": number}}
    say("STATE", ("state", json.dumps({"type": "STREAM", "stream": last})))


def record(stream, data):
    say("RECORD", ("record", f'{{"stream":"{stream}","data":{data},"emitted_at":1700000000000}}'))


def given(option):
    if option not in sys.argv:
        return None
    with open(sys.argv[sys.argv.index(option) + 1]) as file:
        return json.load(file)


def cursor_of(state):
    found = [s["stream"] for s in state or [] if s["stream"]["stream_descriptor"]["name"] == "entries"]
    return found[0]["stream_state"]["id"] if found else 0


match sys.argv[1]:
    case "spec":
        say("SPEC", ("spec", json.dumps({"connectionSpecification": SPEC})))
    case "check":
        works = given("--config")["token"] != "revoked"
        status = {"status": "SUCCEEDED"} if works else {"status": "FAILED", "message": "the token is revoked"}
        say("CONNECTION_STATUS", ("connectionStatus", json.dumps(status)))
    case "discover":
        say("CATALOG", ("catalog", json.dumps({"streams": [ENTRIES, ACCOUNTS]})))
    case "read":
        read(given("--config"), given("--catalog"), cursor_of(given("--state")))
