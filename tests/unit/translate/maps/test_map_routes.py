"""Tests stream maps on all four routes: the same values everywhere, and states that cover every copy."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from tapdock.errors import TranslationError, UsageError
from tapdock.events import Event
from tapdock.project.maps import MapKeys
from tapdock.project.secret import Secret
from tapdock.protocol.catalog import ConfiguredStream, configured_catalog, parse_catalog
from tapdock.translate import ROUTES
from tapdock.translate.base import TranslateOptions, Translator
from tapdock.translate.catalogs.singer import singer_streams
from tapdock.translate.maps.landing import landed_streams
from tapdock.translate.maps.settings import checked
from tapdock.translate.write.airbyte_stream import destination_streams

TEXT = {"type": ["null", "string"]}
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "email": TEXT,
        "plan": TEXT,
        "price": {"type": ["null", "number"]},
        "address": {"type": ["null", "object"], "properties": {"city": TEXT, "email": TEXT}},
    },
}
KEY = Secret("a key of more than sixteen bytes")
RECORDS = (
    '{"id":1,"email":"ada@example.com","plan":"pro","price":12.50,"address":{"city":"Oslo","email":"x@example.com"}}',
    '{"id":2,"email":null,"plan":"free","price":1e2,"address":null}',
    '{"id":3,"email":"bob@example.com","plan":"pro","price":0.1}',
)
OTHER = '{"id" : 1.0, "email":"kept@example.com"}'
"""A record of a stream without a map, which keeps its bytes."""


def offered(route: str) -> tuple[ConfiguredStream, ...]:
    names = ("users", "plain")
    if route.startswith("singer"):
        entries = [
            {"tap_stream_id": name, "stream": name, "schema": SCHEMA, "key_properties": ["id"]} for name in names
        ]
        streams = singer_streams(json.dumps({"streams": entries}).encode())
    else:
        described = [{"name": name, "json_schema": SCHEMA, "source_defined_primary_key": [["id"]]} for name in names]
        streams = parse_catalog(json.dumps({"streams": described}).encode())
    return tuple(
        ConfiguredStream(
            stream=one, sync_mode="full_refresh", destination_sync_mode="append_dedup", primary_key=(("id",),)
        )
        for one in streams
    )


def begun(route: str, maps: dict[str, Any], events: list[Event], **options: Any) -> tuple[Translator, bytes]:
    settings = checked(MapKeys(maps=maps, hash_key=KEY))
    translation = TranslateOptions(maps=settings, **options)
    run = ROUTES[route](
        streams=offered(route), saved=None, emit=events.append, clock=lambda: 0.0, translation=translation
    )
    opening = run.opening()
    if route.startswith("singer"):
        for name in ("users", "plain"):
            declared = {"type": "SCHEMA", "stream": name, "schema": SCHEMA, "key_properties": ["id"]}
            opening += run.feed(json.dumps(declared).encode() + b"\n")
    return run, opening


def message(route: str, body: str, stream: str = "users") -> bytes:
    if route.startswith("singer"):
        return f'{{"type":"RECORD","stream":"{stream}","record":{body}}}\n'.encode()
    return f'{{"type":"RECORD","record":{{"stream":"{stream}","data":{body},"emitted_at":1}}}}\n'.encode()


def written(lines: bytes) -> list[tuple[str, Any]]:
    """Return the stream and the body of each record that the target gets, without tapdock's own column."""
    found = []
    for each in (json.loads(line, parse_float=str) for line in lines.splitlines()):
        if each["type"] == "RECORD":
            record = each["record"]
            name, body = (record["stream"], record["data"]) if "stream" not in each else (each["stream"], record)
            found.append((name, {key: value for key, value in body.items() if key != "_sdc_sequence"}))
    return found


def catalog(route: str, maps: dict[str, Any], opening: bytes) -> dict[str, dict[str, Any]]:
    """Return the schema, the key and the name of each stream in the target."""
    if route.endswith("singer"):
        schemas = [each for each in map(json.loads, opening.splitlines()) if each["type"] == "SCHEMA"]
        return {each["stream"]: {"schema": each["schema"], "key": each["key_properties"]} for each in schemas}
    targets = tuple(one.target for one in landed_streams(offered(route), checked(MapKeys(maps=maps, hash_key=KEY))))
    streams = destination_streams(targets) if route.startswith("singer") else targets
    described = json.loads(configured_catalog(streams))["streams"]
    return {
        each["stream"]["name"]: {
            "schema": each["stream"]["json_schema"],
            "key": [path[0] for path in each["primary_key"]],
        }
        for each in described
    }


MAPS: dict[str, dict[str, Any]] = {
    "computed": {"users": {"email": "email.lower() if email else 'none'", "twice": "int(id) * 2"}},
    "renamed": {"users": {"__alias__": "people", "plan": None}},
    "filtered": {"users": {"__filter__": "plan == 'pro'", "price": "price * 2"}},
    "only listed": {"users": {"__else__": None, "who": "hash(email)"}},
    "rules": {"*.email": "hash"},
    "copies": {"free": {"__source__": "users", "__filter__": "plan == 'free'"}, "users": {"price": None}},
}


@pytest.mark.parametrize("name", MAPS)
def test_the_same_map_gives_the_same_rows_on_all_routes(name: str) -> None:
    maps = MAPS[name]
    rows, schemas = {}, {}
    for route in ROUTES:
        run, opening = begun(route, maps, [])
        sent = b"".join(run.feed(message(route, body)) for body in RECORDS)
        rows[route] = written(sent)
        found = catalog(route, maps, opening)
        schemas[route] = {
            stream: (sorted(set(each["schema"]["properties"]) - {"_sdc_sequence"}), each["key"])
            for stream, each in found.items()
        }
    first = rows["airbyte-airbyte"]
    assert first
    assert all(each == first for each in rows.values()), rows
    assert all(each == schemas["airbyte-airbyte"] for each in schemas.values()), schemas


@pytest.mark.parametrize("route", ROUTES)
def test_what_a_map_does(route: str) -> None:
    maps = {
        "users": {"__alias__": "people", "__filter__": "plan == 'pro'", "email": "hash(email)", "plan": None},
        "cities": {
            "__source__": "users",
            "__else__": None,
            "city": "record.get('address', {}).get('city') if record.get('address') else None",
        },
    }
    run, opening = begun(route, maps, [])
    sent = b"".join(run.feed(message(route, body)) for body in RECORDS)
    rows = written(sent)
    assert [name for name, _ in rows] == ["people", "cities", "cities", "people", "cities"]
    assert rows[0][1]["price"] == "12.50", "values that nothing maps keep their digits"
    assert b"ada@example.com" not in sent
    assert len(rows[0][1]["email"]) == 64
    assert rows[1][1] == {"id": 1, "city": "Oslo"}
    assert catalog(route, maps, opening).keys() == {"people", "cities", "plain"}
    (report, _) = run.counts.reports()
    assert (report.stream, report.records, report.filtered) == ("users", 3, 0)
    assert report.written == {"people": 2, "cities": 3}


@pytest.mark.parametrize("route", ROUTES)
def test_a_record_that_no_map_takes_is_counted(route: str) -> None:
    run, _ = begun(route, {"users": {"__filter__": "plan == 'pro'"}}, [])
    run.feed(b"".join(message(route, body) for body in RECORDS))
    (report, _) = run.counts.reports()
    assert (report.records, report.filtered, report.written) == (2, 1, {"users": 2})


@pytest.mark.parametrize("route", ROUTES)
def test_a_stream_without_a_map_keeps_its_bytes(route: str) -> None:
    run, _ = begun(route, {"users": {"__alias__": "people", "email": "hash(email)"}}, [])
    body = OTHER.replace("1.0", "1")
    line = message(route, body, "plain")
    sent = run.feed(line)
    if route in ("airbyte-airbyte", "singer-singer"):
        assert sent == line
    else:
        assert body[1:].encode() in sent
    (_, report) = run.counts.reports()
    assert (report.stream, report.written) == ("plain", None)


@pytest.mark.parametrize("route", ROUTES)
def test_a_record_that_cannot_be_computed_is_refused_without_its_values(route: str) -> None:
    run, _ = begun(route, {"copy": {"__source__": "users"}, "users": {"half": "1 / price"}}, [])
    body = '{"id":77,"email":"ada@example.com","price":0}'
    with pytest.raises(TranslationError) as raised:
        run.feed(message(route, body))
    said = str(raised.value)
    assert "stream `users`" in said
    assert "`half`" in said
    assert "`1 / price`" in said
    assert "`id`" in said
    assert not any(word in said for word in ("77", "ada"))


@pytest.mark.parametrize("route", ROUTES)
def test_a_bad_record_is_set_aside_without_protected_fields_and_is_in_no_copy(route: str) -> None:
    events: list[Event] = []
    maps = {"copy": {"__source__": "users"}, "users": {"half": "1 / price", "email": "hash(email)"}}
    run, _ = begun(route, maps, events, on_bad_record="set_aside")
    sent = run.feed(message(route, '{"id":77,"email":"ada@example.com","price":0}') + message(route, RECORDS[2]))
    assert [name for name, _ in written(sent)] == ["users", "copy"]
    assert "half" in repr(events)
    assert "ada@example.com" not in repr(events)
    (report, _) = run.counts.reports()
    assert (report.records, report.set_aside, report.written) == (1, 1, {"users": 1, "copy": 1})


@pytest.mark.parametrize("route", ROUTES)
def test_undeclared_fields_of_a_mapped_stream(route: str) -> None:
    maps = {"users": {"email": "hash(email)"}}
    body = '{"id":1,"email":"ada@example.com","new":"n"}'
    for policy, fields in (("drop", {"id", "email"}), ("pass", {"id", "email", "new"})):
        run, _ = begun(route, maps, [], undeclared=policy)
        ((_, row),) = written(run.feed(message(route, body)))
        assert row.keys() == fields, policy
    run, _ = begun(route, maps, [], undeclared="json")
    ((_, row),) = written(run.feed(message(route, body)))
    assert row["_undeclared"] == {"new": "n"}
    run, _ = begun(route, maps, [], undeclared="fail")
    with pytest.raises(TranslationError, match="`new`, which its schema does not declare"):
        run.feed(message(route, body))


@pytest.mark.parametrize("route", ROUTES)
def test_two_streams_with_one_name_are_refused(route: str) -> None:
    with pytest.raises(UsageError, match="to the stream `plain`"):
        begun(route, {"users": {"__alias__": "plain"}}, [])


@pytest.mark.parametrize("route", ROUTES)
def test_undeclared_fields_are_counted_once_for_all_copies(route: str) -> None:
    run, _ = begun(route, {"copy": {"__source__": "users"}, "users": {"price": None}}, [], undeclared="drop")
    run.feed(message(route, '{"id":1,"new":"n"}') + message(route, '{"id":2,"new":"n"}'))
    (report, _) = run.counts.reports()
    assert (report.undeclared, report.written) == ({"new": 2}, {"users": 2, "copy": 2})


# --- what a rule protects --------------------------------------------------------------------------------------------

PLAIN = "ada@example.com"
ADDRESS = f'{{"id":1,"address":{{"city":"Oslo","email":"{PLAIN}"}}}}'


@pytest.mark.parametrize("entry", ["address", "record['address']"])
@pytest.mark.parametrize("route", ROUTES)
def test_an_entry_for_a_field_does_not_undo_a_rule_for_a_field_inside_of_it(route: str, entry: str) -> None:
    run, _ = begun(route, {"*.email": "hash", "users": {"address": entry}}, [])
    assert PLAIN.encode() not in run.feed(message(route, ADDRESS))


@pytest.mark.parametrize("route", ROUTES)
def test_a_rule_protects_fields_in_json_that_is_a_text(route: str) -> None:
    run, _ = begun(route, {"*.email": "hash"}, [])
    body = json.dumps({"id": 1, "address": json.dumps({"city": "Oslo", "email": PLAIN})})
    sent = run.feed(message(route, body))
    assert PLAIN.encode() not in sent
    assert b"Oslo" in sent


@pytest.mark.parametrize("member", ["data", "record"])
def test_a_message_with_a_member_twice_is_written_anew(member: str) -> None:
    run, _ = begun("airbyte-airbyte", {"*.email": "hash"}, [])
    body = f'{{"id":1,"email":"{PLAIN}"}}'
    if member == "data":
        text = f'{{"type":"RECORD","record":{{"stream":"users","data":{body},"data":{{"id":1}},"emitted_at":1}}}}'
    else:
        inner = [f'"record":{{"stream":"users","data":{one},"emitted_at":1}}' for one in (body, '{"id":1}')]
        text = f'{{"type":"RECORD",{inner[0]},{inner[1]}}}'
    sent = run.feed(text.encode() + b"\n")
    assert PLAIN.encode() not in sent
    assert written(sent) == [("users", {"id": 1})]


@pytest.mark.parametrize("route", ["singer-singer", "singer-airbyte"])
def test_a_bad_record_of_a_stream_in_no_catalog_is_not_kept(route: str) -> None:
    events: list[Event] = []
    settings = checked(MapKeys(maps={"*.email": "mask", "users": {"half": "1 / price"}}, hash_key=KEY))
    translation = TranslateOptions(maps=settings, on_bad_record="set_aside", spool=route == "singer-airbyte")
    run = ROUTES[route](streams=(), saved=None, emit=events.append, clock=lambda: 0.0, translation=translation)
    declared = {"type": "SCHEMA", "stream": "users", "schema": SCHEMA, "key_properties": ["id"]}
    lines = json.dumps(declared).encode() + b"\n" + message(route, f'{{"id":1,"email":"{PLAIN}","price":0}}')
    if translation.spool:
        run.scan(lines)
        run.catalog()
    run.opening()
    assert PLAIN.encode() not in run.feed(lines)
    assert any("half" in repr(event) for event in events)
    assert PLAIN not in repr(events)


@pytest.mark.parametrize("route", ROUTES)
def test_a_field_that_gets_another_value_is_not_kept_in_a_bad_record(route: str) -> None:
    events: list[Event] = []
    maps = {"users": {"email": "'redacted'", "half": "1 / price"}}
    run, _ = begun(route, maps, events, on_bad_record="set_aside")
    run.feed(message(route, f'{{"id":1,"email":"{PLAIN}","price":0}}'))
    assert "half" in repr(events)
    assert PLAIN not in repr(events)


@pytest.mark.parametrize("junk", [f'{{"id":3,"email":"{PLAIN}"}}', f'"email": "{PLAIN}"', f'x {{"email": "{PLAIN}"'])
@pytest.mark.parametrize("route", ROUTES)
def test_a_line_that_is_no_message_is_not_logged_if_it_may_have_protected_fields(route: str, junk: str) -> None:
    events: list[Event] = []
    run, _ = begun(route, {"*.email": "mask"}, events)
    sent = run.feed(junk.encode() + b"\nplain text of a connector\n")
    assert PLAIN not in repr(events)
    assert PLAIN.encode() not in sent
    assert "bytes are not shown" in repr(events)
    assert "plain text of a connector" in repr(events)


@pytest.mark.parametrize("mark", ["_ab_cdc_deleted_at", "_sdc_deleted_at"])
@pytest.mark.parametrize("route", ROUTES)
def test_a_filter_lets_deletes_pass(route: str, mark: str) -> None:
    run, _ = begun(route, {"users": {"__filter__": "plan == 'pro'"}}, [])
    ((_, row),) = written(run.feed(message(route, f'{{"id":1,"plan":null,"{mark}":"2026-01-01T00:00:00Z"}}')))
    assert row["id"] == 1
    assert row[mark]


@pytest.mark.parametrize("maps", [{"*": {"__alias__": "all"}}, {"users": {"__alias__": "plain"}}])
def test_two_streams_of_no_catalog_with_one_name_are_refused(maps: dict[str, Any]) -> None:
    settings = checked(MapKeys(maps=maps))
    translation = TranslateOptions(maps=settings)
    run = ROUTES["singer-singer"](
        streams=(), saved=None, emit=lambda _: None, clock=lambda: 0.0, translation=translation
    )
    schemas = [
        json.dumps({"type": "SCHEMA", "stream": name, "schema": SCHEMA, "key_properties": ["id"]})
        for name in ("users", "plain")
    ]
    with pytest.raises(TranslationError, match="share the table"):
        run.feed("\n".join(schemas).encode() + b"\n")


@pytest.mark.parametrize("route", ROUTES)
def test_a_map_of_a_stream_without_declared_fields_keeps_the_rest_of_its_records(route: str) -> None:
    settings = checked(MapKeys(maps={"users": {"email": "hash(record['email'])"}}, hash_key=KEY))
    translation = TranslateOptions(maps=settings, schemaless="json")
    if route.startswith("singer"):
        streams = singer_streams(b'{"streams":[{"tap_stream_id":"users","stream":"users","schema":{}}]}')
    else:
        streams = parse_catalog(b'{"streams":[{"name":"users","json_schema":{}}]}')
    chosen = tuple(ConfiguredStream(stream=one, sync_mode="full_refresh") for one in streams)
    run = ROUTES[route](streams=chosen, saved=None, emit=lambda _: None, clock=lambda: 0.0, translation=translation)
    if route.startswith("singer"):
        run.feed(b'{"type":"SCHEMA","stream":"users","schema":{},"key_properties":[]}\n')
    ((_, row),) = written(run.feed(message(route, f'{{"id":1,"email":"{PLAIN}"}}')))
    assert row["data"]["id"] == 1
    assert len(row["data"]["email"]) == 64


# --- states ----------------------------------------------------------------------------------------------------------


def state(route: str, number: int) -> bytes:
    if route.startswith("singer"):
        return b'{"type":"STATE","value":{"bookmarks":{"users":{"id":%d}}}}\n' % number
    described = {"stream_descriptor": {"name": "users"}, "stream_state": {"id": number}}
    return json.dumps({"type": "STATE", "state": {"type": "STREAM", "stream": described}}).encode() + b"\n"


def states(lines: Iterable[bytes]) -> list[bytes]:
    return [line for line in lines if json.loads(line)["type"] == "STATE"]


COPIES = {"users": {"__alias__": "people"}, "copy": {"__source__": "users", "__filter__": "plan == 'free'"}}


def test_an_airbyte_state_is_saved_when_every_copy_has_acknowledged_it() -> None:
    route = "airbyte-airbyte"
    run, _ = begun(route, COPIES, [])
    sent = [states(run.feed(message(route, RECORDS[1]) + state(route, n)).splitlines()) for n in (1, 2)]
    descriptors = [json.loads(line)["state"]["stream"]["stream_descriptor"]["name"] for pair in sent for line in pair]
    assert descriptors == ["people", "copy"] * 2
    (people1, copy1), (people2, copy2) = sent
    assert run.acked(people2)
    assert run.states.committed() is None, "the copy has not acknowledged anything"
    run.acked(copy1)
    assert '"id": 1' in (run.states.committed() or "").replace('"id":1', '"id": 1')
    assert not run.states.settled
    run.acked(copy2)
    saved = json.loads(run.states.committed() or "")
    assert saved[0]["stream"]["stream_state"] == {"id": 2}
    assert saved[0]["stream"]["stream_descriptor"]["name"] == "users", "the source gets its own name"
    assert run.states.settled
    assert people1


@pytest.mark.parametrize("route", ["airbyte-singer", "singer-singer", "singer-airbyte"])
def test_states_of_other_routes_keep_the_names_of_the_source(route: str) -> None:
    run, _ = begun(route, COPIES, [])
    sent = run.feed(message(route, RECORDS[1]) + state(route, 7)) + run.closing(complete=True)
    acknowledged = states(sent.splitlines())[-1]
    if route.endswith("singer"):
        acknowledged = json.dumps(json.loads(acknowledged)["value"]).encode()
    run.acked(acknowledged)
    assert "users" in (run.states.committed() or "")
    assert "people" not in (run.states.committed() or "")


@pytest.mark.parametrize("route", ["airbyte-airbyte", "singer-airbyte"])
def test_every_copy_is_completed(route: str) -> None:
    run, _ = begun(route, COPIES, [])
    sent = run.feed(message(route, RECORDS[1])) + run.closing(complete=True)
    traces = [each["trace"] for each in map(json.loads, sent.splitlines()) if each["type"] == "TRACE"]
    completed = [each["stream_status"]["stream_descriptor"]["name"] for each in traces]
    assert sorted(completed) == ["copy", "people", "plain"]
