#!/usr/bin/env python3
"""A connector that does what its config names under `attacks`, and then what a connector should.

An Airbyte source, or a Singer tap or target by its arguments. What an attack achieved goes to stderr, behind `attack:`.
"""

import base64
import contextlib
import gzip
import html
import json
import os
import socket
import sys
import time
import urllib.parse

PIPES = "/tapdock/pipes"
SCRATCH = "/tapdock/scratch"
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": ["null", "string"]}}}
NAMES = ["control", "orders", "out", "config", "in", "file.config.json", "file.catalog.json", "file.state.json"]
WAYS = {
    "link": lambda path, victim: os.symlink(victim, path),
    "pipe": lambda path, _: os.mkfifo(path),
    "folder": lambda path, _: os.mkdir(path),
    "hard link": lambda path, _: os.link("/tapdock/files/config.json", path),
    "device": lambda path, _: os.mknod(path, 0o20666, os.makedev(1, 3)),
    "file": lambda path, _: open(path, "x").close(),
}


def report(*words):
    sys.stderr.write("attack: " + " ".join(map(str, words)) + "\n")
    sys.stderr.flush()


def say(kind, **body):
    sys.stdout.write(json.dumps({"type": kind, **body}, separators=(",", ":")) + "\n")


def record(number, name="x"):
    say("RECORD", record={"stream": "users", "data": {"id": number, "name": name}, "emitted_at": 1})


def swap(victim, pipes=PIPES):
    """Every name in the folder of the pipes, in every way, and new names beside them."""
    done = []
    for name in [*NAMES, "new"]:
        path = f"{pipes}/{name}"
        for way, make in WAYS.items():
            with contextlib.suppress(OSError):
                os.rename(path, f"{path}.moved")
                done.append(f"moved {name}")
            with contextlib.suppress(OSError):
                make(path, victim)
                done.append(f"{name} is a {way}")
    report("swapped", done)


def nest(folder, depth=1500):
    """Folders in folders, deeper than any path can name."""
    made = 0
    with contextlib.suppress(OSError):
        os.chdir(folder)
        for _ in range(depth):
            os.mkdir("n" * 200)
            made += 1
            os.chdir("n" * 200)
    os.chdir("/")
    report("nested", made)


def fill(size):
    written = 0
    with contextlib.suppress(OSError), open(f"{PIPES}/filler", "wb") as file:
        while written < size:
            written += file.write(b"x" * (1 << 20))
    report("filled", written)


def say_on_control(text):
    """By its name, and through the descriptors of whoever started this program."""
    parent = os.getppid()
    reached = {}
    for path in (f"{PIPES}/control", *(f"/proc/{parent}/fd/{fd}" for fd in range(3, 10))):
        with contextlib.suppress(OSError):
            if os.path.realpath(path).startswith(f"{PIPES}/control"):
                reached[path] = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    report("says", text[:20], "on", sorted(reached))  # what it says may be the end of this container
    for fd in reached.values():
        with contextlib.suppress(OSError):
            os.write(fd, text)


def connect(*addresses):
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=3).close()
            report("reached", address)
        except OSError as error:
            report("refused", address, error.errno)


def forms(secret):
    """The ways in which a connector may print a secret that it was given."""
    text = secret.encode()
    yield from (secret, repr(secret), json.dumps(secret), json.dumps(json.dumps({"token": secret})))
    yield from (urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret).lower(), html.escape(secret))
    yield "".join(f"\\u{ord(each):04x}" if each in "<>&" else each for each in json.dumps(secret))  # as Go writes it
    for before in (b"", b"u:", b"user:"):
        yield "Basic " + base64.b64encode(before + text + b"@h").decode()
        yield base64.urlsafe_b64encode(before + text).decode().rstrip("=")
    yield from (text.hex(), text.hex().upper(), secret[:5] + "\x1b[31m" + secret[5:], secret[:7] + "\x00" + secret[7:])


class Attacks:
    """Each is called with the config and the words behind its name."""

    def swap(self, config):
        swap(config["victim"])

    def nest(self, config, folder=PIPES):
        nest(folder)

    def fill(self, config):
        fill(300 << 20)

    def control(self, config, word):
        say_on_control({"junk": b"\xff\xfe junk\n", "forged": b"exit 0\n", "long": b"x" * 60000}[word])

    def secrets(self, config):
        for form in forms(config["token"]):
            sys.stderr.write(f"a message with {form} in it\n")
            say("LOG", log={"level": "INFO", "message": f"a log with {form} in it"})

    def near(self, config):
        """Lines that almost are CONTROL messages, with a fresh token."""
        body = '{"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","connectorConfig":{"config":{"token":"%s"}}'
        fresh = config["fresh"]
        for line in (
            body % fresh,
            "x" + body % fresh + "}}",
            (body % fresh)[:-2] + ",}}}",
            (body % fresh) + "}} trailing",
        ):
            sys.stdout.write(line + "\n")

    def commands(self, config):
        """Text that a terminal or a CI would obey."""
        for text in ("::set-output name=a::b", "\x1b]0;title\x07\x1b[2J", "##vso[task.setvariable]x", "\u202egnp.exe"):
            sys.stderr.write(f"{text}\n")

    def connect(self, config, *addresses):
        connect(*addresses)

    def long(self, config, size):
        """One line that never ends, as far as memory goes."""
        sys.stdout.write('{"type":"RECORD","record":{"stream":"users","data":{"id":1,"name":"')
        for _ in range(int(size) >> 20):
            sys.stdout.write("x" * (1 << 20))
        sys.stdout.write('"}}}\n')

    def records(self, config, count):
        for number in range(1, int(count) + 1):
            record(number)

    def state(self, config):
        one = {"stream_descriptor": {"name": "users"}, "stream_state": {"id": 1}}
        say("STATE", state={"type": "STREAM", "stream": one})

    def sleep(self, config, seconds):
        sys.stdout.flush()
        time.sleep(float(seconds))

    def core(self, config):
        sys.stdout.flush()
        os.chdir(SCRATCH if os.path.isdir(SCRATCH) else "/tmp")
        os.abort()

    def exit(self, config, code):
        sys.stdout.flush()
        os._exit(int(code))


def attack(config, part):
    for words in config.get(part, []):
        name, *rest = words.split()
        getattr(Attacks(), name)(config, *rest)
    sys.stdout.flush()


def before_the_launcher(pipes, which):
    """As the shell that is to run the launcher: nothing was said to tapdock yet."""
    if which == "swap":
        swap(os.environ["TAPDOCK_TEST_VICTIM"], pipes)
    elif which:
        shell(pipes, which)


def shell(pipes, which):
    """The launcher's part, played badly; nothing returns from here."""
    control = os.open(f"{pipes}/control", os.O_WRONLY)
    out = os.open(f"{pipes}/out", os.O_WRONLY)
    config = os.open(f"{pipes}/config", os.O_WRONLY)
    if which == "flood-control":
        while True:
            os.write(control, b"x" * 65536)
    os.write(control, b"hello\n")
    if which == "deaf":  # neither takes its files nor ever ends
        while True:
            os.write(out, b'{"type":"LOG","log":{"level":"INFO","message":"on and on"}}\n')
            time.sleep(0.001)
    for name in ("config.json", "catalog.json", "env.sh", "state.json"):
        if os.path.exists(f"{pipes}/file.{name}"):
            with open(f"{pipes}/file.{name}", "rb") as file:
                file.read()
    if which == "config":  # announces more than there is, and waits
        os.write(control, b"config 4000000\nexit 0\n")
        time.sleep(600)
    if which == "huge-config":
        os.write(control, b"config 99999999999\n")
        while True:
            os.write(config, b"x" * 65536)
    raise SystemExit(f"no attack {which}")


# What connectors do


def option(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


def configured():
    with open(option("--config")) as file:
        return json.load(file)


def airbyte(command):
    if command == "spec":
        properties = {"token": {"type": "string", "airbyte_secret": True}}
        return say("SPEC", spec={"connectionSpecification": {"type": "object", "properties": properties}})
    config = configured()
    attack(config, f"{command}_attacks")
    if command == "check":
        return say("CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
    if command == "discover":
        stream = {"name": "users", "json_schema": SCHEMA, "supported_sync_modes": ["full_refresh", "incremental"]}
        return say("CATALOG", catalog={"streams": [{**stream, "source_defined_cursor": True}]})
    attack(config, "attacks")
    return None


def tap():
    """Writes BATCH messages of files that it prepares in the folder that both sides share."""
    config = configured()
    if "--discover" in sys.argv:
        metadata = [{"breadcrumb": [], "metadata": {"selected": True}}]
        stream = {
            "tap_stream_id": "users",
            "stream": "users",
            "schema": SCHEMA,
            "metadata": metadata,
            "key_properties": ["id"],
        }
        return print(json.dumps({"streams": [stream]}))
    say("SCHEMA", stream="users", schema=SCHEMA, key_properties=["id"])
    sys.stdout.flush()
    getattr(Batches(), config["batch"])(config)
    return None


class Batches:
    def _batch(self, *names):
        urls = [f"file://{SCRATCH}/{name}" for name in names]
        say("BATCH", stream="users", encoding={"format": "jsonl", "compression": "gzip"}, manifest=urls)
        sys.stdout.flush()

    def _write(self, name, rows):
        os.makedirs(os.path.dirname(f"{SCRATCH}/{name}"), exist_ok=True)
        with gzip.open(f"{SCRATCH}/{name}", "wb", compresslevel=1) as file:
            for row in rows:
                file.write(row + b"\n")

    def rows(self, config):
        self._write("a", [b'{"id":%d}' % number for number in range(1, 1001)])
        self._batch("a")

    def pipe(self, config):
        os.mkfifo(f"{SCRATCH}/a")
        self._batch("a")

    def link(self, config):
        os.symlink(config["victim"], f"{SCRATCH}/a")
        self._batch("a")

    def folder_link(self, config):
        os.symlink(os.path.dirname(config["victim"]), f"{SCRATCH}/b")
        self._batch(f"b/{os.path.basename(config['victim'])}")

    def swap(self, config):
        """The folder becomes a link just after its file was announced, again and again, to win the race."""
        name = os.path.basename(config["victim"])
        for turn in range(300):
            self._write(f"d{turn}/{name}", [b'{"id":%d}' % number for number in range(200)])
            self._batch(f"d{turn}/{name}")
            os.rename(f"{SCRATCH}/d{turn}", f"{SCRATCH}/e{turn}")
            os.symlink(os.path.dirname(config["victim"]), f"{SCRATCH}/d{turn}")

    def bomb(self, config):
        row = b'{"id":1,"name":"%s"}' % (b"x" * 10_000)
        self._write("a", (row for _ in range(30_000)))
        self._batch("a")

    def long_row(self, config):
        with gzip.open(f"{SCRATCH}/a", "wb", compresslevel=1) as file:
            file.write(b'{"id":1,"name":"')
            for _ in range(200):
                file.write(b"x" * (1 << 20))
        self._batch("a")

    def nested(self, config):
        nest(SCRATCH)
        self.rows(config)

    def enables_itself(self, config):
        """What it writes into its config is kept for the next run, where that is a token."""
        report("shares a folder:", os.path.isdir(SCRATCH))
        storage = {"root": f"file://{SCRATCH}"}
        with open(option("--config"), "w") as file:
            json.dump({**config, "batch_config": {"encoding": {"format": "jsonl"}, "storage": storage}}, file)
        say("RECORD", stream="users", record={"id": 1})


def target():
    """Acknowledges what it is sent, after its attacks."""
    config = configured()
    attack(config, "attacks")
    with open(config["path"], "a") as rows:
        for line in sys.stdin:
            message = json.loads(line)
            if message["type"] == "RECORD":
                rows.write(line)
                rows.flush()
            if message["type"] == "STATE":
                print(json.dumps(message["value"]), flush=True)
        rows.write('"done"\n')


def main():
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        airbyte(sys.argv[1])
    elif "--about" in sys.argv:
        sys.exit(2)
    elif os.environ.get("ATTACKER_IS") == "target":
        target()
    else:
        tap()


if __name__ == "__main__":
    main()
