"""Tests `state export --all` and `state import --all`: nothing is lost, and nothing newer is replaced by accident."""

import json
import secrets
from base64 import urlsafe_b64encode

import pytest

from tapdock.connectors import rotated_config
from tapdock.connectors.rotation_rules import Rules
from tapdock.state import catalogs, transfer
from tapdock.state.backends.base import holder_here
from tapdock.state.backends.file import FileBackend
from tapdock.state.backends.sealed import sealed
from tapdock.state.catalogs import KeptCatalog
from tapdock.state.store import lease, read

pytestmark = pytest.mark.long

KEY = "default:faker-to-lake"
BIG = "12345678901234567890123"
SINGER = '{"bookmarks":{"users":{"id":%s}}}'
FIRST, SECOND = SINGER.replace("%s", BIG), SINGER.replace("%s", "2")
RULES = Rules(rotate="all", program="image faker")
CONFIG = {"token": "old"}


def saved(backend, key: str, text: str, *, at: float) -> None:
    with lease(backend, key, run_id="r1", clock=lambda: at) as held:
        held.save(text, dialect="singer", generations={"users": 7}, names={"users": "u"}, places={"host": "d"})


@pytest.fixture
def other(folder) -> FileBackend:
    return FileBackend(folder / "elsewhere")


@pytest.fixture
def place(request, folder) -> str:
    return {"file": "all.json", "folder": "elsewhere", "database": f"sqlite:///{folder}/all.db"}[request.param]


@pytest.mark.parametrize("place", ["file", "folder", "database"], indirect=True)
def test_all_states_come_back_as_they_were(tapdock, folder, backend, place):
    if place.startswith("sqlite"):
        pytest.importorskip("sqlalchemy")
    saved(backend, KEY, FIRST, at=100.0)
    saved(backend, "prod:faker-to-lake", SECOND, at=100.0)
    rotated_config.record(backend, "default:faker", CONFIG, {"token": "fresh-token"}, RULES)
    backend.put(f"catalog/{KEY}", b'{"version":1}', expected=None)
    ended = tapdock("state", "export", "--all", place)
    assert ended.returncode == 0, ended.stderr
    assert "2 states, 1 rotated configs and 1 catalogs" in ended.stderr
    assert "fresh-token" not in ended.stderr
    before = {name: read(backend, name) for name in (KEY, "prod:faker-to-lake")}
    for file in (folder / ".tapdock" / "state").iterdir():
        if file.is_file():
            file.unlink()
    assert json.loads(tapdock("state", "list", "--json").stdout) == []
    ended = tapdock("state", "import", "--all", place)
    assert (ended.returncode, ": 4 new\n" in ended.stderr) == (0, True), ended.stderr
    for name, envelope in before.items():
        found = read(backend, name)
        for part in ("state", "dialect", "generations", "names", "places"):
            assert getattr(found, part) == getattr(envelope, part)
    assert rotated_config.merge(backend, "default:faker", CONFIG, RULES) == {"token": "fresh-token"}
    assert backend.get(f"catalog/{KEY}").body == b'{"version":1}', "what the next run compares with"
    again = tapdock("state", "import", "--all", place)
    assert (again.returncode, ": 4 unchanged\n" in again.stderr) == (0, True), again.stderr


def test_a_file_is_private_and_not_replaced_unasked(tapdock, folder, backend):
    saved(backend, KEY, FIRST, at=100.0)
    assert tapdock("state", "export", "--all", "all.json").returncode == 0
    file = folder / "all.json"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("mine")
    assert (tapdock("state", "export", "--all", "all.json").returncode, file.read_text()) == (2, "mine")
    assert tapdock("state", "export", "--all", "all.json", "--yes").returncode == 0
    printed = tapdock("state", "export", "--all").stdout
    assert json.loads(printed) == json.loads(file.read_text())
    assert tapdock("state", "import", "--all", "-", stdin=printed).returncode == 0


def test_a_newer_state_is_not_replaced_by_accident(tapdock, folder, backend, other):
    saved(backend, KEY, FIRST, at=100.0)
    saved(backend, "prod:faker-to-lake", FIRST, at=300.0)
    saved(other, KEY, SECOND, at=200.0)
    saved(other, "prod:faker-to-lake", SECOND, at=200.0)

    def texts() -> list[str]:
        return [read(other, name).state for name in (KEY, "prod:faker-to-lake")]

    ended = tapdock("state", "export", "--all", "elsewhere", "--yes")
    assert (ended.returncode, texts()) == (2, [SECOND, SECOND]), "nothing is copied"
    assert f"1 state may be newer in {folder}/elsewhere: {KEY}" in ended.stderr
    assert "`--newer keep`" in ended.stderr
    ended = tapdock("state", "export", "--all", "elsewhere", "--newer", "keep")
    assert (ended.returncode, texts()) == (2, [SECOND, SECOND]), "nobody can be asked"
    ended = tapdock("state", "export", "--all", "elsewhere", "--newer", "keep", "--yes")
    assert (ended.returncode, texts()) == (0, [SECOND, FIRST])
    assert ": 1 replaced, 1 kept because they may be newer\n" in ended.stderr
    ended = tapdock("state", "export", "--all", "elsewhere", "--newer", "replace", "--yes")
    assert (ended.returncode, texts()) == (0, [FIRST, FIRST])
    assert [name for name in other.names() if name.startswith(f"history/{KEY}")], "the replaced one is kept"


def test_states_of_the_same_second_may_be_newer(tapdock, backend, other):
    saved(backend, KEY, FIRST, at=100.0)
    saved(other, KEY, SECOND, at=100.0)
    assert tapdock("state", "import", "--all", "elsewhere", "--yes").returncode == 2
    assert read(backend, KEY).state == FIRST


def test_a_state_that_a_run_saves_meanwhile_is_not_replaced(tapdock, backend, other):
    saved(backend, KEY, FIRST, at=300.0)
    saved(other, KEY, SECOND, at=200.0)
    found = transfer.collected(backend)
    plan = transfer.planned(found, other)
    assert plan.replaced == (KEY,)
    third = SINGER.replace("%s", "3")
    saved(other, KEY, third, at=400.0)
    ((name, error),) = transfer.carry_out(found, plan, frozenset([KEY]), other, run_id="state-export", now=500.0)
    assert (name, type(error).__name__, read(other, KEY).state) == (KEY, "Conflict", third)


def test_what_is_made_at_the_destination_meanwhile_is_not_replaced(backend, other):
    saved(backend, KEY, FIRST, at=300.0)
    for name in ("overlay/default:faker", f"catalog/{KEY}", "catalog/default:other-to-lake"):
        backend.put(name, b"old", expected=None)
    found = transfer.collected(backend)
    plan = transfer.planned(found, other)
    assert len(plan.new) == 4
    saved(other, KEY, SECOND, at=400.0)
    other.put("overlay/default:faker", b"one-time token", expected=None)
    other.put("catalog/default:other-to-lake", b"of a run", expected=None)
    failures = transfer.carry_out(found, plan, frozenset(plan.new), other, run_id="state-import", now=500.0)
    assert {(name, type(error).__name__) for name, error in failures} == {(name, "Conflict") for name in plan.new}
    assert read(other, KEY).state == SECOND
    assert other.get("overlay/default:faker").body == b"one-time token"
    assert other.get("catalog/default:other-to-lake").body == b"of a run"
    assert other.get(f"catalog/{KEY}") is None, "the catalog of another state"


def test_catalogs_are_copied_without_and_beside_states(tapdock, backend, other):
    """A tap without STATE has a catalog, too; and a state that is unchanged may lack its catalog."""
    saved(backend, KEY, FIRST, at=100.0)
    saved(other, KEY, FIRST, at=100.0)
    for key in (KEY, "default:stateless-to-lake"):
        catalogs.keep(backend, KeptCatalog(key=key, run_id="r", saved_at="2026-01-02", streams=()), expected=None)
    older = KeptCatalog(key="default:stateless-to-lake", run_id="q", saved_at="2026-01-01", streams=())
    catalogs.keep(other, older, expected=None)
    ended = tapdock("state", "export", "--all", "elsewhere", "--yes")
    assert (ended.returncode, ": 1 new, 1 replaced, 1 unchanged\n" in ended.stderr) == (0, True), ended.stderr
    for name in backend.names("catalog/"):
        assert other.get(name).body == backend.get(name).body
    version = other.get(f"catalog/{KEY}").version
    other.put(f"catalog/{KEY}", b'{"version":2}', expected=version)
    assert tapdock("state", "export", "--all", "elsewhere", "--yes").returncode == 2, "it may be newer"
    assert other.get(f"catalog/{KEY}").body == b'{"version":2}'


def test_a_config_in_plain_text_is_encrypted_where_it_is_copied_to(tapdock, folder, backend, other):
    pytest.importorskip("cryptography")
    key = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    document = {"tapdock_states": 1, "states": [], "rotated": {"overlay/default:faker": '{"token":"hunter2"}'}}
    (folder / "all.json").write_text(json.dumps(document))
    assert tapdock("state", "import", "--all", "all.json", TAPDOCK_STATE_KEY=key).returncode == 0
    assert b"hunter2" not in backend.get("overlay/default:faker").body
    assert sealed(backend, key).get("overlay/default:faker").body == b'{"token":"hunter2"}'
    backend.put("overlay/default:plain", b"hunter3", expected=None)
    assert tapdock("state", "export", "--all", "elsewhere", TAPDOCK_STATE_KEY=key).returncode == 0
    for name, text in (("faker", b'{"token":"hunter2"}'), ("plain", b"hunter3")):
        assert text not in other.get(f"overlay/default:{name}").body
        assert sealed(other, key).get(f"overlay/default:{name}").body == text


def test_an_encrypted_config_stays_readable_with_its_key_only(tapdock, folder, backend, other):
    key = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    pytest.importorskip("cryptography")
    rotated_config.record(sealed(backend, key), "default:faker", CONFIG, {"token": "fresh-token"}, RULES)
    assert tapdock("state", "export", "--all", "all.json").returncode == 0, "the key is not needed"
    assert "fresh-token" not in (folder / "all.json").read_text()
    assert tapdock("state", "export", "--all", "elsewhere").returncode == 0
    assert rotated_config.merge(sealed(other, key), "default:faker", CONFIG, RULES)["token"] == "fresh-token"
    assert b"fresh-token" not in other.get("overlay/default:faker").body


def test_a_damaged_or_used_state_fails_and_the_others_are_copied(tapdock, backend, other):
    saved(backend, KEY, FIRST, at=100.0)
    saved(backend, "prod:faker-to-lake", FIRST, at=100.0)
    backend.put("default:broken-to-lake", b"{", expected=None)
    with other.acquire(KEY, holder_here("r7", since=0.0)), backend.acquire(KEY, holder_here("r8", since=0.0)):
        ended = tapdock("state", "export", "--all", "elsewhere")
    assert ended.returncode == 7
    assert "state `default:broken-to-lake`" in ended.stderr
    assert f"warning: run r8 holds state {KEY}: it is copied as it was saved last" in ended.stderr
    assert ": 1 new, 1 failed\n" in ended.stderr
    assert (read(other, KEY), read(other, "prod:faker-to-lake").state) == (None, FIRST)
    ended = tapdock("state", "export", "--all", "elsewhere")
    assert (ended.returncode, ": 1 new, 1 unchanged\n" in ended.stderr) == (6, True), "one is still damaged"


def test_a_damaged_state_at_the_destination_is_not_replaced_by_accident(tapdock, backend, other):
    saved(backend, KEY, FIRST, at=100.0)
    other.put(KEY, b"{", expected=None)
    assert tapdock("state", "export", "--all", "elsewhere", "--yes").returncode == 2
    assert tapdock("state", "export", "--all", "elsewhere", "--yes", "--newer", "replace").returncode == 0
    assert read(other, KEY).state == FIRST


def test_a_state_of_the_other_protocol_is_not_imported(tapdock, folder, backend, other):
    saved(other, KEY, FIRST, at=100.0)
    file = folder / "tapdock.yaml"
    file.write_text(file.read_text().replace("image: x", "image: x, kind: airbyte"))
    ended = tapdock("state", "import", "--all", "elsewhere")
    assert (ended.returncode, "needs an Airbyte state" in ended.stderr, backend.names()) == (2, True, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a file with all states"),
        ("{}", "is not a file with all states"),
        ('{"tapdock_states":2,"states":[]}', "another format version"),
        ('{"tapdock_states":1,"states":[],"rotated":{"lease/x":"{}"}}', "`lease/x`, which is not the name of a state"),
        ('{"tapdock_states":1,"states":[],"catalogs":{"lease/x":"{}"}}', "`lease/x`, which is not the name of a state"),
    ],
)
def test_another_file_is_refused(tapdock, folder, backend, text, message):
    (folder / "all.json").write_text(text)
    ended = tapdock("state", "import", "--all", "all.json")
    assert (ended.returncode, message in ended.stderr, backend.names()) == (2, True, [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["export", "--all", ".tapdock/state"], "is the project's own state backend"),
        (["export", "--all", "no/such/folder"], "there is no folder"),
        (["export", "--all", "elsewhere", "--format", "meltano"], "without `--format`"),
        (["export", "demo"], "the option `--format` is missing"),
        (["export", "--format", "meltano"], "the name of the state is missing"),
        (["export", "demo", "--format", "meltano", "--newer", "keep"], "only be used together with `--all`"),
        (["import", "--all", "x.json", "demo"], "under their names"),
        (["import", "--all", "missing.json"], "cannot read missing.json"),
        (["import", "--all", "elsewere"], "there is no state in elsewere"),
        (["import", "x.json", "demo"], "the option `--format` is missing"),
        (["import", "--all", "ftp://x"], "there is no state backend `ftp://`"),
    ],
)
def test_mistakes_are_explained(tapdock, folder, words, message):
    (folder / "x.json").write_text("{}")
    ended = tapdock("state", *words)
    assert (ended.returncode, message in ended.stderr) == (2, True), ended.stderr
