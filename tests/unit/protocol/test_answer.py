"""Tests how the output of a short command of an Airbyte connector is read."""

import pytest

from tapdock.protocol.answer import read_answer

CONTROL = '{"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","connectorConfig":{"config":%s}}}'


def test_junk_goes_to_the_log():
    assert read_answer(b"starting\n\n  ready \n").logs == (("info", "starting"), ("info", "ready"))
    for text in ("under version control", "KEYCONTROLLER", '{"level":"info","key":"users","token_count":5}'):
        assert read_answer(text.encode()).logs == (("info", text),)


@pytest.mark.parametrize(
    "line",
    [
        (CONTROL % '{"token":"fresh"}')[:-4],
        "'CONTROL' {'x': 'fresh'}",
        '"access_token": "fresh",',
        f"{'x' * 100_000}{CONTROL}",
    ],
)
def test_what_almost_is_a_control_is_reported_by_its_number(line):
    answer = read_answer(f"starting\n{line}\n".encode())
    message = f"line 2 is not a message and may have a config in it: its {len(line)} bytes are not shown"
    assert answer.logs == (("info", "starting"), ("info", message))
    assert answer.config is None


@pytest.mark.parametrize("line", ["INFO " + CONTROL, CONTROL.replace('"CONTROL"', '"Control"'), CONTROL + " done"])
def test_a_whole_control_is_taken(line):
    answer = read_answer((line % '{"token":"fresh"}').encode())
    assert answer.config == '{"token":"fresh"}'
    assert "fresh" not in str(answer.logs)


def test_the_rest_of_a_torn_control_is_not_shown_either():
    printed = (CONTROL % '{\n "id": 1,\n\n "a": "fresh"\n}') + "\nready\n{}\n"
    assert "fresh" not in str(read_answer(printed.encode()))
    assert read_answer(printed.encode()).logs[-2:] == (("info", "ready"), ("info", "{}"))


def test_a_control_without_a_config_is_reported():
    answer = read_answer(b'{"type":"CONTROL","control":{"connectorConfig":"fresh"}}\n')
    assert answer.logs == (("warning", "a CONTROL message of 27 bytes has no readable config"),)
    assert read_answer(b'{"type":"CONTROL","control":{"type":"OTHER"}}\n').logs == ()


def test_a_control_behind_another_message_is_not_lost():
    status = '{"type":"CONNECTION_STATUS","connectionStatus":{"status":"SUCCEEDED"}}'
    answer = read_answer((status + CONTROL % '{"token":"fresh"}').encode())
    assert answer.config == '{"token":"fresh"}'
    assert answer.status
    assert answer.status.status == "SUCCEEDED"
