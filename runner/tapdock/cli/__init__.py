"""The command line: parse arguments, call the packages below, print results, and turn errors into exit codes.

Each command is a function in a module that is imported only when the command is called: `tapdock --help` imports none.
"""

import importlib
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
import typer.core
import typer.main

from tapdock import __version__
from tapdock.cli.crash import crashed
from tapdock.cli.session import Session
from tapdock.errors import Interrupted, TapdockError, UsageError
from tapdock.text.output import err, failed, out

__all__ = ["COMMANDS", "main"]

# name -> ("module:function", first sentence of the command's help), or a group of commands
Entry = tuple[str, str]
COMMANDS: dict[str, Entry | dict[str, Entry]] = {
    "init": ("init:init", "Create a project with an example that runs"),
    "search": ("registries:search", "Search the registries of Airbyte and Meltano for connectors"),
    "add": ("adding:add", "Add a source or a target to the project, by its name in a registry"),
    "remove": ("removing:remove", "Remove a connector, a pipeline or a job from the project"),
    "run": ("run:run", "Run pipelines, or sources into targets, one after the other"),
    "backfill": ("backfill:backfill", "Read a range of time of a pipeline in steps, beside its state"),
    "elt": ("elt:elt", "Run a source into a target, with the options of `meltano elt`"),
    "el": ("elt:elt", "Run a source into a target, with the options of `meltano elt`"),
    "preview": ("preview:preview", "Show the first records of a source, without a target"),
    "list": ("listing:list_project", "List pipelines, jobs, schedules, connectors and the streams that were seen last"),
    "spec": ("connectors:spec", "Show which settings a connector takes"),
    "check": ("connectors:check", "Check that a connector's config works"),
    "test": ("connectors:check", "Check that a connector's config works"),
    "discover": ("connectors:discover", "Show the streams that a source offers"),
    "select": ("selecting:select", "Show which streams and fields a run reads, and change that"),
    "catalog": {
        "refresh": ("catalog:refresh", "Discover the streams of a source again"),
        "show": ("catalog:show", "Show the catalog that the next run of a source uses"),
        "diff": ("catalog:diff", "Compare what a source offers now with its committed or its last catalog"),
        "commit": ("catalog:commit", "Write what a source offers now into `catalogs/NAME.json`"),
    },
    "invoke": ("invoke:invoke", "Run a connector's image or a task by hand"),
    "state": {
        "list": ("state:list_states", "List the saved states"),
        "show": ("state:show", "Show one state: who saved it and when, and which run holds it"),
        "get": ("state:get", "Print a state as the connector emitted it"),
        "set": ("state:set_state", "Replace a state with one from a file or from stdin"),
        "edit": ("state_edit:edit", "Change a state in an editor"),
        "merge": ("state_edit:merge", "Put the streams of one state into another"),
        "clear": ("state:clear", "Clear a state, or single streams of it"),
        "copy": ("versions:copy", "Copy a state to another name"),
        "move": ("versions:move", "Rename a state"),
        "history": ("versions:history", "List the previous versions of a state"),
        "rollback": ("versions:rollback", "Restore a previous version of a state"),
        "import": ("migration:import_state", "Import states from Meltano or Airbyte, or all states of another backend"),
        "export": ("migration:export", "Print a state in the format of Meltano or Airbyte, or export all states"),
        "unlock": ("versions:unlock", "Release a state that a dead run still holds"),
    },
    "runs": {
        "list": ("runs:list_runs", "List the last runs"),
        "show": ("runs:show", "Show the record of a run"),
        "logs": ("runs:logs", "Print the log of a run"),
    },
    "schedule": {
        "list": ("schedule:list_schedules", "List the schedules with their next times and their last runs"),
        "run": ("schedule:run_schedule", "Run one schedule now, as the scheduler would"),
        "start": ("scheduler:start", "Run the schedules at their times, in the foreground"),
    },
    "deploy": {
        "cron": ("deploy:cron", "Write a crontab with the schedules of the project"),
        "systemd": ("deploy:systemd", "Write a service and a timer of systemd for each schedule"),
        "github-actions": ("deploy:github_actions", "Write a workflow of GitHub Actions for each schedule"),
        "airflow": ("deploy_airflow:airflow", "Write a DAG file for Airflow 2.11 and 3"),
    },
    "config": {
        "list": ("config_values:list_settings", "List the settings of one connector"),
        "get": ("config_values:get", "Print one setting of a connector"),
        "set": ("config_values:set_setting", "Change one setting of a connector, or all in a dialog"),
        "unset": ("config_values:unset", "Remove one setting of a connector"),
        "test": ("connectors:check", "Check that a connector's config works"),
        "show": ("config:show", "Show each value of the project and its origin"),
        "forget-rotated": ("config:forget_rotated", "Discard what a connector changed in its own config"),
        "reset": ("config:reset", "Discard rotated values: the earlier name of `forget-rotated`"),
        "schema": ("config:schema", "Print the JSON schema of the project file"),
    },
    "schema": ("config:schema", "Print the JSON schema of the project file"),
    "decrypt": ("decrypt:decrypt", "Decrypt values that a stream map encrypted"),
    "wrap": ("engine:wrap", "Build a Singer tap image from an Airbyte source image"),
    "build": ("engine:build", "Build the images of connectors that have `build`"),
    "lock": ("engine:lock_images", "Write the digests of all images to tapdock.lock"),
    "doctor": ("engine:doctor", "Check that everything that a run needs is available"),
    "relay": ("relay:relay", "Serve one run inside its pod; `run` starts it where necessary"),
    "completion": ("completion:completion", "Print the script that completes commands and names in a shell"),
    "gc": ("engine:gc", "Remove what killed runs and builds left behind"),
}
GROUPS = {
    "catalog": "Show, compare and commit the catalogs of sources",
    "state": "Show and change the saved states, from which runs resume",
    "runs": "Show the records and logs of runs",
    "schedule": "Show and run the schedules of the project",
    "deploy": "Write what other schedulers need to start runs",
    "config": "Show and change the settings of connectors",
}
GLOBAL_OPTIONS = ("--project", "--environment", "--env-file", "--log-format", "--log-level")


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
        str | None,
        typer.Option(
            envvar="TAPDOCK_PROJECT",
            metavar="PATH",
            help="The project's folder. Default: the nearest tapdock.yaml upward, if it is yours.",
        ),
    ] = None,
    environment: Annotated[
        str | None,
        typer.Option(help="The block of `environments:` that applies. Default: TAPDOCK_ENVIRONMENT."),
    ] = None,
    log_format: Annotated[
        Literal["text", "json"] | None,
        typer.Option(help="The format of log lines on stderr. Default: TAPDOCK_LOG_FORMAT, or text."),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="The lowest level of log lines of a run on stderr. Default: TAPDOCK_LOG_LEVEL."),
    ] = None,
    env_file: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="A file of `NAME=value` lines, with priority over the project's `.env`; repeatable."
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - the callback does everything
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    session = ctx.obj
    session.folder = None if project is None else Path(project)
    session.chosen_environment, session.chosen_format = environment, log_format
    session.chosen_level, session.env_files = log_level, tuple(Path(file) for file in env_file or ())


HELP = """Run any Airbyte or Singer connector as a container and move data between any two of them

The options below can also follow a command.

Example: tapdock run demo --environment prod
"""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code (tapdock.errors lists them)."""
    if args is None and os.environ.get("_TAPDOCK_COMPLETE"):
        from tapdock.cli.completion import Grammar, complete

        return complete(Grammar(COMMANDS, GLOBAL_OPTIONS, _command))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold every secret of the run
    inner = (word for entry in COMMANDS.values() if isinstance(entry, dict) for word in entry)
    session = Session(commands=(*COMMANDS, *inner))
    try:
        return _perform(_hoisted(list(sys.argv[1:] if args is None else args)), session)
    except (TapdockError, Interrupted) as error:
        return _told(session.redacted(error.message), error.hint and session.redacted(error.hint), error.exit_code)
    except KeyboardInterrupt:
        return _told("stopped by signal", None, 130)
    except BrokenPipeError:
        return _quiet()
    except Exception as error:
        return _told(*crashed(error, session), 1)


def _perform(args: list[str], session: Session) -> int:
    group = _group(HELP, COMMANDS, _options)
    try:
        with group.make_context("tapdock", args, obj=session, default_map=_defaults(session)) as ctx:
            result = group.invoke(ctx)
            sys.stdout.flush()
            return result if isinstance(result, int) else 0
    except typer.Exit as ending:
        sys.stdout.flush()
        return ending.exit_code
    except typer.Abort:
        return 130
    except Exception as error:
        if not hasattr(error, "format_message"):  # only errors of the command line have this method
            raise
        return _usage(error)


def _defaults(session: Session) -> Any:
    """Return the defaults of options that variables set."""
    from tapdock.cli.variables import Defaults, run_options

    return Defaults(lambda: run_options(session.variables, _command("run", "run:run").params))


def _usage(error: Any) -> int:
    path = error.ctx.command_path if getattr(error, "ctx", None) else "tapdock"
    if type(error).__name__ == "NoArgsIsHelpError":
        err(error.format_message())
        return 2
    return _told(error.format_message().rstrip("."), f"see `{path} --help`", 2)


def _hoisted(args: list[str]) -> list[str]:
    """Return the arguments with the global options first. Arguments after `--` keep their place."""
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
    """Send stdout to /dev/null, so that the interpreter's last flush prints no error, and return the exit code.

    The reader of stdout has closed the pipe.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 141
