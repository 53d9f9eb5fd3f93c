"""The place where source, relay and target meet, without a project around it."""

import queue
from dataclasses import replace

import pytest

from engines.places import BESIDE, CONTAINER, LOCAL
from tapdock.engines.docker import connect
from tapdock.engines.local import LocalEngine
from tapdock.launch import FileArg, InputFile, Launch
from tapdock.place import perform
from tapdock.plan import Collection

CONTENT = b'{"steps":[]}'


@pytest.fixture(params=[LOCAL, BESIDE, CONTAINER])
def asked(request, tmp_path):
    """asked(launch, work) -> its verdict and the log lines, on each engine."""
    if request.param == "local":
        engine, image = LocalEngine(), "/bin/sh"
    else:
        request.getfixturevalue("api")
        image = request.getfixturevalue("images")["source"]
        engine = connect(cache=tmp_path, relay=request.param.removeprefix("docker-"))
    in_container = request.param == "docker-container"
    runner = request.getfixturevalue("runner_image") if in_container else ""

    def ask(launch: Launch, work: Collection):
        said = []
        outcome = perform(
            engine,
            work,
            (replace(launch, image=image),),
            relay_image=lambda: runner,
            inbox=queue.SimpleQueue(),
            emit=said.append,
            logs=lambda _: said.append,
        )
        return outcome.verdict, said

    return ask


def launch(*files: InputFile) -> Launch:
    args = ("-c", 'cat "$0" >&2', FileArg("config.json"))
    return Launch(role="source", image="", entrypoint=("/bin/sh",), args=args, files=files)


def test_file_arrives(asked):
    file = InputFile("config.json", CONTENT)
    verdict, said = asked(launch(file), Collection(run_id="whole", source_files=(file,)))
    assert (verdict.exit_code, verdict.source_code) == (0, 0)
    assert CONTENT.decode() in said


def test_truncated_file_is_named(asked):
    """The container was told a size; less than that comes through the pipe."""
    whole, cut = InputFile("config.json", CONTENT), InputFile("config.json", CONTENT[:-3])
    verdict, said = asked(launch(whole), Collection(run_id="truncated", source_files=(cut,)))
    assert (verdict.exit_code, verdict.side) == (3, "source")
    size = len(CONTENT)
    assert f"`config.json` reached the connector with {size - 3} of its {size} bytes" in verdict.message
    assert CONTENT.decode() not in said
