"""Make the entry of a source or a target out of the values of a Meltano plugin in one environment."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tapdock.project.connectors import build_image, is_buildable
from tapdock.project.meltano_files import Files, Notes
from tapdock.project.meltano_mappers import mappings_of
from tapdock.project.meltano_places import ROOT, root_line
from tapdock.project.meltano_references import references, referred
from tapdock.project.meltano_selection import EVERYTHING, if_there, selection
from tapdock.project.meltano_settings import Plugin, Settings, own_streams
from tapdock.project.meltano_streams import streams_of
from tapdock.project.model import Build, CatalogOption
from tapdock.project.tasks import PROJECT

__all__ = ["Shared", "annotations", "default_schema", "entry", "known_to", "schema_of"]

_STANZA = ("airbyte_spec", "airbyte_config", "docker_mounts")
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PYTHON = re.compile(r"(?:.*python)?(3\.\d+)")
_DOT = re.compile(r"(?<!\\)\.")


class Shared(msgspec.Struct, frozen=True):
    """What the entries of one project share. `folder` is that of the new project file."""

    files: Files
    folder: Path
    notes: Notes
    sources: Mapping[str, Plugin]
    pairs: frozenset[tuple[str, str]]


def default_schema(name: str) -> str:
    """Return the value of `load_schema` for a source that does not set it."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def schema_of(plugin: Plugin, settings: Settings) -> str:
    """Return Meltano's `load_schema` of an extractor, in tapdock's references."""
    own = {"MELTANO_EXTRACTOR_NAMESPACE": plugin.namespace, "MELTANO_EXTRACTOR_NAME": plugin.name}
    given = settings.extras.get("load_schema", "$MELTANO_EXTRACTOR_NAMESPACE")
    return str(references(str(given), {**own, "MELTANO_ENVIRONMENT": "${ENVIRONMENT}"}))


def annotations(given: Any, prefix: str = "") -> dict[str, str]:
    """Return Meltano's annotations, which may have any form, as texts by name.

    >>> annotations({"owner": "sales", "catalog": {"tags": ["a"], "id": 7}})
    {'owner': 'sales', 'catalog.tags': '["a"]', 'catalog.id': '7'}
    """
    found: dict[str, str] = {}
    for name, value in (given or {}).items():
        if isinstance(value, dict):
            found |= annotations(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value)
    return found


def known_to(plugin: Plugin, shared: Shared, schemas: Mapping[str, str]) -> dict[str, str]:
    """Return the texts for the variables that Meltano sets for a plugin. `schemas` are those of all sources."""
    word = {"extractors": "EXTRACTOR", "mappers": "MAPPER"}.get(plugin.kind, "LOADER")
    own = {"NAME": plugin.name, "NAMESPACE": plugin.namespace, "VARIANT": str(plugin.get("variant") or "")}
    known = {f"MELTANO_{word}_{key}": value for key, value in own.items()}
    known |= {"MELTANO_ENVIRONMENT": "${ENVIRONMENT}", ROOT: PROJECT}
    if plugin.kind == "loaders":
        known |= {"MELTANO_EXTRACTOR_NAME": "${SOURCE}", "MELTANO_EXTRACT__LOAD_SCHEMA": "${LOAD_SCHEMA}"}
        paired = [name for name in schemas if (name, plugin.name) in shared.pairs] or list(schemas)
        if all(schemas[name] == shared.sources[name].namespace for name in paired):
            known["MELTANO_EXTRACTOR_NAMESPACE"] = "${LOAD_SCHEMA}"
    return known


def entry(
    plugin: Plugin, settings: Settings, shared: Shared, known: Mapping[str, str], *path: str | int
) -> dict[str, Any]:
    """Return the entry of a plugin. `path` leads to the place in `meltano.yml` for which it is."""
    notes = shared.notes
    more = mappings_of(plugin) if plugin.kind == "mappers" else []
    for name in dict.fromkeys(referred([settings.config, settings.env, more])):
        if name == ROOT:
            where = f"the config of {plugin.name}"
            notes.add(root_line(shared.files, shared.folder, where, plugin.name), *path)
        elif name.startswith("MELTANO_") and name not in known:
            notes.add(
                f"`${name}` in the config of {plugin.name}: tapdock has no such variable, so set another value", *path
            )
    found: dict[str, Any] = {}
    config = settings.config
    if any(key.partition(".")[0] in _STANZA for key in config):
        found["config"] = _stanza(plugin.name, _nested(plugin.name, config, notes, *path), notes, *path)
    else:
        found |= _built(plugin, notes)
        if config:
            found["config"] = _nested(plugin.name, config, notes, *path)
    if plugin.kind == "extractors":
        found |= _source(plugin, settings, shared, *path)
    if plugin.kind == "mappers" and (mappings := mappings_of(plugin)):
        found["mappings"] = mappings
    if settings.env:
        found["env"] = settings.env
    if labels := annotations(plugin.line[0].get("annotations")):
        found["annotations"] = labels
    return {
        key: value if key in ("load_schema", "catalog") else references(value, known) for key, value in found.items()
    }


def _source(plugin: Plugin, settings: Settings, shared: Shared, *path: str | int) -> dict[str, Any]:
    notes, extras = shared.notes, settings.extras
    found: dict[str, Any] = {}
    if given := extras.get("catalog"):
        found["catalog"] = os.path.relpath(shared.files.folder / str(given), shared.folder)
    capabilities = plugin.get("capabilities")
    discovers = capabilities is None or "discover" in capabilities
    if capabilities and "properties" in capabilities and "catalog" not in capabilities:
        found["catalog_option"] = CatalogOption.__args__[1]  # type: ignore[attr-defined] # a Literal
    if not discovers:
        found["discovery"] = False
    elif extras.get("use_cached_catalog") is False and not given:
        found["discovery"] = "always"
    if discovers or given:
        own = own_streams(plugin, shared.files)
        patterns, left = selection(extras, shared.files.folder, own=own)
        if patterns != EVERYTHING or "select" in extras:
            found["select"] = list(patterns)
        for line in left:
            notes.add(f"{plugin.name}: {line}", *path, "select")
        if streams := streams_of(plugin.name, extras if not given else {}, notes, *path):
            found["streams"] = {name if name in own else if_there(name): one for name, one in streams.items()}
    elif "select" in extras:
        notes.add(f"`select` of {plugin.name}, which Meltano ignores for a tap that cannot discover its streams", *path)
    return found | {"load_schema": schema_of(plugin, settings)}


def _built(plugin: Plugin, notes: Notes) -> dict[str, Any]:
    package, executable, python = (plugin.get(key) for key in ("pip_url", "executable", "python"))
    name = plugin.name
    if not package:
        notes.add(
            f"the package of {name}, which neither the file nor a lock file names: `{name}` is used", *plugin.path
        )
    if executable and not _PROGRAM.fullmatch(str(executable)):
        notes.add(
            f"`executable: {executable}` of {name}: an image has no file of this machine", *plugin.path, "executable"
        )
        executable = None
    version = _PYTHON.fullmatch(str(python)) if python else None
    if python and not version:
        notes.add(f"`python: {python}` of {name}: write a version of Python under `build`", *plugin.path, "python")
    said = {"singer": str(package or name)}
    said |= {"executable": str(executable)} if executable else {}
    said |= {"python": version[1]} if version else {}
    if not is_buildable(said["singer"]):
        notes.add(
            f"`pip_url` of {name}: build an image yourself, or name a package under `build`", *plugin.path, "pip_url"
        )
        return {"image": f"tapdock/{name.lower()}:latest"}
    build = Build(family="singer", package=said["singer"], executable=said.get("executable"))
    # A package without a plain name cannot name its image.
    return {"build": said} if build_image(build) else {"image": f"tapdock/{name.lower()}:latest", "build": said}


def _stanza(name: str, config: dict[str, Any], notes: Notes, *path: str | int) -> dict[str, Any]:
    """Return the wrapper's stanza, which tapdock's loader accepts, with a tag that YAML reads as a number as text."""
    spec = config.get("airbyte_spec")
    if isinstance(spec, dict) and isinstance(spec.get("tag"), int | float):
        line = f"the tag of {name}: {spec['tag']} is a number in YAML; write the original tag in quotes"
        notes.add(line, *path, "config", "airbyte_spec", "tag")
        return {**config, "airbyte_spec": {**spec, "tag": str(spec["tag"])}}
    return config


def _nested(name: str, config: Mapping[str, Any], notes: Notes, *path: str | int) -> dict[str, Any]:
    r"""Return a flat config with Meltano's `a.b: 1` as `a: {b: 1}`, and `a\.b: 1` as `a.b: 1`."""
    nested: dict[str, Any] = {}
    for key, value in config.items():
        inner: Any = nested
        *folders, leaf = (part.replace("\\.", ".") for part in _DOT.split(key))
        for folder in folders:
            inner = inner.setdefault(folder, {}) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner[leaf] = dict(value) if isinstance(value, dict) else value
        else:
            line = f"`{key}` of {name}, because a part of that name has a value of its own"
            notes.add(line, *path, "config", key)
    return nested
