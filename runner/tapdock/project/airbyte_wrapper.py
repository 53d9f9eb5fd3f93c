"""Translate a pasted stanza of the Airbyte wrapper for Singer into tapdock's own keys.

    airbyte_spec: {image: airbyte/source-faker, tag: 7.2.1}      image: airbyte/source-faker:7.2.1
    airbyte_config: {count: 5}                              ->   config: {count: 5}
    docker_mounts: [{source: /a, target: /b, type: bind}]        mounts: [{source: /a, target: /b}]

The stanza may be directly under the source, or under its `config:` as in Meltano's file.
"""

from typing import Any

from tapdock.errors import UsageError
from tapdock.project.layers import Layer, Path, dotted

__all__ = ["translated"]

STANZA = ("airbyte_spec", "airbyte_config", "docker_mounts")
PLUGIN = ("name", "variant", "pip_url", "namespace", "executable", "settings", "capabilities")


def translated(layer: Layer) -> Layer:
    """Return the layer with every such stanza of a source rewritten; its origins end in `(from airbyte_spec)`.

    Raises UsageError with `file:line` for a stanza that is incomplete or has other keys beside it.
    """
    tree = _copy(layer.tree)
    origins = dict(layer.origins)
    for path in _sources(tree):
        _translate(tree, origins, path)
    return Layer(tree, origins)


def _sources(tree: dict[str, Any]) -> list[Path]:
    blocks: list[Path] = [()]
    environments = tree.get("environments")
    if isinstance(environments, dict):
        blocks += [("environments", name) for name in environments]
    paths: list[Path] = []
    for block in blocks:
        sources = _get(tree, (*block, "sources"))
        if isinstance(sources, dict):
            paths += [(*block, "sources", name) for name in sources]
    return paths


def _translate(tree: dict[str, Any], origins: dict[Path, str], path: Path) -> None:
    source = _get(tree, path)
    if not isinstance(source, dict):
        return
    config = source.get("config")
    inner = isinstance(config, dict) and any(_has(config, word) for word in STANZA)
    if not inner and not any(_has(source, word) for word in STANZA):
        return
    stanza_path = (*path, "config") if inner else path
    stanza = _get(tree, stanza_path)
    found = {word: _taken(stanza, word) for word in STANZA if _has(stanza, word)}
    for word in PLUGIN:
        source.pop(word, None)
    if inner and stanza:
        unknown = (*stanza_path, next(iter(stanza)))
        raise UsageError(
            f"{origins.get(unknown, '')}: `{dotted(unknown)}` cannot be used together with `{next(iter(found))}`",
            hint="put the connector's own settings under `airbyte_config`, or use `image` and `config`",
        )
    if inner:
        del source["config"]
    if "airbyte_spec" in found:
        source["image"] = _image(found["airbyte_spec"], (*stanza_path, "airbyte_spec"), origins)
        _moved(origins, (*stanza_path, "airbyte_spec"), (*path, "image"), leaf=True)
    if "airbyte_config" in found:
        source["config"] = found["airbyte_config"]
        _moved(origins, (*stanza_path, "airbyte_config"), (*path, "config"))
    if "docker_mounts" in found:
        source["mounts"] = [_mount(mount) for mount in found["docker_mounts"] or []]
        _moved(origins, (*stanza_path, "docker_mounts"), (*path, "mounts"))


def _has(values: dict[str, Any], word: str) -> bool:
    return word in values or any(key.startswith(f"{word}.") for key in values)


def _taken(values: dict[str, Any], word: str) -> Any:
    """Remove and return the value of `word`, also if it is written flat (`airbyte_spec.image: …`)."""
    whole = values.pop(word, None)
    flat = {key: values.pop(key) for key in list(values) if key.startswith(f"{word}.")}
    if not flat:
        return whole
    return {**(whole or {}), **{key[len(word) + 1 :]: value for key, value in flat.items()}}


def _image(spec: Any, path: Path, origins: dict[Path, str]) -> str:
    if not isinstance(spec, dict) or not isinstance(spec.get("image"), str):
        raise UsageError(
            f"{_origin(origins, path)}: `{dotted(path)}` needs `image` and `tag`",
            hint="for example `airbyte_spec: {image: airbyte/source-faker, tag: 7.2.1}`",
        )
    tag = spec.get("tag")
    if isinstance(tag, float):
        place = f"{_origin(origins, (*path, 'tag'))}: `{dotted((*path, 'tag'))}`"
        raise UsageError(f"{place} is the number {tag}, not text", hint="put the tag in quotes")
    return f"{spec['image']}:{tag}" if tag is not None else str(spec["image"])


def _mount(mount: Any) -> Any:
    return {key: value for key, value in mount.items() if key != "type"} if isinstance(mount, dict) else mount


def _origin(origins: dict[Path, str], path: Path) -> str:
    return next((origins[path[:end]] for end in range(len(path), 0, -1) if path[:end] in origins), "tapdock.yaml")


def _moved(origins: dict[Path, str], old: Path, new: Path, *, leaf: bool = False) -> None:
    word = str(old[-1])
    origin = _origin(origins, old)
    origins.pop(old, None)
    origins[new] = f"{origin} (from {word})"
    for path in [path for path in origins if path[: len(old)] == old and len(path) > len(old)]:
        origin = origins.pop(path)
        if not leaf:
            origins[(*new, *path[len(old) :])] = f"{origin} (from {word})"


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _get(tree: Any, path: Path) -> Any:
    for part in path:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree
