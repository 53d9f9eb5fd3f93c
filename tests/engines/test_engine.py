"""Tests failures of engines and images, and images with every kind of user."""

import os
import re
import uuid

import pytest

from connectors.images import image, made
from engines import leftovers
from engines.places import docker_only, with_containers
from engines.project import wait_for
from engines.proxy import ENGINE, Proxy
from tapdock.engines.docker.engine import connect


@docker_only
def test_image_that_is_nowhere(project):
    project.images["source"] = "tapdock-test/no-such-image:1"
    ended = project.run()
    assert ended.code == 8
    assert "tapdock-test/no-such-image:1" in ended.message
    assert "docker pull" in ended.hint
    assert project.rows() == []


@docker_only
def test_image_that_must_not_be_pulled(project):
    project.images["target"] = "tapdock-test/no-such-image:1"
    project.target_keys = {"pull": "never"}
    ended = project.run()
    assert ended.code == 8
    assert "is not present" in ended.message
    assert "pull: never" in ended.hint


@docker_only
@pytest.mark.parametrize("program", ["source", "target"])
def test_image_without_the_named_program(project, api, program):
    project.images[program] = image(api, program, last='ENTRYPOINT ["no-such-program"]\n')
    ended = project.run()
    assert ended.code == 8
    assert "no-such-program" in ended.hint
    assert project.rows() == []


@docker_only
def test_shell_form_entrypoint_is_refused_unless_one_is_given(project, api):
    project.images["source"] = image(api, "source", last="ENTRYPOINT connector\n")
    ended = project.run()
    assert ended.code == 2
    assert "shell-form ENTRYPOINT" in ended.message
    project.source_keys = {"entrypoint": ["connector"]}
    project.steps("until users 3", "state")
    assert project.run().code == 0
    assert project.ids() == {1, 2, 3}


# A program for another processor architecture (RISC-V), with as much of the file as a kernel checks.
FOREIGN = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00\x01\x00\x00\x00" + bytes(200)


@docker_only
def test_exec_format_error(project, api):
    recipe = b'FROM scratch\nCOPY sh /bin/sh\nLABEL io.tapdock.kind=airbyte\nENTRYPOINT ["/bin/sh"]\n'
    project.images["source"] = made(api, "tapdock-test/foreign", {"Dockerfile": recipe, "sh": FOREIGN}, {})
    ended = project.run()
    assert ended.code == 8
    assert "exec format error" in ended.message
    assert "platform" in ended.hint


@docker_only
def test_image_without_a_shell(project, api):
    recipe = b'FROM scratch\nCOPY sh /bin/other\nLABEL io.tapdock.kind=singer\nENTRYPOINT ["/bin/other"]\n'
    project.images["target"] = made(api, "tapdock-test/bare", {"Dockerfile": recipe, "sh": FOREIGN}, {})
    ended = project.run()
    assert ended.code == 8
    assert "has no shell" in ended.message


@docker_only
def test_the_record_has_each_container(project, place):
    """If the run has a relay's container, its memory and processor time are part of the record."""
    project.steps("until users 10", "state")
    ended = project.run()
    assert ended.code == 0
    roles = ["source", "target"] + ["relay"] * (place == "docker-container")
    assert [(each["role"], each["exit_code"]) for each in ended.record["containers"]] == [(role, 0) for role in roles]
    assert all(each["digest"] for each in ended.record["containers"])


@docker_only
def test_source_out_of_memory(project):
    project.source_keys = {"memory": "64m"}
    project.steps("until users 10", "state", "allocate")
    ended = project.run()
    assert (ended.code, ended.side) == (3, "source")
    assert "ran out of memory (limit 64 MiB" in ended.message
    assert "`memory`" in ended.hint
    assert ended.record["containers"][0]["oom_killed"]


@pytest.mark.slow
@docker_only
def test_target_out_of_memory(project):
    project.target_keys = {"memory": "64m"}
    project.target = {"after": 10, "then": "allocate"}
    project.steps("until users 20", "state", "forever users")
    ended = project.run()
    assert (ended.code, ended.side) == (4, "target")
    assert "ran out of memory (limit 64 MiB" in ended.message


@docker_only
@pytest.mark.parametrize("user", [pytest.param("0", marks=pytest.mark.slow), "31337"])
def test_images_of_every_user_read_their_config_and_write(project, api, user):
    project.images = {program: image(api, program, runs_as=user) for program in ("source", "target")}
    project.steps("until users 10", "state")
    project.write()
    project.data.chmod(0o777)
    ended = project.run()
    assert ended.code == 0, ended.stderr
    assert project.ids() == set(range(1, 11))
    assert (project.data / "rows.jsonl").stat().st_uid == int(user)


@docker_only
def test_files_of_a_target_for_any_user_belong_to_the_caller(project):
    project.steps("until users 10", "state")
    assert project.run().code == 0
    assert (project.data / "rows.jsonl").stat().st_uid == os.getuid()


@docker_only
def test_variables_reach_the_connector_and_nobody_else(project, api):
    project.source_keys = {"env": {"QUOTED": 'it\'s "$HOME"', "URL": "db://me:${TAPDOCK_TEST_SECRET}@host"}}
    project.steps("environ QUOTED", "environ URL", "until users 10", "state", "forever users")
    run = project.start()
    wait_for(project.rows, "the first rows")
    for container in leftovers.containers(api, project.pids):
        assert project.secret not in str(api.inspect_container(container["Id"]))
    run.process.terminate()
    said = run.ended().stderr
    assert 'it\'s \\"$HOME\\"' in said
    assert project.secret not in said


@pytest.mark.slow
@docker_only
def test_engine_goes_away_in_the_middle(project, place, api):
    if os.environ.get("DOCKER_HOST", ENGINE) != ENGINE:
        pytest.skip(f"DOCKER_HOST is not {ENGINE}, which this test puts itself in front of")
    with Proxy(project.folder / "engine.sock") as proxy:
        project.environ = {"DOCKER_HOST": f"unix://{proxy.path}"}
        project.steps("until users 20", "state", "forever users")
        run = project.start()
        wait_for(project.rows, "the first rows")
        proxy.cut()
        ended = run.ended()
    assert (ended.code, ended.side) == (8, "runner"), ended.stderr
    assert "Traceback" not in ended.stderr
    if place == "docker-beside":  # the relay is still running, and ends both sides in order
        assert "stopped answering" in ended.message
        # Without the engine, it is not known whether the rows outlive the container. The user gets the state.
        (command,) = re.findall(r"`tapdock (state set [^`]+)`", ended.hint)
        project.environ = {}
        assert project.run(*command.split()).code == 0
        assert project.cursor() == max(project.ids())

    def running():
        return [c for c in leftovers.containers(api, project.pids) if c["State"] == "running"]

    wait_for(lambda: not running(), "the end of both connectors", seconds=10)
    project.environ = {}
    assert project.run("gc").code == 0


@with_containers
def test_connector_is_asked(project):
    assert project.run("check", "source").code == 0
    spec = project.run("spec", "source", "--json")
    assert spec.code == 0
    assert "token" in spec.stdout
    streams = project.run("discover", "source")
    assert streams.code == 0
    assert "users" in streams.stdout


def test_no_engine_at_all(project, place):
    project.environ = {"DOCKER_HOST": "unix:///no/such/engine.sock"}
    project.steps("until users 1", "state")
    ended = project.run()
    if place == "local":
        assert ended.code == 0
        return
    assert ended.code == 8
    assert "no Docker Engine answers at unix:///no/such/engine.sock" in ended.stderr
    assert "hint:" in ended.stderr


def test_whoever_ran_in_a_container_of_another_engine_may_still_run(api, tmp_path):
    """A process of a container on another engine may still run: this engine does not know that container."""
    engine = connect(cache=tmp_path)
    elsewhere = f"{uuid.uuid4()}.1/7/1/{'0' * 64}"
    assert not engine.is_over(f"{elsewhere}/other-engine", "r1")
    assert not engine.is_over(f"{uuid.uuid4()}.1/7/1//other-engine", "r1")
    assert engine.is_over(f"{elsewhere}/{engine.owner.rpartition('/')[2]}", "r1")
