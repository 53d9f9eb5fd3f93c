"""The project as a frozen value, and secrets that hide themselves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "MAX_LINE",
    "Build",
    "CatalogFile",
    "CatalogOption",
    "Config",
    "Connector",
    "DestinationMode",
    "Kind",
    "Limits",
    "Manifest",
    "Mount",
    "Namespacing",
    "OnBadRecord",
    "OnSchemaChange",
    "Pipeline",
    "Project",
    "Pull",
    "ReplicationMethod",
    "Rotate",
    "Secret",
    "StateType",
    "StreamOptions",
    "SyncMode",
]

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?(?:==(?P<version>[A-Za-z0-9.!+_-]+))?")

Kind = Literal["airbyte", "singer"]
Pull = Literal["missing", "always", "never"]
Rotate = Literal["secrets", "all", "none"]
SyncMode = Literal["full_refresh", "incremental"]
DestinationMode = Literal["append", "overwrite", "append_dedup"]
OnBadRecord = Literal["fail", "set_aside"]
OnSchemaChange = Literal["spool", "stream"]
ReplicationMethod = Literal["FULL_TABLE", "INCREMENTAL", "LOG_BASED"]
CatalogOption = Literal["--catalog", "--properties"]
StateType = Literal["global", "stream"]


class Secret:
    """Text that came from the environment: shown as `[secret]` wherever it is printed.

    `parts` are the variables' own values in a longer text: a connector may print only the password of an address.
    """

    __slots__ = ("_text", "parts")

    def __init__(self, text: str, *, parts: tuple[str, ...] = ()) -> None:
        self._text = text
        self.parts = parts

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "[secret]"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Config(Mapping[str, Any]):
    """A connector's config: opaque, with `Secret` leaves where a value came from the environment."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Config({', '.join(self._values)})"


@dataclass(frozen=True)
class Mount:
    """A user's mount; `source` is an absolute path, or a volume's name."""

    source: str
    target: str
    read_only: bool = False
    options: tuple[str, ...] = ()

    @property
    def is_volume(self) -> bool:
        return not self.source.startswith("/")


@dataclass(frozen=True, kw_only=True)
class Build:
    """How an image of a connector is made: which folder of `images/`, and which packages, separated by spaces."""

    family: Literal["singer", "airbyte-python"]
    package: str
    executable: str | None = None

    @property
    def program(self) -> str | None:
        """What is started: as said, else named like the first package, which Airbyte puts `airbyte-` in front of."""
        first = _REQUIREMENT.fullmatch(self.package.split(" ")[0])
        if self.executable or first is None:
            return self.executable
        name = first["name"].lower().replace("_", "-")
        return name.removeprefix("airbyte-") if self.family == "airbyte-python" else name

    @property
    def version(self) -> str | None:
        """Of the first package, where it is pinned."""
        first = _REQUIREMENT.fullmatch(self.package.split(" ")[0])
        return first["version"] if first else None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a low-code source does: `content` is a JSON object, `spec` the schema of its config where it has one."""

    file: Path
    content: bytes = field(repr=False)
    spec: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class CatalogFile:
    """A tap's catalog that the user keeps: `content` is JSON."""

    file: Path
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """What a user says of one stream; empty means: as the source offers it."""

    sync_mode: SyncMode | None = None
    destination_sync_mode: DestinationMode | None = None
    cursor_field: tuple[str, ...] = ()
    primary_key: tuple[tuple[str, ...], ...] = ()
    flatten_keys: bool = False
    log_based: bool = False


MAX_LINE = 64 << 20
"""The longest line of a connector's output that is read unless the user allows more, in bytes: it is kept in memory."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Times in seconds after which a side counts as failed; `gone`, after which one that was killed counts as gone."""

    source_idle: float = 3 * 3600.0
    target_idle: float = 24 * 3600.0
    stop_grace: float = 30.0
    exit_grace: float = 60.0
    gone: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Connector:
    """A source or a target of the project file: one entry, one container.

    `rotate` is which values of its config it may change by itself, for its later runs.

    Of Singer taps: `catalog` is the user's own, `catalog_option` how the tap takes one, `discovery` whether it tells
    one. Of targets: `state_type` is which states of Airbyte's it gives back, `waits_for_complete` whether the end of
    its input alone replaces nothing, `allow_unsafe_overwrite` that a table may be empty after a run that failed.
    `max_line` is in bytes.
    """

    name: str
    role: Literal["source", "target"]
    image: str
    kind: Kind | None = None
    config: Config = field(default_factory=Config)
    select: tuple[str, ...] = ()
    streams: Mapping[str, StreamOptions] = field(default_factory=dict)
    build: Build | None = None
    manifest: Manifest | None = None
    env: Mapping[str, str | Secret] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()
    platform: str | None = None
    network: str | None = None
    extra_hosts: tuple[str, ...] = ()
    user: str | None = None
    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None
    pull: Pull = "missing"
    rotate: Rotate = "secrets"
    limits: Limits = Limits()
    max_line: int = MAX_LINE
    catalog: CatalogFile | None = None
    catalog_option: CatalogOption = "--catalog"
    discovery: bool = True
    state_type: StateType | None = None
    waits_for_complete: bool = False
    allow_unsafe_overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class Namespacing:
    """What the target calls a stream's namespace (protocol.md 1.11); `kind` None is what the source's kind makes of it.

    `format` is for `customformat`, with `${SOURCE_NAMESPACE}` in it. `prefix` stands before every stream's name.
    """

    kind: Literal["source", "destination", "customformat"] | None = None
    format: str = ""
    prefix: str = ""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A source and a target that a user named together.

    `meta_changes` keeps what a source says of its own changes to a record, as a column of the target.
    `validate_records` refuses those of a tap whose values are of other types than its schema says.
    """

    name: str
    source: str
    target: str
    retries: int = 0
    state_suffix: str | None = None
    namespacing: Namespacing = Namespacing()
    on_schema_change: OnSchemaChange = "spool"
    on_bad_record: OnBadRecord = "fail"
    meta_changes: bool = False
    validate_records: bool = False


@dataclass(frozen=True, kw_only=True)
class Project:
    """Everything a command needs to know, already checked.

    `private` is the folder of caches, run records and the default state; `origins` maps a dotted path to where it came
    from.
    """

    folder: Path
    file: Path
    environment: str | None
    state_uri: str
    sources: Mapping[str, Connector]
    targets: Mapping[str, Connector]
    pipelines: Mapping[str, Pipeline]
    private: Path
    origins: Mapping[str, str] = field(default_factory=dict)
