"""Render a workflow of GitHub Actions for each schedule."""

import json
import shlex
from collections.abc import Iterable, Sequence

import msgspec

from tapdock.deploy.calendar import Inexpressible, in_utc, offset_text
from tapdock.deploy.place import MARK
from tapdock.errors import UsageError
from tapdock.project.cron import Cron, offsets, parsed
from tapdock.project.steps import Schedule

__all__ = ["Checkout", "workflows"]

_CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
_PYTHON = "actions/setup-python@a309ff8b426b58ec0e2a45f0f869d46889d02405 # v6.2.0"
_RESTORE = "actions/cache/restore@55cc8345863c7cc4c66a329aec7e433d2d1c52a9 # v6.1.0"
_SAVE = "actions/cache/save@55cc8345863c7cc4c66a329aec7e433d2d1c52a9 # v6.1.0"
_SEASON = " && steps.season.outputs.is_now == 'yes'"


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """The project in its repository. `requirement` installs tapdock.

    `project` is its folder, or its file if that has another name than usual, relative to the repository.

    `states` is the folder of the states, relative to the repository, or None if they are on a server.
    """

    project: str
    requirement: str
    environment: str | None = None
    states: str | None = None

    @property
    def line(self) -> str:
        """The line of a workflow that names the project."""
        return f"  TAPDOCK_PROJECT: {json.dumps(self.project)}\n"


def workflows(
    checkout: Checkout, schedules: Iterable[tuple[Schedule, Sequence[str], bool]], *, now: float
) -> dict[str, str]:
    """Return the texts of workflows by file name. Each schedule has the names of the secrets that its run needs,
    and a flag: exit code 7 of the run means that another run holds the state.

    Raises UsageError for a cron line that cannot be expressed in UTC, the only time zone of GitHub.
    """
    found = {}
    for schedule, secrets, may_be_held in schedules:
        cron = parsed(schedule.cron)
        if cron is None:
            continue
        try:
            seasons = _seasons(cron, schedule.timezone, now)
        except Inexpressible as error:
            problem = f"schedule `{schedule.name}` (`{schedule.cron}`) cannot be written for GitHub: {error}"
            raise UsageError(problem, hint="GitHub's schedules are in UTC: write it with `timezone: UTC`") from None
        found[f"tapdock-{schedule.name}.yml"] = _workflow(checkout, schedule, secrets, seasons, may_be_held=may_be_held)
    return found


def _seasons(cron: Cron, zone: str, now: float) -> dict[int, list[str]]:
    """Return the lines in UTC for each difference to UTC that the zone has."""
    return {offset: in_utc(cron, offset) for offset in offsets(zone, now)}


def _workflow(
    checkout: Checkout,
    schedule: Schedule,
    secrets: Sequence[str],
    seasons: dict[int, list[str]],
    *,
    may_be_held: bool,
) -> str:
    name = f"tapdock-{schedule.name}"
    lines = sorted({line for each in seasons.values() for line in each})
    several = len(seasons) > 1
    condition = _SEASON if several else ""
    parts = [
        f"# {MARK} github-actions`. Write it again after a change of the schedule.",
        f"# {schedule.cron} {schedule.timezone}, in UTC: GitHub knows no other time zone, and may start it later.",
        f"name: {name}",
        "on:",
        "  schedule:",
        *(f"    - cron: {json.dumps(line)}" for line in lines),
        "  workflow_dispatch:",
        "permissions: {contents: read}",
        f"concurrency: {{group: {name}}} # one run at a time",
        "env:",
        checkout.line.rstrip("\n"),
        *([f"  TAPDOCK_ENVIRONMENT: {json.dumps(checkout.environment)}"] if checkout.environment else []),
        "jobs:",
        "  run:",
        "    runs-on: ubuntu-24.04",
        "    timeout-minutes: 350 # GitHub ends a job after six hours",
        "    steps:",
        *(_season_step(schedule, seasons) if several else []),
        f"      - uses: {_CHECKOUT}",
        *_if(condition),
        "        with: {persist-credentials: false}",
        f"      - uses: {_PYTHON}",
        *_if(condition),
        '        with: {python-version: "3.12"}',
        f"      - run: pip install {shlex.quote(checkout.requirement)}",
        *_if(condition),
        *(_cache(checkout.states, name, "Take the state of the last run", _RESTORE, "", condition)),
        f"      - name: Run it{'. Code 7 means that another run holds the state' if may_be_held else ''}",
        *_if(condition),
        f"        run: tapdock schedule run {schedule.name}{' || test $? -eq 7' if may_be_held else ''}",
        "        env:",
        *(f"          {each}: ${{{{ secrets.{each} }}}}" for each in (*secrets, "TAPDOCK_STATE_KEY")),
        *(_cache(checkout.states, name, "Keep the state, also of a run that failed", _SAVE, "always()", condition)),
    ]
    return "\n".join(parts) + "\n"


def _if(condition: str) -> list[str]:
    return [f"        if: {condition.removeprefix(' && ')}"] if condition else []


def _cache(states: str | None, name: str, title: str, action: str, always: str, condition: str) -> list[str]:
    """Return the step that takes states from the workflow's cache, or keeps them there."""
    if states is None:
        return []
    key = f"{name}-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}"
    return [
        f"      - name: {title}",
        *_if(f"{always}{condition}" if always else condition),
        f"        uses: {action}",
        "        with:",
        f"          path: {json.dumps(states)}",
        f"          key: {key}",
        *([] if always else [f"          restore-keys: {name}-"]),
    ]


def _season_step(schedule: Schedule, seasons: dict[int, list[str]]) -> list[str]:
    """Return the step that finds out whether the line that started the workflow is that of the time of the year."""
    patterns = [f'"{line} {offset_text(offset)}"' for offset, lines in seasons.items() for line in lines]
    return [
        "      - name: Find out whether this line is the one for the time of the year",
        "        id: season",
        '        env: {LINE: "${{ github.event.schedule }}"} # empty if a person started it',
        "        run: |",
        f'          case "$LINE $(TZ={schedule.timezone} date +%z)" in',
        f'            " "* | {" | ".join(patterns)}) echo is_now=yes >>"$GITHUB_OUTPUT" ;;',
        "          esac",
    ]
