"""Compare the streams of a run with targets that replace their files in every run."""

import posixpath
import re
from pathlib import Path

from tapdock.connectors.context import PreparedConnector
from tapdock.connectors.paths import is_covered
from tapdock.connectors.resolved import Resolved
from tapdock.errors import UsageError
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.translate.base import FileNames, Quirks

__all__ = ["file_of", "own_file", "replaces_files", "require_files"]

_SECONDS = re.compile(r"%[ScfsTX]")
"""The parts of a time format that differ between two runs."""


def replaces_files(config: Resolved, quirks: Quirks) -> bool:
    """Return True if the target replaces the files of its earlier runs."""
    names = quirks.replaces_files
    return names is not None and not _differs(names, config)


def require_files(
    target: PreparedConnector,
    config: Resolved,
    streams: tuple[ConfiguredStream, ...],
    quirks: Quirks,
    *,
    is_check: bool = False,
) -> None:
    """Raise UsageError if rows would be lost because the target replaces a file or empties a table.

    Those are the rows of earlier runs if a stream is read incrementally, and the rows of other streams if all streams
    are written to one file. `streams` is empty if a tap reports its streams only while it runs. The one
    of a check is new, so only a file of other streams can be replaced.
    """
    names = quirks.replaces_files
    found = next((str(one.stream.key) for one in streams if one.sync_mode == "incremental"), None)
    if found and config.user.get("load_method") == "overwrite" and not quirks.ignores_load_method:
        raise UsageError(
            f"stream `{found}` is incremental, but target `{target.connector.name}` empties its tables in every run, so"
            " the rows of earlier runs would be lost",
            hint=f"remove `targets.{target.connector.name}.config.load_method`, or read every stream with"
            " `sync_mode: full_refresh`",
        )
    if names is None:
        return
    if is_check:
        _require_own_file(target, config, names)
        return
    name = f"target `{target.connector.name}`"
    where = f"targets.{target.connector.name}.config"
    if len(streams) != 1 and names.stream not in _scheme(names, config):
        raise UsageError(
            f"{name} would write all streams to one file, and replace it for each stream",
            hint=f"add `{names.stream}` to `{where}.{names.setting}`",
        )
    if not replaces_files(config, quirks) or (streams and found is None):
        return
    which = f"stream `{found}` is incremental" if found else "the streams of this tap may be incremental"
    raise UsageError(
        f"{which}, but {name} replaces its files in every run, so the rows of earlier runs would be lost",
        hint=f"{_suggested(names, config, where)}, or read every stream with `sync_mode: full_refresh`",
    )


def _require_own_file(target: PreparedConnector, config: Resolved, names: FileNames) -> None:
    if names.stream in _scheme(names, config) or _differs(names, config):
        return
    raise UsageError(
        f"target `{target.connector.name}` cannot be checked by writing: "
        f"it would replace `{_scheme(names, config)}`, a file of other streams",
        hint=f"add `{names.stream}` to `targets.{target.connector.name}.config.{names.setting}`",
    )


def file_of(
    target: PreparedConnector, config: Resolved, stream: str, names: FileNames, *, local: bool
) -> tuple[str, bool]:
    """Return the file of a stream, and whether its path on this machine, or in a volume, is known.

    It is known if a mount covers the file, or if the engine is `local`, whose programs use the paths of this machine.
    """
    folder = next((str(config.given[name]) for name in names.folders if config.given.get(name)), "")
    path = posixpath.normpath(posixpath.join(folder, _scheme(names, config).replace(names.stream, stream)))
    if not names.folders or not path.startswith("/"):
        return path, False
    if local:
        return str(Path(path).resolve()), True
    mount = max(
        (each for each in target.connector.mounts if is_covered(path, (each,))),
        key=lambda each: len(each.target),
        default=None,
    )
    if mount is None:
        return path, False
    source = mount.source if mount.is_volume else str(Path(mount.source).resolve())
    return source + path[len(mount.target) :], True


def own_file(target: PreparedConnector, config: Resolved, pipeline: str, names: FileNames) -> str:
    """Return how a pipeline gets files of its own, if another pipeline writes to the same target."""
    name, scheme = target.connector.name, _scheme(names, config)
    folder, slash, file = scheme.rpartition("/")
    own = f"{folder}{slash}{pipeline}-{file}"
    return f'write `{pipeline}` to a copy of `targets.{name}` with `config.{names.setting}: "{own}"`'


def _scheme(names: FileNames, config: Resolved) -> str:
    return str(config.given.get(names.setting) or names.default)


def _differs(names: FileNames, config: Resolved) -> bool:
    """Return True if the file names of two runs differ."""
    return names.time in _scheme(names, config) and _is_exact(names, config)


def _is_exact(names: FileNames, config: Resolved) -> bool:
    said = config.given.get(names.time_format) if names.time_format else None
    return said is None or bool(_SECONDS.search(str(said)))


def _suggested(names: FileNames, config: Resolved, where: str) -> str:
    """Return how the file names of two runs differ: the user's own name with the time in it, or an exact time."""
    scheme = _scheme(names, config)
    if names.time in scheme:
        return f"add `%H%M%S` to `{where}.{names.time_format}`"
    stem, dot, suffix = scheme.rpartition(".")
    named = f"{stem}-{names.time}{dot}{suffix}" if stem else f"{scheme}-{names.time}"
    return f'set `{where}.{names.setting}: "{named}"`'
