"""Tests which files of a target's container count as rows that are lost with it, and what happens then."""

import dataclasses

import pytest

from tapdock.connectors.paths import ConfigPath, mount_line, path_hint, paths_in, uncovered, unmounted
from tapdock.engines.local import LocalEngine
from tapdock.errors import EngineError, TargetError
from tapdock.project.connector_values import Config, Mount
from tapdock.project.model import Connector
from tapdock.project.secret import Secret
from tapdock.runs.lost_files import is_data, lost_files

NAMED = (ConfigPath("filepath", "/tmp/lake.duckdb", passing=False), ConfigPath("out", "/var/log/rows", passing=False))

FILES = [
    ("/data/lake.duckdb", True),
    ("/data/lake.duckdb.wal", True),
    ("/airbyte/integration_code/users.csv", True),
    ("/users.jsonl", True),
    ("/home/me/rows.parquet", True),
    ("/temporary/rows", True),
    ("/tmp/lake.duckdb", True),
    ("/tmp/lake.duckdb.wal", True),
    ("/tmp/lake.duckdb-journal", True),
    ("/tmp/lake.duckdb.old", False),
    ("/var/log/rows/users.log", True),
    ("/var/log/rows2/users", False),
    ("/tmp/other.duckdb", False),
    ("/var/tmp/x", False),
    ("/run/x.pid", False),
    ("/etc/passwd", False),
    ("/var/cache/fontconfig/x", False),
    ("/root/.cache/huggingface/x", False),
    ("/home/me/.duckdb/extensions/x", False),
    ("/app/__pycache__/x.cpython-312.pyc", False),
    ("/opt/connector/lib/x.pyc", False),
    ("/data/target.log", False),
    ("/data/.target.lock", False),
    ("/airbyte/rsa_key.p8", False),
    ("/airbyte/encrypt", False),
    ("/airbyte/ca.crt", False),
    ("/app/temp/users-1.csv", False),
]


@pytest.mark.parametrize(("path", "is_counted"), FILES)
def test_which_files_may_contain_rows(path, *, is_counted):
    assert is_data(path, NAMED) is is_counted


CONFIGS = [
    ({"filepath": "/data/lake.duckdb"}, ["/data/lake.duckdb"]),
    ({"destination_path": "/out/"}, ["/out"]),
    ({"sqlalchemy_url": "sqlite:////data/x.db"}, ["/data/x.db"]),
    ({"url": "duckdb:///data/x.db"}, ["/data/x.db"]),
    ({"root": "file:///rows"}, ["/rows"]),
    ({"storage": {"files": [{"path": "/a/b"}]}}, ["/a/b"]),
    ({"endpoint": "/v1/rows", "api_path": "/v1", "url": "https://x/y", "query": "/x", "date": "1/2/2020"}, []),
    ({"name": "rows", "text": "/ a path", "note": "/data is a folder", "slash": "/", "number": 7, "none": None}, []),
]


@pytest.mark.parametrize(("config", "paths"), CONFIGS)
def test_which_values_of_a_config_are_paths(config, paths):
    assert [each.path for each in paths_in(config)] == paths


def test_a_path_that_no_mount_covers_is_named_by_its_key():
    mounts = (Mount("/here", "/data"), Mount("volume", "/rows"))
    connector = Connector(name="lake", role="target", image="x", mounts=mounts)
    inner = {"e": "/rows/x", "g": Secret("/out")}
    config = Config({"a": "/data", "b": "/data/x", "c": "/database/x", "temp_dir": "/t", "d": inner})
    found = uncovered(Engine(), dataclasses.replace(connector, config=config))
    assert [(each.key, each.path) for each in found] == [("c", "/database/x"), ("d.g", "/out")]
    assert uncovered(LocalEngine(), dataclasses.replace(connector, config=config)) == ()


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ('IO Error: Cannot open file "/x/lake.duckdb": No such file', "filepath"),
        ("Cannot write /x/lake.duckdb", "filepath"),
        ("[Errno 2] No such file or directory: 'lake.duckdb.tmp'", "filepath"),
        ("PermissionError: [Errno 13] Permission denied: '/logs2'", "filepath"),
        ("cannot read /y", "rows.path"),
        ("cannot read /yellow or /x/lake.duckdb-old", None),
        ("the password is wrong", None),
        ("permission denied for table orders", None),
    ],
)
def test_a_failure_at_a_path_without_a_mount_has_the_mount_to_add(message, named):
    config = Config({"filepath": "/x/lake.duckdb", "rows": {"path": "/y"}})
    found = unmounted(Engine(), Connector(name="lake", role="target", image="x", config=config))
    fixes = {"filepath": "add `./x:/x` to `targets.lake.mounts`", "rows.path": "add `./y:/y` to `targets.lake.mounts`"}
    place = f"`targets.lake.config.{named}` is a path in the container, and no mount covers it: {fixes.get(named)}"
    assert path_hint(found, message) == (place if named else None)
    assert path_hint((), message) is None


class Engine:
    """An engine whose target changed files."""

    name = "small"

    def __init__(self, *files):
        self._files = files

    def changed(self, run_id, role, *, wanted):
        assert (run_id, role) == ("r1", "target")
        return tuple(file for file in self._files if wanted(file))


LAKE = Connector(name="lake", role="target", image="x")


@pytest.mark.parametrize(
    ("config", "file", "hint"),
    [
        ({"filepath": "/data/lake.duckdb"}, "/data/lake.duckdb", "add `./data:/data` to `targets.lake.mounts`"),
        ({"path": "/out/rows"}, "/out/rows/2026/users.csv", "add `./rows:/out/rows` to `targets.lake.mounts`"),
        ({"path": "/tmp/rows"}, "/tmp/rows/users.csv", "add `./rows:/tmp/rows` to `targets.lake.mounts`"),
        ({"destination_path": "/tmp"}, "/tmp/users.jsonl", "add `./tmp:/tmp` to `targets.lake.mounts`"),
        ({"path": "/a b/rows"}, "/a b/rows/users.csv", "add `./rows:/a b/rows` to `targets.lake.mounts`"),
        ({"catalog_path": "/c/rows"}, "/c/rows/users.csv", "add `./rows:/c/rows` to `targets.lake.mounts`"),
        ({}, "/app/users.csv", "add `./app:/app` to `targets.lake.mounts`"),
        ({}, "/users.csv", "set a path below /data in `targets.lake.config`"),
    ],
)
def test_a_file_with_rows_is_an_error_with_the_mount_to_add(config, file, hint):
    error = lost_files(Engine("/var/tmp/x", file), LAKE, config, run_id="r1")
    assert isinstance(error, TargetError)
    assert error.exit_code == 4
    assert f"target `lake` wrote `{file}` into its own container" in error.message
    assert hint in error.hint


@pytest.mark.parametrize("filepath", ["/data/lake.duckdb", "/tmp/lake.duckdb"])
def test_a_journal_beside_a_file_that_is_mounted_alone(tmp_path, filepath):
    """To mount the file again would not help: the folder must be mounted."""
    (tmp_path / "lake.duckdb").touch()
    lake = dataclasses.replace(LAKE, mounts=(Mount(f"{tmp_path}/lake.duckdb", filepath),))
    error = lost_files(Engine(f"{filepath}.wal"), lake, {"filepath": filepath}, run_id="r1")
    assert isinstance(error, TargetError)
    folder = filepath.rpartition("/")[0]
    assert f"only this file is mounted: move {tmp_path}/lake.duckdb into a folder" in error.hint
    assert f"`.{folder}:{folder}` in `targets.lake.mounts`" in error.hint


def test_a_file_beside_a_mounted_folder_is_not_in_it(tmp_path):
    lake = dataclasses.replace(LAKE, mounts=(Mount(str(tmp_path), "/out/rows"),))
    error = lost_files(Engine("/out/users.csv"), lake, {}, run_id="r1")
    assert error.hint == "add `./out:/out` to `targets.lake.mounts`"


@pytest.mark.parametrize("config", [{}, {"temp_dir": "/tmp/t"}, {"cache_dir": "/tmp"}])
def test_temporary_files_are_no_error(config):
    assert lost_files(Engine("/tmp/t/x", "/var/log/x", "/root/.cache/x"), LAKE, config, run_id="r1") is None


def test_the_mount_of_a_source():
    assert mount_line(Connector(name="s", role="source", image="x"), "/in") == "add `./in:/in` to `sources.s.mounts`"


def test_a_folder_that_this_machine_has_may_be_the_one_that_is_meant(tmp_path):
    line = mount_line(Connector(name="s", role="source", image="x"), str(tmp_path))
    assert line.endswith(f"`{tmp_path}:{tmp_path}` for the folder of this machine")


def test_a_run_whose_engine_does_not_answer_may_be_repeated():
    class Silent(Engine):
        def changed(self, run_id, role, *, wanted):
            raise EngineError("it did not answer")

    with pytest.raises(EngineError) as caught:
        lost_files(Silent(), LAKE, {}, run_id="r1")
    assert caught.value.retryable
    assert "the next run resumes from the last saved state" in caught.value.hint
