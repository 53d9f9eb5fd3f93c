"""Tests that a message about what is missing names the line and the key of the project file."""

import json
import time
from pathlib import Path

import pytest

from tapdock.connectors import operations
from tapdock.connectors.check import check
from tapdock.connectors.context import Context
from tapdock.connectors.images import making
from tapdock.engines.local import LocalEngine
from tapdock.errors import EngineError, ImageMissing, TapdockError, UsageError
from tapdock.project.load import load
from tapdock.relay.signals import Signals
from tapdock.state.backends.file import FileBackend


class Engine(LocalEngine):
    """An engine with one network."""

    def has_network(self, name: str) -> bool:
        return name == "shop_default"


def failure(folder: Path, role: str, environ: dict[str, str], **keys: object) -> TapdockError:
    """Return the error of a check of the connector `x` with these keys, each on its own line from line 4 on."""
    lines = [f"    {name}: {json.dumps(value)}" for name, value in keys.items()]
    file = folder / "tapdock.yaml"
    file.write_text("\n".join(["version: 1", f"{role}s:", "  x:", *lines, ""]))
    with pytest.raises(TapdockError) as failed:
        checked(file, environ)
    return failed.value


def checked(file: Path, environ: dict[str, str]) -> None:
    project = load(file, environment=None, environ=environ)
    context = Context(
        engine=Engine(),
        project=project,
        backend=FileBackend(file.parent / "states"),
        relay_image=lambda: "",
        making=making({}),
        progress=lambda _: None,
        log=lambda _: None,
        signals=Signals(lambda _: None),
        now=time.time,
    )
    check(context, operations.prepare(context, {**project.sources, **project.targets}["x"]))


@pytest.mark.parametrize("role", ["source", "target"])
def test_what_is_missing_is_named_with_its_line_and_its_key(tmp_path, role):
    program = {"image": "/bin/true", "kind": "singer"}
    network = failure(tmp_path, role, {}, **program, network="shpo")
    assert isinstance(network, EngineError)
    assert network.message == f"tapdock.yaml:6: `{role}s.x.network`: there is no network `shpo` on this engine"
    assert "`docker network ls`" in (network.hint or "")
    image = failure(tmp_path, role, {}, kind="singer", image="nowhere", network="shop_default")
    assert isinstance(image, ImageMissing)
    assert image.message == f"tapdock.yaml:5: `{role}s.x.image`: there is no program `nowhere`"
    variable = failure(tmp_path, role, {}, **program, config={"a": "${NO}"})
    assert isinstance(variable, UsageError)
    wanted = f"tapdock.yaml:6: `{role}s.x.config.a` needs the variable `NO`, which is not set"
    assert variable.message == wanted
    file = failure(tmp_path, role, {"NO_FILE": f"{tmp_path}/no"}, **program, config={"a": "${NO}"})
    assert isinstance(file, UsageError)
    needed = f"tapdock.yaml:6: `{role}s.x.config.a` needs the file {tmp_path}/no of `NO_FILE`, which cannot be read"
    assert file.message == f"{needed}: No such file or directory"
    assert file.hint == "create the file, or correct `NO_FILE`"


def test_a_mount_that_is_missing_is_named_with_its_line_and_its_key(tmp_path):
    mount = failure(tmp_path, "source", {}, image="/bin/true", kind="singer", mounts=["./no:/data:ro"])
    assert isinstance(mount, UsageError)
    assert mount.message == f"tapdock.yaml:6: `sources.x.mounts`: {tmp_path}/no does not exist"
    assert f"mkdir -p {tmp_path}/no" in (mount.hint or "")
