"""The command line: it parses arguments, calls the rooms below and prints results; errors become exit codes here.

A command is a function in a module that is imported when it is called: `tapdock --help` imports none.
"""

import importlib
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
import typer.core
import typer.main

from tapdock import __version__
from tapdock.cli.session import Session
from tapdock.errors import Interrupted, TapdockError, UsageError
from tapdock.text.output import err, failed, out

__all__ = ["COMMANDS", "main"]

# name -> ("module:function", first sentence of its help), or a group of such
Entry = tuple[str, str]
COMMANDS: dict[str, Entry | dict[str, Entry]] = {
    "init": ("init:init", "Begin a project with an example that runs"),
    "run": ("run:run", "Run pipelines, or sources into targets, one after the other"),
    "spec": ("connectors:spec", "Show which settings a connector takes"),
    "check": ("connectors:check", "Check that a connector's config works"),
    "test": ("connectors:check", "Check that a connector's config works"),
    "discover": ("connectors:discover", "Show the streams that a source offers"),
    "state": {
        "list": ("state:list_states", "List the states that are kept"),
        "show": ("state:show", "Show one state with who saved it and when, and who has it now"),
        "get": ("state:get", "Print a state as the connector gave it"),
        "set": ("state:set_state", "Replace a state by that of a file or of stdin"),
        "clear": ("state:clear", "Forget a state, or single streams of it"),
        "copy": ("versions:copy", "Copy a state to another name"),
        "move": ("versions:move", "Give a state another name"),
        "history": ("versions:history", "List the previous versions of a state"),
        "rollback": ("versions:rollback", "Go back to a previous version of a state"),
        "import": ("migration:import_state", "Take a state over from Meltano or Airbyte"),
        "export": ("migration:export", "Print a state as Meltano or Airbyte take it"),
        "unlock": ("versions:unlock", "Take a state from a run that cannot give it back"),
    },
    "runs": {
        "list": ("runs:list_runs", "List the last runs"),
        "show": ("runs:show", "Show the record of a run"),
        "logs": ("runs:logs", "Print the log of a run"),
    },
    "config": {
        "show": ("config:show", "Show each value of the project with where it came from"),
        "schema": ("config:schema", "Print the JSON schema of the project file"),
        "reset": ("config:reset", "Forget what a connector changed in its own config"),
    },
    "wrap": ("engine:wrap", "Make an Airbyte source's image into a Singer tap's"),
    "build": ("engine:build", "Make the images of connectors that have `build`"),
    "lock": ("engine:lock_images", "Write down the digests of all images"),
    "doctor": ("engine:doctor", "See whether everything that a run needs is there"),
    "relay": ("relay:relay", "Serve one run inside its pod; `run` starts it where it is needed"),
    "gc": ("engine:gc", "Remove what killed runs and builds left behind"),
}
GROUPS = {
    "state": "Look at and change what a next run begins from",
    "runs": "Look at what runs did",
    "config": "Look at the project as tapdock reads it",
}
GLOBAL_OPTIONS = ("--project", "--environment", "--log-format")


class LazyGroup(typer.core.TyperGroup):
    """A group whose commands are imported when they are called."""

    entries: dict[str, Entry | dict[str, Entry]]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = self.entries.get(cmd_name)
        if isinstance(entry, dict):
            return _group(GROUPS[cmd_name], cast(dict[str, Entry | dict[str, Entry]], entry))
        if entry is not None:
            return _command(cmd_name, entry[0])
        if cmd_name.startswith("-"):
            return None
        from tapdock.project.fields import did_you_mean

        near = did_you_mean(cmd_name, self.entries)
        raise UsageError(f"there is no command `{cmd_name}`", hint=near or f"see `{ctx.command_path} --help`")

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(name, GROUPS[name] if isinstance(entry, dict) else entry[1]) for name, entry in self.entries.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _command(name: str, target: str) -> Any:
    module, _, function = target.partition(":")
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name)(getattr(importlib.import_module(f"tapdock.cli.{module}"), function))
    return typer.main.get_command(app)


def _group(help_text: str, entries: dict[str, Entry | dict[str, Entry]], callback: Any = None) -> Any:
    app = typer.Typer(cls=LazyGroup, help=help_text, add_completion=False, rich_markup_mode=None, no_args_is_help=True)
    app.callback()(callback or (lambda: None))
    group = cast(LazyGroup, typer.main.get_group(app))
    group.entries = entries
    return group


def _version(wanted: bool) -> None:
    if wanted:
        out(f"tapdock {__version__}")
        raise typer.Exit


def _options(
    ctx: typer.Context,
    project: Annotated[
        Path | None,
        typer.Option(
            envvar="TAPDOCK_PROJECT", help="The project's folder; else the nearest tapdock.yaml upward, if it is yours."
        ),
    ] = None,
    environment: Annotated[
        str | None,
        typer.Option(envvar="TAPDOCK_ENVIRONMENT", help="The block of `environments:` that applies."),
    ] = None,
    log_format: Annotated[
        Literal["text", "json"],
        typer.Option(envvar="TAPDOCK_LOG_FORMAT", help="How log lines look on stderr."),
    ] = "text",
    version: Annotated[  # noqa: ARG001 - its callback does it all
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    session = ctx.obj
    session.folder, session.environment, session.log_format = project, environment or None, log_format


HELP = """Run any Airbyte or Singer connector as a container and move data between any two of them

The options below may also stand after a command.

Example: tapdock run demo --environment prod
"""


def main(args: Sequence[str] | None = None) -> int:
    """Perform one command line; the exit code (tapdock.errors lists them)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold every secret of the run
    session = Session()
    try:
        return _perform(_hoisted(list(sys.argv[1:] if args is None else args)), session)
    except (TapdockError, Interrupted) as error:
        return _told(session.heard(error.message), error.hint and session.heard(error.hint), error.exit_code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _quiet()
    except Exception as error:
        return _unexpected(error, session)


def _perform(args: list[str], session: Session) -> int:
    group = _group(HELP, COMMANDS, _options)
    try:
        with group.make_context("tapdock", args, obj=session) as ctx:
            result = group.invoke(ctx)
            sys.stdout.flush()
            return result if isinstance(result, int) else 0
    except typer.Exit as ending:
        sys.stdout.flush()
        return ending.exit_code
    except typer.Abort:
        return 130
    except Exception as error:
        if not hasattr(error, "format_message"):  # every mistake on the command line has it
            raise
        return _usage(error)


def _usage(error: Any) -> int:
    path = error.ctx.command_path if getattr(error, "ctx", None) else "tapdock"
    if type(error).__name__ == "NoArgsIsHelpError":
        err(error.format_message())
        return 2
    return _told(error.format_message().rstrip("."), f"see `{path} --help`", 2)


def _hoisted(args: list[str]) -> list[str]:
    """The arguments with global options first, wherever they stand before a `--`."""
    front: list[str] = []
    rest: list[str] = []
    while args and args[0] != "--":
        word = args.pop(0)
        if word in GLOBAL_OPTIONS and args:
            front += [word, args.pop(0)]
        elif word.partition("=")[0] in GLOBAL_OPTIONS:
            front.append(word)
        else:
            rest.append(word)
    return [*front, *rest, *args]


def _told(message: str, hint: str | None, code: int) -> int:
    failed(message, hint)
    return code


def _quiet() -> int:
    """The reader of stdout is gone: neither we nor the interpreter's last flush say a word about it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 141


def _unexpected(error: Exception, session: Session) -> int:
    import traceback

    text = session.heard("".join(traceback.format_exception(error)))
    message = session.heard(f"tapdock itself failed: {type(error).__name__}: {error}")
    try:
        from tapdock.runs.records import made_private

        file = made_private(session.private, "crashes") / f"{int(time.time())}-{os.getpid()}.txt"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
            stream.write(f"tapdock {__version__}, Python {sys.version}\n{text}")
    except (TapdockError, OSError):
        err(text)
        return _told(message, "this is a mistake in tapdock: report it with the lines above", 1)
    return _told(message, f"this is a mistake in tapdock: report it with {file}", 1)
