"""Tests tapdock's own images for any user, with the rules of a strict cluster."""

import subprocess

import pytest

from connectors.images import CHECKOUT
from engines.project import wait_for
from tapdock.engines import owner

pytestmark = pytest.mark.docker
STRICT = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}
SERVICES = {
    "warehouse": {"/tmp": "mode=1777", "/run/postgresql": "mode=1777"},
    "s3": {"/tmp": "mode=1777"},
    "azure": {"/tmp": "mode=1777", "/data": "mode=1777"},
    "gcs": {"/tmp": "mode=1777", "/storage": "mode=1777"},
}


OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in SERVICES if name != "s3"]


@pytest.fixture(scope="module", params=["s3", *OTHERS])
def service(request, api) -> tuple[str, str]:
    """Return the name of the service and its image."""
    script = CHECKOUT / "scripts" / "images"
    made = subprocess.run([script, request.param], check=True, capture_output=True, text=True)
    return request.param, made.stdout.strip()


def test_a_service_for_an_arbitrary_user(api, service):
    """As on OpenShift: a user id that the image does not define, the group 0, and only the mounts are writable."""
    name, image = service
    container = api.create_container(
        image,
        user="31337:0",
        environment={"POSTGRES_PASSWORD": "word"},
        labels={"io.tapdock.test": "images", "io.tapdock.owner": owner.mine()},
        host_config=api.create_host_config(tmpfs=SERVICES[name], **STRICT),
    )
    try:
        api.start(container)
        wait_for(lambda: _health(api, container) != "starting", f"{name}")
        assert _health(api, container) == "healthy", api.logs(container).decode()
    finally:
        api.remove_container(container, force=True, v=True)


def _health(api, container) -> str:
    state = api.inspect_container(container)["State"]
    return state["Health"]["Status"] if state["Running"] else f"exited with {state['ExitCode']}"


@pytest.mark.slow
def test_licenses_of_others_are_in_the_image(runner_image):
    command = ("docker", "run", "--rm", "--entrypoint", "cat", runner_image, "/opt/tapdock/THIRD-PARTY-LICENSES")
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert all(f"\n{name} " in listed for name in ("boto3", "orjson", "urllib3"))


def test_what_an_image_says_of_itself(api, service, runner_image):
    for image in (service[1], runner_image):
        config = api.inspect_image(image)["Config"]
        assert config["User"].partition(":")[0] not in ("", "0", "root")
        assert {"title", "description", "version"} <= {label.rpartition(".")[2] for label in config["Labels"]}
        assert not [variable for variable in config["Env"] if "INDEX_URL" in variable]
