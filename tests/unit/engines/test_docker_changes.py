"""Tests which files a container is found to have written for itself alone."""

import base64
import http.client
import io
import json
import tarfile
from types import SimpleNamespace

import docker.errors
import pytest
import requests.exceptions

from tapdock.engines.docker.changes import changed_files, found
from tapdock.errors import ContainerGone, EngineError

BEGAN = 1_700_000_000
VOLUME = "ab" * 32


class Api:
    """The part of an engine's API that is asked. `files` are sizes by path; a folder has the size None."""

    def __init__(self, files=(), *, mounts=(), binds=(), volume=(), deleted=(), error=None):
        self._files = dict(files)
        self._facts = {
            "HostConfig": {"Binds": list(binds), "Tmpfs": {"/tapdock/files": ""}},
            "Mounts": list(mounts),
            "State": {"StartedAt": "2023-11-14T22:13:20.123456789Z"},
        }
        self._deleted = deleted
        self._volume = volume
        self._error = error

    def inspect_container(self, name):
        if self._error:
            raise self._error
        return self._facts

    def diff(self, name):
        folders = {"/".join(path.split("/")[:depth]) for path in self._files for depth in range(2, path.count("/") + 1)}
        added = [{"Path": path, "Kind": 1} for path in self._files]
        return [{"Path": path, "Kind": 0} for path in folders] + added + [{"Path": p, "Kind": 2} for p in self._deleted]

    def _url(self, path, name):
        return path.format(name)

    timeout = 60
    head_code = 200

    def _raise_for_status(self, answer):
        if answer.status_code != 200:
            raise docker.errors.APIError(f"{answer.status_code} Server Error")

    def head(self, url, *, params, timeout):
        assert timeout == 60
        if self.head_code != 200:
            return SimpleNamespace(status_code=self.head_code, headers={})
        size = self._files.get(params["path"])
        stat = {"size": size or 4096, "mode": 0o644 if size is not None else 1 << 31 | 0o755}
        stat["size"] = size if size is not None else 4096
        header = base64.b64encode(json.dumps(stat).encode()).decode()
        return SimpleNamespace(status_code=200, headers={"X-Docker-Container-Path-Stat": header})

    def get_archive(self, name, folder):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path, size, mtime in self._volume:
                file = tarfile.TarInfo(path)
                file.size, file.mtime = size, mtime
                tar.addfile(file, io.BytesIO(b"x" * size))
        data = packed.getvalue()
        return (data[at : at + 700] for at in range(0, len(data), 700)), {}


def _found(api, wanted=lambda _: True):
    return found(api, "tapdock-r1-target", wanted=wanted)


def test_files_with_content_outside_of_mounts():
    mounts = [{"Type": "bind", "Destination": "/data"}]
    files = {"/data": None, "/tapdock/files": None, "/tapdock": None, "/out/empty": 0, "/out/rows": 7, "/new": None}
    assert _found(Api(files, mounts=mounts, binds=["/x:/data"], deleted=["/gone"])) == ("/out/rows",)
    assert _found(Api(files, mounts=mounts), wanted=lambda path: path != "/out/rows") == ()


def test_names_that_begin_alike_are_not_folders_of_each_other():
    changes = [{"Path": path, "Kind": 1} for path in ("/a", "/a/c", "/a-b", "/data2/x", "/data/x")]
    assert changed_files(changes, ["/data/"]) == ["/a-b", "/a/c", "/data2/x"]


def test_at_most_three_files_are_named():
    assert _found(Api({f"/out/{number}": 1 for number in range(9)})) == ("/out/0", "/out/1", "/out/2")


OLD = ("data/of-the-image", 9, BEGAN - 9)


@pytest.mark.parametrize(
    ("volume", "binds", "files"),
    [
        ([OLD, ("data/empty", 0, BEGAN), ("data/rows", 1500, BEGAN + 1)], [], ("/data/rows",)),
        ([OLD], [], ()),
        ([("data/rows", 9, BEGAN)], [f"{VOLUME}:/data"], ()),
    ],
)
def test_a_volume_without_a_name_is_removed_with_its_container(volume, binds, files):
    """An image declares it (`VOLUME /data`), and the run's own volumes have names."""
    mounts = [{"Type": "volume", "Name": VOLUME, "Destination": "/data"}]
    assert _found(Api(mounts=mounts, binds=binds, volume=volume)) == files


def test_a_container_that_is_gone_and_an_engine_that_does_not_answer():
    with pytest.raises(ContainerGone, match="the container does not exist any more"):
        _found(Api(error=docker.errors.NotFound("gone")))
    with pytest.raises(EngineError, match="did not report which files a container changed: no"):
        _found(Api(error=docker.errors.APIError("no")))


@pytest.mark.parametrize(("code", "files"), [(404, ()), (500, None)])
def test_a_file_that_was_removed_meanwhile_and_one_that_the_engine_does_not_describe(code, files):
    """Without an answer it is not known whether the file has rows."""
    api = Api({"/out/rows": 7})
    api.head_code = code
    if files is not None:
        assert _found(api) == files
        return
    with pytest.raises(EngineError, match="did not report which files a container changed"):
        _found(api)


def test_a_file_behind_many_empty_ones_is_found():
    files = {f"/app/a/{number}": 0 for number in range(300)}
    assert _found(Api({**files, "/out/rows": 7})) == ("/out/rows",)


@pytest.mark.parametrize("chunks", [(), (b"x" * 700,)])
def test_an_answer_that_cannot_be_read_is_an_error_of_the_engine(chunks):
    api = Api(mounts=[{"Type": "volume", "Name": VOLUME, "Destination": "/data"}])
    api.get_archive = lambda *_: ((chunk for chunk in chunks), {})
    with pytest.raises(EngineError, match="its answer cannot be read"):
        _found(api)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            requests.exceptions.ConnectionError("Connection aborted.", FileNotFoundError(2, "none")),
            "the engine stopped answering",
        ),
        (http.client.IncompleteRead(b""), "the engine stopped answering"),
        (requests.exceptions.ReadTimeout("read timed out"), "the engine did not answer in time"),
        (docker.errors.APIError("400", explanation="no such driver"), "no such driver"),
    ],
)
def test_the_reason_when_the_engine_does_not_report_them(error, reason):
    with pytest.raises(EngineError) as caught:
        _found(Api(error=error))
    assert caught.value.message == f"the engine did not report which files a container changed: {reason}"
