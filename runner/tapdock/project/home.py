"""The private folder of a project, and the rule that TAPDOCK_HOME belongs to one project only."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import msgspec

from tapdock.errors import UsageError
from tapdock.files import made, write_whole

__all__ = ["DOTENV", "FILE", "HOME", "Owner", "claim_home", "keeps_state", "owner_of", "place_of", "private_folder"]

FILE = "tapdock.yaml"
DOTENV = ".env"
HOME = "TAPDOCK_HOME"
_OWNER = "project"
"""The file in TAPDOCK_HOME that describes the project that uses it: the three fields of `Owner`, a line each."""
_MOUNTS = Path("/proc/self/mountinfo")
_OF_A_CONTAINER = ("overlay", "aufs", "fuse.fuse-overlayfs")
"""File systems of containers. What is stored there has no place outside, and ends with its container."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """A project as the owner of TAPDOCK_HOME.

    `path` is its folder as its process sees it, which is the same for all projects in containers. `place` is that
    folder in its file system, which is not; it is empty if unknown. `inside` is True in a container.
    """

    path: str
    place: str = ""
    inside: bool = False


def private_folder(folder: Path, environ: Mapping[str, str]) -> Path:
    """Return the folder of caches, run records and the default state: TAPDOCK_HOME, else `.tapdock` in the project.

    Raises UsageError for a text that is no path, or a folder that this user may not read.
    """
    home = environ.get(HOME)
    private = Path(home).absolute() if home else folder / ".tapdock"
    try:
        os.scandir(private).close()
    except (FileNotFoundError, NotADirectoryError):
        return private
    except ValueError as error:  # a NUL character
        raise UsageError(f"{HOME} is not a path: {error}") from error
    except OSError as error:
        hint = f"become its owner (`chown`), or set {HOME} to a folder that only this project and this user use"
        raise UsageError(f"the private folder {private} cannot be read: {error.strerror}", hint=hint) from error
    return private


def claim_home(
    private: Path, folder: Path, environ: Mapping[str, str], *, write: bool, mounts: str | None = None
) -> None:
    """Make TAPDOCK_HOME the private folder of this project only: states of two projects may have the same names.

    The home of a project that does not exist any more, or has moved, is taken over, but not in a container, which sees
    no other project. Raises UsageError if it belongs to another project. `mounts` is the content of
    `/proc/self/mountinfo`, which is read by default.
    """
    if not environ.get(HOME):
        return
    file = private / _OWNER
    mine = owner_of(folder.resolve(), _mountinfo() if mounts is None else mounts)
    other = _stored(file)
    if other and not _may_take(mine, other):
        hint = f"set {HOME} to a folder or volume that only this project uses; remove {file} if the project has moved"
        raise UsageError(f"{private} has the states of the project {_named(other)}, not of {_named(mine)}", hint=hint)
    if write and other != mine:
        with suppress(OSError):  # a run reports it if it cannot write there
            made(private)
            write_whole(file, os.fsencode(f"{mine.path}\n{mine.place}\n{int(mine.inside)}\n"), durable=False)


def owner_of(folder: Path, mounts: str) -> Owner:
    """Return a project's folder as the owner of a private folder. `mounts` is the content of `/proc/self/mountinfo`.

    >>> bind = "1 0 0:39 / / rw - overlay overlay rw\\n2 1 254:0 /home/me/shop /project rw - ext4 /dev/vda rw\\n"
    >>> owner_of(Path("/project"), bind)
    Owner(path='/project', place='/home/me/shop', inside=True)
    """
    found: dict[PurePosixPath, tuple[str, str, str]] = {}
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        words, device = fields.split(" "), rest.split(" ")
        if len(words) > 4 and len(device) > 1:  # a later mount at the same path hides an earlier one
            found[PurePosixPath(_plain(words[4]))] = (_plain(words[3]), device[0], _plain(device[1]))
    inside = found.get(PurePosixPath("/"), ("", "", ""))[1] in _OF_A_CONTAINER
    covering = max((at for at in found if folder.is_relative_to(at)), key=lambda at: len(at.parts), default=None)
    if covering is None or found[covering][1] in _OF_A_CONTAINER:
        return Owner(path=str(folder), inside=inside)
    root, _, device_name = found[covering]
    whole = f"{device_name}:" if root == "/" and inside else ""  # a whole disk or export as the mount
    return Owner(path=str(folder), place=f"{whole}{PurePosixPath(root) / folder.relative_to(covering)}", inside=inside)


def place_of(folder: Path) -> str:
    """Return where a project's folder is: its path in its file system, which is the same in a container, if known."""
    owner = owner_of(folder.resolve(), _mountinfo())
    return owner.place or owner.path


def keeps_state(folder: Path, private: Path, uri: str) -> bool:
    """Return True if the states of a project are in its own folders, and False if other projects may use them too.

    `uri` is that of the state backend, `folder` and `private` are the project's.

    >>> [keeps_state(Path("/p"), Path("/p/.tapdock"), uri) for uri in ("state", "sqlite:///x.db", "../x", "s3://b/x")]
    [True, True, False, False]
    """
    scheme, separator, path = uri.partition("://")
    if separator and scheme.partition("+")[0] not in ("file", "sqlite"):
        return False
    if separator:
        path = unquote(path).partition("?")[0].removeprefix("/" if scheme != "file" else "")
    place = (folder / Path(path if separator else uri).expanduser()).resolve()
    return any(place.is_relative_to(own.resolve()) for own in (folder, private))


def _may_take(mine: Owner, other: Owner) -> bool:
    """Return True for the same project, and for one whose folder is certainly gone.

    Two folders of this machine may have the same place in different file systems.
    """
    if mine.place and mine.place == other.place:
        return mine.inside or other.inside or not _are_two(Path(mine.path), Path(other.path))
    if mine.path == other.path:  # outside of containers, its file system may have been mounted again
        return not (mine.inside and other.inside) or mine.place == other.place
    return not (mine.inside or other.inside or (Path(other.path) / FILE).is_file())


def _are_two(one: Path, other: Path) -> bool:
    try:
        return one != other and not one.samefile(other)
    except OSError:  # one of them is gone
        return False


def _stored(file: Path) -> Owner | None:
    """Return the owner of a private folder. Earlier versions wrote only its path."""
    try:
        path, place, inside, *_ = [*os.fsdecode(file.read_bytes()).split("\n"), "", ""]
    except (OSError, UnicodeError):
        return None
    return Owner(path=path.strip(), place=place, inside=inside == "1") if path.strip() else None


def _named(owner: Owner) -> str:
    return f"{owner.path} ({owner.place} outside of its container)" if owner.inside and owner.place else owner.path


def _mountinfo() -> str:
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _plain(text: str) -> str:
    """Return a path of mountinfo, in which spaces and line ends are written as octal numbers."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
