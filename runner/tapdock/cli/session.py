"""The session that all commands share: global options, and the project, which is loaded when it is first used."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from tapdock.errors import UsageError

if TYPE_CHECKING:
    from tapdock.connectors.observer import Observer
    from tapdock.project.model import Project
    from tapdock.state.backends.base import Backend
    from tapdock.text.redaction import Redactor

__all__ = ["Session", "shared"]


@dataclass
class Session:
    """The global options of a call, as `ctx.obj` of each command. `environ` is the environment of the process.

    `commands` are the names of all commands. `observer` is the orchestrator that started this process, if any.
    """

    folder: Path | None = None
    chosen_environment: str | None = None
    chosen_format: Literal["text", "json"] | None = None
    chosen_level: Literal["debug", "info", "warning", "error"] | None = None
    env_files: tuple[Path, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    commands: tuple[str, ...] = ()
    observer: "Observer | None" = None
    _made_for: "tuple[Project | None, Redactor] | None" = field(default=None, init=False, repr=False)

    @cached_property
    def file(self) -> Path:
        """The project file: that of `--project`, which is always trusted, else the nearest upward.

        Raises UsageError if there is none.
        """
        from tapdock.project.find import find_project
        from tapdock.project.home import FILE
        from tapdock.project.owners import trusted_users

        try:
            if self.folder is None:
                return find_project(Path.cwd(), trusted=trusted_users(self.environ))
            file = self.folder if self.folder.is_file() else self.folder / FILE
            if file.is_file():
                return file.absolute()
        except OSError as error:  # a folder that this user may not enter, or a name that no file system accepts
            hint = "check its permissions, or name another folder with `--project`"
            raise UsageError(f"{error.filename or self.folder} cannot be read: {error.strerror}", hint=hint) from error
        raise UsageError(f"there is no {FILE} in {self.folder}", hint="name the folder of a project with `--project`")

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The environment, and tapdock's own variables in the project's `.env`. The environment has priority."""
        from tapdock.project.load import with_own_variables

        try:
            folder = self.file.parent
        except UsageError:
            return self.environ  # a command without a project
        return with_own_variables(folder, self.environ, env_files=self.env_files)

    @cached_property
    def log_format(self) -> Literal["text", "json"]:
        """The format of log lines on stderr. Raises UsageError for an unknown one."""
        found = self.chosen_format or self.variables.get("TAPDOCK_LOG_FORMAT") or "text"
        if found not in ("text", "json"):
            raise UsageError(f"TAPDOCK_LOG_FORMAT is `{found}`", hint="it must be `text` or `json`")
        return cast(Literal["text", "json"], found)

    @cached_property
    def log_level(self) -> Literal["debug", "info", "warning", "error"] | None:
        """The lowest level of log lines on stderr; None if it is not chosen. Raises UsageError for an unknown one."""
        found = self.chosen_level or self.variables.get("TAPDOCK_LOG_LEVEL") or None
        if found not in (None, "debug", "info", "warning", "error"):
            hint = "it must be `debug`, `info`, `warning` or `error`"
            raise UsageError(f"TAPDOCK_LOG_LEVEL is `{found}`", hint=hint)
        return cast(Literal["debug", "info", "warning", "error"] | None, found)

    @cached_property
    def project(self) -> "Project":
        from tapdock.project.load import load
        from tapdock.project.owners import trusted_users
        from tapdock.text.output import err

        wanted = self.chosen_environment
        if wanted is None:  # an empty `--environment` means none; an empty variable counts as not set
            wanted = self.variables.get("TAPDOCK_ENVIRONMENT") or None
        trusted = trusted_users(self.environ) if self.folder is None else None
        files = self.env_files
        project = load(self.file, environment=wanted, environ=self.environ, trusted=trusted, env_files=files)
        for warning in project.warnings:
            err(warning)
        return project

    def choose_row(self, pipeline: str | None) -> None:
        """For the name of a row of a matrix (`shop[acme]`), use the project of that row. Raises UsageError."""
        from tapdock.project.row import split_name
        from tapdock.project.rows import named_pipeline

        if pipeline is not None and split_name(pipeline)[0] in self.project.pipelines:
            found = named_pipeline(self.project, pipeline)
            self.project = (found and found.variant) or self.project

    @property
    def private(self) -> Path:
        """The project's private folder: caches, run records, and states if no `state_backend` is configured.

        Raises UsageError if it belongs to another project.
        """
        from tapdock.project.home import claim_home, private_folder

        private = private_folder(self.file.parent, self.variables)
        claim_home(private, self.file.parent, self.variables, write=False)
        return private

    @cached_property
    def backend(self) -> "Backend":
        from tapdock.state.backends.base import LEASE_SECONDS, open_backend
        from tapdock.state.backends.sealed import sealed

        seconds = self.variables.get("TAPDOCK_LEASE_SECONDS")
        if seconds and not (seconds.isdigit() and int(seconds) >= 4):
            raise UsageError(f"TAPDOCK_LEASE_SECONDS is `{seconds}`", hint="it must be a number of seconds, 4 or more")
        lease = float(seconds or LEASE_SECONDS)
        _ = self.private  # refuses the private folder of another project, which may have states of the same names
        backend = open_backend(self.project.state_uri, self.project.folder, lease_seconds=lease)
        return sealed(backend, self._key)

    @property
    def _key(self) -> str | None:
        file = self.variables.get("TAPDOCK_STATE_KEY_FILE")
        if not file:
            return self.variables.get("TAPDOCK_STATE_KEY")
        try:
            return Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"TAPDOCK_STATE_KEY_FILE cannot be read: {error}") from error

    @property
    def colour(self) -> bool:
        """True if log lines on stderr have colors."""
        from tapdock.text.output import has_colour

        return has_colour(self.environ, terminal=sys.stderr.isatty())

    def redacted(self, text: str) -> str:
        """Return text for people, without the secrets of the project (if the project is loaded)."""
        from tapdock.text.clean import plain
        from tapdock.text.secret_names import masked_text

        return self._redactor.message(masked_text(plain(text)))

    @property
    def own_words(self) -> frozenset[str]:
        """tapdock's commands, and the names in the project file (if it is loaded)."""
        project: Project | None = self.__dict__.get("project")
        named: tuple[str | None, ...] = ()
        if project:
            commands = (name for task in project.tasks.values() for name in task.commands)
            connectors = (each.name for each in project.connectors)
            named = (project.environment, *connectors, *project.pipelines, *project.jobs, *commands)
        return frozenset(("tapdock", *self.commands, *(name for name in named if name)))

    @property
    def _redactor(self) -> "Redactor":
        from tapdock.connectors.images import making
        from tapdock.connectors.masking import project_secrets
        from tapdock.text.redaction import Redactor
        from tapdock.text.secret_names import secrets_in

        project: Project | None = self.__dict__.get("project")  # not loaded here: loading may be what failed
        if self._made_for is None or self._made_for[0] is not project:
            redactor = Redactor(project_secrets(project) if project else (), own=self.own_words)
            for address in making(self.environ).indexes.values():
                redactor.learn(secrets_in(address))
            if project and project.references:
                project.references.listen(redactor)
            self._made_for = (project, redactor)
        return self._made_for[1]


def shared(ctx: Any) -> Session:
    """Return the `Session` of a command's `typer.Context`."""
    return cast(Session, ctx.obj)
