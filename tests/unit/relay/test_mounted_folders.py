"""Tests folders that connectors mount, and that are made before the connectors start."""

import queue
import threading
from pathlib import Path
from typing import Any

import pytest

from tapdock.engines.base import Run
from tapdock.engines.local import LocalEngine
from tapdock.errors import UsageError
from tapdock.launch import Launch
from tapdock.project.connector_values import Mount
from tapdock.relay.host import perform
from tapdock.relay.plan import RelayPlan
from tapdock.translate.base import Emit, TranslateOptions


class Reached(Exception):
    """Raised when all folders exist and the run would start."""


class Engine(LocalEngine):
    """An engine on which several runs make their folders at the same moment, and stop after that."""

    def __init__(self, runs: int) -> None:
        super().__init__()
        self._gate = threading.Barrier(runs)

    def placed(self, launch: Launch) -> Launch:
        self._gate.wait(20)
        return launch

    def run(self, run_id: str, *, image: str) -> Run:
        raise Reached


def begun(
    engine: Engine, folder: Path, *, target: str = "/data", emit: Emit = lambda _: None, **given: Any
) -> BaseException:
    """Return how a run that mounts the folder ended."""
    mount = Mount(str(folder), target, **given)
    launch = Launch(role="target", image="x", entrypoint=("x",), mounts=(mount,))
    try:
        perform(
            engine,
            RelayPlan(run_id="r", route="singer-singer", translation=TranslateOptions()),
            (launch,),
            relay_image=lambda: "",
            inbox=queue.SimpleQueue(),
            emit=emit,
            logs=lambda _: lambda _: None,
        )
    except Exception as error:
        return error
    raise AssertionError


def test_runs_that_mount_the_same_new_folder_at_once_make_it_once(tmp_path):
    engine = Engine(4)
    ended: list[BaseException] = []
    for number in range(100):
        folder = tmp_path / str(number) / "a" / "b"
        threads = [
            threading.Thread(target=lambda at: ended.append(begun(engine, at)), args=(folder,)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert folder.is_dir()
    assert {type(error) for error in ended} == {Reached}
    assert len(ended) == 400


@pytest.mark.parametrize("blocked", ["data", "data/inner"])
def test_what_is_not_a_folder_is_reported(tmp_path, blocked):
    (tmp_path / "data").symlink_to(tmp_path / "nowhere" / "else")
    error = begun(Engine(1), tmp_path / blocked)
    assert isinstance(error, UsageError)
    assert f"{blocked} does not exist and cannot be created: " in error.message


def test_a_file_can_be_mounted(tmp_path):
    (tmp_path / "key.json").write_text("{}")
    assert isinstance(begun(Engine(1), tmp_path / "key.json"), Reached)


@pytest.mark.parametrize("options", [(), ("z",), ("Z", "rslave")])
@pytest.mark.parametrize("target", ["/secrets/key.json", "/in"])
def test_what_is_only_read_is_not_made(tmp_path, target, options):
    """With `z`, the engine itself would create an empty folder, also in place of a file."""
    error = begun(Engine(1), tmp_path / "missing", target=target, read_only=True, options=options)
    assert isinstance(error, UsageError)
    assert error.message == f"{tmp_path}/missing does not exist"
    assert not (tmp_path / "missing").exists()


def test_a_folder_that_is_made_is_named(tmp_path):
    events = []
    assert isinstance(begun(Engine(1), tmp_path / "a" / "b", emit=events.append), Reached)
    assert isinstance(begun(Engine(1), tmp_path / "a" / "b", emit=events.append), Reached)
    assert [event.message for event in events] == [f"created the folder {tmp_path}/a/b, which the target mounts"]


def test_a_missing_file_does_not_become_a_folder(tmp_path):
    error = begun(Engine(1), tmp_path / "key.json", target="/secrets/key.json")
    assert isinstance(error, UsageError)
    assert error.message == f"{tmp_path}/key.json does not exist"
    assert not (tmp_path / "key.json").exists()
    assert isinstance(begun(Engine(1), tmp_path / "data.d", target="/data"), Reached)


def test_a_source_that_this_user_may_not_see_is_left_to_the_engine(tmp_path, monkeypatch):
    """The engine may be root."""
    seen = Path.stat

    def stat(path: Path, **given: Any) -> Any:
        if path == tmp_path / "hidden" / "lines":
            raise PermissionError(13, "Permission denied")
        return seen(path, **given)

    monkeypatch.setattr(Path, "stat", stat)
    assert isinstance(begun(Engine(1), tmp_path / "hidden" / "lines", read_only=True), Reached)
