"""Tests the catalogs beside states when a state is copied or renamed."""

import pytest

from tapdock.errors import StateError
from tapdock.project.model import Pipeline
from tapdock.state import catalogs
from tapdock.state.backends.file import FileBackend
from tapdock.state.catalogs import KeptCatalog

OLD, NEW = "default:a-to-b", "default:c-to-d"
NEWER = b'{"version":2}'


@pytest.fixture
def backend(tmp_path) -> FileBackend:
    return FileBackend(tmp_path)


def put(backend: FileBackend, key: str) -> None:
    catalogs.keep(backend, KeptCatalog(key=key, run_id="r", saved_at="2026-01-01", streams=()), expected=None)


@pytest.mark.parametrize("follow", [catalogs.copy, catalogs.move])
@pytest.mark.parametrize("body", [None, b"{", NEWER], ids=["missing", "damaged", "newer"])
def test_the_catalog_of_another_state_does_not_stay(backend, follow, body):
    put(backend, NEW)
    if body:
        backend.put(f"catalog/{OLD}", body, expected=None)
    with pytest.raises(StateError, match=f"the catalog of {OLD} "):
        follow(backend, OLD, NEW)
    assert backend.get(f"catalog/{NEW}") is None
    assert (backend.get(f"catalog/{OLD}") is None) == (body is None), "what another tapdock can read stays"


@pytest.mark.parametrize("follow", [catalogs.copy, catalogs.move])
def test_the_catalog_of_a_newer_tapdock_is_not_replaced(backend, follow):
    put(backend, OLD)
    backend.put(f"catalog/{NEW}", NEWER, expected=None)
    with pytest.raises(StateError, match="format version 2"):
        follow(backend, OLD, NEW)
    assert backend.get(f"catalog/{NEW}").body == NEWER
    assert backend.get(f"catalog/{OLD}") is not None


def test_nothing_is_copied_without_a_word_where_there_is_nothing(backend):
    assert catalogs.copy(backend, OLD, NEW) is False
    assert backend.names() == []


def test_the_latest_catalog_of_a_source_is_not_that_of_a_state_id(backend):
    """A `state_id` may look like the name of another source's state."""
    own = Pipeline(name="p", source="s", target="t", state_id="prod:crm-to-t")
    put(backend, "prod:crm-to-t")
    assert catalogs.latest(backend, "crm", "prod", pipelines={"p": own}) is None
    assert catalogs.latest(backend, "s", "prod", pipelines={"p": own}).key == "prod:crm-to-t"
    assert catalogs.latest(backend, "crm", "prod", pipelines={}).key == "prod:crm-to-t"
