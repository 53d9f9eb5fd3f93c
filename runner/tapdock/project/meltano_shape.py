"""The parts of a `meltano.yml` and of a lock file that are converted, with their types."""

from typing import Any, TypeVar

import msgspec

from tapdock.errors import UsageError

__all__ = ["Lock", "Whole", "require"]

_Options = dict[str, Any] | None
Shape = TypeVar("Shape")


class _Setting(msgspec.Struct):
    name: str
    aliases: list[str] | None = None
    env_aliases: list[str] | None = None


class Lock(msgspec.Struct):
    """A lock file of a plugin."""

    namespace: str | None = None
    pip_url: str | None = None
    executable: str | None = None
    capabilities: list[str] | None = None
    settings: list[_Setting] | None = None
    select: list[str] | None = None
    select_filter: list[str] | None = None
    metadata: _Options = None
    schema: _Options = None
    catalog: str | None = None
    load_schema: str | None = None
    use_cached_catalog: bool | None = None


class _Plugin(Lock, kw_only=True):
    name: str
    config: _Options = None
    env: _Options = None
    annotations: _Options = None
    inherit_from: str | None = None
    variant: str | None = None


_Plugins = dict[str, list[_Plugin] | None] | None


class _EnvironmentConfig(msgspec.Struct):
    plugins: _Plugins = None


class _Environment(msgspec.Struct):
    name: str
    config: _EnvironmentConfig | None = None
    env: _Options = None
    state_id_suffix: str | int | None = None


class _Job(msgspec.Struct):
    name: str
    annotations: _Options = None
    tasks: str | list[Any] | None = None


class _Schedule(msgspec.Struct):
    name: str
    extractor: str | None = None
    loader: str | None = None
    job: str | None = None
    transform: str | None = None
    env: _Options = None


class _StateBackend(msgspec.Struct):
    uri: str | None = None


class Whole(msgspec.Struct):
    """A `meltano.yml` together with the files that it includes."""

    include_paths: list[str] | None = None
    default_environment: str | None = None
    plugins: _Plugins = None
    jobs: list[_Job] | None = None
    schedules: list[_Schedule] | None = None
    environments: list[_Environment] | None = None
    env: _Options = None
    annotations: _Options = None
    state_backend: _StateBackend | None = None


def require(content: Any, shape: type[Shape], *, label: str) -> None:
    """Raise UsageError, whose message begins with the label, if a value has another type than the shape."""
    try:
        msgspec.convert(content, shape)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UsageError(f"{label} has an unexpected value: {error}", hint="`meltano config` checks it") from error
