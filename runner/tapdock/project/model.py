"""The project as frozen values."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from tapdock.project.building import Build
from tapdock.project.connector_values import CatalogFile, Config, Manifest, Mount
from tapdock.project.discovery import CACHED, Discovery
from tapdock.project.limits import BUFFER, MAX_LINE, Limits
from tapdock.project.maps import MapKeys
from tapdock.project.row import Matrix, Row
from tapdock.project.secret import LateSecrets, Secret
from tapdock.project.steps import Command, Hooks, Job, Notify, Schedule
from tapdock.project.window import WindowKeys

__all__ = [
    "BUFFER",
    "MAX_LINE",
    "Build",
    "CatalogOption",
    "Command",
    "Connector",
    "ConnectorRole",
    "DestinationMode",
    "Hooks",
    "Job",
    "Kind",
    "LateSchema",
    "Limits",
    "Namespacing",
    "OnBadRecord",
    "Pipeline",
    "Project",
    "Pull",
    "ReplicationMethod",
    "Rotate",
    "SchemaPolicy",
    "Schemaless",
    "StateType",
    "StreamOptions",
    "SyncMode",
    "TaskEngine",
    "UndeclaredFields",
]

Kind = Literal["airbyte", "singer"]
ConnectorRole = Literal["source", "mapper", "target", "task"]
TaskEngine = Literal["container", "host"]
Pull = Literal["missing", "always", "never"]
Rotate = Literal["secrets", "all", "none"]
SyncMode = Literal["full_refresh", "incremental"]
DestinationMode = Literal["append", "overwrite", "append_dedup"]
OnBadRecord = Literal["fail", "set_aside"]
UndeclaredFields = Literal["pass", "drop", "json", "fail"]
Schemaless = Literal["json", "infer", "refuse"]
LateSchema = Literal["spool", "stream"]
SchemaPolicy = Literal["evolve", "freeze", "fail"]
ReplicationMethod = Literal["FULL_TABLE", "INCREMENTAL", "LOG_BASED"]
CatalogOption = Literal["--catalog", "--properties"]
StateType = Literal["global", "stream"]


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """A user's options for one stream; for an empty one, the source's default is used.

    `schema` has JSON Schema keywords by field. `metadata` is for a Singer tap's catalog. `undeclared_fields`
    and `schemaless` replace those of the pipeline. `given` is what a user wrote.
    """

    sync_mode: SyncMode | None = None
    destination_sync_mode: DestinationMode | None = None
    cursor_field: tuple[str, ...] = ()
    primary_key: tuple[tuple[str, ...], ...] = ()
    flatten_keys: bool = False
    log_based: bool = False
    schema: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    undeclared_fields: UndeclaredFields | None = None
    schemaless: Schemaless | None = None
    given: frozenset[str] = field(default=frozenset(), compare=False)

    def __post_init__(self) -> None:
        """Count a value that is not the default as given."""
        plain = {each.name: each.default for each in fields(self) if each.default is not MISSING}
        found = {name for name, value in plain.items() if name != "given" and getattr(self, name) != value}
        found |= {name for name in ("schema", "metadata") if getattr(self, name)}
        object.__setattr__(self, "given", self.given | found)


@dataclass(frozen=True, kw_only=True)
class Connector(MapKeys):
    """A source, a mapper, a target or a task of the project file: one entry, one container.

    `rotate` says which values of its config the connector may change for its later runs. `max_line` is in bytes.

    For Singer taps: `catalog` is the user's own catalog, `catalog_option` the option that passes it to the tap. For
    targets: `state_type` is the type of Airbyte states that the target acknowledges. `waits_for_complete` says that the
    end of the input alone replaces no data. `allow_unsafe_overwrite` allows that a table is empty after a failed run.
    For sources: `load_schema` is the value of `${LOAD_SCHEMA}` in the config of their target, and `window` names the
    settings that take a date range. For mappers: `mappings` are named settings, which a run puts over those in
    `config`. For tasks: `commands` are what can be run, by name. `engine` says whether they are containers or programs
    of this machine. `working_dir` is where they start.

    `row` is the row of a matrix (`shop[acme]`) on which a value depends. `unset` is a key that has its value only in a
    row: it raises the error.
    """

    name: str
    role: ConnectorRole
    image: str
    extends: str | None = None
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
    pids: int = 4096
    pull: Pull = "missing"
    rotate: Rotate = "secrets"
    limits: Limits = field(default_factory=Limits)
    max_line: int = MAX_LINE
    catalog: CatalogFile | None = None
    catalog_option: CatalogOption = "--catalog"
    discovery: Discovery = CACHED
    state_type: StateType | None = None
    waits_for_complete: bool = False
    allow_unsafe_overwrite: bool = False
    load_schema: str | None = None
    window: WindowKeys | None = None
    mappings: Mapping[str, Config] = field(default_factory=dict)
    commands: Mapping[str, Command] = field(default_factory=dict)
    engine: TaskEngine = "container"
    working_dir: str | None = None
    row: str | None = None
    unset: Secret | None = field(default=None, compare=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_on_host(self) -> bool:
        """True for a task whose commands are programs of this machine: it has no image."""
        return self.engine == "host"

    @property
    def reports_streams(self) -> bool:
        """True if the streams of the source are known before a run."""
        return self.discovery.mode != "never" or self.catalog is not None


class Namespacing(msgspec.Struct, frozen=True, kw_only=True):
    """The namespaces in the target (protocol.md 1.11); if `kind` is None, the default of the source's kind is used.

    `format` is for `customformat` and contains `${SOURCE_NAMESPACE}`. `prefix` is put before every stream's name.
    """

    kind: Literal["source", "destination", "customformat"] | None = None
    format: str = ""
    prefix: str = ""


@dataclass(frozen=True, kw_only=True)
class Pipeline(MapKeys, Hooks):
    """A source and a target that have a name together, with options. `mappers` has at most one name.

    `meta_changes` keeps the source's notes about its own changes to a record, as a column of the target.
    `validate_records` refuses a tap's records whose values do not match the types in its schema. `buffer` is in bytes.
    A pipeline `shop` with a `matrix` runs as the pipelines of its rows: `shop[acme]` has the `row` `acme`, and its
    `variant` is the project with the values of this row.
    """

    name: str
    source: str
    target: str
    mappers: tuple[str, ...] = ()
    retries: int = 0
    state_suffix: str | None = None
    state_id: str | None = None
    namespacing: Namespacing = Namespacing()
    schema_changes: SchemaPolicy = "evolve"
    late_schema: LateSchema = "spool"
    on_bad_record: OnBadRecord = "fail"
    undeclared_fields: UndeclaredFields | None = None
    schemaless: Schemaless | None = None
    meta_changes: bool = False
    validate_records: bool = False
    buffer: int = BUFFER
    matrix: Matrix | None = None
    row: str | None = None
    variant: "Project | None" = field(default=None, compare=False, repr=False)
    notify: tuple[Notify, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def is_template(self) -> bool:
        """True for a pipeline that runs only as the rows of its matrix."""
        return self.matrix is not None and self.row is None

    @property
    def columns(self) -> Mapping[str, Any]:
        """Constant columns that are added to each record."""
        return self.matrix.columns if self.matrix else {}

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that become part of the key: those that are the row's name, or all if there is none of these.

        Other values of a row may change, and its rows would then be in the table twice.
        """
        return (self.matrix.naming or tuple(self.columns)) if self.matrix else ()

    @property
    def connectors(self) -> tuple[str, ...]:
        return (self.source, *self.mappers, self.target)


class RowPipelines(Protocol):
    """Makes a pipeline of each row of a matrix."""

    def read(self, pipeline: Pipeline, /) -> tuple[Row, ...]:
        """Return the rows of a pipeline's matrix, which may start a program. Raises UsageError."""

    def added(self, pipeline: Pipeline, /) -> tuple[str, ...]:
        """Return the names of rows that were added to the file of a matrix after it was read. Raises UsageError."""

    def pipelines(
        self, project: "Project", pipeline: Pipeline, names: tuple[str, ...] | None, /
    ) -> tuple[Pipeline, ...]:
        """Return the pipelines of the rows with these names; None stands for all. Raises UsageError."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """The whole project file, checked.

    `private` is the folder of caches, run records and the default state; `registries` maps names of registries to their
    places; `origins` maps a dotted path to its origin. `references` reads secrets of files and programs. `warnings` are
    for people. `env_files` are those with which it was loaded. `rows` makes the pipelines of matrices.
    """

    folder: Path
    file: Path
    environment: str | None
    state_uri: str
    sources: Mapping[str, Connector]
    targets: Mapping[str, Connector]
    pipelines: Mapping[str, Pipeline]
    private: Path
    mappers: Mapping[str, Connector] = field(default_factory=dict)
    tasks: Mapping[str, Connector] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    registries: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    references: LateSecrets | None = field(default=None, compare=False, repr=False)
    warnings: tuple[str, ...] = ()
    env_files: tuple[Path, ...] = ()
    rows: RowPipelines | None = field(default=None, compare=False, repr=False)

    @property
    def connectors(self) -> tuple[Connector, ...]:
        """All sources, mappers, targets and tasks."""
        groups = (self.sources, self.mappers, self.targets, self.tasks)
        return tuple(each for group in groups for each in group.values())

    @property
    def in_containers(self) -> tuple[Connector, ...]:
        """All connectors but tasks on the host, which have no image."""
        return tuple(each for each in self.connectors if not each.is_on_host)

    def connector(self, name: str) -> Connector | None:
        """Return the source, the mapper, the target or the task with this name."""
        return next((each for each in self.connectors if each.name == name), None)
