"""Tests mounts whose text has a second meaning."""

import pytest

from tapdock.errors import UsageError
from tapdock.project.load import load


def mounted(folder, mount):
    file = folder / "tapdock.yaml"
    file.write_text(f"version: 1\ntargets: {{t: {{image: x, mounts: [{mount}]}}}}\n")
    return load(file, environment=None, environ={}).targets["t"].mounts[0]


@pytest.mark.parametrize(
    ("mount", "problem", "hint"),
    [
        (r"'C:\data:/data'", "mounts a path of Windows", "/mnt/c"),
        ("'c:/data:/data'", "mounts a path of Windows", "/mnt/c"),
        (r"{source: 'C:\data', target: /data}", "is a path of Windows", "/mnt/c"),
        ("'./a:b:/data'", "has too many colons", "{source: "),
        ("'./a:b:/data:ro'", "has too many colons", "{source: "),
        ("./data", "is `./data`, not a mount", "./data:/data"),
    ],
)
def test_a_mount_that_cannot_be_meant_is_refused(tmp_path, mount, problem, hint):
    with pytest.raises(UsageError) as refused:
        mounted(tmp_path, mount)
    assert problem in refused.value.message
    assert hint in str(refused.value.hint)


def test_a_path_with_a_colon_has_a_long_form(tmp_path):
    mount = mounted(tmp_path, "{source: './a:b', target: '/c:d'}")
    assert (mount.source, mount.target) == (f"{tmp_path}/a:b", "/c:d")
