"""Tests that what `select` leaves out does not reach a mapper, which could give it a name that is written."""

import json
import os
import threading

import pytest

from engines.project import wait_for
from support.pod import Pod, drained_until_end
from tapdock.events import Killed, Logged
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.relay.plan import MapperPlan
from tapdock.translate.base import TranslateOptions
from unit.relay.test_mapper import mapping, saved, source_obeys, source_says, verdict

pytestmark = pytest.mark.long

STATE = b'{"type":"STATE","value":{"bookmarks":{"users":{"id":1}}}}\n'
SCHEMAS = (
    (
        b'{"type":"SCHEMA","stream":"users","key_properties":["id"],"schema":{"type":"object","properties":'
        b'{"id":{"type":"integer"},"email":{"type":"string"},"home":{"type":"object","properties":'
        b'{"city":{"type":"string"},"door":{"type":"string"}}}}}}\n'
    ),
    b'{"type":"SCHEMA","stream":"hidden","key_properties":[],"schema":{"type":"object","properties":{}}}\n',
)
USER = (
    b'{"type":"RECORD","stream":"users","record":{"id":1,"email":"a@b","home":{"city":"Bern","door":"7"},"n":1.50}}\n'
)
HIDDEN = b'{"type":"RECORD","stream":"hidden","record":{"email":"c@d"}}\n'


def users(**options) -> ConfiguredStream:
    names = ("id", "email", "home", "n")
    offered = Stream(name="users", json_schema={"type": "object", "properties": {name: {} for name in names}})
    return ConfiguredStream(stream=offered, sync_mode="full_refresh", **options)


def renaming(line: bytes) -> list[bytes]:
    """Give every stream a new name, as `__alias__` does."""
    return [line.replace(b'"stream":"', b'"stream":"new_')]


def test_a_key_that_is_excluded_by_name(tmp_path):
    """Without a mapper, this is the same error: rows without their key would be written twice."""
    pod = Pod(tmp_path, mapper=MapperPlan(), streams=(users(excluded=("id",), denied=("id",)),))
    source_says(pod, *SCHEMAS[:1], USER, code=None)
    threading.Thread(target=source_obeys, args=(pod,), daemon=True).start()
    wait_for(lambda: Killed("mapper") in pod.events, "its end")
    pod.mapper.leave()
    drained_until_end(pod)
    assert verdict(pod)[:2] == (5, "runner")
    assert b"RECORD" not in pod.received


@pytest.mark.parametrize("denied", [(), ("hid*",)])
def test_excluded_fields_and_streams_of_a_tap_that_sends_them(tmp_path, denied):
    """Nothing of them is in the target under any name. The key stays, and so do all digits of the other fields."""
    pod = Pod(
        tmp_path,
        mapper=MapperPlan(),
        streams=(users(excluded=("email", "id"), nested=(("home", "door"),)),),
        translation=TranslateOptions(excluded=() if denied else ("hidden",), denied=denied),
    )
    source_says(pod, b"text\n", *SCHEMAS, USER, HIDDEN, STATE)
    mapping(pod, renaming)
    drained_until_end(pod)
    assert verdict(pod) == (0, None, None)
    found = [json.loads(line) for line in pod.received.splitlines()]
    schema = next(each["schema"] for each in found if each["type"] == "SCHEMA")["properties"]
    assert {each.get("stream") for each in found} == {"new_users", None}
    assert set(schema) == {"id", "home"}
    assert set(schema["home"]["properties"]) == {"city"}
    assert b'"record":{"id":1,"home":{"city":"Bern"},"n":1.50}' in pod.received
    assert pod.verdict.mapper.records_in == {"users": 1}
    assert len(saved(pod)) == 1
    warned = [event.message for event in pod.events if isinstance(event, Logged) and event.level == "warning"]
    assert any("stream `hidden` is not selected, but the tap sends it" in each for each in warned)


def test_a_run_that_reads_everything_passes_the_bytes(tmp_path):
    pod = Pod(tmp_path, mapper=MapperPlan(), streams=(users(),))
    got = b""
    source_says(pod, *SCHEMAS, USER)
    while chunk := os.read(pod.mapper.input, 1 << 16):
        got += chunk
    assert got == b"".join(SCHEMAS) + USER
    pod.mapper.say("exit 0\n")
    pod.mapper.leave()
    drained_until_end(pod)
    assert verdict(pod)[0] == 0
