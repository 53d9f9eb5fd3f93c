"""Tests servers that treat a conditional write like any other write, and servers that support conditions."""

import uuid

import pytest

from stores import faulty
from tapdock.errors import Conflict, LeaseHeld
from tapdock.project.load import load
from tapdock.project.model import Project
from tapdock.runs import doctor
from tapdock.state.backends.base import LeaseTerms, holder_here, open_backend
from tapdock.state.store import lease, read

FIRST, SECOND = (holder_here(f"r{number}", since=0.0) for number in (1, 2))
KEY = "default:a-to-b"


@pytest.fixture
def project(tmp_path) -> Project:
    """Return a project without connectors: none of the states has a target that could be new."""
    file = tmp_path / "tapdock.yaml"
    file.write_text("version: 1\n")
    return load(file, environment=None, environ={})


def test_of_those_that_honour_them_nothing_is_said(backend, project):
    said: list[str] = []
    for _ in range(2):
        with backend.acquire("a", FIRST, LeaseTerms(say=said.append)):
            pass
    assert said == []
    assert [finding.level for finding in doctor.of_state(backend, project)] == ["ok"]


def test_states_that_a_run_could_not_read_are_found(backend, project):
    for name in (KEY, "default:c-to-d"):
        with lease(backend, name, run_id="r1", clock=lambda: 0.0) as held:
            held.save("[1]", dialect="airbyte")
    backend.put("default:e-to-f", backend.get(KEY).body, expected=None)
    backend.put("default:g-to-h", b"{", expected=None)
    found = [finding for finding in doctor.of_state(backend, project) if finding.level == "error"]
    assert [finding.found.partition(" in ")[0] for finding in found] == [
        "the object of state `default:e-to-f`",
        "state `default:g-to-h`",
    ]
    assert all("`tapdock state clear default:" in finding.fix for finding in found)


@pytest.mark.docker
class TestAServerThatIgnoresThem:
    @pytest.fixture
    def opened(self, server, tmp_path):
        uri = server("rclone")(f"t{uuid.uuid4().hex[:12]}")
        return lambda: open_backend(uri, tmp_path)

    def test_it_is_named_with_what_is_left(self, opened, project):
        said: list[str] = []
        backend = opened()
        for _ in range(2):
            with backend.acquire("a", FIRST, LeaseTerms(say=said.append)):
                pass
        assert len(said) == 1, "once"
        assert "does not support conditional writes" in said[0]
        assert "Start one run at a time" in said[0]
        (finding,) = doctor.of_state(opened(), project)
        assert finding.level == "warning"
        assert "does not support conditional writes" in finding.found

    def test_runs_that_follow_each_other_are_still_kept_apart(self, opened):
        with opened().acquire("a", FIRST), pytest.raises(LeaseHeld), opened().acquire("a", SECOND):
            pass
        with opened().acquire("a", SECOND):
            pass

    def test_whoever_was_overtaken_finds_out_when_it_saves(self, opened):
        over = LeaseTerms(is_over=lambda holder: holder.run_id == "r1")
        with (
            lease(opened(), KEY, run_id="r1", clock=lambda: 0.0) as sleeper,
            lease(opened(), KEY, run_id="r2", clock=lambda: 0.0, terms=over) as held,
        ):
            held.save("[1]", dialect="airbyte")
            with pytest.raises(Conflict):
                sleeper.save("[2]", dialect="airbyte")
        assert read(opened(), KEY).state == "[1]"


@pytest.mark.docker
@pytest.mark.parametrize(
    "habit",
    [
        pytest.param({"refused": ("If-None-Match", "If-Match")}, marks=pytest.mark.slow),
        pytest.param({"dropped": ("If-None-Match", "If-Match")}, marks=pytest.mark.slow),
        {"dropped": ("If-Match",)},  # like servers that support only one of the two conditions
    ],
)
def test_servers_that_refuse_them_or_support_half_of_them(server, tmp_path, habit):
    made = server("moto")
    said: list[str] = []
    with faulty.in_front_of(made.address) as front:
        for name, headers in habit.items():
            setattr(front, name, headers)
        uri = made(f"t{uuid.uuid4().hex[:12]}").replace(made.address, front.address)
        with open_backend(uri, tmp_path).acquire("a", FIRST, LeaseTerms(say=said.append)):
            assert "does not support conditional writes" in said[0]
            with pytest.raises(LeaseHeld), open_backend(uri, tmp_path).acquire("a", SECOND):
                pass
        over = LeaseTerms(is_over=lambda holder: holder.run_id == "r1")
        with (
            lease(open_backend(uri, tmp_path), KEY, run_id="r1", clock=lambda: 0.0) as sleeper,
            lease(open_backend(uri, tmp_path), KEY, run_id="r2", clock=lambda: 0.0, terms=over) as held,
        ):
            held.save("[1]", dialect="airbyte")
            with pytest.raises(Conflict):
                sleeper.save("[2]", dialect="airbyte")
