"""Run a command of a task."""

from tapdock.connectors.context import Context
from tapdock.errors import UsageError
from tapdock.project.blocks import TaskBlock
from tapdock.runs.attempts import MakeLog
from tapdock.runs.records import RunRecord

__all__ = ["run_task"]


def run_task(context: Context, block: TaskBlock, *, make_log: MakeLog) -> RunRecord:  # noqa: ARG001
    """Run a command of a task and return its record."""
    raise UsageError("tasks cannot run yet")
