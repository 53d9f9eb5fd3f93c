"""Tests images made by `tapdock build`: each recipe is built once, and no image contains a credential."""

import contextlib
import io
import json
import os
import subprocess
import sys
import threading

import docker.errors
import pytest

from connectors.images import base_image
from e2e.project import Shop
from engines.project import wait_for
from support.variants import variants

pytestmark = pytest.mark.docker
SLOW = pytest.mark.slow
LABELS = {
    "io.airbyte.name": "airbyte/source-faker",
    "io.airbyte.version": "7.2.1",
    "io.tapdock.user": "any",
    "io.tapdock.package": "airbyte-source-faker==7.2.1",
}
PROJECT = """\
version: 1
targets:
  lines:
    image: tapdock-test/built:{tag}
    build: {build}
"""


@pytest.fixture
def tag(api, tmp_path):
    """Return an image name for this test. Images with this name are removed afterwards."""
    name = tmp_path.name.lower().replace("_", "-")
    yield name
    if api.images(f"tapdock-test/built:{name}"):
        api.remove_image(f"tapdock-test/built:{name}")


@pytest.fixture
def plain(tmp_path):
    """Return an empty project, for builds that need no other images."""
    folder = tmp_path / "plain"
    folder.mkdir()
    return Shop(folder, {"TAPDOCK_BASE_IMAGE": base_image()})


def _write(shop, tag, **build):
    shop.write(PROJECT.format(tag=tag, build=json.dumps(build)))


@pytest.mark.slow
def test_an_image_is_made_again_only_for_another_recipe(shop, tag):
    _write(shop, tag, singer="target-jsonl==0.1.4")
    first = shop.well("build")
    assert "building tapdock-test/built" in first.stderr
    again = shop.well("build", "lines")
    assert (again.stdout, "building" in again.stderr) == (first.stdout, False)
    _write(shop, tag, singer="target-jsonl==0.1.4", executable="target-jsonl")
    other = shop.well("build")
    assert "building tapdock-test/built" in other.stderr


@pytest.mark.slow
def test_two_builds_at_once_both_succeed(shop, tag):
    _write(shop, tag, singer="target-jsonl==0.1.4")
    ended = []
    both = [threading.Thread(target=lambda: ended.append(shop("build"))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [each.code for each in ended] == [0, 0], [each.stderr for each in ended]
    assert ended[0].stdout == ended[1].stdout
    assert sum("building tapdock-test/built" in each.stderr for each in ended) == 1


@pytest.mark.slow
def test_a_package_without_that_program(shop, tag):
    _write(shop, tag, singer="target-jsonl==0.1.4", executable="target-jsnl")
    ended = shop("build")
    assert ended.code == 8
    assert "no program `target-jsnl`" in ended.stderr
    assert "target-jsonl" in ended.stderr
    assert "hint: name one with `executable`" in ended.stderr


@pytest.mark.slow
def test_a_package_that_is_not_there_shows_the_builders_words(shop, tag):
    _write(shop, tag, singer="target-jsonl==99.0")
    ended = shop("build")
    assert ended.code == 8
    assert f"`tapdock-test/built:{tag}` could not be built: target-jsonl==99.0 cannot be installed" in ended.stderr
    assert "your requirements are unsatisfiable" in ended.stderr
    assert "hint: change what is installed with `overrides`" in ended.stderr
    assert "\x1b" not in ended.stderr


VERSIONS = "from importlib.metadata import version; print(version('idna'), version('six'))"


def _inside(image: str, program: str, *arguments: str) -> str:
    """Return what a program in the final image prints."""
    command = ["docker", "run", "--rm", "--network=none", "--entrypoint", program, image, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
def test_keys_that_change_what_is_installed(plain, tag):
    """The newest release of idna before that day is 3.4; the override replaces a pin that nobody can install."""
    _write(
        plain,
        tag,
        singer="target-jsonl==0.1.4",
        apt=["busybox-static"],
        **{"with": ["idna", "six==99"], "overrides": ["six==1.16.0"], "before": "2023-06-01"},
    )
    image = plain.well("build").stdout.split()[-2]
    assert _inside(image, "/opt/connector/bin/python", "-c", VERSIONS) == "3.4 1.16.0"
    assert _inside(image, "busybox", "echo", "there") == "there"
    assert "building" not in plain.well("build").stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "message", "hint"),
    [
        ({"python": "3.9"}, "`python` under `build` is 3.9, but the base image has Python", "TAPDOCK_BASE_IMAGE"),
        pytest.param(
            {"apt": ["no-such-package"]}, "E: Unable to locate package no-such-package", "correct `apt`", marks=SLOW
        ),
        pytest.param({"before": "2001-01-01"}, "target-jsonl==0.1.4 cannot be installed", "`before`", marks=SLOW),
        pytest.param({"constraints": ["singer-python<1"]}, "are unsatisfiable", "`constraints`", marks=SLOW),
    ],
)
def test_the_reason_of_a_build_that_fails(plain, tag, build, message, hint):
    _write(plain, tag, singer="target-jsonl==0.1.4", **build)
    ended = plain("build")
    assert ended.code == 8
    assert message in ended.stderr
    assert hint in ended.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_package_that_pins_what_does_not_exist_is_built_and_starts(plain, tag):
    """tapdock has an override for it."""
    build = {"airbyte": "airbyte-source-file==0.6.0", "python": "3.11"}
    plain.write(PROJECT.replace("targets:", "sources:").format(tag=tag, build=json.dumps(build)))
    if "but the base image has Python" in plain("build").stderr:
        pytest.skip("this package needs Python 3.10 or 3.11")
    assert "dataset_name" in json.loads(plain.well("spec", "lines", "--json").stdout)["properties"]


@pytest.mark.slow
def test_a_credential_of_an_index_stays_nowhere(shop, tag, api, environ):
    """The extra index is a folder that does not exist, so every package is from the usual index."""
    _write(shop, tag, singer="target-jsonl==0.1.4")
    secret = f"hidden-{tag}"
    shop.well("build", UV_EXTRA_INDEX_URL=f"file:///{secret}/simple")
    _assert_in_no_image(api, secret)


def _assert_in_no_image(api, secret):
    for image in api.images(all=True, quiet=True):
        with contextlib.suppress(docker.errors.ImageNotFound):  # of another test, and removed meanwhile
            assert secret not in json.dumps(api.history(image))
            assert secret not in json.dumps(api.inspect_image(image))


def _steps(api, secret):
    """Return the containers of build steps that contain the secret."""
    found = []
    for container in api.containers(all=True, filters={"label": "io.tapdock.stage=build"}):
        with contextlib.suppress(docker.errors.NotFound):
            facts = api.inspect_container(container["Id"])
            found += [facts] if secret in json.dumps(facts) else []
    return found


@pytest.mark.slow
@pytest.mark.alone
def test_a_build_that_is_killed_leaves_no_credential(shop, tag, api):
    """The build is killed in the step that gets the index. The program's name makes the step unique to this test."""
    _write(shop, tag, singer="target-jsonl==0.1.4", executable=f"x-{tag}")
    secret = f"hidden-{tag}"
    environ = {**os.environ, **shop.environ, "UV_EXTRA_INDEX_URL": f"file:///{secret}/simple"}
    command = [sys.executable, "-m", "tapdock", "build"]
    with subprocess.Popen(command, cwd=shop.folder, env=environ, stderr=subprocess.DEVNULL) as building:
        wait_for(lambda: building.poll() is not None or _steps(api, secret), "a step that has the index", seconds=120)
        assert building.poll() is None
        building.kill()
    wait_for(lambda: not [step for step in _steps(api, secret) if step["State"]["Running"]], "the end of that step")
    shop.well("gc")
    assert _steps(api, secret) == []
    _assert_in_no_image(api, secret)


@pytest.mark.slow
@pytest.mark.alone
def test_gc_removes_what_a_killed_build_left(shop, tag, api):
    """The build was made by another tool than tapdock, which passes the index as a plain argument."""
    secret = f"hidden-{tag}"
    recipe = f"FROM {base_image()}\nLABEL io.tapdock.stage=build\nARG PIP_INDEX_URL\nRUN true\n"
    arguments = {"PIP_INDEX_URL": f"https://user:{secret}@localhost/"}
    list(api.build(fileobj=io.BytesIO(recipe.encode()), buildargs=arguments, rm=True))
    with pytest.raises(AssertionError):
        _assert_in_no_image(api, secret)
    assert " of a build" in shop.well("gc").stdout
    _assert_in_no_image(api, secret)


@pytest.mark.slow
def test_an_airbyte_image_is_laid_out_like_airbytes_own(shop, api):
    image = shop.well("build", "faker").stdout.split()[-1]
    made = api.inspect_image(image)["Config"]
    assert made["WorkingDir"] == "/airbyte/integration_code"
    assert made["Entrypoint"] == ["/opt/connector/run"]
    assert "AIRBYTE_ENTRYPOINT=/opt/connector/run" in made["Env"]
    assert LABELS.items() <= made["Labels"].items()
    ids = subprocess.run(["docker", "run", "--rm", "--entrypoint", "id", image, "-u"], capture_output=True, text=True)
    assert ids.stdout == "1000\n"


@pytest.mark.slow
@variants("target", "lines", "sheets")
def test_a_singer_image_runs_as_any_user(shop, target):
    place = shop.folder / target
    place.mkdir()
    place.chmod(0o777)
    shop.well("run", "ledger", target, **{f"TAPDOCK_TARGETS__{target.upper()}__USER": "31337"})
    assert {file.stat().st_uid for file in place.iterdir()} == {31337}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lines", "faker"])
def test_only_the_folder_of_a_mount_can_be_written_by_anybody(shop, name):
    image = shop.well("build", name).stdout.split()[-2]
    find = ["find", "/", "-xdev", "-type", "d", "-perm", "-0002"]
    command = ["docker", "run", "--rm", "--user", "0:0", "--entrypoint", find[0], image, *find[1:]]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert set(found) <= {"/data", "/tmp", "/var/tmp", "/run/lock"}


def test_build_of_what_cannot_be_built(plain):
    plain.write(PROJECT.format(tag="none", build='{"singer": "target-jsonl"}') + "sources: {ledger: {image: ledger}}\n")
    ended = plain("build", "ledger")
    assert (ended.code, "lines" in ended.stderr) == (2, True)
