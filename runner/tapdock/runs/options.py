"""What a user requests for a single run."""

import dataclasses
from dataclasses import dataclass, field

from tapdock.project.model import Pipeline, SchemaPolicy
from tapdock.project.window import Window
from tapdock.runs.spool_files import Batch

__all__ = ["Options"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user requests for a single run. `attempt` is the number of the attempt, from 1, and `run_id` its id.

    `began` is when the first attempt began, in seconds since the epoch. `${NOW}` is this time in all attempts.
    `catalog` and `state` replace discovery and the saved state for this run; with `state`, `save_state` is False.
    `limit` is the most records of each stream that the target gets. `spool` takes the place of the source. `window` is
    the range of time that is read, without the saved state; then, `save_state` is False (`of_window`).
    `has_begun`: an earlier attempt has begun to read, so this one resumes what it can. `cleared` and `saved_earlier`
    are what earlier attempts did to the state (`StateRecord`).
    """

    full_refresh: bool = False
    save_state: bool = True
    select: tuple[str, ...] = ()
    refresh_catalog: bool = False
    strict_counts: bool = False
    accept_schema_changes: bool = False
    catalog: str | None = field(default=None, repr=False)
    state: str | None = field(default=None, repr=False)
    attempt: int = 1
    began: float | None = None
    run_id: str | None = None
    limit: int | None = None
    spool: Batch | None = field(default=None, repr=False)
    window: Window | None = None
    has_begun: bool = False
    cleared: tuple[str, ...] = ()
    saved_earlier: int = 0

    @property
    def written(self) -> tuple[str, ...]:
        """Return the options that change what is read or saved, as they are written for `tapdock run`."""
        return (
            *(["--full-refresh"] if self.full_refresh else ()),
            *(
                ["--state FILE"]
                if self.state is not None
                else []
                if self.save_state or self.window
                else ["--no-state-update"]
            ),
            *(["--catalog FILE"] if self.catalog is not None else ()),
            *([f"--limit {self.limit}"] if self.limit else ()),
            *([f"--from {self.spool.folder.parent}"] if self.spool else ()),
            *(["--from {} --to {}".format(*self.window.ends)] if self.window else ()),
            *(f"--exclude {each[1:]}" if each.startswith("!") else f"--select {each}" for each in self.select),
        )

    def of_window(self, window: Window) -> "Options":
        return dataclasses.replace(self, window=window, save_state=False)

    def policy(self, pipeline: Pipeline) -> SchemaPolicy:
        return "evolve" if self.accept_schema_changes else pipeline.schema_changes
