"""The manifest of a low-code source: read, looked at as far as tapdock needs it, and passed on as it is."""

import json
from pathlib import Path
from typing import Any

import yaml

from tapdock.config import Build, Manifest
from tapdock.project.fields import Field

__all__ = ["PROGRAM", "manifest"]

PROGRAM = Build(family="airbyte-python", package="airbyte-cdk==7.39.1", executable="source-declarative-manifest")
"""What runs a manifest where no other image is named; why this package: decision 0011."""

_TYPE = "DeclarativeSource"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # manifests may have ten thousand lines


class _Loader(_BASE):  # type: ignore[misc] # either of two classes
    """What the connector reads YAML with, but that `2024-01-01` stays the text that was written: JSON has no dates."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name and form are PyYAML's
        first: [known for known in resolvers if known[0] != _TIMESTAMP]
        for first, resolvers in _BASE.yaml_implicit_resolvers.items()
    }


def manifest(field: Field, folder: Path) -> Manifest:
    """The manifest in a file below `folder`, the project's; UsageError tells where it is named."""
    file = folder / Path(field.text()).expanduser()
    tree = _tree(field, file)
    if tree.get("type") != _TYPE:
        raise field.error(f"names {file}, which has no `type: {_TYPE}`", hint="is it a manifest of a low-code source?")
    if not tree.get("version"):
        raise field.error(f"names {file}, which has no `version`", hint="that of Airbyte's CDK which it was made for")
    return Manifest(file=file, content=_json(field, file, tree), spec=_spec(field, file, tree))


def _tree(field: Field, file: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(file.read_text("utf-8-sig"), Loader=_Loader)  # noqa: S506 - a safe loader
    except OSError as error:
        hint = "paths are relative to the project file"
        raise field.error(f"names {file}, which cannot be read: {error.strerror}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise field.error(f"names {file}, which is not UTF-8 text (byte {error.start})") from error
    except (yaml.YAMLError, ValueError) as error:
        raise field.error(f"names {file}, which is malformed YAML: {_place(error)}") from error
    if not isinstance(tree, dict):
        raise field.error(f"names {file}, which is no YAML mapping")
    return tree


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"line {mark.line + 1}: {problem}" if mark else problem


def _json(field: Field, file: Path, tree: dict[str, Any]) -> bytes:
    try:
        return json.dumps(tree, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise field.error(f"names {file}, which has a value that JSON cannot say: {error}") from error


def _spec(field: Field, file: Path, tree: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the source's config; None where the manifest says none."""
    try:
        spec = _resolved(tree.get("spec"), tree)
    except (LookupError, TypeError, ValueError) as error:
        raise field.error(f"names {file}, whose `spec` refers to what is not there: {error}") from error
    schema = spec.get("connection_specification") if isinstance(spec, dict) else None
    return schema if isinstance(schema, dict) else None


def _resolved(node: Any, tree: dict[str, Any], within: tuple[str, ...] = ()) -> Any:
    """With what stands at each `#/…`, as the CDK's ManifestReferenceResolver does it: own keys win over `$ref`'s."""
    match node:
        case dict():
            own = {key: _resolved(value, tree, within) for key, value in node.items() if key != "$ref"}
            base = _resolved(node["$ref"], tree, within) if "$ref" in node else {}
            return {**base, **own} if isinstance(base, dict) else base
        case list():
            return [_resolved(value, tree, within) for value in node]
        case str() if node.startswith("#/"):
            if node in within:
                raise LookupError(node)
            return _resolved(_at(node.removeprefix("#/"), tree), tree, (*within, node))
    return node


def _at(path: str, node: Any) -> Any:
    """What stands at `a/b/0`; a key may have slashes itself."""
    while path:
        if isinstance(node, dict) and path in node:
            return node[path]
        head, _, path = path.partition("/")
        node = node[int(head)] if isinstance(node, list) else node[head]
    return node
