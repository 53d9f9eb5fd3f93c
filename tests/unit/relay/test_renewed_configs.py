"""Tests that a config that a connector renewed (a token that is valid once) is kept, however the run ends."""

import json
import os
from collections.abc import Iterator

import pytest

from engines.project import wait_for
from support.pod import Pod, drained_until_end
from tapdock.connectors.selection import select_streams
from tapdock.events import Killed, Rotated
from tapdock.protocol.catalog import parse_catalog
from tapdock.relay.messages import Kill, Stop
from tapdock.relay.pump import whole_lines

ACCOUNT = 12345678901234567890123
RECORD = b'{"type":"RECORD","record":{"stream":"users","data":{"id":1},"emitted_at":1}}\n'
BAD = b'{"type":"RECORD","record":{"stream":"ghosts","data":{"id":1},"emitted_at":1}}\n'
ROUTES = ["airbyte-singer", "airbyte-airbyte"]


def control(token: str) -> bytes:
    config = {"token": token, "account": ACCOUNT}
    body = {"type": "CONNECTOR_CONFIG", "emitted_at": 1.5, "connectorConfig": {"config": config}}
    return json.dumps({"type": "CONTROL", "control": body}).encode() + b"\n"


def streams() -> tuple:
    offered = b'{"streams":[{"name":"users","json_schema":{"properties":{"id":{"type":"integer"}}}}]}'
    return select_streams(parse_catalog(offered), [], {})


def kept(pod: Pod, side: str = "source") -> list[dict]:
    return [json.loads(event.config) for event in pod.events if isinstance(event, Rotated) and event.side == side]


def new(token: str) -> dict:
    return {"token": token, "account": ACCOUNT}


def leave(pod: Pod, code: int = 143) -> None:
    pod.source.say(f"exit {code}\n")
    pod.source.leave()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("before", [b"", control("old"), b"junk\n"])
def test_behind_a_line_that_cannot_be_translated(tmp_path, route, before):
    """It may be in the same batch as the line, in the next one, or in two batches."""
    pod = Pod(tmp_path, route=route, streams=streams())
    last = control("last")
    os.write(pod.source.out, before + BAD + control("second") + RECORD + last[:40])
    assert b"stop" in os.read(pod.source.orders, 100)
    os.write(pod.source.out, last[40:] + RECORD)
    leave(pod)
    drained_until_end(pod)
    assert pod.ended().exit_code == 5
    assert kept(pod)[-2:] == [new("second"), new("last")]


def test_behind_a_line_that_is_too_long(tmp_path):
    from tapdock.translate.base import TranslateOptions

    pod = Pod(tmp_path, route="airbyte-singer", streams=streams(), translation=TranslateOptions(max_line=1000))
    os.write(pod.source.out, RECORD[:-3] + b" " * 2000)
    assert b"stop" in os.read(pod.source.orders, 100)
    os.write(pod.source.out, b"}}\n" + control("new"))
    leave(pod)
    drained_until_end(pod)
    assert pod.ended().exit_code == 5
    assert kept(pod) == [new("new")]


@pytest.mark.parametrize("route", ROUTES)
def test_after_the_target_has_exited(tmp_path, route):
    pod = Pod(tmp_path, route=route, streams=streams())
    pod.target.say("exit 1\n")
    pod.target.leave()
    assert b"stop" in os.read(pod.source.orders, 100)
    first = control("new")
    os.write(pod.source.out, RECORD + first[:50])
    os.write(pod.source.out, first[50:])
    leave(pod)
    assert pod.ended().exit_code == 4
    assert kept(pod) == [new("new")]


@pytest.mark.parametrize("order", [Stop(code=130), Kill(code=130)])
def test_after_a_signal(tmp_path, order):
    pod = Pod(tmp_path, route="airbyte-singer", streams=streams())
    os.write(pod.source.out, RECORD)
    pod.inbox.put(order)
    wait_for(lambda: Killed("source") in pod.events, "the end of the source")
    os.write(pod.source.out, control("new"))
    leave(pod)
    if isinstance(order, Stop):
        drained_until_end(pod)
    else:
        pod.target.leave()
    assert pod.ended().exit_code == 130
    assert kept(pod) == [new("new")]


def test_while_the_target_never_starts(tmp_path):
    pod = Pod(tmp_path, greet=False, route="airbyte-singer", streams=streams())
    pod.source.say("hello\n")
    os.write(pod.source.out, RECORD + control("new"))
    pod.target.say("exit 1\n")
    pod.target.leave()
    os.read(pod.source.orders, 100)  # the source is stopped or killed
    leave(pod)
    assert pod.ended().exit_code == 4
    assert kept(pod) == [new("new")]


def test_of_a_destination_behind_an_acknowledgement_that_is_wrong(tmp_path):
    wrong = b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"},'
    wrong += b'"stream_state":{"singer_seq":99}}}}\n'
    pod = Pod(tmp_path, route="singer-airbyte", streams=streams())
    os.write(pod.target.out, wrong + control("second") + control("third")[:20])
    assert b"stop" in os.read(pod.source.orders, 100)
    leave(pod)
    drained_until_end(pod, acknowledges=False, first=control("third")[20:])
    assert pod.ended().exit_code == 4
    assert kept(pod, "target") == [new("second"), new("third")]


def test_a_tap_has_no_such_message(tmp_path):
    pod = Pod(tmp_path)
    os.write(pod.source.out, b'{"type":"STATE","value":7}\n' + control("new"))
    assert b"stop" in os.read(pod.source.orders, 100)
    leave(pod)
    drained_until_end(pod)
    assert pod.ended().exit_code == 5
    assert kept(pod) == []


def test_the_same_config_is_reported_once(tmp_path):
    pod = Pod(tmp_path, route="airbyte-singer", streams=streams())
    os.write(pod.source.out, control("a") * 3 + control("b") + control("a"))
    leave(pod, 0)
    drained_until_end(pod)
    assert pod.ended().exit_code == 0
    assert kept(pod) == [new("a"), new("b"), new("a")]


def test_a_line_that_is_not_complete_is_known_when_its_batch_is_used() -> None:
    """So what follows a failure is read from the middle of that line."""
    begun: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        yield b"one\ntw"
        yield b"o"
        yield b"\nthree\nfour"

    found = [(lines, b"".join(begun)) for lines in whole_lines(chunks(), 100, begun)]
    assert found == [(b"one\n", b"tw"), (b"two\nthree\n", b"four"), (b"four", b"")]
