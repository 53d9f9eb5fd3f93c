"""Tests what a check reports, and questions that a connector does not answer, with real programs."""

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapdock.connectors import operations
from tapdock.connectors.about import About, about
from tapdock.connectors.check import Checked, check
from tapdock.connectors.context import Context, PreparedConnector
from tapdock.connectors.images import making
from tapdock.connectors.sample import sample
from tapdock.engines.local import LocalEngine
from tapdock.errors import Interrupted, SourceError, TapdockError, UsageError
from tapdock.project.load import load
from tapdock.relay.signals import Signals
from tapdock.state.backends.file import FileBackend

pytestmark = pytest.mark.long

PROGRAM = """#!%s
import sys, time
name = next((name for name in ("--about", "--discover", "spec", "check", "discover") if name in sys.argv), "")
text, code, pause = %r.get(name, ("", 2, 0))
print(text, flush=True)
time.sleep(pause)
print("the last words", file=sys.stderr)
sys.exit(code)
"""
SETTINGS = json.dumps({"settings": {"properties": {"n": {"type": "integer"}}}, "capabilities": ["batch"]})
CATALOG = '{"streams": [{"tap_stream_id": "a"}, {"tap_stream_id": "b"}]}'
LOG = '{"type": "LOG", "log": {"level": "ERROR", "message": "no"}}'
HINT = "set `kind: airbyte`"
SPEC = json.dumps({"type": "SPEC", "spec": {"connectionSpecification": {}}})
Answers = dict[str, tuple[str, int, float]]
Make = Callable[..., tuple[Context, PreparedConnector, list[str]]]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """made(answers, role="source", **keys) -> a context, the prepared connector, and the list of what is reported."""

    def make(answers: Answers, role: str = "source", **keys: Any) -> tuple[Context, PreparedConnector, list[str]]:
        program = tmp_path / "program"
        program.write_text(PROGRAM % (sys.executable, answers))
        program.chmod(0o755)
        file = tmp_path / "tapdock.yaml"
        file.write_text(json.dumps({"version": 1, f"{role}s": {"x": {"image": str(program), **keys}}}))
        said: list[str] = []
        context = Context(
            engine=LocalEngine(),
            project=load(file, environment=None, environ={}),
            backend=FileBackend(tmp_path / "states"),
            relay_image=lambda: "",
            making=making({}),
            progress=said.append,
            log=said.append,
            signals=Signals(said.append),
            now=time.time,
            patience=0.7,
        )
        project = context.project
        return context, operations.prepare(context, {**project.sources, **project.targets}["x"]), said

    return make


@pytest.mark.parametrize("role", ["source", "target"])
def test_an_optional_question_that_is_not_answered_does_not_fail(made, role):
    context, ready, said = made({"--about": ("", 0, 60)}, role)
    assert about(context, ready) == About(silent=True)
    assert any("did not answer `--about` within 0.7 s" in line for line in said)
    said.clear()
    assert about(context, ready) == About(silent=True)
    assert not any("asking" in line for line in said), "it is not asked again on the same day"


def test_an_answer_before_the_connector_hangs_counts(made):
    context, ready, _ = made({"--about": (SETTINGS, 0, 60)})
    assert about(context, ready).capabilities == ("batch",)


def test_a_damaged_cached_answer_is_asked_for_again(made):
    context, ready, _ = made({"--about": (SETTINGS, 0, 0), "--discover": (CATALOG, 0, 0)})
    known = about(context, ready)
    assert len(operations.discover(context, ready)) == 2
    for damage in (b"{", b"\xff", b"[]", b'{"config": 5}', b'{"config": {"properties": 5}}', b"[" * 100_000):
        for file in [*context.cache.folder.glob("about-*"), *context.cache.folder.glob("catalog-*")]:
            file.write_bytes(damage)
        assert about(context, ready) == known
        assert len(operations.discover(context, ready)) == 2


def result(made: Make, answers: Answers, role: str = "source", **keys: Any) -> Checked:
    context, ready, _ = made(answers, role, **keys)
    return check(context, ready)


def test_a_check_says_what_was_compared_and_what_was_found(made):
    found = result(made, {"--about": (SETTINGS, 0, 0), "--discover": (CATALOG, 0, 0)}, config={"n": 1})
    assert found.succeeded
    assert found.how == "its config against its spec, and by discovery"
    assert found.message.startswith("it offers 2 streams; it lists the same streams without a config")
    assert found.is_partial
    assert result(made, {"--discover": (CATALOG, 0, 0), "--about": ("", 3, 0)}).how == "discovery"


FIXED = """#!%s
import json, sys
config = json.load(open(sys.argv[sys.argv.index("--config") + 1])) if "--config" in sys.argv else {}
if "--discover" not in sys.argv:
    sys.exit(2)
if %r and not config:
    sys.exit("no config")
open(%r, "a").write(json.dumps(config))
print(json.dumps({"streams": [{"tap_stream_id": config.get("n", "a") if %r else "a"}]}))
"""
STATIC = "it offers 1 stream; it lists the same streams without a config, so its credentials were not tested"
UNKNOWN = "it offers 1 stream; a tap may list them without logging in, so its credentials may be untested"


@pytest.mark.parametrize(
    ("refuses", "uses", "message"), [(False, False, STATIC), (True, False, UNKNOWN), (False, True, UNKNOWN)]
)
def test_a_catalog_that_needs_no_config_does_not_use_the_credentials(made, tmp_path, refuses, uses, message):
    context, ready, _ = made({}, config={"n": "1"})
    asked = tmp_path / "asked"
    (tmp_path / "program").write_text(FIXED % (sys.executable, refuses, str(asked), uses))
    found = check(context, ready)
    assert (found.succeeded, found.message) == (True, message)
    assert (found.hint == "`tapdock check x --read 10` tests them: it reads ten records") == (message is STATIC)
    assert found.is_partial == (message is STATIC)
    before = asked.read_text()
    assert check(context, ready).message == message
    assert asked.read_text() == before + '{"n": "1"}', "the question without a config is asked once for a program"


READS = """#!%s
import json, sys, time, signal, os
if "--discover" in sys.argv:
    print(json.dumps({"streams": [{"tap_stream_id": name, "stream": name, "schema": {"properties": {"id": {}}}}
                                  for name in ("a", "b", "c")]}))
    sys.exit()
if "--catalog" not in sys.argv:
    sys.exit(2)
def stop(*_):
    open(%r, "w").write("stopped")
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
for name, count in %r:
    print(json.dumps({"type": "SCHEMA", "stream": name, "schema": {}, "key_properties": []}))
    for number in range(count):
        print(json.dumps({"type": "RECORD", "stream": name, "record": {"id": number, "type": "RECORD"}}), flush=True)
print(json.dumps({"type": "STATE", "value": {}}), flush=True)
sys.exit(%r)
"""
READINGS = [
    pytest.param([("a", 3), ("b", 10**9)], 0, 5, {"a": 3, "b": 2, "c": 0}, False, id="stopped"),
    pytest.param([("a", 3)], 0, 5, {"a": 3, "b": 0, "c": 0}, True, id="ended before"),
    pytest.param([("a", 5)], 0, 5, {"a": 5, "b": 0, "c": 0}, False, id="ended there"),
    pytest.param([], 0, 5, {"a": 0, "b": 0, "c": 0}, True, id="no record"),
    pytest.param([("a", 5)], 3, 5, {"a": 5, "b": 0, "c": 0}, False, id="failed behind the last one"),
]


@pytest.mark.parametrize(("counts", "code", "records", "streams", "is_whole"), READINGS)
def test_the_first_records_of_a_source(made, tmp_path, counts, code, records, streams, is_whole):
    context, ready, _ = made({}, select=["*"])
    stopped = tmp_path / "stopped"
    (tmp_path / "program").write_text(READS % (sys.executable, str(stopped), counts, code))
    found = sample(context, ready, records=records)
    assert (found.streams, found.is_whole) == (streams, is_whole)
    if counts[-1:] == [("b", 10**9)]:
        assert stopped.exists(), "the source is asked to stop, and not killed at once"
    assert not context.backend.names(), "no state is saved"


def test_a_source_that_fails_before_the_last_record_does_not_work(made, tmp_path):
    context, ready, _ = made({})
    (tmp_path / "program").write_text(READS % (sys.executable, "/dev/null", [("a", 2)], 3))
    with pytest.raises(SourceError, match=r"reading failed for source `x` after 2 records \(exit code 3\)"):
        sample(context, ready, records=3)


def test_a_source_that_does_not_stop_is_killed(made, tmp_path):
    context, ready, _ = made({}, stop_grace="0.3s")
    text = READS % (sys.executable, "/dev/null", [("a", 10**9)], 0)
    (tmp_path / "program").write_text(text.replace("SIGTERM, stop", "SIGTERM, signal.SIG_IGN"))
    assert sample(context, ready, records=7).streams == {"a": 7, "b": 0, "c": 0}


def test_a_failed_question_quotes_the_exception_and_not_the_lines_before_it(made, tmp_path):
    context, ready, _ = made({})
    failing = "def f():\n    return {}['schema']\nprint(f())\n"
    (tmp_path / "program").write_text(f"#!{sys.executable}\n{failing}")
    found = check(context, ready)
    assert not found.succeeded
    assert found.message.endswith(": KeyError: 'schema'")
    assert "^" not in found.message


NAMED = json.dumps({"type": "SPEC", "spec": {"connectionSpecification": {"properties": {"count": {}}}}})


@pytest.mark.parametrize(
    ("printed", "config", "doubted"),
    [("", {}, True), ("a traceback", {"count": 1}, True), (LOG, {}, False), ("", {"cuont": 1}, False)],
)
def test_a_failed_check_doubts_the_kind_only_if_nothing_else_is_known(made, printed, config, doubted):
    """A message of Airbyte's protocol shows the kind. A warning has named the setting that is misspelled."""
    context, ready, said = made({"spec": (NAMED, 0, 0), "check": (printed, 1, 0)}, kind="airbyte", config=config)
    found = check(context, msgspec.structs.replace(ready, assumed="set `kind: singer`"))
    assert (found.succeeded, found.hint == "set `kind: singer`") == (False, doubted)
    assert any("did you mean `count`?" in line for line in said) == ("cuont" in config)


@pytest.mark.parametrize(
    ("role", "test"), [("target", "`tapdock check x --write`"), ("source", "`tapdock check x --read 10`")]
)
def test_a_check_of_nothing_does_not_claim_a_success(made, role, test):
    keys = {"discovery": False} if role == "source" else {}
    found = result(made, {"--about": (SETTINGS, 0, 0)}, role, **keys)
    assert (found.how, found.is_partial) == ("its config against its spec", True)
    assert found.hint == f"{test} tests them"
    for printed, code in (("no", 3), ('{"settings": {}}', 0), ('{"settings": {"properties": {}}}', 0)):
        found = result(made, {"--about": (printed, code, 0)}, role, **keys)
        assert (found.how, found.is_partial, found.succeeded) == (None, True, True)
        assert "nothing was contacted" in found.message
        assert HINT in found.hint


@pytest.mark.parametrize(
    ("printed", "code", "words"),
    [
        ("", 0, "discovery failed for source `x`"),
        ("", 1, "the last words"),
        ("starting\nERROR: the password is wrong\n", 1, "(exit code 1): the last words / ERROR: the password is wrong"),
        ('{"streams": [\nERROR: cut\n  ', 1, "the last words / ERROR: cut"),
        ("ready", 0, "text that is not a catalog"),
        ("{}", 0, "text that is not a catalog"),
        ("[]", 0, "text that is not a catalog"),
        ('{"streams": 5}', 0, "text that is not a catalog"),
        ('{"streams": [{}]}', 0, "a stream has no name"),
    ],
)
def test_a_tap_whose_discovery_brings_no_catalog_does_not_work(made, printed, code, words):
    found = result(made, {"--about": ("", 3, 0), "--discover": (printed, code, 0)})
    assert not found.succeeded
    assert words in found.message
    assert HINT in found.hint


def test_a_server_that_cannot_be_reached_has_the_hint_of_its_network(made):
    words = 'psycopg2.OperationalError: could not translate host name "db" to address'
    found = result(made, {"--about": ("", 3, 0), "--discover": (words, 1, 0)})
    assert found.hint.startswith("check the name of the host; the name of a container is only known in its network")


@pytest.mark.parametrize("kind", [{}, {"kind": "singer"}])
@pytest.mark.parametrize("role", ["source", "target"])
def test_messages_of_airbyte_show_that_an_image_was_taken_for_the_wrong_kind(made, role, kind):
    context, ready, _ = made({"--about": (LOG, 1, 0)}, role, **kind)
    with pytest.raises(UsageError, match="messages of Airbyte's") as failed:
        about(context, ready)
    place = f"`{role}s.x`"
    assert failed.value.hint == f"set `kind: airbyte` for {place} (tapdock.yaml:1), or correct its `image`"


def test_messages_of_airbyte_instead_of_a_catalog_show_it_as_well(made):
    with pytest.raises(UsageError, match="it seems to be an Airbyte connector: it printed messages of Airbyte's"):
        result(made, {"--about": ("", 3, 0), "--discover": (LOG, 0, 0)}, kind="singer")


def test_a_destination_that_is_used_as_a_source_does_not_discover(made):
    answers = {
        "spec": (SPEC, 0, 0),
        "discover": ("x: error: (choose from spec, check, write)", 2, 0),
    }
    with pytest.raises(UsageError, match="but it seems to be an Airbyte destination"):
        operations.discover(*made(answers, kind="airbyte")[:2])


AIRBYTE = {"source": "usage: main.py [-h] {spec,check,discover,read} ...", "target": "usage: m {spec,check,write} ..."}
SINGER = {"source": "usage: tap-x [-h] -c CONFIG", "target": "Usage: target-x [OPTIONS]"}
OTHER = {"source": "target", "target": "source"}
USES = {"airbyte": {"source": "an Airbyte source", "target": "an Airbyte destination"}}
USES["singer"] = {"source": "a Singer tap", "target": "a Singer target"}


WRONG = [
    (kind, role, is_kind, is_role)
    for kind, is_kind in (("singer", "airbyte"), ("airbyte", "singer"), ("singer", "singer"))
    for role, is_role in itertools.product(OTHER, OTHER)
    if (kind, role) != (is_kind, is_role)
]


@pytest.mark.parametrize(("kind", "role", "is_kind", "is_role"), WRONG)
@pytest.mark.parametrize("command", [about, check, operations.discover])
def test_a_wrong_kind_or_role_is_named_with_the_change(made, kind, is_kind, role, is_role, command):
    usage = (AIRBYTE if is_kind == "airbyte" else SINGER)[is_role]
    context, ready, _ = made(dict.fromkeys(("--about", "--discover", "spec"), (usage, 2, 0)), role, kind=kind)
    with pytest.raises(UsageError) as failed:
        command(context, ready)
    used = f"{role} `x` is used as {USES[kind][role]}, but it seems to be {USES[is_kind][is_role]}"
    assert failed.value.message == f"{used}: it printed `{usage}`"
    line = f"`{role}s.x` (tapdock.yaml:1)"
    kind_fix = [f"set `kind: {is_kind}` for {line}"] if kind != is_kind else []
    role_fix = [f"move {line} to `{is_role}s`"] if role != is_role else []
    assert failed.value.hint == f"{' and '.join(kind_fix + role_fix)}, or correct its `image`"


@pytest.mark.parametrize(
    ("role", "described"),
    [("target", {"capabilities": ["discover"]}), ("source", {"capabilities": ["about"], "name": "target-x"})],
)
def test_a_singer_connector_that_describes_itself_is_not_used_in_the_other_role(made, role, described):
    settings = json.dumps({"settings": {}, **described})
    for command in (about, check, about):  # the last one takes the remembered description
        context, ready, _ = made({"--about": (settings, 0, 0)}, role, kind="singer")
        with pytest.raises(UsageError, match=f"but it seems to be {USES['singer'][OTHER[role]]}: it reports"):
            command(context, ready)
    context, ready, _ = made({"--about": (settings, 0, 0)}, OTHER[role], kind="singer")
    assert about(context, ready).config == {}


def test_a_failed_status_has_the_hint_of_its_network(made):
    status = {"status": "FAILED", "message": "Connection to localhost:5432 refused."}
    printed = json.dumps({"type": "CONNECTION_STATUS", "connectionStatus": status})
    found = result(made, {"spec": (SPEC, 0, 0), "check": (printed, 0, 0)}, kind="airbyte")
    assert not found.succeeded
    assert found.hint.startswith("in a container, `localhost` is the container itself")


@pytest.mark.parametrize("label", ["airbyte/source-x", "example.com/airbyte/destination-x"])
@pytest.mark.parametrize("role", ["source", "target"])
def test_the_label_of_airbyte_names_the_role(made, role, label):
    context, ready, _ = made({"spec": (SPEC, 0, 0)}, role, kind="airbyte")
    ready = msgspec.structs.replace(
        ready, facts=msgspec.structs.replace(ready.facts, labels={"io.airbyte.name": label})
    )
    if ("source" in label) == (role == "source"):
        assert about(context, ready).config == {}
        return
    with pytest.raises(UsageError, match=f"has the label `io.airbyte.name={label}`"):
        about(context, ready)


def test_what_airbyte_did_not_answer_is_shown_with_its_details(made):
    error = {"message": "failed", "internal_message": "refused\nby db:5432"}
    trace = json.dumps({"type": "TRACE", "trace": {"type": "ERROR", "error": error}})
    found = result(made, {"spec": (SPEC, 0, 0), "check": (trace, 1, 0)}, kind="airbyte")
    assert not found.succeeded
    assert found.message == "check failed for source `x` (exit code 1): failed / refused by db:5432"
    assert found.how == "its `check` command"


def test_what_airbyte_printed_beside_messages_is_the_reason(made):
    found = result(made, {"spec": (SPEC, 0, 0), "check": ("ERROR: no route to host", 1, 0)}, kind="airbyte")
    assert found.message.endswith("(exit code 1): the last words / ERROR: no route to host")


@pytest.mark.parametrize("spec", ["[]", "5", '"a"', '{"properties": 5}'])
def test_a_spec_that_is_not_an_object_is_refused(made, spec):
    printed = f'{{"type": "SPEC", "spec": {{"connectionSpecification": {spec}}}}}'
    context, ready, _ = made({"spec": (printed, 0, 0)}, kind="airbyte")
    with pytest.raises(TapdockError, match="source `x` reported a spec that"):
        about(context, ready)


def test_a_setting_that_nobody_knows_is_pointed_out_once(made):
    answers = {"--about": (SETTINGS, 0, 0), "--discover": (CATALOG, 0, 0)}
    context, ready, said = made(answers, config={"n": 1, "nn": 2})
    operations.discover(context, ready)
    assert check(context, ready).succeeded
    warned = [line for line in said if "warning" in line]
    named = "`nn` is not a setting that the connector names; did you mean `n`?"
    assert warned == [f"warning: tapdock.yaml: sources.x.config: {named}; it may be ignored"]


def test_a_volume_with_the_name_of_a_folder_is_pointed_out(made, tmp_path):
    (tmp_path / "data").mkdir()
    _, _, said = made({}, mounts=["data:/data", "cache:/cache", "./data:/more"])
    wanted = "warning: x mounts the volume `data`, not the folder `./data`; write `./data:/data` for the folder"
    assert [line for line in said if "mounts" in line] == [wanted]


HANGING = """#!%s
import sys, time
print("asked", file=sys.stderr, flush=True)
time.sleep(600)
"""


def test_a_signal_during_a_question_ends_the_question(made, tmp_path):
    """There is no target to wait for."""
    context, ready, said = made({}, kind="airbyte")
    (tmp_path / "program").write_text(HANGING % sys.executable)
    context = msgspec.structs.replace(context, log=lambda _: os.kill(os.getpid(), signal.SIGINT))
    with context.signals, pytest.raises(Interrupted, match="x: stopped by signal"):
        check(context, ready)
    assert [line for line in said if line.startswith("stopping: ")] == ["stopping: ending the question to x"]
