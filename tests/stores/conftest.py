"""One fixture, every backend: tests here say nothing of where state is."""

from collections.abc import Callable

import pytest

from tapdock.state.base import Backend, open_backend


@pytest.fixture(params=["file"])
def uri(request, tmp_path) -> str:
    return {"file": str(tmp_path / "state")}[request.param]


@pytest.fixture
def backend(uri, tmp_path) -> Backend:
    return open_backend(uri, tmp_path)


@pytest.fixture
def reopened(uri, tmp_path) -> Callable[[], Backend]:
    """The same place as another process sees it."""
    return lambda: open_backend(uri, tmp_path)
