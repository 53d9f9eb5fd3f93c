"""`tapdock init --from-meltano FILE --compare`: what each pipeline does for Meltano, and what it will do here."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tapdock.connectors.selection import select_streams
from tapdock.errors import StateError, TapdockError, UsageError
from tapdock.project.dotenv import parse_dotenv
from tapdock.project.files import text_of
from tapdock.project.home import FILE
from tapdock.project.load import load
from tapdock.project.meltano_files import Files
from tapdock.project.meltano_references import expanded
from tapdock.project.meltano_settings import Plugin, plugins_of, settings_of
from tapdock.project.meltano_states import place_of_states
from tapdock.project.model import Connector, Pipeline, Project
from tapdock.project.named import load_schema, sides
from tapdock.project.secret import Secret
from tapdock.project.state_keys import key_of
from tapdock.protocol.catalog import ConfiguredStream
from tapdock.state.meltano_store import states_of_meltano
from tapdock.text.output import out, print_json
from tapdock.translate.catalogs.singer import singer_streams

__all__ = ["compare", "show"]

_SCHEMA = re.compile(r"(^|[._])(schema|dataset|namespace)(_|$|\.)|_schema$|_dataset$")
"""Settings of a target that may say into which schema it writes."""
_UNSET = "[a variable that is not set]"


@dataclass
class Compared:
    """One pipeline. `state_found` is None if Meltano's states cannot be read from here.

    The selection is that of patterns. `more` and `less` are fields that a run reads now, or no longer, compared with
    the catalog of Meltano's last run; if they are None, `unknown` says why.
    """

    pipeline: str
    source: str
    target: str
    state: str
    state_found: bool | None
    schema_before: dict[str, Any] = field(default_factory=dict)
    schema_after: dict[str, Any] = field(default_factory=dict)
    select_before: list[str] = field(default_factory=list)
    select_after: list[str] = field(default_factory=list)
    more: list[str] | None = None
    less: list[str] | None = None
    unknown: str | None = None
    not_carried: list[str] = field(default_factory=list)


def compare(
    files: Files,
    left: list[str],
    text: str,
    folder: Path,
    *,
    environment: str | None,
    environ: Mapping[str, str],
    env_files: Sequence[Path] = (),
) -> list[Compared]:
    """Return the pipelines of a converted project, whose file has this `text`, beside what they are for Meltano."""
    given = {name: value for each in env_files for name, value in parse_dotenv(text_of(each), str(each)).items()}
    environ = {**files.variables, **given, **environ}
    file = (folder / FILE).absolute()
    project = load(file, environment=environment, environ=environ, texts={file.resolve(): text}, env_files=env_files)
    names = _states(files, environ)
    return [_compared(pipeline, project, files, names, left, environ) for pipeline in project.pipelines.values()]


def _states(files: Files, environ: Mapping[str, str]) -> set[str] | None:
    """Return the names of Meltano's states; None if they are in a place that cannot be read."""
    place = place_of_states(files, files.folder, environ)
    place = place if "://" in place else str(files.folder / place)
    try:
        return set(states_of_meltano(place, files.folder))
    except UsageError:
        return set() if Path(place).exists() else None
    except (StateError, OSError):
        return None


def _compared(
    pipeline: Pipeline,
    project: Project,
    files: Files,
    names: set[str] | None,
    left: list[str],
    environ: Mapping[str, str],
) -> Compared:
    block = next((one for one in files.tree.get("environments") or [] if one["name"] == project.environment), None)
    tap = plugins_of(files, "extractors")[pipeline.source]
    loader = plugins_of(files, "loaders")[pipeline.target]
    key = key_of(pipeline, project.environment)
    source, target = sides(project, pipeline, now=0.0)
    extras = settings_of(tap, files, block).extras
    before, after = _schemas(tap, loader, files, block, environ), {"load_schema": load_schema(source)}
    after |= {name: _at(target, name) for name in before if name != "load_schema"}
    select = (
        [f"the catalog {extras['catalog']}"] if extras.get("catalog") else list(map(str, extras.get("select", ["*.*"])))
    )
    select += [f"{one} (select_filter)" for one in extras.get("select_filter", ())]
    more, less, unknown = _fields(files.folder, source)
    words = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, (pipeline.name, source.name, target.name)))})(?![\w-])")
    return Compared(
        pipeline=pipeline.name,
        source=source.name,
        target=target.name,
        state=key,
        state_found=None if names is None else key in names,
        schema_before=before,
        schema_after=after,
        select_before=select,
        select_after=list(source.select) or ["*"],
        more=more,
        less=less,
        unknown=unknown,
        not_carried=[line for line in left if words.search(line)],
    )


def _schemas(
    tap: Plugin, loader: Plugin, files: Files, block: Mapping[str, Any] | None, environ: Mapping[str, str]
) -> dict[str, Any]:
    """Return Meltano's `load_schema`, and the settings of the target that name a schema."""
    name = (block or {}).get("name", "")
    known = {**environ, **_texts(files.tree.get("env")), **_texts((block or {}).get("env"))}
    for word, plugin in (("EXTRACTOR", tap), ("LOADER", loader)):
        known |= {f"MELTANO_{word}_NAME": plugin.name, f"MELTANO_{word}_NAMESPACE": plugin.namespace}
    known["MELTANO_ENVIRONMENT"] = name
    given = settings_of(tap, files, block).extras.get("load_schema", "$MELTANO_EXTRACTOR_NAMESPACE")
    known["MELTANO_EXTRACT__LOAD_SCHEMA"] = schema = expanded(str(given), known)
    config = settings_of(loader, files, block).config
    return {"load_schema": schema} | {
        key: expanded(value, known) for key, value in config.items() if _SCHEMA.search(key) and isinstance(value, str)
    }


def _texts(env: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (env or {}).items()}


def _at(target: Connector, name: str) -> Any:
    """Return a value of a config by its name with dots."""
    value: Any = target.config
    for part in re.split(r"(?<!\\)\.", name):
        value = value.get(part.replace("\\.", ".")) if isinstance(value, Mapping) else None
    try:
        return value.reveal() if isinstance(value, Secret) else value
    except UsageError:
        return _UNSET


def _fields(folder: Path, source: Connector) -> tuple[list[str] | None, list[str] | None, str | None]:
    """Return the fields that are read now but were not, the reverse, and why it is not known.

    The last run of Meltano has left a catalog with its selection.
    """
    file = folder / ".meltano" / "run" / source.name / "tap.properties.json"
    try:
        content = file.read_bytes()
        before = set(_selected(msgspec.json.decode(content)))
        chosen = select_streams(singer_streams(content), source.select, source.streams)
    except (OSError, msgspec.MsgspecError, LookupError, TypeError, AttributeError):
        return None, None, f"there is no catalog in {file}: `meltano select {source.name} --list` writes it"
    except TapdockError as error:
        return None, None, error.message
    after = {name for stream in chosen for name in _read(stream)}
    return sorted(after - before), sorted(before - after), None


def _selected(catalog: Any) -> Iterator[str]:
    """Yield the fields that a catalog selects by its metadata, as `meltano select --list` reads it."""
    for stream in catalog["streams"]:
        said = {tuple(one["breadcrumb"]): one["metadata"] for one in stream["metadata"]}
        if not _is_selected(said.get((), {})):
            continue
        for path, one in said.items():
            parents = (path[:end] for end in range(2, len(path), 2))
            if path and _is_selected(one) and all(_is_selected(said.get(each, one)) for each in parents):
                yield ".".join((stream["stream"], *path[1::2]))


def _is_selected(said: Mapping[str, Any]) -> bool:
    if said.get("inclusion") in ("automatic", "unsupported"):
        return bool(said["inclusion"] == "automatic")
    chosen = said.get("selected")
    return bool(said.get("selected-by-default")) if chosen is None else chosen is True


def _read(chosen: ConfiguredStream) -> Iterator[str]:
    """Yield the fields of a stream that a run reads, also those inside of objects."""

    def walk(properties: Any, path: tuple[str, ...]) -> Iterator[str]:
        for name, inner in (properties if isinstance(properties, dict) else {}).items():
            own = (*path, name)
            if (path or name not in chosen.excluded) and own not in chosen.nested:
                yield ".".join((chosen.stream.name, *own))
                yield from walk(inner.get("properties") if isinstance(inner, dict) else None, own)

    yield from walk(chosen.stream.json_schema.get("properties"), ())


def show(pipelines: list[Compared], left: list[str], *, as_json: bool) -> None:
    """Print a comparison."""
    said = {line for one in pipelines for line in one.not_carried}
    others = [line for line in left if line not in said]
    if as_json:
        print_json({"pipelines": [asdict(one) for one in pipelines], "not_carried": others})
        return
    for one in pipelines:
        out(f"{one.pipeline}: {one.source} -> {one.target}")
        state = {True: "found", False: "not found", None: "Meltano's states cannot be read from here"}[one.state_found]
        out(f"  state {one.state}: {state}")
        for name, before in one.schema_before.items():
            now = one.schema_after.get(name)
            out(f"  {name}: {before}" + (" (unchanged)" if now == before else f" -> {now}"))
        out(f"  select: {', '.join(one.select_before)}")
        out(f"  select here: {', '.join(one.select_after)}")
        if one.more is None or one.less is None:
            out(f"  fields: not compared, because {one.unknown}")
        else:
            out(f"  read here, but not by Meltano: {', '.join(one.more) or 'nothing'}")
            out(f"  read by Meltano, but not here: {', '.join(one.less) or 'nothing'}")
        for line in one.not_carried:
            out(f"  not carried over: {line}")
    for line in others:
        out(f"not carried over: {line}")
