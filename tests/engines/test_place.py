"""Tests the place in which source, relay and target run, without a project."""

import os
import queue
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from engines import leftovers
from engines.places import BESIDE, CONTAINER, LOCAL
from tapdock.connectors.selection import select_streams
from tapdock.engines import owner
from tapdock.engines.docker.engine import connect
from tapdock.engines.local import LocalEngine
from tapdock.events import Verdict
from tapdock.launch import FileArg, InputFile, Launch
from tapdock.protocol.catalog import parse_catalog
from tapdock.relay.host import perform
from tapdock.relay.plan import Collection, RelayPlan

CONTENT = b'{"steps":[]}'
WHOLE, CUT = InputFile("config.json", CONTENT), InputFile("config.json", CONTENT[:-3])
CATALOG = b'{"streams":[{"name":"users","json_schema":{"properties":{"id":{"type":"integer"}}}}]}'


@pytest.fixture(params=[LOCAL, BESIDE, CONTAINER])
def performed(request, tmp_path):
    """performed(work, *launches) -> the verdict and all events, on each engine. Checks that no leftovers remain."""
    if request.param == "local":
        api, engine, image = None, LocalEngine(), "/bin/sh"
    else:
        api = request.getfixturevalue("api")
        image = request.getfixturevalue("images")["source"]
        engine = connect(cache=tmp_path, relay=request.param.removeprefix("docker-"))
    in_container = request.param == "docker-container"
    runner = request.getfixturevalue("runner_image") if in_container else ""

    def perform_here(work: RelayPlan | Collection, *launches: Launch) -> tuple[Verdict, list[object]]:
        said = []
        outcome = perform(
            engine,
            work,
            tuple(replace(launch, image=image) for launch in launches),
            relay_image=lambda: runner,
            inbox=queue.SimpleQueue(),
            emit=said.append,
            logs=lambda _: said.append,
        )
        return outcome.verdict, said

    yield perform_here
    assert own_folders() == []
    if api:
        assert leftovers.containers(api, {os.getpid()}) == []
        assert leftovers.volumes(api, {os.getpid()}) == []
        assert leftovers.networks(api, {os.getpid()}) == []


def own_folders() -> list[Path]:
    found = [each for home in (tempfile.gettempdir(), "/dev/shm") for each in Path(home).glob("tapdock-run-*/owner")]
    return [each.parent for each in found if each.read_text() == owner.mine()]


def launch(role: str, file: InputFile) -> Launch:
    """Return a connector that prints its file and its role to stderr. A target then reads its input."""
    args = ("-c", f'cat "$0" >&2; echo >&2; echo {role} started >&2; cat >/dev/null', FileArg("config.json"))
    return Launch(role=role, image="", entrypoint=("/bin/sh",), args=args, files=(file,), stdin=role == "target")


def test_file_arrives(performed):
    verdict, said = performed(Collection(run_id="whole", source_files=(WHOLE,)), launch("source", WHOLE))
    assert (verdict.exit_code, verdict.source_code) == (0, 0)
    assert [CONTENT.decode(), "source started"] == [line for line in said if isinstance(line, str)]


def test_truncated_file_is_named(performed):
    """The container was given a size, and gets less than that through the pipe."""
    verdict, said = performed(Collection(run_id="truncated", source_files=(CUT,)), launch("source", WHOLE))
    assert (verdict.exit_code, verdict.side) == (3, "source")
    assert short("connector") in verdict.message
    assert [line for line in said if isinstance(line, str)] == []


def short(who: str) -> str:
    size = len(CONTENT)
    return f"`config.json` reached the {who} with {size - 3} of its {size} bytes"


@pytest.mark.parametrize(("side", "code"), [("source", 3), ("target", 4)])
def test_truncated_file_of_either_side_of_a_run(performed, side, code):
    files = {f"{each}_files": (CUT if each == side else WHOLE,) for each in ("source", "target")}
    streams = select_streams(parse_catalog(CATALOG), (), {})
    plan = RelayPlan(run_id=f"truncated-{side}", route="airbyte-singer", streams=streams, **files)
    verdict, said = performed(plan, launch("source", WHOLE), launch("target", WHOLE))
    assert (verdict.exit_code, verdict.side) == (code, side)
    assert short(side) in verdict.message
    assert verdict.retryable
    assert f"{side} started" not in said
