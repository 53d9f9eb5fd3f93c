"""Tests why a run into a Singer target starts with a state: PipelineWise's targets acknowledge it too early.

No setting disables this baseline, so these tests connect a translator directly to the real target, without a run.
"""

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tapdock.engines import owner
from tapdock.protocol.catalog import Stream, configured
from tapdock.translate.airbyte_to_singer import AirbyteToSinger
from tapdock.translate.base import TranslateOptions
from tapdock.translate.singer_to_singer import SingerToSinger

pytestmark = [pytest.mark.docker, pytest.mark.slow]
IMAGE = "tapdock/target-postgres:2.1.2-eddfe83f"
BATCH = 5
SCHEMA = {"type": "object", "properties": {"id": {"type": ["null", "integer"]}}}
STREAMS = tuple(
    configured(
        Stream(name=name, json_schema=SCHEMA, supported_sync_modes=("incremental",)),
        "incremental",
        cursor=("id",),
        key=(("id",),),
        excluded=(),
    )
    for name in ("slow", "quick")
)


def _airbyte() -> Iterator[dict]:
    """Yield two rows of one stream with their state, and then a full batch of rows of the other stream."""
    for name, count in (("slow", 2), ("quick", BATCH)):
        for number in range(1, count + 1):
            yield {"type": "RECORD", "record": {"stream": name, "data": {"id": number}, "emitted_at": 1700000000000}}
        descriptor = {"stream_descriptor": {"name": name}, "stream_state": {"id": count}}
        yield {"type": "STATE", "state": {"type": "STREAM", "stream": descriptor}}


def _singer() -> Iterator[dict]:
    bookmarks = {}
    for name in ("slow", "quick"):
        yield {"type": "SCHEMA", "stream": name, "schema": SCHEMA, "key_properties": ["id"]}
    for name, count in (("slow", 2), ("quick", BATCH)):
        for number in range(1, count + 1):
            yield {"type": "RECORD", "stream": name, "record": {"id": number}}
        bookmarks[name] = {"id": count}
        yield {"type": "STATE", "value": {"bookmarks": bookmarks}}


@contextmanager
def _target(junction) -> Iterator[subprocess.Popen]:
    """Start the real target, with an open stdin."""
    name = f"tapdock-baseline-{os.getpid()}"
    config = {
        "host": junction.environ["POSTGRES_HOST"],
        "port": 5432,
        "user": "tapdock",
        "password": junction.environ["POSTGRES_PASSWORD"],
        "dbname": "routes",
        "default_target_schema": "landed",
        "batch_size_rows": BATCH,
    }
    (junction.folder / "config.json").write_text(json.dumps(config))
    labels = ["--label", "io.tapdock.test=e2e", "--label", f"io.tapdock.owner={owner.mine()}"]
    network = ["--network", junction.environ["POSTGRES_NETWORK"]]
    mount = [
        "--volume",
        f"{junction.folder / 'config.json'}:/in/config.json:ro",
        "--user",
        f"{os.getuid()}:{os.getgid()}",
    ]
    command = ["docker", "run", "--rm", "--interactive", "--name", name, *labels, *network, *mount, IMAGE]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "--config", "/in/config.json"], **pipes) as process:
        try:
            yield process
        finally:
            subprocess.run(["docker", "kill", name], check=True, capture_output=True)
            process.stdin.close()
            process.wait(timeout=30)


@pytest.mark.parametrize(("translator", "messages"), [(AirbyteToSinger, _airbyte), (SingerToSinger, _singer)])
@pytest.mark.parametrize("baseline", [False, True])
def test_what_is_acknowledged_is_in_the_table(junction, database, translator, messages, baseline):
    """The target is killed directly after its first acknowledgement."""
    ticks = itertools.count(step=60).__next__  # a clock that makes a state due at each call
    route = translator(
        streams=STREAMS, saved=None, emit=lambda _: None, clock=ticks, translation=TranslateOptions(baseline=baseline)
    )
    lines = b"".join(json.dumps(message).encode() + b"\n" for message in messages())
    with _target(junction) as process:
        process.stdin.write(route.opening() + route.feed(lines))
        process.stdin.flush()
        route.acked(process.stdout.readline().rstrip(b"\n"))
    written = {name: int(database.query(f"SELECT count(*) FROM landed.{name}")[0][0]) for name in ("slow", "quick")}
    assert written == {"slow": 0, "quick": BATCH}
    claimed = '"id":2' in (route.states.committed() or "").replace(" ", "")
    assert claimed is not baseline, route.states.committed()
