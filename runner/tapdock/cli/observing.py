"""The orchestrator that started this process, if it asks for reports by a variable."""

from typing import Any

from tapdock.cli.assembly import said
from tapdock.cli.session import Session

__all__ = ["observe"]


def observe(ctx: Any, session: Session) -> None:
    """Report the runs of this call to Dagster, if its variable is set, until the context of the command ends."""
    if "DAGSTER_PIPES_CONTEXT" in session.environ:
        from tapdock.runs.dagster_pipes import reporting

        session.observer = ctx.with_resource(reporting(session.environ, say=said))
