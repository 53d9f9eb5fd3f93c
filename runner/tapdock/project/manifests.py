"""Read the manifest of a low-code source. It is checked only as far as tapdock needs it, and passed on unchanged."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tapdock.errors import UsageError
from tapdock.project.fields import Field
from tapdock.project.files import FAST, require_shallow, text_of
from tapdock.project.model import Build, Manifest

__all__ = ["MANIFEST_IMAGE", "PROGRAM", "manifest"]

PROGRAM = Build(family="airbyte-python", package="airbyte-cdk==7.39.1", executable="source-declarative-manifest")
MANIFEST_IMAGE = f"tapdock/source-declarative-manifest:{PROGRAM.version}"
"""The build that runs a manifest if no other image is named. Decision 0011 explains the package."""

_RELATIVE = "paths are relative to the project file"
_SPENT = object()
_MOST_NODES = 1_000_000
"""Includes what aliases and `$ref` expand to: aliases of aliases can expand to more than fits in memory."""
_TYPE = "DeclarativeSource"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(FAST):  # type: ignore[misc] # either of two classes
    """The connector's YAML loader, except that `2024-01-01` stays text, because JSON does not have dates."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name and form are PyYAML's
        first: [known for known in resolvers if known[0] != _TIMESTAMP]
        for first, resolvers in FAST.yaml_implicit_resolvers.items()
    }


def manifest(field: Field, folder: Path) -> Manifest:
    """Return the manifest in a file; its path is relative to the project's `folder`.

    Raises UsageError with the place in the project file that names it.
    """
    file = folder / Path(field.text()).expanduser()
    tree = _tree(field, file)
    if tree.get("type") != _TYPE:
        raise field.error(f"names {file}, which has no `type: {_TYPE}`", hint="is it a manifest of a low-code source?")
    if not tree.get("version"):
        hint = "add the version of Airbyte's CDK that the manifest was made for"
        raise field.error(f"names {file}, which has no `version`", hint=hint)
    return Manifest(file=file, content=_json(field, file, tree), spec=_spec(field, file, tree))


def _tree(field: Field, file: Path) -> dict[str, Any]:
    try:
        text = text_of(file)
        require_shallow(text)
        tree = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except UsageError as error:
        raise field.error(f"names {file}, which{error.message.removeprefix(str(file))}", hint=_RELATIVE) from error
    except RecursionError as error:
        raise field.error(f"names {file}, which is nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        raise field.error(f"names {file}, which is malformed YAML: {_place(error)}") from error
    if not isinstance(tree, dict):
        raise field.error(f"names {file}, which is not a YAML mapping")
    return tree


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"line {mark.line + 1}: {problem}" if mark else problem


def _json(field: Field, file: Path, tree: dict[str, Any]) -> bytes:
    try:
        _require_few(tree, budget=itertools.repeat(None, _MOST_NODES))
        return json.dumps(tree, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise field.error(f"names {file}, which has a value that cannot be written as JSON: {error}") from error


def _require_few(value: Any, *, budget: Iterator[None]) -> None:
    """Raise ValueError if the tree has more values than the budget."""
    if next(budget, _SPENT) is _SPENT:
        raise ValueError("aliases expand to too many values")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _require_few(inner, budget=budget)


def _spec(field: Field, file: Path, tree: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema of the source's config; None if the manifest has none."""
    try:
        spec = _resolved(tree.get("spec"), tree, budget=itertools.repeat(None, _MOST_NODES))
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise field.error(f"names {file}, whose `spec` has a reference that cannot be resolved: {error}") from error
    schema = spec.get("connection_specification") if isinstance(spec, dict) else None
    if not isinstance(schema, dict):
        return None
    plain: dict[str, Any] = json.loads(json.dumps(schema))  # YAML has keys that are not text, such as `on`
    return plain


def _resolved(node: Any, tree: dict[str, Any], within: tuple[str, ...] = (), *, budget: Iterator[None]) -> Any:
    """Return the node with each `#/…` replaced, as the CDK's ManifestReferenceResolver does it.

    A node's own keys win over those of its `$ref`. Raises LookupError, or ValueError if the budget is used up.
    """
    if next(budget, _SPENT) is _SPENT:
        raise ValueError("references expand to too many values")
    match node:
        case dict():
            own = {key: _resolved(value, tree, within, budget=budget) for key, value in node.items() if key != "$ref"}
            base = _resolved(node["$ref"], tree, within, budget=budget) if "$ref" in node else {}
            return {**base, **own} if isinstance(base, dict) else base
        case list():
            return [_resolved(value, tree, within, budget=budget) for value in node]
        case str() if node.startswith("#/"):
            if node in within:
                raise LookupError(node)
            return _resolved(_at(node.removeprefix("#/"), tree), tree, (*within, node), budget=budget)
    return node


def _at(path: str, node: Any) -> Any:
    """Return the value at a path such as `a/b/0`; a key may contain slashes. Raises LookupError."""
    while path:
        if isinstance(node, dict) and path in node:
            return node[path]
        head, _, path = path.partition("/")
        node = node[int(head)] if isinstance(node, list) else node[head]
    return node
