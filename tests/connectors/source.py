#!/usr/bin/env python3
"""An Airbyte source that does what its config says, step by step; Python's own library is all it needs.

    {"token": "…", "states": "STREAM", "streams": ["users"], "steps": ["until users 50", "state", "exit 1"]}

`days users` has a record for each day from `start_date` to the day before `end_date`; its id is the day of 2026.

A step is a method of `Source`. Records are numbered per stream; `until users 50` goes on behind the number in the
state that the source was started with, as a real source does.
"""

import datetime
import json
import os
import signal
import sys
import time

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": ["null", "string"]},
        "price": {"type": ["null", "number"]},
        "big": {"type": ["null", "integer"]},
    },
}
SPEC = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "airbyte_secret": True},
        "states": {"type": "string", "enum": ["STREAM", "GLOBAL", "LEGACY"]},
        "streams": {"type": "array", "items": {"type": "string"}},
        "steps": {"type": "array", "items": {"type": "string"}},
        "start_date": {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        "end_date": {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        "slow": {"type": "boolean"},
        "check_gives": {"type": "string"},
        "describes": {"type": "object", "description": "What stands in every stream of the catalog instead"},
    },
}


def say(kind, **body):
    sys.stdout.write(json.dumps({"type": kind, **body}, separators=(",", ":")) + "\n")


def describe(name):
    return {
        "name": name,
        "json_schema": SCHEMA,
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["id"],
        "source_defined_primary_key": [["id"]],
    }


class Source:
    def __init__(self, config, state):
        self.config = config
        self.kind = config.get("states", "STREAM")
        self.cursors = dict.fromkeys(config.get("streams", ["users"]), 0)
        self.cursors.update(state)

    def record(self, stream, **more):
        self.cursors[stream] += 1
        data = {"id": self.cursors[stream], "name": f"{stream}-{self.cursors[stream]}", **more}
        say("RECORD", record={"stream": stream, "data": data, "emitted_at": 1700000000000})

    def until(self, stream, last):
        while self.cursors[stream] < int(last):
            self.record(stream)

    def days(self, stream):
        first, last = (datetime.date.fromisoformat(self.config[name]) for name in ("start_date", "end_date"))
        eve = datetime.date(2025, 12, 31)
        self.cursors[stream] = max(self.cursors[stream], (first - eve).days - 1)
        self.until(stream, (last - eve).days - 1)

    def january(self, stream):
        """A record with a field that later ones do not have."""
        if self.config["start_date"] < "2026-02-01":
            self.record(stream, price=1.5)

    def forever(self, stream):
        """Slowly, with a state after every record, until somebody ends it."""
        while True:
            self.record(stream)
            self.state(stream)
            sys.stdout.flush()
            time.sleep(0.005)

    def state(self, stream=None):
        streams = [stream] if stream else list(self.cursors)
        if self.kind == "LEGACY":
            say("STATE", state={"type": "LEGACY", "data": dict(self.cursors)})
        elif self.kind == "GLOBAL":
            each = [{"stream_descriptor": {"name": n}, "stream_state": {"id": self.cursors[n]}} for n in self.cursors]
            say("STATE", state={"type": "GLOBAL", "global": {"shared_state": {"n": 1}, "stream_states": each}})
        else:
            for name in streams:
                one = {"stream_descriptor": {"name": name}, "stream_state": {"id": self.cursors[name]}}
                say("STATE", state={"type": "STREAM", "stream": one})

    def numbers(self, stream):
        """Written by hand: Python's own floats would lose digits before anybody else can."""
        self.cursors[stream] += 1
        data = f'{{"id":{self.cursors[stream]},"price":12345678901234567.123456789,"big":12345678901234567890}}'
        record = f'"stream":"{stream}","data":{data},"emitted_at":1'
        sys.stdout.write(f'{{"type":"RECORD","record":{{{record}}}}}\n')

    def long(self, stream, size):
        self.record(stream, name="x" * int(size))

    def status(self, stream, status):
        about = {"stream_descriptor": {"name": stream}, "status": status}
        say("TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": about})

    def error(self, stream, kind):
        """`error - config_error` is about the whole source, `error users system_error` about one stream."""
        error = {"message": f"{stream} broke", "failure_type": kind}
        if stream != "-":
            error["stream_descriptor"] = {"name": stream}
        say("TRACE", trace={"type": "ERROR", "emitted_at": 1, "error": error})

    def control(self, token):
        config = {**self.config, "token": token}
        say("CONTROL", control={"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": config}})

    def spend(self, path):
        """A token that works once: each run gets the next one. The last one is in the file."""
        last = "t"
        if os.path.exists(path):
            with open(path) as file:
                last = file.read()
        self.expect(last)
        with open(path, "w") as file:
            file.write(f"{last}+")
        self.control(f"{last}+")

    def rewrite(self, token):
        """As some connectors do it: the config file itself."""
        with open(option("--config"), "w") as file:
            json.dump({**self.config, "token": token}, file)

    def expect(self, token):
        if self.config["token"] != token:
            self.exit(9)

    def line(self, *words):
        sys.stdout.write(" ".join(words) + "\n")

    def torn(self, stream):
        """Half a line, as whoever is killed while writing leaves it."""
        sys.stdout.write(f'{{"type":"RECORD","record":{{"stream":"{stream}","data":{{"id":')

    def babble(self):
        """The secret, wherever a source may be tempted to say it."""
        say("LOG", log={"level": "INFO", "message": f"token is {self.config['token']}"})
        sys.stderr.write(f"token is {self.config['token']}\n")

    def betray(self):
        error = {"message": f"wrong token {self.config['token']}", "failure_type": "config_error"}
        say("TRACE", trace={"type": "ERROR", "emitted_at": 1, "error": error})

    def environ(self, name):
        say("LOG", log={"level": "INFO", "message": os.environ[name]})

    def log(self, level, *words):
        say("LOG", log={"level": level, "message": " ".join(words)})

    def note(self, *words):
        """A line on stderr; `\\_` stands for a space at its start."""
        sys.stderr.write(" ".join(words).replace("\\_", " ") + "\n")
        sys.stderr.flush()

    def stderr(self, size):
        for _ in range(int(size) // 100):
            sys.stderr.write("e" * 99 + "\n")

    def deaf(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def silent(self):
        sys.stdout.flush()
        while True:
            time.sleep(60)

    def linger(self):
        """Output closed, and still there."""
        sys.stdout.flush()
        os.close(1)
        while True:
            time.sleep(60)

    def allocate(self):
        sys.stdout.flush()
        held = []
        while True:
            held.append(bytearray(os.urandom(1 << 20)))

    def once(self, path):
        """Fails in a way that may pass, unless it did so before: then the file is there."""
        if not os.path.exists(path):
            open(path, "x").close()
            self.error("-", "transient_error")
            self.exit(1)

    def exit(self, code):
        sys.stdout.flush()
        os._exit(int(code))


def cursors_of(path):
    """The numbers in a state of any kind."""
    with open(path) as file:
        saved = json.load(file)
    if isinstance(saved, dict):
        return saved
    found = {}
    for state in saved:
        each = state["global"]["stream_states"] if state["type"] == "GLOBAL" else [state["stream"]]
        found.update({one["stream_descriptor"]["name"]: one["stream_state"]["id"] for one in each})
    return found


def option(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


def main():
    command = sys.argv[1]
    if command == "spec":
        return say("SPEC", spec={"connectionSpecification": SPEC})
    with open(option("--config")) as file:
        config = json.load(file)
    if config.get("check_gives") and command == "check":
        Source(config, {}).control(config["check_gives"])
    if command == "check":
        return say("CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
    if command == "discover" and config.get("slow"):
        time.sleep(600)
    if command == "discover":
        streams = [{**describe(name), **config.get("describes", {})} for name in config.get("streams", ["users"])]
        return say("CATALOG", catalog={"streams": streams})
    source = Source(config, cursors_of(option("--state")) if option("--state") else {})
    for step in config.get("steps", ["until users 10", "state"]):
        name, *words = step.split()
        getattr(source, name)(*words)
    return None


main()
