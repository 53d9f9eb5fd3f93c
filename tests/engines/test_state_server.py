"""Tests runs with a state in a bucket: resumed, continued after a kill, taken over by another run, unreachable."""

import shutil
import signal
import uuid

import pytest

from engines.places import LOCAL, SLOW_BESIDE, local_only
from engines.project import STATE_ID, Project, wait_for
from stores import faulty, servers

pytestmark = pytest.mark.docker
on_two_places = pytest.mark.parametrize("place", [LOCAL, SLOW_BESIDE])


@pytest.fixture(scope="module")
def moto(api):
    """Return the address of an S3 server with a bucket `states`."""
    with pytest.MonkeyPatch.context() as environ:
        for name, value in servers.ANYBODY.items():
            environ.setenv(name, value)
        with servers.by_http(api, servers.own_image("s3"), 5000) as address, servers.buckets(address):
            yield address


@pytest.fixture
def front(moto):
    with faulty.in_front_of(moto) as front:
        yield front


@pytest.fixture
def project(project, front) -> Project:
    project.environ = {**servers.ANYBODY, "TAPDOCK_LEASE_SECONDS": "8"}
    project.keys = {"state_backend": {"uri": f"s3://states/{uuid.uuid4().hex}?endpoint={front.address}"}}
    return project


@on_two_places
def test_a_second_run_goes_on_and_both_are_seen_from_elsewhere(project, tmp_path):
    project.steps("until users 5", "state")
    assert project.run().code == 0
    project.steps("until users 9", "state")
    assert project.run().code == 0
    assert project.ids() == set(range(1, 10))
    assert project.cursor() == 9
    elsewhere = Project(
        tmp_path / "elsewhere", project.place, project.images, environ=project.environ, keys=project.keys
    )
    elsewhere.folder.mkdir()
    records = elsewhere.listed()
    assert [record["status"] for record in records] == ["succeeded", "succeeded"]
    run_id = records[1]["run_id"]
    assert elsewhere.run("runs", "show", run_id, "--json").record == records[1]
    assert "run ended" in elsewhere.run("runs", "logs", run_id).stdout
    shutil.rmtree(elsewhere.folder)


@on_two_places
def test_a_killed_run_is_followed_at_once(project):
    project.steps("until users 20", "state", "forever users")
    run = project.start()
    wait_for(project.rows, "the first rows")
    run.signal(signal.SIGKILL)
    run.ended()
    project.steps("until users 30", "state")
    assert project.run().code == 0
    assert project.ids() >= set(range(1, max(30, project.cursor()) + 1)), "no state is ahead of its data"


@on_two_places
def test_a_second_run_is_refused_while_the_first_one_lives(project):
    project.steps("until users 5", "state", "forever users")
    run = project.start()
    wait_for(project.rows, "the first rows")
    shown = project.run("state", "show", STATE_ID, "--json")
    refused = project.run()
    assert refused.code == 7
    assert f"(process {run.process.pid} on " in refused.message
    assert shown.record["held_by"]["pid"] == run.process.pid
    run.signal(signal.SIGTERM)
    assert run.ended().code == 143


@on_two_places
def test_a_run_whose_state_was_taken_away_stops(project):
    project.steps("until users 5", "state", "forever users")
    run = project.start()
    wait_for(project.rows, "the first rows")
    assert project.run("state", "unlock", STATE_ID, "--yes").code == 0
    ended = run.ended()
    assert ended.code == 7
    assert "released by `tapdock state unlock`" in ended.message
    assert project.done() == 0, "nothing more is committed by whom somebody else may follow"
    project.steps("until users 30", "state")
    assert project.run().code == 0
    assert project.ids() >= set(range(1, 31))


@local_only
def test_a_server_that_is_out_of_reach_for_good(project, front):
    """The run stops before another run can take its lease, and reports that.

    The next run resumes from the saved state.
    """
    project.steps("until users 5", "state", "forever users")
    run = project.start()
    wait_for(project.rows, "the first rows")
    front.faults = [503] * 10_000
    ended = run.ended()
    assert ended.code == 6
    assert "503" in ended.message or "could not be renewed in time" in ended.message
    front.faults = []
    project.steps("until users 30", "state")
    assert project.run().code == 0
    assert project.ids() >= set(range(1, 31))


@on_two_places
def test_a_server_that_is_away_for_a_moment(project, front):
    project.steps("until users 20", "state", "forever users")
    run = project.start()
    wait_for(project.rows, "the first rows")
    front.faults = [503] * 2
    wait_for(lambda: not front.faults, "requests that fail")
    run.signal(signal.SIGTERM)
    assert run.ended().code == 143
    assert project.cursor() >= 20
    assert project.ids() >= set(range(1, project.cursor() + 1)), "no state is ahead of its data"
