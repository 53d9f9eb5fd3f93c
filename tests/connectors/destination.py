#!/usr/bin/env python3
"""An Airbyte destination as strict as Airbyte's current ones, into files; Python's own library is all it needs.

    {"path": "/data", "password": "…", "after": 20, "then": "exit 1", "ack": "always"}

A stream is a file of lines `{"data": …, "emitted_at": …, "generation_id": …}`, its data byte for byte as they came.
Rows are kept in memory and written with the next STATE of their stream, which is then printed: what was acknowledged
is on disk. `then` happens once `after` records were taken. `ack` is `always`, `never`, `not-the-last`, `invented` or
`coalesce`. With `old` it behaves as destinations did before there were generations: the end of input swaps tables.
Every run that can still do so leaves a line in `runs.jsonl`: what it was given, and how it ended.
"""

import json
import os
import signal
import sys
import time
from decimal import Decimal
from json.decoder import scanstring

MODES = ["append", "overwrite", "append_dedup"]
SPEC = {
    "type": "object",
    "required": ["path", "password"],
    "properties": {
        "path": {"type": "string"},
        "password": {"type": "string", "airbyte_secret": True},
        "modes": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What `write` takes, whatever spec says",
        },
        "after": {"type": "integer"},
        "then": {"type": "string", "description": "`exit CODE` or `hang`"},
        "ack": {"type": "string", "enum": ["always", "never", "not-the-last", "invented", "coalesce"]},
        "refuse_global": {"type": "boolean"},
        "strict_stats": {"type": "boolean", "description": "A wrong sourceStats.recordCount is an error"},
        "same_states": {"type": "boolean", "description": "Take a state that equals the one before"},
        "old": {"type": "boolean"},
        "deaf": {"type": "boolean"},
        "check_fails": {"type": "string", "description": "What `check` then says"},
    },
}
TOO_OLD = (
    "You must upgrade your platform version to use this connector version. "
    "Either downgrade your connector or upgrade platform to 0.63.0"
)
NO_STATUS = (
    "Input was fully read, but some streams did not receive a terminal stream status message. If the destination did "
    "not encounter other errors, this likely indicates an error in the source or platform. "
    "Streams without a status message: "
)


class Refused(Exception):
    """What ends a run with a TRACE ERROR: its message and failure type."""

    def __init__(self, message, kind="system_error"):
        super().__init__(message)
        self.message, self.kind = message, kind


def say(kind, **body):
    sys.stdout.write(json.dumps({"type": kind, **body}) + "\n")
    sys.stdout.flush()


def log(message):
    say("LOG", log={"level": "INFO", "message": message})


# --- JSON, of which some parts stay as they are ------------------------------------------------------


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


decoder = json.JSONDecoder(parse_constant=refuse_constant)


def blank(text, at):
    while text[at] in " \t\r\n":
        at += 1
    return at


def slices(text):
    """Where the value of each member of an object stands: a parser would change numbers and escapes."""
    found, at = {}, blank(text, 0)
    while text[at] != "}":
        at = blank(text, at + 1)
        if text[at] == "}":
            break
        key, at = scanstring(text, at + 1)
        at = blank(text, blank(text, at) + 1)
        _, end = decoder.raw_decode(text, at)
        found[key] = text[at:end]
        at = blank(text, end)
    return found


# --- tables ------------------------------------------------------------------------------------------


def named(descriptor):
    """(namespace, name); an empty namespace is none."""
    return descriptor.get("namespace") or None, descriptor["name"]


def label(key):
    return ".".join(part for part in key if part)


class Table:
    """The rows of one stream, and what was said about them."""

    def __init__(self, folder, configured, old):
        self.key = named(configured["stream"])
        self.configured = configured
        self.generation = configured.get("generation_id")
        stem = label(self.key).replace("/", "_")
        self.file = f"{folder}/{stem}.jsonl"
        self.staging = f"{folder}/staging/{stem}.jsonl"
        self.deduped = f"{folder}/{stem}.deduped.json"
        self.staged = self.stage(old)
        self.rows = []
        self.since_state = 0
        self.complete = False
        self.last_state = None

    def stage(self, old):
        """Whether rows wait beside the table. Those that a broken run of this generation left there still count."""
        os.makedirs(os.path.dirname(self.staging), exist_ok=True)
        left = None if old else generation_of(self.staging)
        truncates = self.configured["destination_sync_mode"] == "overwrite"
        if not old:
            truncates = self.configured["minimum_generation_id"] != 0
        if left is not None and not truncates:
            append(self.file, lines_of(self.staging))
        if os.path.exists(self.staging) and (not truncates or left != self.generation or old):
            os.remove(self.staging)
        staged = truncates and (old or generation_of(self.file) != self.generation)
        append(self.staging if staged else self.file, [])
        return staged

    def add(self, record, parts):
        meta = f',"meta":{parts["meta"]}' if record.get("meta") is not None else ""
        about = f'"emitted_at":{record["emitted_at"]},"generation_id":{json.dumps(self.generation)}{meta}'
        self.rows.append(f'{{"data":{parts["data"]},{about}}}\n')
        self.since_state += 1

    def flush(self):
        append(self.staging if self.staged else self.file, self.rows)
        self.rows = []

    def swap(self):
        self.flush()
        if self.staged:
            os.replace(self.staging, self.file)
            self.staged = False

    def dedupe(self):
        """The newest row of each key, unless it is a deletion."""
        if self.configured["destination_sync_mode"] != "append_dedup" or not os.path.exists(self.file):
            return
        newest = {}
        for line in lines_of(self.file):
            row = json.loads(line, parse_float=Decimal)
            data = row["data"]
            key = json.dumps([data.get(path[0]) for path in self.configured["primary_key"]], default=str)
            cursor = [data.get(field) for field in self.configured.get("cursor_field") or []]
            rank = (
                [(value is not None, isinstance(value, str), 0 if value is None else value) for value in cursor],
                row["emitted_at"],
            )
            if key not in newest or rank >= newest[key][0]:
                newest[key] = rank, data.get("_ab_cdc_deleted_at"), slices(line)["data"]
        kept = [data for _, deleted, data in newest.values() if deleted is None]
        with open(self.deduped, "w", encoding="utf-8") as file:
            file.write("[\n" + ",\n".join(kept) + "\n]\n")


def append(path, lines):
    with open(path, "a", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)


def lines_of(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return file.readlines()


def generation_of(path):
    """Of the rows in a file; none where there are none."""
    lines = lines_of(path) if os.path.exists(path) else []
    return json.loads(lines[0])["generation_id"] if lines else None


# --- the configured catalog --------------------------------------------------------------------------


def verify(catalog, config):
    """Raises Refused for what a destination must not begin with."""
    streams = catalog["streams"]
    keys = [named(configured["stream"]) for configured in streams]
    if not keys:
        raise Refused("The catalog has no streams", "config_error")
    if len(set(keys)) != len(keys):
        raise Refused(f"Some streams appeared multiple times: {[label(key) for key in keys]}", "config_error")
    for configured in streams:
        verify_mode(configured, config.get("modes", MODES))
        if not config.get("old"):
            verify_generation(configured)


def verify_generation(configured):
    if any(configured.get(key) is None for key in ("generation_id", "minimum_generation_id", "sync_id")):
        raise Refused(TOO_OLD, "config_error")
    if configured["minimum_generation_id"] not in (0, configured["generation_id"]):
        raise Refused("Hybrid refreshes are not yet supported.")


def verify_mode(configured, modes):
    name, mode = configured["stream"]["name"], configured["destination_sync_mode"]
    schema, cursor = configured["stream"]["json_schema"], configured.get("cursor_field") or []
    if not configured["stream"].get("supported_sync_modes"):
        raise Refused(f"{name} has no supported_sync_modes", "config_error")
    if mode not in MODES or mode not in modes:
        raise Refused(f"{name} wants {mode}, which is not supported", "config_error")
    if configured["sync_mode"] == "incremental" and not cursor:
        raise Refused(f"{name} is incremental and has no cursor_field", "config_error")
    if mode != "append_dedup":
        return
    paths = configured.get("primary_key") or []
    if not paths:
        raise Refused(f"{name} is deduped and has no primary_key", "config_error")
    for path in [*paths, cursor]:
        if len(path) > 1:
            raise Refused("Only top-level primary keys and cursors are supported", "config_error")
        if path and path[0] not in schema.get("properties", {}):
            raise Refused(f"For stream {name}: column {path[0]} is not in the schema", "config_error")


# --- the messages ------------------------------------------------------------------------------------


class Destination:
    def __init__(self, config, catalog):
        self.config = config
        self.old = config.get("old", False)
        self.ack = config.get("ack", "always")
        self.tables = {}
        for configured in catalog["streams"]:
            table = Table(config["path"], configured, self.old)
            self.tables[table.key] = table
        self.seen = []
        self.taken = 0
        self.kinds = set()
        self.last_state = None
        self.held = {}
        self.acknowledged = 0
        self.mismatches = []

    def saw(self, kind, what):
        if self.seen and self.seen[-1][:2] == [kind, what]:
            self.seen[-1][2] += 1
        else:
            self.seen.append([kind, what, 1])

    def take(self, line):
        """One line of input."""
        if not line.strip(b"\r\n"):
            return
        try:
            text = line.decode()
            message = json.loads(text, parse_constant=refuse_constant)
            kind = message["type"]
        except (ValueError, KeyError, TypeError) as error:
            self.saw("MALFORMED", None)
            raise Refused(f"Failed to deserialize airbyte message (length={len(line)}; reason={error!r})") from error
        try:
            if kind == "RECORD":
                self.record(text, message["record"])
            elif kind == "STATE":
                self.state(message["state"])
            elif kind == "TRACE":
                self.trace(message["trace"])
            else:
                self.saw(kind, None)
                raise Refused(f"Unknown message type {kind}")
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(f"A {kind} without what it must have: {error!r}") from error

    def table(self, key):
        if key not in self.tables:
            raise Refused(f"Stream not found: namespace={key[0]}, name={key[1]}")
        return self.tables[key]

    def record(self, text, record):
        key = (record.get("namespace") or None, record["stream"])
        self.saw("RECORD", label(key))
        table = self.table(key)
        if table.complete:
            raise Refused("Stream is closed for reading")
        if type(record["emitted_at"]) is not int or not isinstance(record["data"], dict):
            raise Refused("A record whose emitted_at is no integer, or whose data are no object")
        table.add(record, slices(slices(text)["record"]))
        self.taken += 1

    def trace(self, trace):
        if trace["type"] != "STREAM_STATUS":
            return self.saw("TRACE", trace["type"])
        status = trace["stream_status"]
        key = named(status["stream_descriptor"])
        self.saw(status["status"], label(key))
        table = self.table(key)
        if status["status"] == "INCOMPLETE":
            raise Refused("Received stream status INCOMPLETE message. This indicates a bug", "config_error")
        if status["status"] == "COMPLETE" and not self.old:
            if table.complete:
                raise Refused("Stream is closed for reading")
            table.complete = True
            table.swap()
        return None

    def state(self, state):
        kind = state.get("type") or "LEGACY"
        if kind == "STREAM":
            key = named(state["stream"]["stream_descriptor"])
            self.saw("STATE", label(key))
            keys, content = [key], state["stream"].get("stream_state")
        elif kind == "GLOBAL":
            self.saw("STATE", "GLOBAL")
            for one in state["global"]["stream_states"]:
                self.table(named(one["stream_descriptor"]))
            keys, content = list(self.tables), state["global"]
        else:
            self.saw("STATE", "LEGACY")
            keys, content = list(self.tables), state["data"]
        tables = [self.table(key) for key in keys]
        self.kinds.add(kind)
        if len(self.kinds) > 1:
            raise Refused("Global checkpoints cannot be mixed with non-global checkpoints")
        if kind == "GLOBAL" and self.config.get("refuse_global"):
            raise Refused("This destination takes no GLOBAL state", "config_error")
        self.verify_new(tables[0] if kind == "STREAM" else self, content)
        counted = self.count(state, tables)
        if kind == "LEGACY" and not self.old:
            return  # nobody answers, and nobody says so
        for table in tables:
            table.flush()
        self.answer(label(keys[0]) if kind == "STREAM" else None, kind, state, counted)

    def verify_new(self, holder, content):
        """`holder` remembers the state before: a table, or for what is about all of them, the destination."""
        if content is not None and content == holder.last_state and not (self.old or self.config.get("same_states")):
            raise Refused("Two states in a row are the same")
        holder.last_state = content

    def count(self, state, tables):
        """Records since the last state about these tables; what the source says may differ."""
        counted = sum(table.since_state for table in tables)
        for table in tables:
            table.since_state = 0
        said = (state.get("sourceStats") or {}).get("recordCount")
        if said is not None and said != counted:
            self.mismatches.append({"streams": [label(t.key) for t in tables], "said": said, "counted": counted})
            if self.config.get("strict_stats"):
                raise Refused(f"The source says {said} records, {counted} came")
        return counted

    def answer(self, about, kind, state, counted):
        """Prints the state, or keeps it: `about` is the stream, or None for what is about all."""
        earlier = self.held.pop(about, None)
        if self.ack in ("not-the-last", "coalesce"):
            if earlier and self.ack == "coalesce":
                counted += earlier[2]
            self.held[about] = kind, state, counted
            if earlier and self.ack == "not-the-last":
                self.acknowledge(*earlier)
        elif self.ack != "never":
            self.acknowledge(kind, invented(state) if self.ack == "invented" else state, counted)

    def acknowledge(self, kind, state, counted):
        """Neither byte for byte nor with the `id` it came with, and with more than came."""
        self.acknowledged += 1
        answered = {key: value for key, value in state.items() if key not in ("id", "type")}
        answered["destinationStats"] = {"recordCount": float(counted)}
        if not self.old:
            answered["committedRecordsCount"] = counted
        if kind == "GLOBAL" and not self.old:
            each = [{**one, "committedRecordsCount": counted} for one in state["global"]["stream_states"]]
            answered["global"] = {**state["global"], "stream_states": each}
        say("STATE", state={**answered, "type": kind})

    def end(self):
        """The end of input. Raises Refused when some stream was not said to be complete."""
        for table in self.tables.values():
            table.swap() if self.old else table.flush()
        if self.ack == "coalesce":
            for held in self.held.values():
                self.acknowledge(*held)
        for table in self.tables.values():
            table.dedupe()
        missing = [label(key) for key, table in self.tables.items() if not table.complete]
        if missing and not self.old:
            raise Refused(NO_STATUS + f"[{', '.join(missing)}]", "transient_error")


def invented(value):
    """The same with other numbers."""
    if isinstance(value, dict):
        return {key: invented(one) if key != "sourceStats" else one for key, one in value.items()}
    if isinstance(value, list):
        return [invented(one) for one in value]
    return value + 1000 if type(value) is int else value


# --- a run -------------------------------------------------------------------------------------------


class Run:
    """What `runs.jsonl` gets a line of."""

    def __init__(self, config, catalog):
        self.config = config
        self.report = {"catalog": catalog, "messages": [], "ended": False, "acknowledged": 0, "mismatches": []}

    def leave(self, code, error=None, destination=None):
        if destination:
            self.report["messages"] = destination.seen
            self.report["acknowledged"] = destination.acknowledged
            self.report["mismatches"] = destination.mismatches
        os.makedirs(self.config["path"], exist_ok=True)
        append(f"{self.config['path']}/runs.jsonl", [json.dumps({**self.report, "exit": code, "error": error}) + "\n"])
        sys.stdout.flush()
        os._exit(code)

    def mind(self, destination):
        """What is to happen after so many records: `exit CODE`, `hang` (reads no more)."""
        if destination.taken != self.config.get("after"):
            return
        what = self.config["then"]
        word, *rest = what.split()
        if word == "exit":
            sys.stderr.write("the destination's last words\n")
            sys.stderr.flush()
            self.leave(int(rest[0]), what, destination)
        while word == "hang":
            time.sleep(60)
        raise ValueError(what)

    def go(self):
        destination = None
        try:
            verify(self.report["catalog"], self.config)
            destination = Destination(self.config, self.report["catalog"])
            log(f"writing to {self.config['path']}")
            self.mind(destination)
            for line in sys.stdin.buffer:
                destination.take(line)
                self.mind(destination)
            self.report["ended"] = True
            destination.end()
        except Refused as refused:
            about = {"message": refused.message, "failure_type": refused.kind}
            say("TRACE", trace={"type": "ERROR", "emitted_at": time.time() * 1000, "error": about})
            self.leave(1, refused.message, destination)
        log("all is written")
        self.leave(0, None, destination)


def given(option):
    with open(sys.argv[sys.argv.index(option) + 1]) as file:
        return json.load(file)


def spec():
    named_modes = os.environ.get("DEST_MODES")
    modes = named_modes.split(",") if named_modes else MODES
    say("SPEC", spec={"connectionSpecification": SPEC, "supported_destination_sync_modes": modes})


def check(config):
    failed = {"status": "FAILED", "message": config.get("check_fails")}
    say("CONNECTION_STATUS", connectionStatus=failed if config.get("check_fails") else {"status": "SUCCEEDED"})


def main():
    command = sys.argv[1]
    if command == "spec":
        return spec()
    config = given("--config")
    if command == "check":
        return check(config)
    if config.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return Run(config, given("--catalog")).go()


main()
