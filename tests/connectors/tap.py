#!/usr/bin/env python3
"""A Singer tap that does what its config says, step by step; Python's own library is all it needs.

    {"token": "…", "streams": ["users"], "steps": ["schema users", "until users 50", "state", "exit 1"]}

`days users` has a record for each day from `range.from` to `range.to`, times that both belong to the range.

A step is a method of `Tap`, its dashes written as underscores. Records are numbered per stream; `until users 50` goes
on behind the bookmark in the state that the tap was started with, as a real tap does. What was not selected is not
said. Nothing is put right: a record before its schema, or a version that nobody activates, is what a test may want.
"""

import argparse
import datetime
import gzip
import json
import os
import signal
import sys
import time

NULLABLE_TIME = {"type": ["null", "string"], "format": "date-time"}
PROPERTIES = {
    "id": {"type": "integer"},
    "name": {"type": ["null", "string"]},
    "price": {"type": ["null", "number"]},
    "big": {"type": ["null", "integer"]},
}
SETTINGS = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "secret": True, "writeOnly": True},
        "streams": {"type": "array", "items": {"type": "string"}},
        "steps": {"type": "array", "items": {"type": "string"}},
        "discovery": {"type": "string", "enum": ["catalog", "properties", "none"]},
        "selects_by": {"type": "string", "enum": ["metadata", "schema"]},
        "replication": {"description": "A method, or an object of one for each stream"},
        "keys": {"type": "array", "items": {"type": "string"}},
        "tap_ids": {"type": "object"},
        "hidden": {"type": "array", "items": {"type": "string"}, "description": "Streams that discovery does not tell"},
        "describes": {"type": "object", "description": "What stands in every entry of the catalog instead"},
        "untimed": {"type": "boolean", "description": "Records without time_extracted"},
        "spaced": {"type": "boolean", "description": "Spaces between the parts of a line"},
        "resumes_full": {"type": "boolean", "description": "FULL_TABLE keeps its place in the state"},
        "batch_config": {"type": "object"},
        "range": {
            "type": "object",
            "properties": {name: {"type": "string", "format": "date-time"} for name in ("from", "to")},
        },
        "slow": {"type": "boolean"},
        "about": {"type": "boolean"},
    },
}
ABOUT = {
    "name": "tap",
    "description": "A tap that does what its config says",
    "version": "1.0",
    "capabilities": ["catalog", "state", "discover", "about", "activate-version", "batch"],
    "settings": SETTINGS,
}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config")
    parser.add_argument("--state")
    parser.add_argument("--catalog")
    parser.add_argument("-p", "--properties")
    parser.add_argument("-d", "--discover", action="store_true")
    parser.add_argument("--about", action="store_true")
    parser.add_argument("--format")
    return parser.parse_args()


def given(path):
    with open(path) as file:
        return json.load(file)


class Stream:
    """What the catalog says of one stream, and how far it is."""

    def __init__(self, name, config):
        methods = config.get("replication", "INCREMENTAL")
        self.name = name
        self.config = config
        self.id = config.get("tap_ids", {}).get(name, name)
        self.method = methods if isinstance(methods, str) else methods.get(name, "INCREMENTAL")
        self.keys = config.get("keys", ["id"])
        self.more = {}
        self.fields = None  # of which only these are wanted
        self.selected = True
        self.cursor = 0
        self.version = None

    def properties(self):
        found = {**PROPERTIES, **self.more}
        if self.method == "LOG_BASED":
            found["_sdc_deleted_at"] = NULLABLE_TIME
        return {name: found[name] for name in found if self.fields is None or name in self.fields}

    def entry(self, *, by_metadata):
        """As discovery tells it. A log's own columns are in no table, so they come with SCHEMA only."""
        properties = {name: {**each, "inclusion": self.inclusion(name)} for name, each in PROPERTIES.items()}
        entry = {"tap_stream_id": self.id, "stream": self.name, "schema": {"type": "object", "properties": properties}}
        if by_metadata:
            entry["schema"] = {"type": "object", "properties": PROPERTIES}
            entry["key_properties"] = self.keys
            entry["metadata"] = self.metadata()
        elif self.method == "FULL_TABLE":
            entry["replication_method"] = self.method
        else:
            entry.update(replication_method=self.method, replication_key="id")
        return {**entry, **self.config.get("describes", {})}

    def metadata(self):
        table = {"inclusion": "available", "table-key-properties": self.keys, "schema-name": "public"}
        if self.method == "INCREMENTAL":
            table["valid-replication-keys"] = ["id"]
        else:
            table["forced-replication-method"] = self.method
        each = {("properties", name): {"inclusion": self.inclusion(name)} for name in PROPERTIES}
        return [{"breadcrumb": list(at), "metadata": about} for at, about in {(): table, **each}.items()]

    def inclusion(self, name):
        return "automatic" if name in [*self.keys, "id"] else "available"

    def select_by_metadata(self, entry):
        """Old taps take what is selected in so many words, and nothing else."""
        said = {tuple(each["breadcrumb"]): each["metadata"] for each in entry.get("metadata", [])}
        table = said.get((), {})
        self.selected = table.get("selected") is True
        self.method = table.get("replication-method", self.method)
        self.fields = {name for name in PROPERTIES if self.wants(name, said.get(("properties", name), {}))}

    def select_by_schema(self, entry):
        self.selected = entry["schema"].get("selected") is True
        self.method = entry.get("replication_method", self.method)
        properties = entry["schema"]["properties"]
        self.fields = {name for name in PROPERTIES if self.wants(name, properties.get(name, {}))}

    def wants(self, name, about):
        return self.inclusion(name) == "automatic" or about.get("selected") is True

    def bookmark(self):
        if self.method == "FULL_TABLE":
            return {"last_pk_fetched": {"id": self.cursor}} if self.config.get("resumes_full") else None
        return {"lsn": self.cursor} if self.method == "LOG_BASED" else {"id": self.cursor}

    def resume(self, bookmark):
        if self.method == "FULL_TABLE":
            self.cursor = bookmark.get("last_pk_fetched", {}).get("id", 0)
        else:
            self.cursor = bookmark.get("lsn" if self.method == "LOG_BASED" else "id", 0)


class Tap:
    def __init__(self, args, config):
        self.path = args.config
        self.config = config
        self.kind = str
        self.state_in = given(args.state) if args.state else {}
        names = [*config.get("streams", ["users"]), *config.get("hidden", [])]
        self.streams = {name: Stream(name, config) for name in names}
        self.select(args)
        for stream in self.streams.values():
            stream.resume(self.state_in.get("bookmarks", {}).get(stream.id, {}))

    def select(self, args):
        """By the catalog that was given; a tap of before there were catalogs knows `--properties` alone."""
        legacy = self.config.get("discovery") == "properties"
        path = args.properties if legacy else args.catalog or args.properties
        by_schema = self.config.get("selects_by", "schema" if legacy else "metadata") == "schema"
        told = [stream for name, stream in self.streams.items() if name not in self.config.get("hidden", [])]
        if not path and legacy:
            sys.stderr.write("No properties were selected\n")
        if not path:
            for stream in told:
                stream.selected = not legacy
            return
        entries = {entry["tap_stream_id"]: entry for entry in given(path)["streams"]}
        for stream in told:
            entry = entries.get(stream.id)
            stream.selected = False
            if entry:
                (stream.select_by_schema if by_schema else stream.select_by_metadata)(entry)

    # What it says

    def say(self, kind, **body):
        separators = (", ", ": ") if self.config.get("spaced") else (",", ":")
        sys.stdout.write(json.dumps({"type": self.kind(kind), **body}, separators=separators) + "\n")

    def raw(self, kind, rest):
        """Written by hand: Python's own floats would lose digits before anybody else can."""
        sys.stdout.write(f'{{"type":"{self.kind(kind)}",{rest}}}\n')

    def extras(self, stream):
        time_extracted = {} if self.config.get("untimed") else {"time_extracted": "2023-11-14T22:13:20.123000Z"}
        version = {} if stream.version is None else {"version": stream.version}
        return {**time_extracted, **version}

    def row(self, stream, **more):
        stream.cursor += 1
        return self.wanted(stream, {"id": stream.cursor, "name": f"{stream.name}-{stream.cursor}", **more})

    def wanted(self, stream, row):
        if "age" in stream.more:
            row.setdefault("age", row["id"] % 100)
        return {name: value for name, value in row.items() if name in stream.properties() or name.startswith("_sdc_")}

    def record(self, name, /, **more):
        stream = self.streams[name]
        self.say("RECORD", stream=name, record=self.row(stream, **more), **self.extras(stream))

    def by_hand(self, name, values):
        """A record of this text behind its id."""
        stream = self.streams[name]
        stream.cursor += 1
        extras = "".join(f',"{key}":{json.dumps(value)}' for key, value in self.extras(stream).items())
        self.raw("RECORD", f'"stream":"{name}","record":{{"id":{stream.cursor},{values}}}{extras}')

    # The steps about one stream; those of a stream that was not selected do nothing

    def schema(self, name):
        stream = self.streams[name]
        bookmarks = {"bookmark_properties": ["id"]} if stream.method == "INCREMENTAL" else {}
        schema = {"type": "object", "properties": stream.properties()}
        self.say("SCHEMA", stream=name, schema=schema, key_properties=stream.keys, **bookmarks)

    def newcolumn(self, name, column):
        stream = self.streams[name]
        stream.more[column] = {"type": ["null", "integer"]}
        if stream.fields is not None:
            stream.fields.add(column)
        self.schema(name)

    def until(self, name, last):
        while self.streams[name].cursor < int(last):
            self.record(name)

    def days(self, name):
        first, last = (datetime.datetime.fromisoformat(self.config["range"][end]) for end in ("from", "to"))
        eve = datetime.datetime(2025, 12, 31, tzinfo=datetime.UTC)
        stream = self.streams[name]
        stream.cursor = max(stream.cursor, -((eve - first) // datetime.timedelta(days=1)) - 1)
        self.until(name, (last - eve) // datetime.timedelta(days=1))

    def forever(self, name):
        """Slowly, with a state after every record, until somebody ends it."""
        while True:
            self.record(name)
            self.state()
            sys.stdout.flush()
            time.sleep(0.005)

    def version(self, name, number):
        self.streams[name].version = int(number)

    def activate(self, name):
        self.say("ACTIVATE_VERSION", stream=name, version=self.streams[name].version)

    def activate_first(self, name, number="1700000000"):
        """Before SCHEMA, as some taps do at the start of a full table."""
        if self.streams[name].version is None:
            self.version(name, number)
        self.activate(name)

    def batch(self, name, count):
        """A file of rows where `batch_config` says; without it, what a tap of Meltano's SDK does: records."""
        storage = self.config.get("batch_config", {}).get("storage")
        if not storage:
            return self.until(name, self.streams[name].cursor + int(count))
        stream = self.streams[name]
        root = storage["root"].removeprefix("file://")
        path = f"{root}/{storage.get('prefix', '')}{name}-{stream.cursor + 1}.json.gz"
        os.makedirs(root, exist_ok=True)
        with gzip.open(path, "wt") as file:
            file.writelines(json.dumps(self.row(stream)) + "\n" for _ in range(int(count)))
        encoding = {"format": "jsonl", "compression": "gzip"}
        return self.say("BATCH", stream=name, encoding=encoding, manifest=[f"file://{path}"])

    def nan(self, name):
        self.by_hand(name, '"price":NaN,"big":Infinity')

    def numbers(self, name):
        self.by_hand(name, '"price":12345678901234567.123456789,"big":12345678901234567890')

    def delete(self, name, number):
        row = {"id": int(number), "_sdc_deleted_at": "2023-11-14T22:13:20.000000Z"}
        self.say("RECORD", stream=name, record=row, **self.extras(self.streams[name]))

    def long(self, name, size):
        self.record(name, name="x" * int(size))

    # The steps about all

    def state(self, current=None):
        """Keyed by tap_stream_id; what another run left there stays."""
        streams = [stream for stream in self.streams.values() if stream.selected]
        mine = {stream.id: stream.bookmark() for stream in streams if stream.bookmark() is not None}
        value = {**self.state_in, "bookmarks": {**self.state_in.get("bookmarks", {}), **mine}}
        for stream in streams:
            if stream.bookmark() is None:
                value["bookmarks"].pop(stream.id, None)
        if current:
            value["currently_syncing"] = self.streams[current].id
        self.say("STATE", value=value)

    def odd_state(self):
        """One that a parser would change."""
        marks = ",".join(f'"{each.id}": {{"id":{each.cursor}, "exact":1.50}}' for each in self.streams.values())
        self.raw("STATE", f'"value":{{"bookmarks":{{{marks}}}, "big":12345678901234567890,"é":"\\u00e9"}}')

    def lowercase(self):
        self.kind = str.lower

    def junk(self, *words):
        sys.stdout.write(" ".join(words) + "\n")

    def file(self, path):
        """The lines of a file, byte for byte."""
        with open(path, newline="") as file:
            sys.stdout.writelines(file)

    def blank(self):
        sys.stdout.write("\n")

    def rewrite(self, token):
        """As taps with tokens that serve once do it: the config file itself."""
        with open(self.path, "w") as file:
            json.dump({**self.config, "token": token}, file)

    def configure(self, name, value):
        """Another setting of its own choice in the config file."""
        with open(self.path, "w") as file:
            json.dump({**self.config, name: json.loads(value)}, file)

    def expect(self, token):
        if self.config["token"] != token:
            self.exit(9)

    def torn(self, stream):
        """Half a line, as whoever is killed while writing leaves it."""
        sys.stdout.write(f'{{"type":"RECORD","stream":"{stream}","record":{{"id":')

    def babble(self):
        """The secret, where a tap may be tempted to say it."""
        sys.stderr.write(f"token is {self.config['token']}\n")

    def stderr(self, size):
        for _ in range(int(size) // 100):
            sys.stderr.write("e" * 99 + "\n")

    def deaf(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def pause(self, seconds):
        sys.stdout.flush()
        time.sleep(float(seconds))

    def silent(self):
        sys.stdout.flush()
        while True:
            time.sleep(60)

    def once(self, path):
        """Fails, unless it did so before: then the file is there."""
        if not os.path.exists(path):
            open(path, "x").close()
            self.error()

    def error(self, *words):
        sys.stderr.write(f"CRITICAL {' '.join(words) or 'the tap broke'}\n")
        sys.stderr.flush()
        self.exit(1)

    def exit(self, code):
        sys.stdout.flush()
        os._exit(int(code))

    def go(self):
        each = [step for name in self.streams for step in (f"schema {name}", f"until {name} 10")]
        for step in self.config.get("steps", [*each, "state"]):
            name, *words = step.split()
            stream = self.streams.get(words[0]) if words else None
            if stream is None or stream.selected or name == "state":
                getattr(self, name.replace("-", "_"))(*words)


def discover(config):
    how = config.get("discovery", "catalog")
    if how == "none":
        sys.exit(2)
    if config.get("slow"):
        time.sleep(600)
    streams = [Stream(name, config) for name in config.get("streams", ["users"])]
    print(json.dumps({"streams": [stream.entry(by_metadata=how == "catalog") for stream in streams]}, indent=2))


def main():
    args = arguments()
    config = given(args.config) if args.config else {}
    if args.about and (config.get("about") or os.environ.get("TAP_ABOUT")):
        return print(json.dumps(ABOUT))
    if args.about:
        sys.exit("there is nothing to tell")
    if args.discover:
        return discover(config)
    return Tap(args, config).go()


main()
