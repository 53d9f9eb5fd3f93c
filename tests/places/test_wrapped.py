"""Tests an Airbyte source's image as a Singer tap, without tapdock and Docker."""

import json
import subprocess
from pathlib import Path

import pytest

from connectors.images import base_image, foreign, image, made
from places.conftest import wrap
from support.variants import variants

pytestmark = pytest.mark.docker
HERE = Path(__file__).parent
CONFIG = {"count": 500, "seed": 1, "always_updated": False}


class Tap:
    """A wrapped image, called like a tap by a Singer runner. Its files are in `folder`."""

    def __init__(self, folder: Path, name: str, *options: str) -> None:
        self.folder = folder
        self.command = ["docker", "run", "--rm", "--network", "none", "--volume", f"{folder}:/in", *options, name]

    def put(self, name: str, content: object) -> str:
        (self.folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        (self.folder / name).chmod(0o644)
        return f"/in/{name}"

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self.command, *words], capture_output=True, text=True, timeout=120)

    def well(self, *words: str) -> list[dict]:
        ended = self(*words)
        assert ended.returncode == 0, ended.stderr
        return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.fixture
def tap(wrapped, tmp_path) -> Tap:
    tmp_path.chmod(0o755)
    return Tap(tmp_path, wrapped)


@pytest.mark.slow
def test_a_sync_and_a_second_one_from_its_state(tap):
    config = tap.put("config.json", CONFIG)
    (catalog,) = tap.well("--config", config, "--discover")
    messages = tap.well("--config", config, "--catalog", tap.put("catalog.json", catalog))
    kinds = [message["type"] for message in messages]
    assert kinds[:4] == ["SCHEMA", "SCHEMA", "SCHEMA", "STATE"]
    assert kinds.count("RECORD") == 500 + 500 + 100
    assert kinds[-1] == "STATE"
    state = messages[-1]["value"]
    assert {one["stream"]["stream_descriptor"]["name"] for one in state["airbyte_state"]} == {
        entry["stream"] for entry in catalog["streams"]
    }
    again = tap.well(
        "--config",
        config,
        "--catalog",
        "/in/catalog.json",
        "--state",
        tap.put("state.json", json.dumps(state, indent=2)),
    )
    assert [message["type"] for message in again].count("RECORD") == 0
    assert again[-1]["value"]["airbyte_state"][0]["stream"] == state["airbyte_state"][0]["stream"]


@pytest.mark.slow
def test_a_state_as_older_wrapped_taps_kept_it(tap):
    """The state is only the list, with indentation. The tap emits it on one line."""
    config = tap.put("config.json", CONFIG)
    (catalog,) = tap.well("--config", config, "--discover")
    tap.put("catalog.json", catalog)
    state = tap.well("--config", config, "--catalog", "/in/catalog.json")[-1]["value"]["airbyte_state"]
    kept = tap.put("state.json", json.dumps(state, indent=2))
    again = tap.well("--config", config, "--catalog", "/in/catalog.json", "--state", kept)
    assert [message["type"] for message in again].count("RECORD") == 0
    assert again[-1]["value"]["airbyte_state"] == state


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--config", "--catalog", "--state"])
def test_a_file_that_is_not_there(tap, option):
    config = tap.put("config.json", CONFIG)
    (catalog,) = tap.well("--config", config, "--discover")
    files = {"--config": config, "--catalog": tap.put("catalog.json", catalog), option: "/in/nowhere"}
    ended = tap(*(word for pair in files.items() for word in pair))
    assert ended.returncode == 2
    assert f"the {option[2:]} /in/nowhere cannot be read: No such file or directory" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_what_the_runner_deselects_is_not_read(tap):
    config = tap.put("config.json", {"airbyte_config": CONFIG})  # the form of existing wrapped taps
    (catalog,) = tap.well("--config", config, "--discover")
    for entry in catalog["streams"]:
        entry["metadata"][0]["metadata"]["selected"] = entry["stream"] == "users"
        for field in entry["metadata"][1:]:
            field["metadata"]["selected"] = field["breadcrumb"][-1] != "address"
    messages = tap.well("--config", config, "--catalog", tap.put("catalog.json", catalog))
    records = [message["record"] for message in messages if message["type"] == "RECORD"]
    assert len(records) == 500
    assert all("address" not in record and "id" in record for record in records)


@pytest.mark.slow
def test_its_settings_and_whether_they_work(tap):
    (about,) = tap.well("--about", "--format=json")
    assert "count" in about["settings"]["properties"]
    assert tap("--test", "--config", tap.put("config.json", CONFIG)).returncode == 0
    bad = tap("--test", "--config", tap.put("bad.json", {"count": "many"}))
    assert bad.returncode == 3
    assert "error" in bad.stderr


@pytest.mark.slow
@variants("user", "31337", "1000")
def test_any_user_and_a_read_only_file_system(wrapped, tmp_path, user):
    tmp_path.chmod(0o755)
    tap = Tap(tmp_path, wrapped, "--user", user, "--read-only", "--tmpfs", "/tmp:exec,mode=1777")
    assert tap.well("--config", tap.put("config.json", CONFIG), "--discover")


@pytest.mark.slow
def test_the_source_fails_and_so_does_the_tap(api, tmp_path):
    """The last state covers the records before the failure, and the error has the source's message."""
    source = image(api, "source", runs_as="1000")
    assert wrap(source, "tapdock-test/tap-source").returncode == 0
    tmp_path.chmod(0o755)
    tap = Tap(tmp_path, "tapdock-test/tap-source")
    steps = ["until users 5", "state", "until users 8", "exit 1"]
    config = tap.put("config.json", {"token": "s3cret-token", "steps": ["babble", *steps]})
    (catalog,) = tap.well("--config", config, "--discover")
    ended = tap("--config", config, "--catalog", tap.put("catalog.json", catalog))
    messages = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 3
    assert "the source exited with 1" in ended.stderr
    assert "s3cret-token" not in ended.stderr + ended.stdout
    assert [message["record"]["id"] for message in messages if message["type"] == "RECORD"] == list(range(1, 9))
    assert messages[-1]["value"]["airbyte_state"][0]["stream"]["stream_state"] == {"id": 5}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "packages"),
    [("bookworm", "busybox-static"), pytest.param("bullseye", "libc6 busybox", marks=pytest.mark.slow)],
)
def test_an_image_without_python_or_a_shell(api, tmp_path, release, packages):
    """One image has no C library, the other has one of an older Debian. The connector's environment is unchanged."""
    files = {name: (HERE / "awk" / name).read_bytes() for name in ("Dockerfile", "connector.awk")}
    args = {"BASE_IMAGE": base_image(), "RELEASE": release, "PACKAGES": packages}
    bare = made(api, "tapdock-test/awk", files, args)
    name = f"tapdock-test/tap-awk:{release}"
    assert wrap(bare, name).returncode == 0
    tmp_path.chmod(0o755)
    tap = Tap(tmp_path, name, "--user", "31337")
    config = tap.put("config.json", {})
    (catalog,) = tap.well("--config", config, "--discover")
    ended = tap("--config", config, "--catalog", tap.put("catalog.json", catalog))
    assert ended.returncode == 0, ended.stderr
    messages = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [message["record"]["id"] for message in messages if message["type"] == "RECORD"] == [1, 2, 3]
    unwrapped = Tap(tmp_path, bare, "--user", "31337")("spec")
    assert variables(ended.stderr) == variables(unwrapped.stderr)


def variables(stderr: str) -> set[str]:
    return {line.rpartition(" ")[2] for line in stderr.splitlines() if "variable " in line}


def test_an_image_of_another_architecture(api):
    ended = wrap(foreign(api), "tapdock-test/never")
    assert ended.returncode == 2
    assert "is built for riscv64, but this engine builds for " in ended.stderr
    assert "docker pull --platform linux/" in ended.stderr


def test_an_image_that_is_a_tap_already(api):
    ended = wrap(image(api, "target"), "tapdock-test/never")
    assert ended.returncode == 2
    assert "is already a Singer image" in ended.stderr


def test_a_shell_form_entrypoint_is_refused(api):
    ended = wrap(image(api, "source", last="ENTRYPOINT connector\n"), "tapdock-test/never")
    assert ended.returncode == 2
    assert "shell-form ENTRYPOINT" in ended.stderr
