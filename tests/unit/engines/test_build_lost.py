"""Tests a build whose engine dies."""

from types import SimpleNamespace

import pytest
import urllib3.exceptions

from tapdock.engines.docker import build
from tapdock.errors import EngineError


def test_an_engine_that_dies_while_it_builds_is_an_error_of_the_engine(tmp_path, monkeypatch):
    """The client reads the answer of a build without the layer that would name the broken connection."""
    monkeypatch.setattr(build, "_swept", lambda _: None)

    def answer(**_: object):
        yield {"stream": "Step 1/3 : FROM base"}
        raise urllib3.exceptions.ProtocolError("Connection broken: IncompleteRead(0 bytes read)")

    api = SimpleNamespace(build=answer)
    with pytest.raises(EngineError, match="`x:1` could not be built: the engine stopped answering") as raised:
        build.build(api, tmp_path, tag="x:1", args={}, indexes={}, labels={}, progress=lambda _: None)
    assert "`tapdock gc`" in (raised.value.hint or "")
