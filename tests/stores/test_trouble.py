"""Tests wrong answers of real servers, and mistakes of users: each is reported once, with the next command."""

import uuid

import pytest

from stores import faulty, servers
from stores.faulty import LATE, LOST
from tapdock.errors import Conflict, StateError, UsageError
from tapdock.state.backends.base import Backend, open_backend

pytestmark = pytest.mark.docker
BUCKETS = ("moto", "azurite", "gcs")


@pytest.fixture(params=BUCKETS)
def bucket(request) -> str:
    return request.param


@pytest.fixture
def front(bucket, server, monkeypatch):
    """Yield a proxy for the server. `backend` uses this proxy."""
    made = server(bucket)
    with faulty.in_front_of(made.address) as front:
        if bucket == "azurite":
            monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", servers.AZURITE.format(address=front.address))
        if bucket == "gcs":
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", front.address)
        yield front


@pytest.fixture
def backend(front, bucket, server, tmp_path) -> Backend:
    uri = server(bucket)(f"t{uuid.uuid4().hex[:12]}")
    return open_backend(uri.replace(server(bucket).address, front.address), tmp_path)


@pytest.mark.parametrize("faults", [[500], [503, 503], [429], [LOST], [503, LOST, 500]], ids=str)
def test_what_passes_is_tried_again_and_written_once(backend, front, faults):
    first = backend.put("a", b"1", expected=None)
    front.faults = list(faults)
    second = backend.put("a", b"2", expected=first)
    assert front.faults == []
    assert backend.get("a") == (b"2", second)
    front.faults = list(faults)
    backend.put("b", b"3", expected=None)
    assert backend.get("b").body == b"3"


def test_an_answer_that_comes_too_late(backend, front):
    """The write was executed, and the retry recognizes its own write."""
    first = backend.put("a", b"1", expected=None)
    front.faults = [LATE]
    second = backend.put("a", b"2", expected=first)
    assert backend.get("a") == (b"2", second)


def test_a_failure_that_lasts_is_reported(backend, front):
    front.faults = [503] * 100
    with pytest.raises(StateError) as told:
        backend.put("a", b"1", expected=None)
    assert told.value.retryable
    assert told.value.message.startswith(f"cannot save `a` in {backend.uri}: ")
    assert front.requests == 5
    front.faults = []
    assert backend.get("a") is None


def test_a_refused_condition_is_not_tried_again(backend, front):
    backend.put("a", b"1", expected=None)
    front.requests = 0
    with pytest.raises(Conflict):
        backend.put("a", b"2", expected=None)
    assert front.requests == 1


def test_a_refused_login_is_not_tried_again(backend, front):
    front.faults = [403] * 100
    with pytest.raises(StateError) as told:
        backend.put("a", b"1", expected=None)
    assert not told.value.retryable
    assert front.requests == 1
    assert told.value.hint


def test_a_bucket_that_is_not_there(bucket, server, tmp_path):
    uri = server(bucket)("x").replace("://states/", "://missing/")
    with pytest.raises(StateError, match=r"there is no (bucket|container) `missing`") as told:
        open_backend(uri, tmp_path).put("a", b"1", expected=None)
    assert "creates it" in told.value.hint
    assert not told.value.retryable


def test_nobody_answers(bucket, server, tmp_path, monkeypatch):
    uri = server(bucket)("x").replace(server(bucket).address, "http://127.0.0.1:1")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", servers.AZURITE.format(address="http://127.0.0.1:1"))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    with pytest.raises(StateError) as told:
        open_backend(uri, tmp_path).store.read("a")
    assert told.value.retryable
    assert "can be reached" in told.value.hint


def test_no_credentials_for_s3(server, tmp_path, monkeypatch):
    uri = server("moto")("x")
    for name in servers.ANYBODY:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StateError, match="Unable to locate credentials") as told:
        open_backend(uri, tmp_path).get("a")
    assert "aws sts get-caller-identity" in told.value.hint


def test_no_account_for_azure(tmp_path, monkeypatch):
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="does not name a storage account"):
        open_backend("azblob://states/x", tmp_path)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "nonsense")
    with pytest.raises(UsageError, match="is not a connection string"):
        open_backend("azblob://states/x", tmp_path)


def test_no_login_for_google(tmp_path, monkeypatch):
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(UsageError) as told:
        open_backend("gs://states/x", tmp_path)
    assert "gcloud auth application-default login" in told.value.hint


def test_a_wrong_password_and_a_cut_connection(server, tmp_path):
    """A password is in no message, and connections that the server has cut are opened again."""
    import psycopg

    uri = server("postgres")(f"t{uuid.uuid4().hex[:12]}")
    with pytest.raises(StateError, match="authentication failed") as told:
        open_backend(uri.replace(servers.PASSWORD, "wr0ng"), tmp_path).get("a")
    assert not told.value.retryable
    assert "wr0ng" not in told.value.message
    backend = open_backend(uri, tmp_path)
    version = backend.put("a", b"1", expected=None)
    with psycopg.connect(uri.partition("?")[0], autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert backend.get("a") == (b"1", version)
    backend.put("a", b"2", expected=version)
