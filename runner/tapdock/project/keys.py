"""Every key of the project file, in tables.

The loader, `tapdock config show`, the JSON schema and the reference page all read these tables: a new key is one row
here, and one attribute of the model.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from keyword import iskeyword
from typing import Any, Literal, get_args

import msgspec

from tapdock.project import model, window

__all__ = [
    "BUILD",
    "COMMAND",
    "CONNECTOR",
    "DEFAULTS",
    "HOOKS",
    "INCLUDED",
    "JOB",
    "LISTS",
    "MAPS",
    "MOST",
    "MOUNT",
    "NOTIFY",
    "PATTERNS",
    "PIPELINE",
    "REGISTRIES",
    "ROOT",
    "SCHEDULE",
    "STATE_BACKEND",
    "STREAM",
    "WINDOW",
    "Form",
    "Key",
    "Pattern",
    "misplaced",
    "names",
]

Form = Literal[
    "text", "texts", "words", "flag", "count", "number", "size", "duration", "choice",
    "config", "env", "vars", "labels", "mounts", "streams", "build", "manifest", "catalog", "paths", "keys", "entries",
    "mappings", "discovery", "platform", "network", "user", "hosts", "python", "packages", "requirements", "date",
    "mapping", "secret", "public", "commands", "after", "steps", "matrix", "window", "cron", "zone", "options",
    "notify",
]  # fmt: skip
"""How a value is written: what the loader reads it with, and what its JSON schema is."""


class Pattern(msgspec.Struct, frozen=True):
    """Text that an engine would refuse unless the whole of it matches `regex`; `what` is for messages."""

    regex: str
    what: str
    example: str


PATTERNS: Mapping[Form, Pattern] = {
    "platform": Pattern(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_.-]+){0,2}", "a platform", "linux/amd64"),
    "network": Pattern(r"\S+", "the name of a network", "shop_default"),
    "user": Pattern(r"[^\s:]+(:[^\s:]+)?", "a user", "1000:1000"),
    "hosts": Pattern(
        r"[^\s:=]+[:=](host-gateway|\[?[0-9A-Fa-f:.]+\]?)", "a host name with its address", "db.example.com:10.0.0.5"
    ),
    "python": Pattern(r"3\.(9|1\d)(\.\d{1,2})?", "a version of Python", "'3.10'"),
    "packages": Pattern(
        r"[a-z0-9][a-z0-9+.-]*[a-z0-9+](=[A-Za-z0-9.+:~-]+)?",
        "the name of a Debian package",
        "default-libmysqlclient-dev",
    ),
    "requirements": Pattern(r"[A-Za-z0-9][^\x00-\x1f\x7f$\\]*", "a requirement of a Python package", "lxml<5"),
    "date": Pattern(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", "a date", "2024-06-30"),
}
"""The forms that are one text of a pattern, or a list of such texts (`LISTS`)."""

LISTS: frozenset[Form] = frozenset(("hosts", "packages", "requirements"))


MOST: Mapping[Form, float] = {
    "count": 10**18 - 1,  # an engine stores it in 64 bits
    "number": 1e6,
    "size": 1024**5,
    "duration": 36500 * 86400.0,
}
"""The largest value of a form: of a size in bytes, of a duration in seconds."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key. `help` is what it does, in Markdown, for the reference page.

    `roles` and `kind` are those of the connectors that have the key; `()` and None stand for all. A `shared` key may
    also be given under `defaults:`. `default` is written as in the file; `target_default` differs from it for targets.
    `least` is the smallest value of a count, a number or a size (in bytes).
    """

    name: str
    form: Form
    help: str
    words: Any = None
    roles: tuple[model.ConnectorRole, ...] = ()
    kind: model.Kind | None = None
    shared: bool = False
    default: str | None = None
    target_default: str | None = None
    least: float = 0

    def of(self, role: str) -> bool:
        """Return True if connectors of a role have this key."""
        return not self.roles or role in self.roles

    @property
    def attribute(self) -> str:
        """The name of the key in Python, in which `with` is a word of the language."""
        return f"{self.name}_" if iskeyword(self.name) else self.name

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that a `choice` accepts."""
        return get_args(self.words)


_DATA: tuple[model.ConnectorRole, ...] = ("source", "mapper", "target")
"""All roles but that of tasks, through which no records pass."""

_LABELS = (
    Key(name="labels", form="labels", help="Short texts by name, for example `team: sales`. Run records have them."),
    Key(name="annotations", form="labels", help="Longer texts by name, such as a description. Run records have them."),
)

MAPS = (
    Key(
        name="maps",
        form="mapping",
        help="What happens to streams and fields on their way to the target: they are renamed, computed, filtered, "
        "hashed or removed. See [stream maps](maps.md). `stream_maps` is the same.",
    ),
    Key(name="stream_map_config", form="mapping", help="Values that expressions of `maps` use as `config['name']`."),
    Key(
        name="faker_config",
        form="mapping",
        help="`seed` and `locale` of the generator `fake` in expressions of `maps`.",
    ),
    Key(
        name="flattening_enabled",
        form="flag",
        default="false",
        help="Whether fields of nested objects become columns of their own. It needs `flattening_max_depth`.",
    ),
    Key(
        name="flattening_max_depth",
        form="count",
        help="How many levels of objects become columns. Deeper objects become JSON text.",
    ),
    Key(
        name="flattening_separator",
        form="text",
        default="__",
        help="The text between the parts of a column's name after flattening.",
    ),
    Key(
        name="flattening_max_key_length",
        form="count",
        least=1,
        default="255",
        help="From this length on, the names of columns are shortened when objects are flattened.",
    ),
    Key(
        name="hash_key",
        form="secret",
        help="The key of the function `hash` in `maps`, of at least 16 bytes: a reference such as `${HASH_KEY}`.",
    ),
    Key(
        name="encrypt_key",
        form="public",
        help="The RSA public key of the function `encrypt` in `maps`, as PEM text, or `${file:public.pem}`.",
    ),
)
"""The keys of a pipeline or a source that map its streams. Their names are the Singer SDK's."""

ROOT = (
    Key(name="version", form="count", help="The version of this format. It must be `1`."),
    Key(
        name="include",
        form="texts",
        help="More files with sources, targets, pipelines, environments and `vars`: paths or patterns such as "
        "`pipelines/*.yaml`, relative to the file that names them.",
    ),
    Key(
        name="default_environment",
        form="text",
        help="The environment that applies if neither `--environment` nor TAPDOCK_ENVIRONMENT names one.",
    ),
    Key(
        name="vars",
        form="vars",
        help="Values for `${NAME}` in the file, by name. A variable of the environment or of `.env` has priority.",
    ),
    *_LABELS,
    Key(name="state_backend", form="keys", help="Where states are kept."),
    Key(name="registries", form="keys", help="Where `tapdock search` and `tapdock add` look connectors up."),
    Key(name="defaults", form="keys", help="Keys that all connectors share, unless they have their own."),
    Key(name="sources", form="entries", help="Sources by name."),
    Key(name="mappers", form="entries", help="Mappers by name: see [mappers](mappers.md)."),
    Key(name="targets", form="entries", help="Targets by name."),
    Key(name="pipelines", form="entries", help="Pipelines by name: a source and a target that run together."),
    Key(name="tasks", form="entries", help="Tasks by name: programs that run before, between and after pipelines."),
    Key(name="jobs", form="entries", help="Jobs by name: pipelines and tasks that run one after the other."),
    Key(name="schedules", form="entries", help="Schedules by name: what runs when. See [schedules](schedules.md)."),
    Key(
        name="environments",
        form="entries",
        help="Environments by name. Each has the same keys as the file, without `version`, `include`, "
        "`default_environment` and `environments`. "
        "`tapdock --environment NAME` puts its values over those of the file.",
    ),
)

INCLUDED = (
    "version", "include", "vars", "sources", "mappers", "targets", "pipelines", "tasks", "jobs", "schedules",
    "environments",
)  # fmt: skip
"""The keys of ROOT that an included file may have."""

STATE_BACKEND = (
    Key(
        name="uri",
        form="text",
        default=".tapdock/state",
        help="A folder, or the address of a store: see [where states are kept](state.md).",
    ),
)

REGISTRIES = (
    Key(
        name="airbyte",
        form="text",
        default="https://connectors.airbyte.com/files/registries/v0/oss_registry.json",
        help="The address or the file of Airbyte's connector registry, or `none`.",
    ),
    Key(
        name="meltanohub",
        form="text",
        default="https://hub.meltano.com/meltano/api/v1",
        help="The address of MeltanoHub's API, a folder with its files "
        "(`plugins/extractors/index.json`, `plugins/extractors/tap-x--variant.json`), or `none`.",
    ),
)

CONNECTOR = (
    Key(
        name="extends",
        form="text",
        help="The name of a connector of the same role, whose keys this one has too. `config` and `maps` are merged "
        "key by key at every depth; every other key, also a list, replaces that of the other connector.",
    ),
    Key(
        name="image", form="text", help="The image of the connector. With `build`, the name of the image that is built."
    ),
    Key(name="build", form="build", help="How tapdock makes the image from Python packages."),
    Key(
        name="manifest",
        form="manifest",
        roles=("source",),
        help="The file of a low-code source (`manifest.yaml` of Airbyte's connector builder), relative to the project.",
    ),
    Key(
        name="kind",
        form="choice",
        roles=_DATA,
        words=model.Kind,
        help="The protocol of the connector. tapdock finds it out from the image; set it if that result is wrong.",
    ),
    Key(
        name="config",
        form="config",
        roles=_DATA,
        help="The connector's own settings, as its documentation describes them.",
    ),
    Key(
        name="select",
        form="texts",
        roles=("source",),
        help="Patterns of streams and fields to read: `users`, `users.*`, `!users.password`. "
        "Without it, every stream is read. See [selection](selection.md).",
    ),
    Key(
        name="streams",
        form="streams",
        roles=("source",),
        help="Options of single streams, by name or by a glob of names.",
    ),
    Key(
        name="catalog",
        form="catalog",
        roles=("source",),
        kind="singer",
        help="The file of a catalog that is used instead of discovery.",
    ),
    Key(
        name="catalog_option",
        form="choice",
        words=model.CatalogOption,
        roles=("source",),
        kind="singer",
        default="--catalog",
        help="The option of the tap that takes the catalog. Old taps only have `--properties`.",
    ),
    Key(
        name="discovery",
        form="discovery",
        roles=("source",),
        default="cached",
        help="When the streams are discovered: `cached` at most once a day, a duration such as `6h` for another age, "
        "`always` before each run, and `committed` never: [the catalog in `catalogs/NAME.json`](catalogs.md) is used. "
        "`false` is for taps without the option `--discover`, and `true` is `cached`.",
    ),
    Key(
        name="max_line",
        form="size",
        roles=("source",),
        default="64m",
        least=1024,
        help="The longest line that tapdock reads from the source. A longer line ends the run.",
    ),
    Key(
        name="state_type",
        form="choice",
        words=model.StateType,
        roles=("target",),
        kind="airbyte",
        help="The type of the states that tapdock sends to the destination after the records of a Singer tap, and that "
        "the destination returns. It is `global` for destinations that tapdock does not know.",
    ),
    Key(
        name="waits_for_complete",
        form="flag",
        roles=("target",),
        kind="airbyte",
        default="false",
        help="Whether the destination replaces a table only after the status COMPLETE. If not, the end of its "
        "input replaces the table, so tapdock kills the destination if the source fails.",
    ),
    Key(
        name="allow_unsafe_overwrite",
        form="flag",
        roles=("target",),
        kind="singer",
        default="false",
        help="Allow `overwrite` with a target that empties its tables first. A run that fails may leave them empty.",
    ),
    *(msgspec.structs.replace(key, roles=("source",)) for key in MAPS),
    Key(
        name="load_schema",
        form="text",
        roles=("source",),
        help="The value of `${LOAD_SCHEMA}` in the config of its targets. Without it, the name of the source, with `_` "
        "in place of each character that is not a letter or a digit.",
    ),
    Key(
        name="window",
        form="window",
        roles=("source",),
        help="The settings of the source that take a date range, for runs of a [window](windows.md).",
    ),
    Key(
        name="mappings",
        form="mappings",
        roles=("mapper",),
        help="Named settings: a list of `{name: …, config: {…}}`. A run names one of them instead of the mapper. "
        "Each key of its `config` replaces that key of the mapper's `config`.",
    ),
    Key(
        name="commands",
        form="commands",
        roles=("task",),
        help="The commands of the task by name: arguments, or `{args: …, executable: …}`.",
    ),
    Key(
        name="engine",
        form="choice",
        words=model.TaskEngine,
        roles=("task",),
        default="container",
        help="Where the commands run: in a `container`, or as programs of the `host`, without any isolation. "
        "See [tasks](tasks.md#on-the-host).",
    ),
    Key(
        name="working_dir",
        form="text",
        roles=("task",),
        help="The folder in which the commands start: a path in the container; on the host, a path relative to the "
        "project.",
    ),
    *_LABELS,
    Key(name="mounts", form="mounts", help="Folders and volumes that the container has, as in Compose."),
    Key(name="entrypoint", form="words", help="A program to start instead of the entrypoint of the image."),
    Key(name="command", form="words", roles=_DATA, help="Arguments that come before those of tapdock."),
    Key(name="env", form="env", shared=True, help="Environment variables of the container."),
    Key(name="platform", form="platform", shared=True, help="The platform of the image."),
    Key(
        name="network",
        form="network",
        shared=True,
        help="A Docker network that the container joins. Without it, each run has a network of its own.",
    ),
    Key(
        name="extra_hosts",
        form="hosts",
        shared=True,
        help="More host names that the container resolves. The address `host-gateway` is the engine's machine.",
    ),
    Key(
        name="user",
        form="user",
        shared=True,
        help="The user of the container, with or without a group. Without it, the image's own user.",
    ),
    Key(
        name="memory",
        form="size",
        least=6 * 1024**2,
        shared=True,
        help="A limit of the container's memory.",
    ),
    Key(
        name="cpus",
        form="number",
        least=0.01,
        shared=True,
        help="A limit of the container's CPUs, for example `1.5`.",
    ),
    Key(
        name="pids",
        form="count",
        least=1,
        shared=True,
        default="4096",
        help="A limit of the container's processes.",
    ),
    Key(name="pull", form="choice", words=model.Pull, shared=True, default="missing", help="When the image is pulled."),
    Key(
        name="idle_timeout",
        form="duration",
        roles=_DATA,
        shared=True,
        default="3h",
        target_default="24h",
        help="How long the connector may be silent before the run fails.",
    ),
    Key(
        name="stop_grace",
        form="duration",
        shared=True,
        default="30s",
        help="How long a source may take to exit after tapdock asked it to stop; then it is killed. After SIGINT or "
        "SIGTERM, a target is killed if it has not exited after twice this time; with a mapper, the mapper after twice "
        "and the target after three times this time. A run uses the largest of the values of its connectors.",
    ),
    Key(
        name="exit_grace",
        form="duration",
        roles=("source",),
        shared=True,
        default="60s",
        help="How long the source may take to exit after it closed its output. Then the run fails.",
    ),
    Key(
        name="rotate",
        form="choice",
        roles=_DATA,
        words=model.Rotate,
        shared=True,
        default="secrets",
        help="Which values that the connector changed in its own config are kept for later runs: see "
        "[tokens](state.md#tokens-that-a-connector-renews).",
    ),
)

BUILD = (
    Key(
        name="singer",
        form="text",
        help='A Singer package: `"tap-github==1.0.0"`. More requirements may follow it, separated by spaces.',
    ),
    Key(name="airbyte", form="text", help='An Airbyte package: `"airbyte-source-faker==7.2.1"`.'),
    Key(
        name="pip",
        form="text",
        help='For a task, any Python package: `"sqlfluff==3.4.2"`. More requirements may follow it.',
    ),
    Key(
        name="executable",
        form="text",
        help="The program to start, if the package has several and none of them has its name.",
    ),
    Key(name="python", form="python", help="The version of Python of the image. Put it in quotes."),
    Key(name="apt", form="packages", help="Debian packages that the image also has, such as a compiler or a library."),
    Key(name="with", form="requirements", help="More Python packages that are installed together with the connector."),
    Key(
        name="constraints",
        form="requirements",
        help="Limits for the releases of packages that are installed: `pandas<2`. A constraint installs nothing.",
    ),
    Key(
        name="overrides",
        form="requirements",
        help="Requirements that replace those of all packages for the same package.",
    ),
    Key(
        name="before",
        form="date",
        help="Only releases from before this day (UTC) are installed. The index must report the times of uploads.",
    ),
)

MOUNT = (
    Key(name="source", form="text", help="A path, relative to the project, or the name of a volume."),
    Key(name="target", form="text", help="An absolute path in the container."),
    Key(name="read_only", form="flag", default="false", help="Whether the container may only read it."),
)

WINDOW = (
    Key(name="start", form="text", help="The setting that takes the start: `start_date`, `range.from`."),
    Key(name="end", form="text", help="The setting that takes the end."),
    Key(
        name="format",
        form="text",
        help="How both are written, as for `strftime`: `%Y-%m-%d`. `%s` is the number of seconds since 1970. Without "
        "it, the connector's spec decides between a date and a date-time such as `2026-01-31T00:00:00Z`.",
    ),
    Key(
        name="end_is",
        form="choice",
        words=window.EndIs,
        default="exclusive",
        help="Whether the source also reads what is exactly at the end (`inclusive`). Then it gets the last day, "
        "second or microsecond before the end of the window.",
    ),
)

STREAM = (
    Key(
        name="sync_mode",
        form="choice",
        words=model.SyncMode,
        help="How the stream is read. Without it, `incremental` if the stream has a cursor.",
    ),
    Key(
        name="replication_method",
        form="choice",
        words=model.ReplicationMethod,
        help="Singer's word for `sync_mode`. `LOG_BASED` reads the log of a database.",
    ),
    Key(
        name="destination_sync_mode",
        form="choice",
        words=model.DestinationMode,
        help="How the target writes the stream. Without it, `append_dedup` if the stream has a key and the target "
        "supports that, else `append`.",
    ),
    Key(
        name="cursor_field",
        form="texts",
        help="The field from whose last value an incremental run continues. A list is the path of one nested field; "
        "for a Singer tap, only its first part counts.",
    ),
    Key(
        name="primary_key",
        form="paths",
        help="The fields that identify a record. A list in the list is a nested field.",
    ),
    Key(
        name="flatten_keys", form="flag", default="false", help="Whether nested key fields become fields of the record."
    ),
    Key(
        name="schema",
        form="config",
        help="JSON Schema keywords by field, which replace those that the source declares: "
        "`{amount: {type: number}}`. See [selection](selection.md#schemas-of-single-fields).",
    ),
    Key(
        name="metadata",
        form="config",
        help="Metadata for the catalog of a Singer tap: of the stream, or by field. "
        "See [selection](selection.md#metadata-for-singer-taps).",
    ),
    Key(
        name="undeclared_fields",
        form="choice",
        words=model.UndeclaredFields,
        help="What happens to fields of its records that its schema does not declare, in place of `undeclared_fields` "
        "of the pipeline.",
    ),
    Key(
        name="schemaless",
        form="choice",
        words=model.Schemaless,
        help="What happens to the stream if it declares no fields, in place of `schemaless` of the pipeline.",
    ),
)

HOOKS = (
    Key(name="before", form="texts", help="Commands of tasks that run first. If one fails, nothing else starts."),
    Key(
        name="after",
        form="after",
        help="Commands of tasks that run afterwards: a list runs in every case, and `{success: …, failure: …, "
        "always: …}` has a list for each case.",
    ),
)

PIPELINE = (
    Key(name="source", form="text", help="The name of a source."),
    Key(name="target", form="text", help="The name of a target."),
    Key(
        name="mappers",
        form="texts",
        help="The name of a mapper, or of one of its mappings, between a Singer tap and a Singer target.",
    ),
    Key(
        name="retries",
        form="count",
        default="0",
        help="How often a run is repeated after a failure that may pass, "
        "such as an Airbyte error of type `transient_error`.",
    ),
    Key(
        name="state_suffix",
        form="text",
        help="Text at the end of the state's name. Without it, pipelines with the same source and target share "
        "one state; they are refused if they write different rows.",
    ),
    Key(
        name="state_id",
        form="text",
        help="The whole name of the state, the same in every environment. It is for a state with a name of its own, "
        "such as that of a schedule of Meltano. Two pipelines cannot have one state this way.",
    ),
    Key(
        name="matrix",
        form="matrix",
        help="Rows for each of which the pipeline runs, with a state of its own: see [matrices](matrix.md).",
    ),
    Key(
        name="namespace",
        form="choice",
        words=Literal["source", "destination", "customformat"],
        help="Where the target puts the streams: see [routes](routes.md).",
    ),
    Key(name="namespace_format", form="text", help="The namespace for `customformat`: `raw_$${SOURCE_NAMESPACE}`."),
    Key(name="prefix", form="text", help="Text in front of the name of each stream in the target."),
    Key(
        name="schema_changes",
        form="choice",
        words=model.SchemaPolicy,
        default="evolve",
        help="What a run does if the source's streams and fields are other ones than at the last successful run: "
        "`evolve` reads them, `freeze` leaves out new ones, `fail` ends: see [catalogs](catalogs.md#schema-changes).",
    ),
    Key(
        name="late_schema",
        form="choice",
        words=model.LateSchema,
        default="spool",
        help="From a Singer tap to an Airbyte destination: `spool` reads everything before the destination gets its "
        "catalog, `stream` does not. Its name was `on_schema_change`.",
    ),
    Key(
        name="on_bad_record",
        form="choice",
        words=model.OnBadRecord,
        default="fail",
        help="What happens to a record that cannot be translated.",
    ),
    Key(
        name="undeclared_fields",
        form="choice",
        words=model.UndeclaredFields,
        help="What happens to fields of records that their schema does not declare: `pass` and count them in every "
        "record, `drop` them, write them into one column (`json`), or treat the record as bad (`fail`). Without it, "
        "they are passed on: see [routes](routes.md#fields-that-no-schema-declares). An entry under `streams:` of the "
        "source may have it too.",
    ),
    Key(
        name="schemaless",
        form="choice",
        words=model.Schemaless,
        help="What happens to streams that declare no fields: `json` writes each record into one column `data`, "
        "`infer` finds their fields in the first records, and `refuse` ends the run. Without it, see "
        "[routes](routes.md#streams-that-declare-no-fields). An entry under `streams:` of the source may have it too.",
    ),
    Key(
        name="meta_changes",
        form="flag",
        default="false",
        help="From an Airbyte source to a Singer target: write the changes that the source reports of a record into "
        "the column `_airbyte_meta_changes`.",
    ),
    Key(
        name="validate_records",
        form="flag",
        default="false",
        help="From a Singer tap to an Airbyte destination: refuse records that do not match the schema of the tap.",
    ),
    *MAPS,
    Key(
        name="buffer",
        form="size",
        default="64m",
        help="How much of the source's output tapdock keeps in memory while the target pauses, so that the source can "
        "continue. `0` keeps nothing: see [a target that pauses](routes.md#a-target-that-pauses).",
    ),
    *HOOKS,
    Key(
        name="notify",
        form="notify",
        help="Who gets a message when a run has failed, or works again: see [notifications](notifications.md).",
    ),
    *_LABELS,
)


COMMAND = (
    Key(name="args", form="words", help="The arguments of the program."),
    Key(name="executable", form="text", help="The program to start instead of the entrypoint of the image."),
)

JOB = (
    Key(
        name="steps",
        form="steps",
        help="What runs, in order: pipelines, `SOURCE TARGET`, `TASK:COMMAND`, other jobs, and `{parallel: […]}`.",
    ),
    *HOOKS,
    Key(
        name="notify",
        form="notify",
        help="Who gets a message when the job has failed, or works again: see [notifications](notifications.md#jobs).",
    ),
    *_LABELS,
)

SCHEDULE = (
    Key(name="run", form="words", help="What runs: the words after `tapdock run`, such as `demo`, or a job."),
    Key(
        name="cron",
        form="cron",
        help="When it runs: five fields of cron, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. With "
        "`@manual`, only `tapdock schedule run` starts it.",
    ),
    Key(name="timezone", form="zone", default="UTC", help="The time zone of `cron`, for example `Europe/Berlin`."),
    Key(
        name="environment",
        form="text",
        help="The environment in which it runs. Without it, the one in which the project is loaded.",
    ),
    Key(name="options", form="options", help='Options of `tapdock run`: `["--full-refresh"]`.'),
    Key(name="env", form="env", help="Environment variables of the run, which `${NAME}` in the project file uses."),
    Key(
        name="jitter",
        form="duration",
        help="The run starts up to this time later, so that not everything starts in the same second.",
    ),
    Key(
        name="catch_up",
        form="flag",
        default="false",
        help="Whether `tapdock schedule start` runs it once when runs were missed. Missed runs are reported anyway.",
    ),
    Key(name="enabled", form="flag", default="true", help="Whether it runs by itself."),
)

NOTIFY = (
    Key(
        name="events",
        form="texts",
        default="[failure, recovery]",
        help="After which events: `failure`, `recovery` (the run before had failed), `empty` (no records).",
    ),
    Key(
        name="url",
        form="secret",
        help="The address that gets the message as JSON, such as an incoming webhook of Slack: a reference.",
    ),
    Key(name="command", form="words", help="A program that gets the same JSON on its standard input."),
)


def names(keys: Iterable[Key], *, role: str | None = None) -> tuple[str, ...]:
    """Return the names of keys; with `role` only those that such a connector has."""
    return tuple(key.name for key in keys if role is None or key.of(role))


@cache
def misplaced(known: tuple[str, ...]) -> dict[str, str]:
    """Return hints for the keys that are not `known` in one place, but are keys of another: where to write them."""
    places = {key.name: "a stream under `streams:`" for key in STREAM} | {key.name: "a pipeline" for key in PIPELINE}
    places |= {key.name: f"a {_either(key.roles or get_args(model.ConnectorRole))}" for key in CONNECTOR}
    return {name: f"only {place} can have `{name}`" for name, place in places.items() if name not in known}


def _either(roles: tuple[str, ...]) -> str:
    """Return roles as a choice: `source, a mapper or a target`."""
    *front, last = roles
    return f"{', a '.join(front)} or a {last}" if front else last


def _defaults(role: model.ConnectorRole) -> Mapping[str, str]:
    shared = (key for key in CONNECTOR if key.shared and key.of(role))
    found = {key.name: (role == "target" and key.target_default) or key.default for key in shared}
    return {name: value for name, value in found.items() if value is not None}


DEFAULTS = {role: _defaults(role) for role in get_args(model.ConnectorRole)}
"""What a connector has under a shared key that neither its entry nor `defaults:` sets."""
