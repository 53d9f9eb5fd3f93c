"""How the image of a connector is built from packages."""

import re
from typing import Literal

import msgspec

__all__ = ["Build"]

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?(?:==(?P<version>[A-Za-z0-9.!+_-]+))?")


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """How an image of a connector is built: `family` is a folder of `images/`, `package` requirements with spaces.
    It is empty for the image of a task that only needs Python.

    `apt` are Debian packages; `with_`, `constraints` and `overrides` are lists of requirements. `before` is a day.
    """

    family: Literal["singer", "airbyte-python", "python"]
    package: str
    executable: str | None = None
    python: str | None = None
    apt: tuple[str, ...] = ()
    with_: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    before: str | None = None

    @property
    def program(self) -> str | None:
        """Return the program's likely name: `executable`, else the name of the first package without `airbyte-`.

        None if the first package has no plain name. Without `executable`, the recipe finds the program.
        """
        if self.family == "python":
            return self.named if self.package else "python"
        name = self.package_name
        if self.executable or name is None:
            return self.executable
        return name.removeprefix("airbyte-") if self.family == "airbyte-python" else name

    @property
    def named(self) -> str | None:
        """Return the name at the beginning of the requirements; None if they begin with an address."""
        first = self.package.split(" ")[0]
        found = None if "://" in first else _NAME.match(first)
        return found[0].lower().replace("_", "-") if found else None

    @property
    def package_name(self) -> str | None:
        """Return the name of the first package; None if it has no plain name, such as an address."""
        first = _REQUIREMENT.fullmatch(self.package.split(" ")[0])
        return first["name"].lower().replace("_", "-") if first else None

    @property
    def version(self) -> str | None:
        """Return the version of the first package; None if it is not pinned."""
        first = _REQUIREMENT.fullmatch(self.package.split(" ")[0])
        return first["version"] if first else None
