"""Read one entry under `sources:`, `mappers:`, `targets:` or `tasks:` as a `Connector`."""

import re
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from tapdock.project import tasks
from tapdock.project.discovery import Discovery
from tapdock.project.fields import Field
from tapdock.project.jobs import commands
from tapdock.project.keys import BUILD, CONNECTOR, PATTERNS, WINDOW, Key, misplaced, names
from tapdock.project.manifests import MANIFEST_IMAGE, PROGRAM, manifest
from tapdock.project.model import Build, Config, Connector, ConnectorRole, Limits
from tapdock.project.mounts import mounts
from tapdock.project.secret import Secret
from tapdock.project.streams import catalog_file, stream_options
from tapdock.project.window import WindowKeys, unit_of
from tapdock.text.secret_names import secrets_in

__all__ = ["LATER", "build_image", "connector", "is_buildable", "variables"]

LATER = "this version of tapdock does not support it yet; remove it"
INSTEAD = {
    "schedule": "write an entry under `schedules:`",
    "registry_auth": f"{LATER} (`docker login` works already)",
    "volumes": "write mounts under `mounts`",
    "environment": "write environment variables of the container under `env`",
    "settings": "write the connector's own settings under `config`",
    "tag": "the tag is part of `image`: `airbyte/source-faker:7.2.1`",
    "pip_url": 'write `build: {singer: "target-duckdb==0.8.0"}`',
}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_OPTION = re.compile(
    r"--pre|--no-deps|--no-build-isolation|--(prerelease|resolution|exclude-newer|no-binary|only-binary)=\S+"
)
FAMILIES: dict[str, Literal["singer", "airbyte-python", "python"]] = {
    "singer": "singer",
    "airbyte": "airbyte-python",
    "pip": "python",
}


def connector(field: Field, role: ConnectorRole, folder: Path) -> Connector:
    """Return a connector. Raises UsageError with the place of the first mistake in it."""
    known = names(CONNECTOR, role=role)
    is_task = role == "task"
    keys = field.keys(known, instead={**misplaced(known), **INSTEAD, **(tasks.INSTEAD if is_task else {})})
    on_host = is_task and tasks.runs_on_host(field, keys)
    build = _build(keys["build"], role) if "build" in keys else _program(keys, is_task=is_task and not on_host)
    given = {key.name: _value(key, keys[key.name], folder) for key in CONNECTOR if key.name in keys and _is_plain(key)}
    if "catalog" in given and given.get("discovery", Discovery()).mode in ("always", "committed"):
        hint = "remove one of the two; `catalog` names a file with the streams, which is used instead of discovery"
        raise keys["discovery"].error("has no effect beside `catalog`", hint=hint)
    if "manifest" in given and given.setdefault("kind", "airbyte") != "airbyte":
        raise keys["kind"].error(
            "is not `airbyte`, but only Airbyte sources have manifests", hint="remove `kind` or `manifest`"
        )
    found = Connector(
        name=str(field.path[-1]),
        role=role,
        image="" if on_host else _image(field, keys, build),
        build=build,
        limits=_limits(keys, role),
        **given,
    )
    return tasks.placed(found, keys, folder) if is_task else found


def _is_plain(key: Key) -> bool:
    """Whether the key's value is the attribute of the same name; `image` and the limits are made of several keys."""
    return key.form not in ("build", "duration") and key.name != "image"


def _value(key: Key, field: Field, folder: Path) -> Any:
    """Return the value of a key that connectors have."""
    match key.form:
        case "config":
            return _config(field)
        case "mappings":
            return _mappings(field)
        case "commands":
            return commands(field)
        case "env":
            return variables(field)
        case "mounts":
            return mounts(field, folder)
        case "streams":
            return {name: stream_options(inner) for name, inner in field.entries().items()}
        case "window":
            return _window(field)
        case "manifest":
            return manifest(field, folder)
        case "catalog":
            return catalog_file(field, folder)
        case _:
            return field.read(key)


def _image(field: Field, keys: Mapping[str, Field], build: Build | None) -> str:
    if "image" in keys:
        image = keys["image"].text()
        if re.search(r"\s", image) or image.startswith("-"):
            raise keys["image"].wrong("an image", hint="for example `airbyte/source-faker:7.2.1`")
        return image
    if build is None:
        raise field.error(
            "has neither `image` nor `build`",
            hint='name an image, or let tapdock build one: `build: {singer: "target-duckdb==0.8.0"}`',
        )
    if build is PROGRAM:
        return MANIFEST_IMAGE
    return build_image(build) or _unnamed(keys["build"])


def _unnamed(field: Field) -> str:
    raise field.error("has no package name that can name the image", hint="add `image` with a name for it")


def build_image(build: Build) -> str | None:
    """Return `tapdock/<program>:<version>`; None if the package has no plain name.

    A build that also depends on other keys gets a hash of them at the end, so that each has an image of its own. So
    does a program of a package with another name, which several packages may have, and a package with extras.

    >>> build_image(Build(family="singer", package="target-duckdb==0.8.0"))
    'tapdock/target-duckdb:0.8.0'
    >>> build_image(Build(family="singer", package="target-duckdb==0.8.0", python="3.11"))
    'tapdock/target-duckdb:0.8.0-6d8e4d0c'
    """
    if not build.program:
        return None
    given = [(key.name, getattr(build, key.attribute)) for key in BUILD if key.form in PATTERNS]
    if build.family == "python":
        more = [*build.package.split()[1:], *(each for each in given if each[1])]
        more += [*([build.package] if build.package and not build.version else []), *filter(None, (build.executable,))]
    else:
        first, *others = build.package.split()
        is_plain = build.executable in (None, build.package_name) and "[" not in first
        more = [*(() if is_plain else (first,)), *others, *(each for each in given if each[1])]
    ending = f"-{blake2b(repr(more).encode(), digest_size=4).hexdigest()}" if more else ""
    return f"tapdock/{build.program.lower()}:{build.version or 'latest'}{ending}"


def _build(field: Field, role: ConnectorRole) -> Build:
    keys = field.keys(names(BUILD), instead={"manifest": "write `manifest:` beside `build`"})
    families = [name for name in FAMILIES if name in keys]
    if role == "task":
        return _task_build(keys)
    if "pip" in keys:
        raise keys["pip"].error(f"is for tasks, and this is a {role}", hint="write `singer` or `airbyte`")
    if len(families) != 1:
        raise field.error(
            "needs exactly one of `singer` and `airbyte`",
            hint='for example `build: {singer: "target-duckdb==0.8.0"}`',
        )
    return _made(keys, FAMILIES[families[0]], _requirements(keys[families[0]]))


def _task_build(keys: Mapping[str, Field]) -> Build:
    """Return the build of a task: any packages, or none."""
    for name in ("singer", "airbyte"):
        if name in keys:
            raise keys[name].error("is for connectors, and this is a task", hint="write `pip`")
    if "python" in keys and not re.fullmatch(PATTERNS["python"].regex, str(keys["python"].value)):
        hint = f'write packages under `pip`: `build: {{pip: "{keys["python"].value}"}}`'
        raise keys["python"].wrong("a version of Python", hint=hint)
    useless = [name for name in ("with", "constraints", "overrides", "before") if name in keys]
    if useless and "pip" not in keys:
        raise keys[useless[0]].error("has no effect without `pip`", hint="name the packages under `pip`")
    return _made(keys, "python", _requirements(keys["pip"]) if "pip" in keys else "")


def _made(keys: Mapping[str, Field], family: Literal["singer", "airbyte-python", "python"], package: str) -> Build:
    executable = keys["executable"].text() if "executable" in keys else None
    if executable and not _PROGRAM.fullmatch(executable):
        raise keys["executable"].wrong("the name of a program", hint="use letters, digits, `-`, `_` and `.`")
    given = {key.attribute: _option(key, keys[key.name]) for key in BUILD if key.name in keys and key.form in PATTERNS}
    return Build(family=family, package=package, executable=executable, **given)


def _option(key: Key, field: Field) -> Any:
    """Return the value of a key that changes what a build installs."""
    value = field.read(key)
    if key.form == "requirements":
        for line in value:
            _without_credentials(field, line)
    return value


def _requirements(field: Field) -> str:
    """Return requirements separated by spaces. Only the installer's options that choose among releases are allowed."""
    text = field.text()
    for number, word in enumerate(text.split()):
        if word.startswith("-") and (number == 0 or not _OPTION.fullmatch(word)):
            hint = "set PIP_INDEX_URL and PIP_EXTRA_INDEX_URL for package indexes; write a requirement first"
            raise field.error(f"has the option `{word.partition('=')[0]}`, which is not allowed in a build", hint=hint)
    _without_credentials(field, text)
    return text


def is_buildable(requirements: str) -> bool:
    """Return True for requirements that a build accepts as `singer` or `airbyte`."""
    first, *more = requirements.split() or ["-"]
    allowed = not first.startswith("-") and all(_OPTION.fullmatch(word) for word in more if word.startswith("-"))
    return allowed and not secrets_in(requirements)


def _without_credentials(field: Field, text: str) -> None:
    if secrets_in(text):
        hint = (
            "serve the package from an index (PIP_EXTRA_INDEX_URL), or build the image yourself and name it as `image`"
        )
        raise field.error("has a credential in an address, which would stay readable in the image", hint=hint)


def _program(keys: Mapping[str, Field], *, is_task: bool) -> Build | None:
    """Return the build without `image` and `build`: of a task, or of the program that runs manifests. Else None."""
    if is_task:
        return None if "image" in keys else tasks.PLAIN
    return PROGRAM if "manifest" in keys and "image" not in keys else None


def _window(field: Field) -> WindowKeys:
    keys = field.keys(names(WINDOW))
    for needed in ("start", "end"):
        if needed not in keys:
            raise field.error(f"needs `{needed}`", hint="for example `{start: start_date, end: end_date}`")
    given = {key.name: keys[key.name].read(key) for key in WINDOW if key.name in keys}
    if given["start"] == given["end"]:
        raise keys["end"].error("is the same setting as `start`", hint="a window needs one setting for each")
    if "format" in given and unit_of(given["format"]) is None:
        raise keys["format"].wrong("a format with a whole date", hint="for example `%Y-%m-%d` or `%Y-%m-%dT%H:%M:%SZ`")
    return WindowKeys(**given)


def _config(field: Field) -> Config:
    field.entries()
    return Config(field.value)


def _mappings(field: Field) -> dict[str, Config]:
    found: dict[str, Config] = {}
    for item in field.items():
        keys = item.keys(("name", "config"))
        if "name" not in keys:
            raise item.error("has no `name`", hint="for example `{name: hide-emails, config: {…}}`")
        name = keys["name"].text()
        if not _PROGRAM.fullmatch(name):
            raise keys["name"].wrong("a valid name", hint="use letters, digits, `-`, `_` and `.`")
        if name in found:
            raise keys["name"].error(f"is `{name}`, which another mapping of the list has, too", hint="rename one")
        found[name] = _config(keys["config"]) if "config" in keys else Config()
    return found


def variables(field: Field) -> dict[str, str | Secret]:
    """Return environment variables with their values."""
    return {name: _variable(name, inner) for name, inner in field.entries().items()}


def _variable(name: str, field: Field) -> str | Secret:
    if not _VARIABLE.fullmatch(name):
        raise field.error(
            "is not the name of a variable", hint="use letters, digits and `_`, with a letter or `_` first"
        )
    if isinstance(field.value, Secret):
        return field.value
    if isinstance(field.value, bool):
        return "true" if field.value else "false"
    if isinstance(field.value, str):
        if "\0" in field.value:
            raise field.error("contains a NUL character")
        return field.value
    if field.value is None:
        raise field.wrong("text", hint="write `${NAME}` for a variable of your own environment")
    return field.text()


def _limits(keys: Mapping[str, Field], role: ConnectorRole) -> Limits:
    attributes = {"idle_timeout": f"{role}_idle", "stop_grace": "stop_grace", "exit_grace": "exit_grace"}
    return Limits(**{attributes[name]: keys[name].duration() for name in attributes if name in keys})
