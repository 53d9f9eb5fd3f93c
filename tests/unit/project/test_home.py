"""Tests of TAPDOCK_HOME: the states in it belong to one project, also if all projects have the same path."""

from pathlib import Path

import pytest

from tapdock.errors import UsageError
from tapdock.project.home import Owner, claim_home, owner_of

CONTAINER = "1 0 0:39 / / rw master:3 - overlay overlay rw,lowerdir=/l/A - B\n"
MACHINE = "1 0 254:0 / / rw - ext4 /dev/vda rw\n2 1 254:1 / /home rw - ext4 /dev/vdb rw\n"


def bound(root: str, at: str = "/project", *, device: str = "/dev/vda") -> str:
    return f"{CONTAINER}9 1 254:0 {root} {at} rw,relatime - ext4 {device} rw\n"


OWNERS = [
    ("/project", bound("/home/me/shop"), Owner(path="/project", place="/home/me/shop", inside=True)),
    ("/project/eu", bound("/home/me/shop"), Owner(path="/project/eu", place="/home/me/shop/eu", inside=True)),
    ("/project", bound("/my\\040shop"), Owner(path="/project", place="/my shop", inside=True)),
    ("/project", bound("/a") + bound("/b"), Owner(path="/project", place="/b", inside=True)),
    ("/project", bound("/"), Owner(path="/project", place="/dev/vda:/", inside=True)),
    ("/project", CONTAINER, Owner(path="/project", inside=True)),
    ("/projects", bound("/home/me/shop"), Owner(path="/projects", inside=True)),
    ("/home/me/shop", MACHINE, Owner(path="/home/me/shop", place="/me/shop")),
    ("/home/me/shop", "", Owner(path="/home/me/shop")),
    ("/home/me/shop", "no such\nformat - at all", Owner(path="/home/me/shop")),
]


@pytest.mark.parametrize(("folder", "mounts", "owner"), OWNERS)
def test_the_owner_of_a_home(folder: str, mounts: str, owner: Owner) -> None:
    assert owner_of(Path(folder), mounts) == owner


SHOP, CRM = bound("/home/me/shop"), bound("/home/me/crm")
PAIRS = [
    pytest.param("/project", SHOP, "/project", SHOP, True, id="the same project"),
    pytest.param("/project", SHOP, "/project", CRM, False, id="two folders at the same path"),
    pytest.param("/project", SHOP, "/work", bound("/home/me/crm", "/work"), False, id="two folders at two paths"),
    pytest.param("/project", SHOP, "/work", bound("/home/me/shop", "/work"), True, id="one folder at two paths"),
    pytest.param("/project", bound("/"), "/project", bound("/", device="/dev/vdb"), False, id="two whole disks"),
    pytest.param("/project", SHOP, "/project", CONTAINER, False, id="a folder, and a project in an image"),
    pytest.param("/project", CONTAINER, "/project", CONTAINER, True, id="two containers of an image"),
    pytest.param("/gone", MACHINE, "/project", SHOP, False, id="one of the machine, then one in a container"),
    pytest.param("/project", SHOP, "/gone", MACHINE, False, id="one in a container, then one of the machine"),
    pytest.param("/home/gone", MACHINE, "/home/new", MACHINE, True, id="a project that moved, without containers"),
    pytest.param("/me/shop", MACHINE, "/project", bound("/me/shop"), True, id="with and without a container"),
]


@pytest.mark.parametrize(("first", "its_mounts", "second", "mounts", "may"), PAIRS)
def test_which_project_may_use_a_home(
    tmp_path: Path, first: str, its_mounts: str, second: str, mounts: str, may: bool
) -> None:
    environ = {"TAPDOCK_HOME": str(tmp_path)}
    claim_home(tmp_path, Path(first), environ, write=True, mounts=its_mounts)
    if may:
        claim_home(tmp_path, Path(second), environ, write=True, mounts=mounts)
    else:
        with pytest.raises(UsageError, match=f"has the states of the project {first}") as refused:
            claim_home(tmp_path, Path(second), environ, write=True, mounts=mounts)
        assert f"remove {tmp_path}/project" in (refused.value.hint or "")
    claim_home(tmp_path, Path(second if may else first), environ, write=False, mounts=mounts if may else its_mounts)


def test_the_home_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    """It has only the path of the project."""
    environ = {"TAPDOCK_HOME": str(tmp_path)}
    (tmp_path / "project").write_text("/project\n")
    claim_home(tmp_path, Path("/project"), environ, write=True, mounts=SHOP)
    with pytest.raises(UsageError, match=r"of the project /project \(/home/me/shop outside of its container\)"):
        claim_home(tmp_path, Path("/project"), environ, write=False, mounts=CRM)


def test_without_a_home_nothing_is_claimed(tmp_path: Path) -> None:
    claim_home(tmp_path, Path("/project"), {}, write=True, mounts=SHOP)
    assert not (tmp_path / "project").exists()


def test_folders_whose_names_are_not_unicode(tmp_path: Path) -> None:
    environ, odd = {"TAPDOCK_HOME": str(tmp_path)}, Path("/caf\udce9")
    claim_home(tmp_path, odd, environ, write=True, mounts=bound("/a", str(odd)))
    claim_home(tmp_path, odd, environ, write=False, mounts=bound("/a", str(odd)))
    with pytest.raises(UsageError):
        claim_home(tmp_path, odd, environ, write=False, mounts=bound("/b", str(odd)))


def test_two_folders_with_one_path_in_two_file_systems(tmp_path: Path) -> None:
    """`/home/me/shop` and `/me/shop` are both `/me/shop` if `/home` is a file system of its own."""
    home, one, other = tmp_path / "home", tmp_path / "a" / "shop", tmp_path / "b" / "shop"
    for folder in (one, other):
        folder.mkdir(parents=True)
        (folder / "tapdock.yaml").write_text("version: 1")
    mounts = "".join(f"{n} 1 254:{n} / {tmp_path}/{disk} rw - ext4 /dev/vd{disk} rw\n" for n, disk in enumerate("ab"))
    environ = {"TAPDOCK_HOME": str(home)}
    claim_home(home, one, environ, write=True, mounts=mounts)
    claim_home(home, one, environ, write=True, mounts=mounts)
    with pytest.raises(UsageError, match="has the states of the project"):
        claim_home(home, other, environ, write=True, mounts=mounts)
    (tmp_path / "again").symlink_to(one)
    claim_home(home, tmp_path / "again", environ, write=True, mounts=mounts)
