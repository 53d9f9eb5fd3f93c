"""Read the variables of a project: of the environment, of `.env` files, and under `vars:` of the project file."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tapdock.project.builtin import NAMES
from tapdock.project.dotenv import parse_dotenv
from tapdock.project.fields import Field
from tapdock.project.files import text_of
from tapdock.project.home import DOTENV, HOME
from tapdock.project.interpolate import VARIABLE, Scope, interpolate
from tapdock.project.layers import Layer
from tapdock.project.secret import Secret

__all__ = ["own_values", "variables_of", "with_own_variables"]

_KEYS = {"TAPDOCK_STATE_KEY", "TAPDOCK_STATE_KEY_FILE"}


def own_values(layer: Layer, scope: Scope, label: str) -> tuple[Layer, Scope]:
    """Return the layer without `vars`, and the scope with their values. A value may refer to those above it."""
    kept = {key: value for key, value in layer.tree.items() if key not in ("vars", "default_environment")}
    values: dict[str, str | Secret] = {}
    of_row = scope.of_row
    for name in Field(layer.tree.get("vars"), ("vars",), layer.origins, label).entries():
        scope = dataclasses.replace(scope, own=dict(values), of_row=of_row)
        found = interpolate(Layer({"vars": {name: layer.tree["vars"][name]}}, layer.origins), scope)
        of_row |= {name} if ("vars", name) in scope.by_row else set()
        field = Field(found.tree["vars"][name], ("vars", name), layer.origins, label)
        if not re.fullmatch(VARIABLE, name):
            raise field.error("is not a name of a variable", hint="use letters, digits and `_`")
        if name in NAMES:
            raise field.error("has the name of a built-in variable", hint=f"rename it: `${{{name}}}` is built in")
        if name.startswith("TAPDOCK_"):
            raise field.error("is a variable of tapdock's own", hint="put it into `.env`, or into the environment")
        if isinstance(field.value, Secret):
            values[name] = field.value
        elif isinstance(field.value, bool):
            values[name] = str(field.value).lower()
        elif field.value == "":
            values[name] = ""
        elif field.value is not None:
            values[name] = field.text()
    return Layer(kept, layer.origins), dataclasses.replace(scope, own=values, of_row=of_row)


def with_own_variables(folder: Path, environ: Mapping[str, str], *, env_files: Sequence[Path] = ()) -> dict[str, str]:
    """Return the environment, and tapdock's own variables (`TAPDOCK_…`) in the project's `.env`, which yield to it.

    The same holds for those in `env_files`.

    Paths in `.env` are relative to the project. An empty key in the environment does not replace one in the file,
    because states would then be stored without encryption. Raises UsageError for a `.env` that cannot be read.
    """
    environ = {name: value for name, value in environ.items() if value or name not in _KEYS}
    values, _ = variables_of(folder, {}, env_files)
    own = {name: value for name, value in values.items() if name.startswith("TAPDOCK_") and name not in environ}
    if not _KEYS.isdisjoint(environ):  # one of the two in the environment replaces both in the file
        own = {name: value for name, value in own.items() if name not in _KEYS}
    own |= {name: str(folder / own[name]) for name in (HOME, "TAPDOCK_STATE_KEY_FILE") if own.get(name)}
    return {**own, **environ}


def variables_of(
    folder: Path, environ: Mapping[str, str], env_files: Sequence[Path]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables of the environment over those of files, and the origins of those from files."""
    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    dotenv = folder / DOTENV
    for file in (*([dotenv] if dotenv.is_file() else []), *env_files):
        found = parse_dotenv(text_of(file), file.name if file == dotenv else str(file), reserved=NAMES)
        values |= found
        origins |= dict.fromkeys(found, file.name if file == dotenv else str(file))
    return {**values, **environ}, {name: origin for name, origin in origins.items() if name not in environ}
